"""A Dataset: short to look at, frozen, taken apart by rows, and checked."""

from __future__ import annotations

import numpy as np
import pytest

from pymc_bnn.datasets import Dataset


def small(n=4):
    x = np.linspace(0, 1, n * 6, dtype=np.float32).reshape(n, 2, 3, 1)
    return Dataset(x, np.arange(n) % 2, 2)


def test_a_dataset_is_short_to_look_at_and_frozen():
    data = small()
    assert len(data) == 4
    assert repr(data) == "Dataset(n=4, image=(2, 3, 1), n_classes=2)"
    with pytest.raises(AttributeError):
        data.y = np.zeros(4, np.int64)


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (slice(1, 3), [1, 2]),
        (slice(None, None, -1), [3, 2, 1, 0]),
        ([3, 0, 0], [3, 0, 0]),
        (np.array([False, True, False, True]), [1, 3]),
        (-1, [3]),
    ],
)
def test_a_subset_keeps_images_with_their_labels(index, rows):
    data = small()
    part = data.subset(index)
    assert part.x.tolist() == [data.x[row].tolist() for row in rows]
    assert part.y.tolist() == [row % 2 for row in rows]
    assert part.n_classes == 2


def test_a_slice_shares_memory():
    data = small()
    assert np.shares_memory(data.subset(slice(0, 2)).x, data.x)


@pytest.mark.parametrize(
    ("index", "match"),
    [
        ([4], "`index` must fit 4 images, got .*out of bounds"),
        ([True, False], "`index` must fit 4 images, got boolean index"),
        (1.0, "`index` must fit 4 images"),
        ([], r"`index` must pick at least one image .* got \(0,\)"),
        (slice(4, None), r"`index` must pick at least one image .* got \(0,\)"),
        (None, r"`index` must pick at least one image along the first axis, got \(1, 4\)"),
    ],
)
def test_bad_subsets(index, match):
    with pytest.raises(ValueError, match=match):
        small().subset(index)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"x": [[0.0]]}, TypeError, "`x` must be an array of float32, got list"),
        ({"x": np.zeros((4, 2, 3, 1))}, TypeError, "`x` must be an array of float32, got float64"),
        ({"x": np.zeros((4, 2, 3), "f4")}, ValueError, r"`x` must have shape .* \(4, 2, 3\)"),
        ({"x": np.zeros((0, 2, 3, 1), "f4")}, ValueError, r"`x` .* got shape \(0, 2, 3, 1\)"),
        ({"x": np.full((4, 2, 3, 1), 2, "f4")}, ValueError, r"`x` must lie in \[0, 1\], got 2…2"),
        ({"x": np.full((4, 2, 3, 1), -1, "f4")}, ValueError, "`x` must lie .* got -1…-1"),
        ({"x": np.full((4, 2, 3, 1), np.nan, "f4")}, ValueError, "`x` must lie .* got nan"),
        ({"y": np.zeros(4)}, TypeError, "`y` must be an array of int64, got float64"),
        ({"y": np.zeros(3, int)}, ValueError, r"`y` must have shape \(4,\).* got shape \(3,\)"),
        ({"y": np.array([0, 1, 2, 0])}, ValueError, "`y` must hold .* 0…1, got values in 0…2"),
        ({"y": np.array([0, 1, -1, 0])}, ValueError, "`y` must hold .* got values in -1…1"),
        ({"n_classes": 1}, ValueError, "`n_classes` must be an integer of at least 2, got 1"),
        ({"n_classes": 2.0}, TypeError, "`n_classes` must be an integer"),
    ],
)
def test_bad_datasets(change, error, match):
    data = small()
    with pytest.raises(error, match=match):
        Dataset(**({"x": data.x, "y": data.y, "n_classes": 2} | change))
