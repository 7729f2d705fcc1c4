"""Pictures of training: held-out density and weight posteriors along the way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pymc_bnn import plots
from tests.support.group_plot_parts import legend, lines, moments

pytestmark = pytest.mark.usefixtures("plot_settings_untouched")


def test_held_out_density_is_minus_nll_on_a_logarithmic_axis():
    history = pd.DataFrame({"step": [400, 800, 1200], "epoch": [1, 2, 3], "nll": [0.9, 0.2, 0.1]})
    ax = plots.held_out_curves({"a": history, "b": history.assign(nll=0.5)}, n_classes=10)
    drawn = lines(ax)["a: −0.1 at the end"]
    np.testing.assert_array_equal(drawn.get_xdata(), history.step)
    np.testing.assert_array_equal(drawn.get_ydata(), -history.nll)
    assert "uniform predictor, −log 10 = −2.30" in legend(ax)
    at = ax.transData.transform([(0, -0.2), (0, -0.1), (0, -0.4)])[:, 1]
    assert at[1] - at[0] == pytest.approx(at[0] - at[2])  # a factor of 2 either way
    unit = "[nats per example, logarithmic axis]"
    assert ax.get_ylabel().splitlines() == ["held-out log predictive density", unit]


def test_densities_above_1_have_a_linear_axis_and_one_evaluation_is_a_dot():
    history = pd.DataFrame({"step": [400], "nll": [-0.3]})
    ax = plots.held_out_curves({"a": history})
    assert ax.get_yscale() == "linear"
    [drawn] = ax.get_lines()
    assert drawn.get_marker() == "o"
    assert ax.get_ylim()[0] < 0.3 < ax.get_ylim()[1]
    assert ax.get_ylabel().endswith("[nats per example]")


def test_held_out_curves_refuses():
    history = pd.DataFrame({"step": [2, 1], "nll": [0.9, 0.2]})
    with pytest.raises(ValueError, match=r"`histories\['a'\]` must have increasing steps, got"):
        plots.held_out_curves({"a": history})
    with pytest.raises(ValueError, match="none named nll"):
        plots.held_out_curves({"a": history[["step"]]})
    with pytest.raises(ValueError, match="`histories` must map names to data"):
        plots.held_out_curves({})
    with pytest.raises(ValueError, match="`n_classes` must be an integer of at least 2, got 1"):
        plots.held_out_curves({"a": history[::-1]}, n_classes=1)


def test_each_layer_has_a_density_of_means_and_one_of_deviations_at_each_step():
    given = {500: moments(), "step 5,000, cold": moments(2.0)}
    axes = plots.weight_posteriors(given)
    assert axes.shape == (2, 2)
    titles = [ax.get_title(loc="left") for ax in axes[:, 0]]
    assert titles == ["step 500", "step 5,000, cold"]
    for row, pairs in zip(axes, given.values(), strict=True):
        for ax, side in zip(row, (0, 1), strict=True):
            for line, pair in zip(ax.get_lines(), pairs.values(), strict=True):
                values = pair[side].ravel()
                values = np.log10(values) if side else values
                x, height = line.get_data()
                assert height.max() == pytest.approx(1)
                middle = np.average(x, weights=height)
                assert middle == pytest.approx(values.mean(), abs=0.1 * values.std())
                spread = np.sqrt(np.average((x - middle) ** 2, weights=height))
                assert spread == pytest.approx(values.std(), rel=0.12)
    means, deviations = axes[-1]
    assert means.get_xlabel() == "posterior mean of the weights"
    assert deviations.get_xlabel() == "posterior standard deviation (logarithmic axis)"
    deviations.figure.canvas.draw()
    labels = [t.get_text() for t in deviations.get_xticklabels()]
    np.testing.assert_allclose(np.log10([float(t) for t in labels]), deviations.get_xticks())
    [names] = means.figure.legends
    assert [t.get_text() for t in names.get_texts()] == ["conv1_W", "dense1_W"]
    colors = {line.get_color() for ax in axes.flat for line in ax.get_lines()}
    assert len(colors) == 2


def test_the_start_is_a_rod_and_points_have_no_deviation():
    flat = np.zeros(50), np.full(50, 0.1)
    point = np.linspace(-1, 1, 50), np.zeros(50)
    [[means, deviations]] = plots.weight_posteriors({1: {"a": flat, "b": flat, "c": point}})
    rods = [line for line in means.get_lines() if len(line.get_xdata()) == 2]
    assert [line.get_xdata().tolist() for line in rods] == [[0, 0], [0, 0]]
    heights = [line.get_ydata()[1] for line in rods]
    assert heights[0] > heights[1]  # neither hides the other
    assert [line.get_xdata()[0] for line in deviations.get_lines()] == [0.1, 0.1]
    assert deviations.get_xlim()[0] == 0
    assert deviations.get_xlabel() == "posterior standard deviation"
    [[_, none]] = plots.weight_posteriors({1: {"c": point}})
    assert len(none.get_lines()) == 0
    assert none.get_xlabel() == "posterior standard deviation"  # of nothing: not logarithmic


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({}, "`moments` must map names to data, one at least, got an empty one; pass Snapshots"),
        ({1: {}}, r"`moments\[1\]` must map names to data"),
        ({1: {"w": ([0.0], [0.1, 0.1])}}, r"`moments\[1\]\['w'\]` must be two arrays of one shape"),
        ({1: {"w": ([], [])}}, "must be two arrays of one shape, got shapes"),
        ({1: {"w": ([[0.0], [0.0, 1.0]], [0.1])}}, r"`moments\[1\]\['w'\]` must be an array"),
        ({1: {"w": ([np.nan], [0.1])}}, r"`moments\[1\]\['w'\]` must hold finite numbers only"),
        ({1: {"w": ([0.0], [-0.1])}}, "must have standard deviations of at least 0, got -0.1"),
    ],
)
def test_weight_posteriors_refuses(given, match):
    with pytest.raises(ValueError, match=match):
        plots.weight_posteriors(given)


@pytest.mark.parametrize("pair", [3, ([0.0],)])
def test_weight_posteriors_needs_pairs(pair):
    with pytest.raises(TypeError, match=r"`moments\[1\]\['w'\]` must be a pair of arrays, got a"):
        plots.weight_posteriors({1: {"w": pair}})
