"""Histograms of entropies and of other scores, a panel or a colour for each set."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex

from pymc_bnn import plots
from tests.support.group_plot_parts import legend, summary

BLUE, VERMILION = "#0072b2", "#d55e00"

pytestmark = pytest.mark.usefixtures("plot_settings_untouched")


def outline(ax):
    """Values and edges of the only unfilled histogram, and its colour."""
    [patch] = [p for p in ax.patches if not p.get_fill()]
    return *patch.get_data()[:2], to_hex(patch.get_edgecolor())


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
