"""Pictures of whole sets of examples, of decisions, and of training: the data in the artists."""

from __future__ import annotations

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from matplotlib.colors import to_hex

from pymc_bnn import plots

BLUE, VERMILION = "#0072b2", "#d55e00"


pytestmark = pytest.mark.usefixtures("plot_settings_untouched")


def summary(errors=60, n=500, seed=0):
    rng = np.random.default_rng(seed)
    correct = np.arange(n) >= errors
    entropy = np.where(correct, rng.beta(0.3, 6.0, n), rng.beta(4.0, 3.0, n)) * np.log2(10)
    return pd.DataFrame({"correct": correct, "entropy_bits": entropy})


def outline(ax):
    """Values and edges of the only unfilled histogram, and its colour."""
    [patch] = [p for p in ax.patches if not p.get_fill()]
    return *patch.get_data()[:2], to_hex(patch.get_edgecolor())


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


# ---------------------------------------------------------------- entropies


def test_entropies_of_correct_and_wrong_predictions_have_a_panel_per_set():
    frames = {"clean": summary(), "spattered": summary(90, seed=1)}
    axes = plots.entropy_histograms(frames, n_classes=10)
    assert axes.shape == (2, 2)
    for row, (name, frame) in zip(axes, frames.items(), strict=True):
        groups = frame.entropy_bits[frame.correct], frame.entropy_bits[~frame.correct]
        for ax, group, part, color in zip(
            row, groups, ("correct", "errors"), (BLUE, VERMILION), strict=True
        ):
            values, edges, drawn_color = outline(ax)
            counted = [((group >= a) & (group < b)).sum() for a, b in itertools.pairwise(edges)]
            np.testing.assert_allclose(values, 100 * np.array(counted) / len(group))
            assert edges[0] == 0
            assert edges[-1] == pytest.approx(np.log2(10))
            assert drawn_color == color
            assert ax.get_title(loc="left") == f"{name}, {part}: n = {len(group)}"
            [dashed] = ax.get_lines()
            np.testing.assert_allclose(dashed.get_xdata(), group.mean())
            assert ax.texts[0].get_text() == f"mean {group.mean():.3g}"
    assert len({ax.get_ylim() for ax in axes.flat}) == 1
    assert axes[0, 0].figure.get_supxlabel() == "entropy [bits]"


def test_the_number_of_classes_follows_from_labels_predictions_or_entropies():
    frame = summary().assign(entropy_bits=1.3)
    [[ax, _]] = plots.entropy_histograms({"a": frame})
    assert outline(ax)[1][-1] == pytest.approx(np.log2(3))
    [[ax, _]] = plots.entropy_histograms({"a": frame.assign(label=1, predicted=6)})
    assert outline(ax)[1][-1] == pytest.approx(np.log2(7))


def test_a_set_without_errors_has_an_empty_panel():
    frame = summary()
    [[_, ax]] = plots.entropy_histograms({"a": frame[frame.correct]})
    assert ax.get_title(loc="left") == "a, errors: n = 0"
    assert len(ax.patches) == len(ax.texts) == 0


@pytest.mark.parametrize(
    ("frames", "options", "error", "match"),
    [
        ({}, {}, ValueError, "`frames` must map names to data, one at least, got an empty one"),
        (summary(), {}, ValueError, "`frames` must map names to data, one at least, got a DataFr"),
        (
            {"a": summary().drop(columns="correct")},
            {},
            ValueError,
            r"`frames\['a'\]` must have row",
        ),
        (
            {"a": summary().assign(correct=1)},
            {},
            TypeError,
            "column correct of booleans, got dtype",
        ),
        ({"a": summary()}, {"n_classes": 2}, ValueError, "`n_classes` must be .* at least [5-9]"),
    ],
)
def test_entropy_histograms_refuses(frames, options, error, match):
    with pytest.raises(error, match=match):
        plots.entropy_histograms(frames, **options)


def test_each_set_has_a_histogram_of_its_own_shares():
    rng = np.random.default_rng(0)
    scores = {"digits": rng.beta(1, 9, 300), "noise": rng.beta(9, 3, 200)}
    ax = plots.uncertainty_densities(scores, xlabel="score")
    drawn = {patch.get_label(): patch.get_data() for patch in ax.patches}
    assert list(drawn) == [
        f"{k}: n = {len(v)}, mean {v.mean():.3g}" for k, v in scores.items()
    ] == legend(ax)  # fmt: skip
    for (values, edges, _), group in zip(drawn.values(), scores.values(), strict=True):
        np.testing.assert_allclose(values, 100 * np.histogram(group, edges)[0] / len(group))
        assert values.sum() == pytest.approx(100)
    assert ax.get_xlabel() == "score"
    assert plots.uncertainty_densities(scores).get_xlabel() == "entropy [bits]"


