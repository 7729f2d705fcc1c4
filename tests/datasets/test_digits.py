"""Digits are scikit-learn's, split by class and seed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.datasets

from pymc_bnn import datasets


def test_digits_are_those_of_scikit_learn_each_once():
    train, test = datasets.load_digits()
    assert (len(train), len(test)) == (1437, 360)
    original = sklearn.datasets.load_digits()
    want = sorted((image.tobytes(), label) for image, label in zip(
        original.images.astype(np.uint8), original.target.tolist(), strict=True))  # fmt: skip
    got = sorted(
        ((16 * image[..., 0]).astype(np.uint8).tobytes(), label)
        for part in (train, test)
        for image, label in zip(part.x, part.y.tolist(), strict=True)
    )
    assert got == want
    for part in (train, test):
        assert part.x.shape[1:] == (8, 8, 1)
        assert part.x.max() == 1.0


def test_digits_are_split_with_equal_class_shares():
    train, test = datasets.load_digits(test_size=0.25, random_seed=3)
    assert len(test) == math.ceil(0.25 * 1797)
    counts = np.bincount(sklearn.datasets.load_digits().target)
    assert (np.abs(np.bincount(test.y) - 0.25 * counts) < 1.5).all()
    assert (np.bincount(train.y) + np.bincount(test.y) == counts).all()


def test_digits_are_split_by_the_seed():
    first = datasets.load_digits(random_seed=1)[1]
    assert (first.x == datasets.load_digits(random_seed=1)[1].x).all()
    assert (first.x != datasets.load_digits(random_seed=2)[1].x).any()
    one, two = (
        datasets.load_digits(random_seed=np.random.default_rng(seed))[1].x for seed in (9, 9)
    )
    assert (one == two).all()
    generator = np.random.default_rng(9)
    datasets.load_digits(random_seed=generator)
    assert (datasets.load_digits(random_seed=generator)[1].x != one).any()


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"test_size": 0}, ValueError, r"`test_size` must be a share in \(0, 1\) .* got 0"),
        ({"test_size": 1.0}, ValueError, "`test_size` .* got 1.0"),
        ({"test_size": 360}, ValueError, "`test_size` .* got 360"),
        ({"test_size": 0.005}, ValueError, "leaves 10 of 1797 images or more .* got 0.005"),
        ({"test_size": 0.995}, ValueError, "leaves 10 of 1797 images or more .* got 0.995"),
        ({"test_size": float("nan")}, ValueError, "`test_size` .* got nan"),
        ({"test_size": "0.2"}, ValueError, "`test_size` .* got '0.2'"),
        ({"random_seed": -1}, ValueError, "`random_seed` must be an integer in 0….*got -1"),
        ({"random_seed": 2**32}, ValueError, "`random_seed` must be an integer in 0…4294967295"),
        ({"random_seed": None}, TypeError, "`random_seed` .* got None"),
    ],
)
def test_bad_digit_options(options, error, match):
    with pytest.raises(error, match=match):
        datasets.load_digits(**options)
