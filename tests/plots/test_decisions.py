"""Pictures of decisions: reliability, risk and coverage, refusal."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pymc_bnn import plots
from tests.support.group_plot_parts import curve, legend, lines, reliability

pytestmark = pytest.mark.usefixtures("plot_settings_untouched")


def test_reliability_is_of_error_rates_in_per_cent_and_bins_without_errors_are_hollow():
    table = reliability([0.6, 0.97, 0.999], [90, 5, 0], 200)
    ax = plots.reliability_diagram({"digits": table})
    assert ax.get_xscale() == ax.get_yscale() == "log"
    full = lines(ax)["digits"]
    np.testing.assert_allclose(full.get_xdata(), [40, 3])
    np.testing.assert_allclose(full.get_ydata(), [45, 2.5])
    white = [m for m in ax.get_lines() if m.get_markerfacecolor() == "white"]
    [hollow] = [m for m in white if len(m.get_xdata())]
    np.testing.assert_allclose(hollow.get_xdata(), [0.1])
    assert hollow.get_ydata()[0] == pytest.approx(ax.get_yticks()[0])
    assert ax.get_yticklabels()[0].get_text().startswith("≤ ")
    assert not ax.get_xticklabels()[0].get_text().startswith("≤ ")
    [bars] = ax.collections
    for segment, (_, row) in zip(bars.get_segments(), table.iterrows(), strict=True):
        assert segment[:, 1].max() == pytest.approx(100 - 100 * row.accuracy_low)
    [diagonal] = [line for line in ax.get_lines() if line.get_linestyle() == "--"]
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert legend(ax) == ["digits", "bins without an error"]
    assert ax.get_ylabel() == "observed error rate, 1 − accuracy [%]"


def test_confidences_of_1_stay_in_sight_and_one_table_needs_no_name():
    ax = plots.reliability_diagram(reliability([0.6, 1.0], [90, 5], 200))
    assert legend(ax) == ["bins with errors"]
    x = lines(ax)["bins with errors"].get_xdata()
    np.testing.assert_allclose(x, [40, ax.get_xticks()[0]])
    assert ax.get_xticklabels()[0].get_text() == "≤ 10"
    assert ax.get_xlim()[0] < x[1]


def test_bins_beyond_the_edge_of_several_tables_lie_side_by_side():
    sure = reliability([0.99, 1 - 1e-9], [9, 5], 200)
    ax = plots.reliability_diagram({"a": sure, "b": sure, "c": sure})
    x = np.array([lines(ax)[name].get_xdata() for name in "abc"])
    np.testing.assert_allclose(x[:, 0], 1)
    assert (np.diff(x[:, 1]) < 0).all()
    assert ax.get_xlim()[0] < x.min()


@pytest.mark.parametrize(
    ("tables", "match"),
    [
        (reliability([0.6], [9], 20).drop(columns="n"), "`tables` must have rows and the columns"),
        ({"a": reliability([60], [9], 20)}, r"`tables\['a'\]` must hold shares in 0…1, got"),
        ({}, "`tables` must map names to data"),
    ],
)
def test_reliability_diagram_refuses(tables, match):
    with pytest.raises(ValueError, match=match):
        plots.reliability_diagram(tables)


def test_risk_and_coverage_are_in_per_cent_and_marked_where_asked():
    wrong = np.arange(200) >= 180
    ax = plots.risk_coverage_curves(
        {"entropy": curve(wrong), "other": curve(wrong[::-1])}, at=[0.95]
    )
    [label] = [name for name in lines(ax) if name.startswith("entropy")]
    assert label == "entropy: 10 % of all, 5.26 % at 95 %"
    drawn = lines(ax)[label]
    np.testing.assert_allclose(drawn.get_xdata(), np.arange(201) / 2)
    assert drawn.get_ydata()[180] == 0
    assert drawn.get_ydata()[190] == pytest.approx(100 * 10 / 190)
    marks = [line.get_ydata()[0] for line in ax.get_lines() if line.get_marker() in "os"]
    np.testing.assert_allclose(marks, [100 * 10 / 190, 100 * 20 / 190])
    assert ax.get_ylim()[1] > 100
    assert plots.risk_coverage_curves({"a": curve(0 * wrong)}).get_ylim() == (0, 1)


def test_the_risk_of_equally_unsure_examples_is_a_line():
    table = pd.DataFrame({"coverage": [1.0], "risk": [0.25]})
    [drawn] = plots.risk_coverage_curves({"a": table}).get_lines()[:1]
    assert drawn.get_xydata().tolist() == [[0, 25], [100, 25]]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"curves": {}}, "`curves` must map names to data"),
        ({"curves": {"a": curve([0, 1])[["risk"]]}}, "none named coverage"),
        ({"curves": {"a": 100 * curve([0, 1])}}, "must hold shares in 0…1, coverage increasing"),
        ({"curves": {"a": curve([0, 1])[::-1]}}, "must hold shares in 0…1, coverage increasing"),
        (
            {"curves": {"a": curve([0, 1])}, "at": [95]},
            r"`at` must hold coverages in 0…1, got \[95.0",
        ),
    ],
)
def test_risk_coverage_curves_refuses(arguments, match):
    with pytest.raises(ValueError, match=match):
        plots.risk_coverage_curves(**arguments)


def test_refusal_of_scores_that_are_all_0():
    assert plots.refusal_curves({"a": [0.0, 0.0]}).get_xlim() == (0, 1)


def value_at(line, x):
    """The height of a step drawn by where="post"."""
    return line.get_ydata()[np.searchsorted(line.get_xdata(), x, side="right") - 1]


@pytest.mark.parametrize("answers", ["above", "below"])
def test_the_share_answered_follows_the_threshold(answers):
    rng = np.random.default_rng(0)
    scores = {"digits": rng.beta(9, 1, 101), "noise": rng.beta(2, 3, 57)}
    ax = plots.refusal_curves(scores, {"chosen": 0.6, "another": 0.2}, answers=answers, xlabel="p")
    for name, values in scores.items():
        for at in (0.05, 0.2, 0.5, 0.7, 0.95):
            share = np.mean(values > at if answers == "above" else values < at)
            assert value_at(lines(ax)[name], at) == pytest.approx(100 * share)
        assert lines(ax)[name].get_drawstyle() == "steps-post"
    assert lines(ax)["chosen: 0.6"].get_xdata()[0] == 0.6
    assert legend(ax) == ["digits", "noise", "chosen: 0.6", "another: 0.2"]
    assert ax.get_xlim() == (0, 1)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("p", "share of the set answered [%]")


def test_scores_beyond_1_and_below_0_are_all_shown():
    ax = plots.refusal_curves({"a": [-1.0, 3.0]}, {"t": 5.0}, answers="below")
    assert ax.get_xlim() == (-1.0, pytest.approx(5.12))


def test_refusal_curves_refuses():
    with pytest.raises(ValueError, match='`answers` must be "above" or "below", got \'over\''):
        plots.refusal_curves({"a": [0.1]}, answers="over")
    with pytest.raises(ValueError, match=r"`threshold\['t'\]` must be a finite number, got None"):
        plots.refusal_curves({"a": [0.1]}, {"t": None})
    with pytest.raises(ValueError, match=r"`threshold` must map names to data, .* got a float"):
        plots.refusal_curves({"a": [0.1]}, 0.2)
