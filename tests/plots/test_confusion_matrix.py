"""The confusion matrix holds scikit-learn's counts, and errors stand out."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import sklearn.metrics
from matplotlib.colors import to_hex

from pymc_bnn import plots
from tests.support.plot_parts import BLUE, VERMILION, labels

pytestmark = pytest.mark.usefixtures("plot_settings_untouched")


@pytest.mark.parametrize("classes", [2, 10, 26])
def test_the_heat_map_holds_the_counts_of_sklearn(classes):
    y, predicted = labels(classes)
    expected = sklearn.metrics.confusion_matrix(y, predicted)
    ax = plots.confusion_matrix(y, predicted)
    errors, correct = (image.get_array() for image in ax.get_images())
    np.testing.assert_array_equal(errors.filled(0) + correct.filled(0), expected)
    np.testing.assert_array_equal(correct.filled(0), np.diag(np.diag(expected)))
    written = np.zeros_like(expected)
    for text in ax.texts:
        column, row = text.get_position()
        written[row, column] = int(text.get_text())
    np.testing.assert_array_equal(written, expected)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted label", "true label")
    assert list(ax.get_xticks()) == list(ax.get_yticks()) == list(range(classes))
    wrong = int((y != predicted).sum())
    assert ax.get_title() == f"accuracy {1 - wrong / 900:.3f}: {wrong} errors in 900 predictions"


def test_one_error_is_tinted_and_more_errors_are_darker():
    y = np.repeat([0, 1, 2], 1000)
    predicted = y.copy()
    predicted[:1], predicted[1000:1300] = 1, 2
    errors, correct = plots.confusion_matrix(y, predicted).get_images()
    rgba = errors.to_rgba(errors.get_array())
    none, one, many = rgba[0, 2], rgba[0, 1], rgba[1, 2]
    assert to_hex(none) == "#ffffff"
    assert none[2] - one[2] > 0.1  # blue is what vermilion lacks
    assert to_hex(many) == VERMILION
    assert to_hex(correct.to_rgba(correct.get_array())[2, 2]) == BLUE


def test_classes_that_do_not_occur_keep_their_place():
    ax = plots.confusion_matrix([0, 0, 3], [0, 3, 3], n_classes=5)
    errors, correct = (image.get_array().filled(0) for image in ax.get_images())
    assert np.argwhere(errors).tolist() == [[0, 3]]
    assert np.argwhere(correct).tolist() == [[0, 0], [3, 3]]
    assert errors.shape == (5, 5)
    assert plots.confusion_matrix([0, 0], [0, 0]).get_images()[0].get_array().shape == (2, 2)


def test_counts_shrink_with_their_cells_and_vanish_rather_than_become_illegible():
    y, predicted = labels(10, 30_000)
    figure, (ax, _) = plt.subplots(1, 2, figsize=(4.5, 2.2), layout="constrained")
    assert plots.confusion_matrix(y, predicted, ax=ax) is ax
    figure.canvas.draw()
    cell = ax.get_window_extent().width / 10
    assert all(text.get_window_extent().width < 1.1 * cell for text in ax.texts)
    tiny = plt.figure(figsize=(1.5, 1.5)).subplots()
    assert len(plots.confusion_matrix(y, predicted, ax=tiny).texts) == 0


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (([0, 1], [0]), ValueError, r"`predicted` must have shape \(2,\).*got shape \(1,\)"),
        (
            ([0.0], [0]),
            TypeError,
            "`y` must hold integers, got dtype float64; convert it: y.astype",
        ),
        (
            ([0], [-1]),
            ValueError,
            "`predicted` must hold class numbers of 0 or above, got values in -1…-1",
        ),
        (([], []), ValueError, "`y` must have shape .n,. with at least one label"),
        (([0, 7], [0, 1], 5), ValueError, "`y` must hold class numbers in 0…4, got .*7"),
        (([0], [0], 1), ValueError, "`n_classes` must be an integer of at least 2, got 1"),
    ],
)
def test_confusion_matrix_refuses(arguments, error, match):
    with pytest.raises(error, match=match):
        plots.confusion_matrix(*arguments)
