"""Images of noise follow their law and their seed."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from pymc_bnn import datasets


def test_normal_noise_is_standard_normal():
    x = datasets.noise_images(100, random_seed=1)
    assert x.shape == (100, 28, 28, 1)
    assert x.dtype == np.float32
    assert scipy.stats.kstest(x.ravel(), "norm").pvalue > 1e-3
    assert (x < 0).any()
    assert (x > 1).any()


def test_uniform_noise_is_uniform():
    x = datasets.noise_images(400, shape=(4, 5, 3), kind="uniform", random_seed=1)
    assert x.shape == (400, 4, 5, 3)
    assert x.dtype == np.float32
    assert scipy.stats.kstest(x.ravel(), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_noise_follows_its_seed(kind):
    first = datasets.noise_images(2, kind=kind, random_seed=3)
    generator = np.random.default_rng(3)
    assert (first == datasets.noise_images(2, kind=kind, random_seed=generator)).all()
    assert (first != datasets.noise_images(2, kind=kind, random_seed=generator)).any()
    assert (first != datasets.noise_images(2, kind=kind, random_seed=4)).any()


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"n": 0}, ValueError, "`n` must be an integer of at least 1, got 0"),
        ({"n": 1.5}, TypeError, "`n` must be an integer of at least 1, got 1.5"),
        ({"shape": 28}, TypeError, "`shape` must be a sequence of integers, got 28"),
        ({"shape": "28"}, TypeError, "`shape` must be a sequence of integers, got '28'"),
        ({"shape": (28, 0)}, ValueError, "`shape` must be an integer of at least 1, got 0"),
        ({"kind": "gauss"}, ValueError, "`kind` must be .* got 'gauss'"),
        ({"random_seed": -1}, ValueError, "`random_seed` .* got -1"),
        ({"random_seed": "1"}, TypeError, "`random_seed` .* got '1'"),
    ],
)
def test_bad_noise_options(options, error, match):
    with pytest.raises(error, match=match):
        datasets.noise_images(**({"n": 2} | options))
