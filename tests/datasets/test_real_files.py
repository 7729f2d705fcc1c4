"""The real files, where they are there, have their published figures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pymc_bnn import datasets
from tests.support.mnist_files import NAMES


def real(*names):
    """Skip unless the real files are there."""
    home = datasets.data_home()
    absent = [n for n in names if not any((home / f"{n}{end}").is_file() for end in ("", ".gz"))]
    return pytest.mark.skipif(
        bool(absent), reason=f"no {', '.join(absent)} in the folder that PYMC_BNN_DATA names"
    )


MNIST = [f"mnist/{name}" for name in NAMES]
# Class counts of the test set and of the training file, as published with the data.
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


@real(*MNIST)
def test_real_mnist_has_its_published_figures():
    train, validation, test = datasets.load_mnist(scale=255)
    assert [len(part) for part in (train, validation, test)] == [50_000, 10_000, 10_000]
    assert train.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test.y[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(test.y).tolist() == TEST_COUNTS
    assert (np.bincount(train.y) + np.bincount(validation.y)).tolist() == TRAIN_COUNTS
    mean = (5 * train.x.mean(dtype=float) + validation.x.mean(dtype=float)) / 6
    square = (5 * np.square(train.x).mean(dtype=float) + np.square(validation.x).mean()) / 6
    assert mean == pytest.approx(0.1307, abs=5e-5)
    assert math.sqrt(square - mean**2) == pytest.approx(0.3081, abs=5e-5)
    more, fewer, same = datasets.load_mnist(scale=255, n_validation=5000)
    assert (len(more), len(fewer), len(same)) == (55_000, 5_000, 10_000)
    assert (fewer.x == validation.x[5000:]).all()
    assert (more.y[50_000:] == validation.y[:5000]).all()


@real(*MNIST, "mnist_c/spatter_test.npz")
def test_real_spatter_is_the_test_set_in_order():
    spattered = datasets.load_mnist_spatter()
    assert np.bincount(spattered.y).tolist() == TEST_COUNTS
    clean = datasets.load_mnist()[2]
    assert (spattered.y == clean.y).all()
    a, b = (data.x[:500].reshape(500, -1) for data in (clean, spattered))
    correlation = np.corrcoef(a, b)[:500, 500:]  # (clean, spattered)
    assert (correlation.argmax(1) == np.arange(500)).mean() > 0.9  # out of order: 0.002


@real(*MNIST, "kmnist/test_images.npz")
def test_real_kmnist_is_foreign_to_mnist():
    x = datasets.load_kmnist_images(scale=255)
    assert x.max() == 1.0
    assert 0.15 < x.mean() < 0.22  # MNIST has 0.13
