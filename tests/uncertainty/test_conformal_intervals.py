"""Conformal intervals: by hand, by loops, and their promise over many splits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pymc_bnn import uncertainty as unc
from pymc_bnn.prediction import ValuePrediction
from tests.support.coverage import check_beta_binomial

METHODS = ["quantile", "normalised"]


def too_sure(n, generator, draws=8):
    """Predictions that are biased, of half the spread, of noise that grows with x."""
    x = generator.uniform(0, 2, n)
    noise = generator.normal(size=(draws, n))
    return 0.3 + x + 0.5 * (0.2 + x) * noise, x + (0.2 + x) * generator.standard_t(4, n)


def not_sure_enough(n, generator, draws=8):
    """Predictions of three times the spread: intervals have to become narrower."""
    return 3 * generator.normal(size=(draws, n)), generator.normal(size=n)


def test_quantile_scores_worked_by_hand():
    samples = np.repeat([[0.0], [1.0], [2.0]], 4, axis=1)  # at a coverage of 0.5: [0.5, 1.5]
    made = unc.conformal_values(samples, [0.9, 0.4, 1.8, 3.5], coverage=0.5)
    assert made.threshold == pytest.approx(0.3)  # ⌈5 · 0.5⌉ = 3rd of −0.4, 0.1, 0.3, 2
    found = made.intervals(samples[:, :1] + 10)
    np.testing.assert_allclose(found, [[10.2, 11.8]])
    assert (made.method, made.coverage) == ("quantile", 0.5)


def test_normalised_scores_by_a_loop():
    samples, y = too_sure(50, np.random.default_rng(0))
    scores = [abs(v - d.mean()) / d.std(ddof=1) for d, v in zip(samples.T, y, strict=True)]
    made = unc.conformal_values(samples, y, 0.8, "normalised")
    assert made.threshold == pytest.approx(sorted(scores)[math.ceil(51 * 0.8) - 1])
    for (low, high), d in zip(made.intervals(samples), samples.T, strict=True):
        half = made.threshold * d.std(ddof=1)
        assert (low, high) == pytest.approx((d.mean() - half, d.mean() + half))


def test_ends_that_would_pass_each_other_are_the_middle():
    made = unc.ConformalValues("quantile", coverage=0.5, threshold=-3.0)
    np.testing.assert_allclose(made.intervals([[0.0], [2.0]]), [[1.0, 1.0]])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("data", [too_sure, not_sure_enough])
def test_coverage_is_beta_binomial_over_splits(method, data):
    """Exactly, as values do not tie; so it is at least what is promised, and hardly more."""
    generator = np.random.default_rng(7)
    n, n_test, coverage, splits = 60, 80, 0.9, 300
    covered = []
    for _ in range(splits):
        samples, y = data(n + n_test, generator)
        made = unc.conformal_values(samples[:, :n], y[:n], coverage, method)
        low, high = made.intervals(samples[:, n:]).T
        covered.append(((low <= y[n:]) & (y[n:] <= high)).sum())
    check_beta_binomial(covered, n, n_test, coverage)


def test_ties_are_never_covered_less_often_than_promised():
    generator = np.random.default_rng(8)
    missed = []
    for _ in range(150):
        samples, y = generator.poisson(1.0, (9, 60)), generator.poisson(1.0, 60)
        made = unc.conformal_values(samples[:, :19], y[:19], 0.9)
        low, high = made.intervals(samples[:, 19:]).T
        missed.append(((y[19:] < low) | (y[19:] > high)).mean())
    assert np.mean(missed) < 0.1


def test_sums_of_draws_are_enough_for_normalised_residuals():
    samples, y = too_sure(30, np.random.default_rng(1))
    streamed = ValuePrediction(8, samples.mean(0), samples.std(0, ddof=1), None)
    made = unc.conformal_values(streamed, y, method="normalised")
    assert made.threshold == pytest.approx(
        unc.conformal_values(samples, y, method="normalised").threshold
    )
    np.testing.assert_allclose(made.intervals(streamed), made.intervals(samples))
    with pytest.raises(ValueError, match=r"must hold posterior draws, .* keep_draws=True"):
        unc.conformal_values(streamed, y)


def test_interval_summary_by_hand():
    ends = np.array([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0], [0.0, 4.0]])
    found = unc.interval_summary(ends, [1.0, -1.0, 3.5, 0.0])
    assert found.to_dict() == {"coverage": 0.5, "below": 0.25, "above": 0.25, "mean_width": 2.5}
    both = unc.interval_summary(ends.reshape(2, 2, 2), [[1.0, -1.0], [3.5, 0.0]])
    assert both["mean_width"].tolist() == [2, 3]
    assert both["coverage"].tolist() == [0.5, 0.5]


SAMPLES, Y = np.random.default_rng(2).normal(size=(5, 9)), np.zeros(9)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: unc.conformal_values(SAMPLES[:, :8], Y[:8]), "at least 9 .* of 0.9, got 8"),
        (lambda: unc.conformal_values(SAMPLES, Y, 1.0), r"`coverage` .* \(0, 1\), got 1.0"),
        (lambda: unc.conformal_values(SAMPLES, Y, method="aps"), "`method` .* got 'aps'"),
        (lambda: unc.conformal_values(SAMPLES, Y[:8]), r"`calibration_y` must have shape \(9,\)"),
        (lambda: unc.conformal_values(SAMPLES[:1], Y), "`calibration_pred` .* at least 2 by 1"),
        (
            lambda: unc.conformal_values(0 * SAMPLES, Y, method="normalised"),
            r"`calibration_pred` must vary over draws, got a .* 0 at index \(0,\); pass method=",
        ),
        (
            lambda: unc.conformal_values(SAMPLES, Y).intervals(SAMPLES[..., None]),
            r"`pred` must predict the outputs of the calibration, one, got \(1,\)",
        ),
        (lambda: unc.interval_summary(Y, Y), r"`intervals` must have shape \(n, 2\)"),
        (lambda: unc.interval_summary([[1.0, 0.0]], [0.0]), r"got \[1.0, 0.0\] at index \(0,\)"),
        (lambda: unc.interval_summary([[0.0, 1.0]], Y), r"`y` must have shape \(1,\)"),
    ],
)
def test_bad_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()
