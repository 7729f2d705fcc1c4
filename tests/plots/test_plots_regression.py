"""What the pictures of regressions show: the data in the artists, their labels, and the errors."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from pymc_bnn import plots

X = np.linspace(-1, 1, 5)
MEAN, STD = X**2, 0.1 + X**2


pytestmark = pytest.mark.usefixtures("plot_settings_untouched")


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def ends(band):
    """Lower and upper ends of a filled band at X."""
    corners = band.get_paths()[0].vertices
    at = [corners[np.isclose(corners[:, 0], x), 1] for x in X]
    return np.array([[y.min(), y.max()] for y in at]).T


def test_one_band_is_two_standard_deviations_of_the_function():
    ax = plots.predictive_band(X, MEAN, STD)
    [band] = ax.collections
    np.testing.assert_allclose(ends(band), [MEAN - 2 * STD, MEAN + 2 * STD])
    np.testing.assert_array_equal(lines(ax)["mean"].get_ydata(), MEAN)
    assert labels(ax) == ["function ± 2 sd", "mean"]
    assert ax.get_xlim() == (-1, 1)


def test_inputs_in_any_order_are_the_same_picture():
    order = np.array([3, 0, 4, 1, 2])
    data, others = ([0.3, -0.2], [1.0, 2.0]), {"truth": 2 * X, "at_mean": 3 * X}
    sorted_ = plots.predictive_band(X, MEAN, STD, STD / 2, data=data, **others)
    turned = {name: v[order] for name, v in others.items()}
    ax = plots.predictive_band(
        X[order], MEAN[order], STD[order], STD[order] / 2, data=data, **turned
    )
    for one, other in zip(ax.get_lines(), sorted_.get_lines(), strict=True):
        np.testing.assert_array_equal(one.get_xydata(), other.get_xydata())
    for one, other in zip(ax.collections, sorted_.collections, strict=True):
        np.testing.assert_array_equal(ends(one), ends(other))
    assert ax.get_xlim() == sorted_.get_xlim()
    bands = {"a": (MEAN[order], STD[order]), "b": (X[order], 1.0)}
    [panel] = plots.band_panels(X[order], {"m": bands}, truth=X[order])
    np.testing.assert_array_equal(lines(panel)["a: mean ± 2 sd"].get_ydata(), MEAN)
    np.testing.assert_array_equal(lines(panel)["true function"].get_ydata(), X)


@pytest.mark.parametrize("noise", [0.7, np.linspace(0.2, 1, 5)])
def test_the_outer_band_adds_the_noise_in_squares(noise):
    ax = plots.predictive_band(X, MEAN, STD, noise)
    inner, outer = ax.collections
    np.testing.assert_allclose(ends(inner), [MEAN - 2 * STD, MEAN + 2 * STD])
    total = np.sqrt(STD**2 + np.asarray(noise) ** 2)
    np.testing.assert_allclose(ends(outer), [MEAN - 2 * total, MEAN + 2 * total])
    assert outer.get_alpha() < inner.get_alpha()
    assert outer.get_zorder() < inner.get_zorder()


def test_data_truth_and_the_single_network_are_drawn_and_named():
    data = [0.3, -0.2], [1.0, 2.0]
    ax = plots.predictive_band(X, MEAN, STD, 1, data=data, truth=2 * X, at_mean=3 * X)
    drawn = lines(ax)
    np.testing.assert_array_equal(drawn["data"].get_xydata(), np.transpose(data))
    np.testing.assert_array_equal(drawn["true function"].get_ydata(), 2 * X)
    np.testing.assert_array_equal(drawn["at the mean of the weights"].get_ydata(), 3 * X)
    assert len({drawn[name].get_linestyle() for name in drawn}) == len(drawn)
    assert len(labels(ax)) == 6


def test_methods_are_compared_by_means_and_edges():
    bands = {"NUTS": (MEAN, STD), "ours": (X, 0.5 * STD), "third": (-X, STD)}
    ax = plots.compare_bands(X, bands, data=([0.0], [0.0]), truth=X)
    assert labels(ax) == [f"{name}: mean ± 2 sd" for name in bands] + ["true function", "data"]
    [filled] = ax.collections
    np.testing.assert_allclose(ends(filled), [MEAN - 2 * STD, MEAN + 2 * STD])
    colors = set()
    for name, (mean, std) in bands.items():
        line = lines(ax)[f"{name}: mean ± 2 sd"]
        np.testing.assert_array_equal(line.get_ydata(), mean)
        mine = [other for other in ax.get_lines() if other.get_color() == line.get_color()]
        edges = [other.get_ydata() for other in mine if other is not line]
        np.testing.assert_allclose(edges, [mean - 2 * std, mean + 2 * std])
        colors.add(line.get_color())
    assert len(colors) == 3


def test_panels_are_the_bands_of_each_model_under_one_axis_and_one_legend():
    panels = {
        "noise known": {"NUTS": (MEAN, STD), "ours": (X, 0.5 * STD)},
        "noise learned": {"NUTS": (-MEAN, STD), "ours": (-X, 2 * STD)},
    }
    axes = plots.band_panels(X, panels, data=([0.0], [0.0]), truth=X, ylim=(-9, 4), ylabel="h [m]")
    assert axes.shape == (2,)
    for ax, (name, bands) in zip(axes, panels.items(), strict=True):
        assert ax.get_title() == name
        assert ax.get_ylim() == (-9, 4)
        assert ax.get_legend() is None
        [filled] = ax.collections
        mean, std = bands["NUTS"]
        np.testing.assert_allclose(ends(filled), [mean - 2 * std, mean + 2 * std])
        drawn = lines(ax)["ours: mean ± 2 sd"]
        np.testing.assert_array_equal(drawn.get_ydata(), bands["ours"][0])
    assert [ax.get_ylabel() for ax in axes] == ["h [m]", ""]
    [legend] = axes[0].figure.legends
    named = [text.get_text() for text in legend.get_texts()]
    assert named == ["NUTS: mean ± 2 sd", "ours: mean ± 2 sd", "true function", "data"]
    free = plots.band_panels(X, panels)
    assert free[0].get_ylim() == free[1].get_ylim()
    assert free[0].get_ylim()[1] > 2 * 2 * STD.max()


@pytest.mark.parametrize("draw", [plots.predictive_band, plots.compare_bands])
def test_labels_and_axes_are_the_callers(draw):
    given = plt.subplots()[1]
    what = (MEAN, STD) if draw is plots.predictive_band else ({"NUTS": (MEAN, STD)},)
    ax = draw(X, *what, xlabel="time [s]", ylabel="height [m]", ylim=(-9, 4), ax=given)
    assert ax is given
    assert ax.get_ylim() == (-9, 4)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time [s]", "height [m]")


def test_the_legend_covers_nothing():
    ax = plots.predictive_band(X, MEAN, STD, 1, data=([0], [0]), truth=X, at_mean=X)
    ax.figure.canvas.draw()
    assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1 - 1
    figure = ax.figure.get_window_extent()
    assert ax.get_legend().get_window_extent().x1 <= figure.x1
    assert plots.predictive_band(X, MEAN, STD, legend=False).get_legend() is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.predictive_band([0.0], [0.0], [1.0]), r"`x` must have shape \(n,\) with n"),
        (
            lambda: plots.predictive_band([2.0, 2.0], [0, 0], [1, 1]),
            "`x` must hold two different numbers at least, got 2.0; pass a column",
        ),
        (lambda: plots.predictive_band([0.0, np.nan], [0, 0], 1), "`x` must hold finite numbers"),
        (lambda: plots.predictive_band(X, MEAN[:2], STD), r"`mean` must have shape \(5,\)"),
        (lambda: plots.predictive_band(X, MEAN, -STD), "`epistemic` must be 0 or above, got -1.1"),
        (lambda: plots.predictive_band(X, MEAN, STD, -1), "`aleatoric` must be 0 or above"),
        (lambda: plots.predictive_band(X, MEAN, STD, truth=1.0), "`truth` must have shape"),
        (lambda: plots.predictive_band(X, MEAN, STD, at_mean=[1]), "`at_mean` must have shape"),
        (
            lambda: plots.predictive_band(X, MEAN, STD, data=([0.0], [0.0, 1.0])),
            r"`data` must hold inputs and outputs of one shape \(m,\)",
        ),
        (lambda: plots.compare_bands(X, {}), "`bands` must map names to data, one at least"),
        (
            lambda: plots.compare_bands(X, {str(i): (MEAN, STD) for i in range(5)}),
            "`bands` must hold at most 4 methods, got 5",
        ),
        (
            lambda: plots.compare_bands(X, {"a": (MEAN, STD[:2])}),
            r"`bands\['a'\]\[1\]` must have shape \(5,\)",
        ),
        (lambda: plots.band_panels(X, {}), "`panels` must map names to data, one at least"),
        (lambda: plots.band_panels(X, {"m": {}}), r"`panels\['m'\]` must map names to data, one"),
        (
            lambda: plots.band_panels(X, {"m": {"a": (MEAN, -STD)}}),
            r"`panels\['m'\]\['a'\]\[1\]` must be 0 or above",
        ),
        (
            lambda: plots.band_panels(X, {"m": {"a": (X, STD)}, "k": {"b": (X, STD)}}),
            r"`panels` must have the same methods in each panel, got \[\['a'\], \['b'\]\]",
        ),
    ],
)
def test_bad_values_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.predictive_band(X, MEAN.astype(str), STD), "`mean` must hold numbers"),
        (lambda: plots.predictive_band(X, MEAN, STD, data=X), r"`data` must be a pair \(x, y\)"),
        (lambda: plots.predictive_band(X, X, STD, ylim=4), r"`ylim` must be a pair \(low, high\)"),
        (lambda: plots.compare_bands(X, {"a": MEAN}), r"`bands\['a'\]` must be a pair \(mean,"),
        (lambda: plots.compare_bands(X, {"a": (MEAN, STD)}, ax=1), "`ax` must be matplotlib axes"),
    ],
)
def test_bad_kinds_are_refused(call, message):
    with pytest.raises(TypeError, match=message):
        call()