@pytest.mark.parametrize("function", [plots.uncertainty_densities, plots.refusal_curves])
@pytest.mark.parametrize(
    ("scores", "match"),
    [
        ([0.1], "`scores` must map names to data, one at least, got a list"),
        ({"a": []}, r"`scores\['a'\]` must hold numbers of shape .n,., got shape .0,."),
        ({"a": [[0.1]]}, r"got shape \(1, 1\) of dtype float64; pass one per example"),
        ({"a": ["x"]}, r"`scores\['a'\]` must hold numbers"),
        ({"a": [np.nan]}, r"`scores\['a'\]` must hold finite numbers only"),
    ],
)
def test_scores_are_checked(function, scores, match):
    with pytest.raises(ValueError, match=match):
        function(scores)


# ---------------------------------------------------------------- decisions


def reliability(confidence, wrong, n):
    accuracy = 1 - np.array(wrong) / n
    ends = [scipy.stats.binomtest(n - k, n).proportion_ci(method="wilson") for k in wrong]
    low, high = np.transpose(ends)
    return pd.DataFrame(
        {
            "confidence": confidence,
            "accuracy": accuracy,
            "accuracy_low": low,
            "accuracy_high": high,
            "n": n,
        }
    )


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


def curve(wrong):
    n = np.arange(1, len(wrong) + 1)
    return pd.DataFrame({"coverage": n / len(wrong), "risk": np.cumsum(wrong) / n})


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


# ---------------------------------------------------------------- training


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


def moments(scale=1.0, n=2000, seed=0):
    rng = np.random.default_rng(seed)
    shape = (n // 4, 2, 2)
    return {
        "conv1_W": (scale * rng.normal(0.5, 0.3, shape), rng.uniform(0.1, 0.2, shape)),
        "dense1_W": (scale * rng.normal(0, 0.1, n), scale * rng.lognormal(-3, 0.5, n)),
    }


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


# ---------------------------------------------------------------- layout

LONG = "a rather long name of a set of images, which needs its room"
HISTORY = pd.DataFrame({"step": [4, 9], "nll": [1, 0.1]})
BINS = reliability([0.6, 1], [90, 0], 99)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.entropy_histograms({"clean": summary(), "spattered": summary(90)}),
        lambda: plots.uncertainty_densities({"digits": [0.1, 0.2], LONG: [0.4]}),
        lambda: plots.reliability_diagram(dict.fromkeys([LONG, "b"], BINS)),
        lambda: plots.risk_coverage_curves({LONG: curve([0, 1]), "b": curve([0, 1])}, at=[0.5]),
        lambda: plots.refusal_curves({"a": [0.1, 0.9], LONG: [0.4]}, {LONG: 0.3}),
        lambda: plots.held_out_curves({LONG: HISTORY}, n_classes=10),
        lambda: plots.weight_posteriors({1: moments(), 500: moments(), 5000: moments(9)}),
        lambda: plots.weight_posteriors({1: {f"{i}: {LONG}": ([0, 1], [1, 2]) for i in "abc"}}),
        lambda: plots.mixture_density(0.5, 10.0, 1.0),
    ],
    ids=[
        "entropy",
        "densities",
        "reliability",
        "risk",
        "refusal",
        "held-out",
        "weights",
        "long names",
        "mixture",
    ],
)
def test_nothing_is_cut_by_the_edge_of_the_figure(draw):
    figure = np.atleast_1d(draw()).flat[0].figure
    figure.canvas.draw()
    drawn = figure.get_tightbbox()  # inches
    width, height = figure.get_size_inches()
    assert min(drawn.x0, drawn.y0) >= 0
    assert drawn.x1 <= width
    assert drawn.y1 <= height


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: plots.uncertainty_densities({"a": [0.1, 0.2]}, ax),
        lambda ax: plots.reliability_diagram(reliability([0.6], [90], 99), ax),
        lambda ax: plots.risk_coverage_curves({"b": curve([0, 1])}, ax),
        lambda ax: plots.refusal_curves({"a": [0.1, 0.9]}, None, ax),
        lambda ax: plots.held_out_curves({"a": HISTORY}, ax),
    ],
)
def test_pictures_go_into_given_axes_and_nowhere_else(draw):
    _, ax = plt.subplots()
    assert draw(ax) is ax
    assert len(plt.get_fignums()) == 1
    with pytest.raises(TypeError, match="`ax` must be matplotlib axes, got a str"):
        draw("axes")
