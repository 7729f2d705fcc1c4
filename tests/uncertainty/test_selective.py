"""Refusing: curves against loops, areas against all orders, thresholds against counting."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from pymc_bnn import uncertainty as unc

PRED = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7], [0.55, 0.45]]
Y = [0, 1, 1, 0, 0]  # wrong: the second and the fourth
OWN = [1.0, 3.0, 2.0, 3.0, 5.0]  # their uncertainty; the errors are tied


def random_case(n=300, levels=None, seed=0):
    """Predictions, labels and an uncertainty that knows something, rounded to so many levels."""
    generator = np.random.default_rng(seed)
    probs = generator.dirichlet(np.full(3, 0.5), size=n)
    y = (generator.random((n, 1)) < probs.cumsum(-1)).argmax(-1)
    own = 1 - probs.max(-1) + 0.1 * generator.random(n)
    return probs, y, own if levels is None else np.floor(own * levels)


def test_curve_worked_by_hand():
    curve = unc.risk_coverage(PRED, Y, OWN)
    assert list(curve.columns) == ["coverage", "risk", "threshold"]
    assert curve.index.name == "answered"
    assert curve.index.tolist() == [1, 2, 4, 5]
    assert curve["coverage"].tolist() == [0.2, 0.4, 0.8, 1.0]
    assert curve["risk"].tolist() == [0.0, 0.0, 0.5, 0.4]
    assert curve["threshold"].tolist() == [1.0, 2.0, 3.0, 5.0]


@pytest.mark.parametrize("levels", [None, 8])
def test_curve_by_a_loop_over_thresholds(levels):
    probs, y, own = random_case(levels=levels)
    curve = unc.risk_coverage(probs, y, own)
    wrong = probs.argmax(-1) != y
    thresholds = sorted(set(own.tolist()))
    assert curve["threshold"].tolist() == thresholds
    for t, (answered, row) in zip(thresholds, curve.iterrows(), strict=True):
        chosen = [w for w, u in zip(wrong, own, strict=True) if u <= t]
        assert answered == len(chosen)
        assert row["coverage"] == len(chosen) / 300
        assert row["risk"] == sum(chosen) / len(chosen)


def test_curves_take_the_scores_by_name():
    probs = np.random.default_rng(2).dirichlet(np.ones(3), size=(20, 50))
    y = np.arange(50) % 3
    for score in ("entropy", "mutual_information", "probability"):
        named = unc.risk_coverage(probs, y, score)
        own = unc.risk_coverage(probs, y, unc.uncertainty_score(probs, score))
        assert named.equals(own)
    assert unc.risk_coverage(probs, y).equals(unc.risk_coverage(probs, y, "entropy"))


# ---------------------------------------------------------------- area


def area_by_loop(wrong):
    return sum(sum(wrong[:k]) / k for k in range(1, len(wrong) + 1)) / len(wrong)


def test_area_without_ties_by_a_loop():
    probs, y, own = random_case()
    wrong = (probs.argmax(-1) != y)[np.argsort(own)].tolist()
    assert unc.area_under_risk_coverage(probs, y, own) == pytest.approx(area_by_loop(wrong))


def test_area_with_ties_is_the_mean_over_their_orders():
    pred, y = [*PRED, [0.8, 0.2]], [*Y, 1]
    own = [1, 2, 2, 2, 4, 2]
    wrong = [0, 1, 0, 1, 0, 1]
    areas = [
        area_by_loop([0, *(wrong[i] for i in order), 0])
        for order in itertools.permutations((1, 2, 3, 5))
    ]
    want = sum(areas) / len(areas)
    assert unc.area_under_risk_coverage(pred, y, own) == pytest.approx(want, rel=1e-12)
    assert unc.area_under_risk_coverage(pred, y, [7] * 6) == pytest.approx(0.5)  # the error rate


def test_excess_area_is_taken_from_the_best_order():
    pred, y = [*PRED, [0.8, 0.2]], [*Y, 1]
    wrong = [0, 1, 0, 1, 0, 1]
    best = min(area_by_loop(order) for order in itertools.permutations(wrong))
    own = [1, 6, 2, 4, 5, 3]
    full = unc.area_under_risk_coverage(pred, y, own)
    excess = unc.area_under_risk_coverage(pred, y, own, excess=True)
    assert excess == pytest.approx(full - best)
    assert unc.area_under_risk_coverage(pred, y, wrong, excess=True) == 0
    assert unc.area_under_risk_coverage(pred, y, [1, 4, 2, 5, 3, 6], excess=True) == 0
    m, n = 3, 6
    assert best == pytest.approx(sum((k - n + m) / k for k in range(n - m + 1, n + 1)) / n)


def test_area_of_all_right_and_all_wrong():
    assert unc.area_under_risk_coverage(PRED, [0, 0, 1, 1, 0]) == 0.0
    assert unc.area_under_risk_coverage(PRED, [1, 1, 0, 0, 1]) == 1.0
    assert unc.area_under_risk_coverage(PRED, [1, 1, 0, 0, 1], excess=True) == 0.0


def test_uncertainty_that_knows_nothing_has_the_error_rate_as_its_area():
    probs, y, _ = random_case(n=100)
    generator = np.random.default_rng(6)
    areas = [unc.area_under_risk_coverage(probs, y, generator.random(100)) for _ in range(400)]
    error = (probs.argmax(-1) != y).mean()
    assert abs(np.mean(areas) - error) < 4 * np.std(areas) / math.sqrt(400)


# ---------------------------------------------------------------- thresholds


@pytest.mark.parametrize(
    ("risk", "coverage"), [(0.0, 0.4), (0.39, 0.4), (0.4, 1.0), (0.45, 1.0), (1.0, 1.0)]
)
def test_coverage_at_risk_by_hand(risk, coverage):
    assert unc.coverage_at_risk(PRED, Y, risk, OWN) == coverage


def test_coverage_at_risk_is_0_when_the_surest_are_wrong():
    assert unc.coverage_at_risk(PRED, Y, 0.1, [5, 1, 2, 3, 4]) == 0.0


@pytest.mark.parametrize("levels", [None, 8])
@pytest.mark.parametrize("coverage", [1e-12, 1e-9, 0.07, 0.29, 0.5, 0.9, 1.0])
def test_refusal_threshold_answers_just_enough(levels, coverage):
    probs, _, own = random_case(n=100, levels=levels)
    threshold = unc.refusal_threshold(probs, coverage, own)
    needed = math.ceil(round(coverage * 100, 6)) or 1
    assert sum(own <= threshold) >= needed
    assert sum(own < threshold) < needed
    refused = unc.refuses(probs, threshold, own)
    assert refused.dtype == bool
    assert refused.tolist() == [u > threshold for u in own]


def test_refusal_keeps_its_coverage_on_new_examples():
    validation, test = random_case(n=4000)[0], random_case(n=4000, seed=1)[0]
    threshold = unc.refusal_threshold(validation, 0.8)
    answered = 1 - unc.refuses(test, threshold).mean()
    assert abs(answered - 0.8) < 4 * math.sqrt(2 * 0.8 * 0.2 / 4000)


def test_refuses_takes_any_threshold():
    assert unc.refuses(PRED, -math.inf).all()
    assert not unc.refuses(PRED, math.inf).any()


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: unc.coverage_at_risk(PRED, Y, -0.1), ValueError, r"`risk` .* \[0, 1\], got -0.1"),
        (lambda: unc.coverage_at_risk(PRED, Y, "0"), ValueError, "`risk` must be .* got '0'"),
        (lambda: unc.refusal_threshold(PRED, 0), ValueError, r"`coverage` .* \(0, 1\], got 0"),
        (lambda: unc.refusal_threshold(PRED, 90), ValueError, "`coverage` .* got 90"),
        (lambda: unc.refusal_threshold(PRED, True), ValueError, "`coverage` .* got True"),
        (lambda: unc.refuses(PRED, None), ValueError, "`threshold` must be a number, got None"),
        (lambda: unc.refuses(PRED, math.nan), ValueError, "`threshold` must be a number, got nan"),
        (lambda: unc.risk_coverage(PRED, Y, "votes"), ValueError, "`score` must be .*'votes'"),
        (lambda: unc.risk_coverage(PRED, Y, [1.0]), ValueError, r"`score` .* got shape \(1,\)"),
    ],
)
def test_bad_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()
