"""Histograms of correct and wrong predictions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex

from pymc_bnn import plots
from tests.support.plot_parts import BLUE, VERMILION, summary

pytestmark = pytest.mark.usefixtures("plot_settings_untouched")


def outlines(ax):
    """The unfilled histograms by colour."""
    return {
        to_hex(patch.get_edgecolor()): patch.get_data()
        for patch in ax.patches
        if not patch.get_fill()
    }


def test_each_group_is_a_histogram_of_its_own_shares():
    frame = summary(60)
    ax = plots.density_by_correctness(frame, "entropy_bits")
    drawn = outlines(ax)
    for color, mask in ((BLUE, frame.correct), (VERMILION, ~frame.correct)):
        values, edges, _ = drawn[color]
        counted = [
            ((frame.entropy_bits[mask] >= a) & (frame.entropy_bits[mask] < b)).sum()
            for a, b in itertools.pairwise(edges)
        ]
        counted[-1] += (frame.entropy_bits[mask] == edges[-1]).sum()
        np.testing.assert_allclose(values, 100 * np.array(counted) / mask.sum())
        assert values.sum() == pytest.approx(100)
        assert ax.get_ylim()[1] > values.max()
    np.testing.assert_array_equal(drawn[BLUE].edges, drawn[VERMILION].edges)
    assert ax.get_xlabel() == "entropy [bits]"
    assert ax.get_ylabel().startswith("share of the group per bin [%]")


def test_the_legend_and_the_dashed_lines_give_the_means():
    frame = summary(60)
    ax = plots.density_by_correctness(frame, "entropy_bits")
    means = frame.groupby("correct")["entropy_bits"].mean()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        f"correct: n = 440, mean {means[True]:.3g}",
        f"errors: n = 60, mean {means[False]:.3g}",
    ]
    dashed = {line.get_color().lower(): line for line in ax.get_lines()}
    np.testing.assert_allclose(dashed[BLUE].get_xdata(), means[True])
    np.testing.assert_allclose(dashed[VERMILION].get_xdata(), means[False])


@pytest.mark.parametrize(("column", "label"), [("chi_square", "chi-square of votes"), ("z", "z")])
def test_columns_are_labelled_with_their_unit_or_their_name(column, label):
    frame = summary(60).assign(z=1.5)
    assert plots.density_by_correctness(frame, column).get_xlabel() == label


def test_no_errors_one_error_and_only_errors_are_said():
    frame = summary(1)
    one = plots.density_by_correctness(frame, "entropy_bits")
    value = frame.entropy_bits[0]
    assert one.get_legend().get_texts()[1].get_text() == f"errors: n = 1, mean {value:.3g}"
    marks = [line for line in one.get_lines() if line.get_marker() == "|"]
    assert [line.get_xdata().tolist() for line in marks] == [[value]]
    assert outlines(one)[VERMILION].values.max() == 100

    none = plots.density_by_correctness(frame[frame.correct], "entropy_bits")
    assert none.get_legend().get_texts()[1].get_text() == "errors: none"
    assert list(outlines(none)) == [BLUE]

    only = plots.density_by_correctness(frame[~frame.correct], "entropy_bits")
    assert only.get_legend().get_texts()[0].get_text() == "correct: none"
    assert list(outlines(only)) == [VERMILION]


@pytest.mark.parametrize("value", [0.0, 900.0, -3.5])
def test_a_constant_column_is_one_bar_around_its_value(value):
    ax = plots.density_by_correctness(summary(20).assign(chi_square=value), "chi_square")
    for values, edges, _ in outlines(ax).values():
        assert values.tolist() == [0, 100, 0]
        assert edges[1] < value < edges[2]
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("frame", "error", "match"),
    [
        (np.zeros(3), TypeError, "`frame` must be a pandas DataFrame, got a ndarray"),
        (summary(3).drop(columns="correct"), ValueError, "none named correct; make it by summary"),
        (summary(3).drop(columns="chi_square"), ValueError, "none named chi_square"),
        (summary(3).iloc[:0], ValueError, "got no rows"),
        (summary(3).assign(correct=1), TypeError, "column correct of booleans, got dtype int64"),
        (summary(3).assign(chi_square=np.inf), ValueError, "must hold finite numbers only"),
    ],
)
def test_density_by_correctness_refuses(frame, error, match):
    with pytest.raises(error, match=match):
        plots.density_by_correctness(frame, "chi_square")


def test_density_by_correctness_of_one_column():
    with pytest.raises(TypeError, match="`column` must be the name of a column, got"):
        plots.density_by_correctness(summary(3), ["chi_square"])
    ax = plots.density_by_correctness(summary(60), "entropy_bits")
    assert len([line for line in ax.get_lines() if line.get_linestyle() == "--"]) == 2
