"""Predicted beside observed values: what is drawn, by colour, and one clear error each."""

from __future__ import annotations

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from pymc_bnn import plots, uncertainty
from pymc_bnn.prediction import ValuePrediction
from tests.support.plot_parts import BLUE, VERMILION, history, lines

pytestmark = pytest.mark.usefixtures("plot_settings_untouched")

RNG = np.random.default_rng(0)
SAMPLES, Y = 5 + RNG.normal(size=(40, 60)), 5 + 1.5 * RNG.normal(size=60)
MEAN, STD = SAMPLES.mean(axis=0), SAMPLES.std(axis=0, ddof=1)
PREDICTION = ValuePrediction(40, MEAN, STD, SAMPLES)


@pytest.mark.parametrize("given", [SAMPLES, PREDICTION])
def test_predicted_means_and_intervals_lie_at_what_was_observed(given):
    ax = plots.predicted_observed(given, pd.Series(Y), 0.8, xlabel="observed [m]")
    low, high = uncertainty.value_interval(SAMPLES, 0.8).T
    inside = (low <= Y) & (high >= Y)
    for bars, at, color in zip(ax.collections, (inside, ~inside), (BLUE, VERMILION), strict=True):
        expected = [[[v, a], [v, b]] for v, a, b in zip(Y[at], low[at], high[at], strict=True)]
        np.testing.assert_allclose(np.array(bars.get_segments()), expected)
        assert to_hex(bars.get_color()[0]) == color
        dots = next(v for name, v in lines(ax).items() if f": {at.sum()} of 60" in name)
        np.testing.assert_allclose(dots.get_xydata(), np.stack([Y[at], MEAN[at]], axis=1))
    share = uncertainty.interval_coverage(SAMPLES, Y, 0.8).value
    assert f"inside the 80 % interval: {round(60 * share)} of 60" in lines(ax)
    assert ax.get_xlabel() == "observed [m]"


def test_residuals_in_their_own_unit_or_the_predictions():
    for standardised, unit in ((True, STD), (False, 1.0)):
        ax = plots.residuals(SAMPLES, Y, standardised=standardised)
        within = np.abs(Y - MEAN) <= 2 * STD
        first, second = ax.get_lines()[:2]
        shown = (Y - MEAN) / unit
        np.testing.assert_allclose(first.get_xydata(), np.c_[MEAN, shown][within])
        np.testing.assert_allclose(second.get_xydata(), np.c_[MEAN, shown][~within])
        assert [to_hex(line.get_color()) for line in (first, second)] == [BLUE, VERMILION]
        assert ax.get_ylim()[1] > np.abs(shown).max()
    assert plots.residuals(SAMPLES, Y).get_ylabel() == "residual [predictive sd]"


def test_the_pit_is_counted_and_its_lines_are_binomial():
    values = RNG.random(500)
    ax = plots.pit_histogram(values, bins=5)
    heights = [np.mean((values >= k / 5) & (values < (k + 1) / 5)) * 5 for k in range(5)]
    np.testing.assert_allclose([bar.get_height() for bar in ax.patches], heights)
    _, low, high = (line.get_ydata()[0] for line in ax.get_lines())
    simulated = np.random.default_rng(1).binomial(500, 0.2, 20_000) / 100
    assert np.mean((low <= simulated) & (simulated <= high)) == pytest.approx(0.95, abs=0.01)


def test_coverage_curves_are_the_tables_in_per_cent():
    table = uncertainty.coverage_table(SAMPLES, Y, [0.3, 0.9])
    ax = plots.coverage_curves({"fit": table})
    np.testing.assert_allclose(lines(ax)["fit"].get_xdata(), [30, 90])
    np.testing.assert_allclose(lines(ax)["fit"].get_ydata(), 100 * table["coverage"])
    np.testing.assert_allclose(ax.collections[0].get_segments()[1][:, 1], 100 * table.iloc[1, 1:3])
    assert plots.coverage_curves(table).get_xlim() == (0, 100)


def test_a_fit_is_its_history_per_example():
    frame = history()
    fitted = SimpleNamespace(history=frame, n_examples=500)
    for drawn, expected in (
        (plots.elbo_curve(fitted, n_classes=10), plots.elbo_curve(frame, 500, n_classes=10)),
        (plots.elbo_curves({"a": fitted}), plots.elbo_curves({"a": frame}, 500)),
        (plots.elbo_curve(fitted, 1000), plots.elbo_curve(frame, 1000)),
        (plots.elbo_curve(SimpleNamespace(history=frame, n_examples=1)), plots.elbo_curve(frame)),
    ):
        assert drawn.get_ylabel() == expected.get_ylabel()
        for one, other in zip(drawn.get_lines(), expected.get_lines(), strict=True):
            np.testing.assert_array_equal(one.get_xydata(), other.get_xydata())
    other = SimpleNamespace(history=frame, n_examples=9)
    assert plots.elbo_curves({"a": fitted, "b": other}).get_ylabel()[:11] == "ELBO [nats]"


@pytest.mark.parametrize("draw", [plots.predicted_observed, plots.residuals])
def test_pictures_go_into_given_axes_and_one_output(draw):
    _, ax = plt.subplots()
    assert draw(SAMPLES, Y, ax=ax) is ax
    with pytest.raises(ValueError, match=r"`samples` must be of one output.*choose it: samples\["):
        draw(SAMPLES[..., None], Y[:, None])
    with pytest.raises(ValueError, match=r"`y` must have shape \(60,\)"):
        draw(SAMPLES, Y[:9])


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: plots.predicted_observed(SAMPLES, Y, 1), r"`level` must be a number in \(0, 1\)"),
        (lambda: plots.residuals(0 * SAMPLES, Y), "`samples` must vary over draws, got a .* 0;"),
        (lambda: plots.pit_histogram([0.1, 1.2]), r"`pit` must hold numbers in \[0, 1\], got 0.1…"),
        (lambda: plots.pit_histogram([0.1], bins=1), "`bins` must be an integer of at least 2"),
        (lambda: plots.coverage_curves({}), "`tables` must map names to data"),
        (
            lambda: plots.coverage_curves(
                uncertainty.coverage_table(SAMPLES[..., None], Y[:, None])
            ),
            r"`tables` must be indexed by level, got index \['output', 'level'\]",
        ),
    ],
)
def test_bad_values_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
