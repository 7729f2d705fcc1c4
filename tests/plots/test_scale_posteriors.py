"""Densities of learned scales."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import xarray as xr

from pymc_bnn import plots

pytestmark = pytest.mark.usefixtures("plot_settings_untouched")


def scales(seed=0):
    rng = np.random.default_rng(seed)
    spread = {"conv1_W_sigma": (0.3, 0.02), "dense1_W_sigma": (0.02, 0.1), "dense1_b_sigma": (2, 1)}
    return {
        name: middle * np.exp(width * rng.standard_normal((1, 400)))
        for name, (middle, width) in spread.items()
    }


def curves(ax):
    """The densities, from the top: x, height above the row's line."""
    rows = [line for line in ax.get_lines() if len(line.get_xdata()) > 2]
    rows.sort(key=lambda line: -line.get_ydata().min())
    return [(line.get_xdata(), line.get_ydata() - round(line.get_ydata().min())) for line in rows]


def test_each_scale_is_a_density_of_log_scale_by_scipy():
    draws = scales()
    ax = plots.scale_posteriors(draws)
    assert ax.get_xscale() == "log"
    names = [label.get_text() for label in ax.get_yticklabels()]
    heights = ax.get_yticks()
    assert [name for _, name in sorted(zip(-heights, names, strict=True))] == list(draws)
    drawn = curves(ax)
    assert len(drawn) == 3
    for (x, height), values in zip(drawn, draws.values(), strict=True):
        density = scipy.stats.gaussian_kde(np.log10(values.ravel()))(np.log10(x))
        np.testing.assert_allclose(height, 0.8 * density / density.max(), atol=1e-9)
        low, high = ax.get_xlim()
        assert low <= x.min()
        assert x.max() <= high
    assert ax.get_xlabel() == "scale, in units of its parameter (logarithmic axis)"


def test_medians_are_marked_and_written():
    draws = scales()
    ax = plots.scale_posteriors(draws)
    dots = [line for line in ax.get_lines() if line.get_marker() == "o"]
    medians = [np.median(values) for values in draws.values()]
    assert [line.get_xdata()[0] for line in dots] == pytest.approx(medians)
    assert [text.get_text() for text in ax.texts] == [*(f"{m:.3g}" for m in medians), "median"]


def test_a_tree_a_dataset_and_a_mapping_draw_the_same():
    draws = scales()
    dataset = xr.Dataset({name: (("chain", "draw"), values) for name, values in draws.items()})
    tree = xr.DataTree.from_dict({"posterior": dataset})
    expected = curves(plots.scale_posteriors(draws))
    for posterior in (tree, tree["posterior"], dataset):
        for (x, height), (x0, height0) in zip(
            curves(plots.scale_posteriors(posterior)), expected, strict=True
        ):
            np.testing.assert_allclose(x, x0)
            np.testing.assert_allclose(height, height0)


def test_names_choose_and_order_the_scales():
    draws = scales() | {"dense1_W": np.array([-1.0, 1.0])}
    ax = plots.scale_posteriors(draws, ["dense1_b_sigma", "conv1_W_sigma"])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["dense1_b_sigma", "conv1_W_sigma"]
    [(x, _)] = curves(plots.scale_posteriors(draws, "dense1_W_sigma"))
    assert x.min() < 0.02 < x.max() < 0.1


@pytest.mark.parametrize("none", [None, [], ()])
def test_no_names_are_all_scales(none):
    assert len(curves(plots.scale_posteriors(scales(), var_names=none))) == 3


def test_a_point_is_a_rod_and_many_scales_are_pooled():
    units = np.exp(np.random.default_rng(1).standard_normal((1, 50, 8)))
    ax = plots.scale_posteriors({"point": np.full((1, 9), 0.03), "units": units})
    [rod] = [
        line for line in ax.get_lines() if len(line.get_xdata()) == 2 and line.get_ydata()[1] > 1
    ]
    assert rod.get_xdata().tolist() == [0.03, 0.03]
    assert rod.get_ydata().tolist() == [1.0, 1.8]
    assert ax.texts[1].get_text() == f"{np.median(units):.3g}"
    ax.figure.canvas.draw()


@pytest.mark.parametrize("factor", [1.001, 3.0, 300.0, 1e5, 1e9])
def test_any_range_of_scales_has_two_ticks_or_more(factor):
    ax = plots.scale_posteriors({"a": [0.7, 0.7001, 0.7002], "b": [0.7 * factor] * 2})
    ax.figure.canvas.draw()
    low, high = ax.get_xlim()
    assert sum(low <= tick <= high for tick in ax.get_xticks()) in range(2, 13)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (({},), TypeError, "`posterior` must be a DataTree .* got a dict without variables"),
        (([1.0],), TypeError, "`posterior` must be a DataTree with a posterior, or a mapping"),
        (
            (scales(), "w"),
            ValueError,
            "`var_names` must name variables .* got .'w'.; choose of conv1",
        ),
        (({"w": [1.0, -1.0]},), ValueError, r"`posterior\['w'\]` must be above 0, as scales are"),
        (({"w": []},), ValueError, r"must hold draws, got shape \(0,\)"),
        (({"w": [np.nan]},), ValueError, r"`posterior\['w'\]` must hold finite numbers only"),
    ],
)
def test_scale_posteriors_refuses(arguments, error, match):
    with pytest.raises(error, match=match):
        plots.scale_posteriors(*arguments)
