"""Scoring rules against scikit-learn, by hand, and as proper scoring rules."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import sklearn.metrics

from pymc_bnn import uncertainty as unc


def random_case(draws=20, n=200, classes=5, seed=0):
    generator = np.random.default_rng(seed)
    probs = generator.dirichlet(np.full(classes, 0.4), size=(draws, n))
    return probs, generator.integers(classes, size=n)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_means_are_those_of_scikit_learn(classes):
    probs, y = random_case(classes=classes)
    mean = sum(probs) / len(probs)
    labels = range(classes)
    loss = sklearn.metrics.log_loss(y, mean, labels=labels)
    assert unc.nlpd(probs, y).mean() == pytest.approx(loss, rel=1e-12)
    brier = sklearn.metrics.brier_score_loss(y, mean, labels=labels, scale_by_half=False)
    assert unc.brier_score(probs, y).mean() == pytest.approx(brier, rel=1e-12)


def test_each_example_by_a_loop():
    probs, y = random_case(draws=7, n=9, classes=3)
    for i in range(9):
        mean = [sum(draw[i][k] for draw in probs) / 7 for k in range(3)]
        assert unc.nlpd(probs, y)[i] == pytest.approx(-math.log(mean[y[i]]))
        want = sum((p - (k == y[i])) ** 2 for k, p in enumerate(mean))
        assert unc.brier_score(probs, y)[i] == pytest.approx(want)


def test_extremes():
    sure = [[1.0, 0.0, 0.0]] * 2
    assert unc.nlpd(sure, [0, 1]) == pytest.approx([0.0, -math.log(sys.float_info.min)])
    assert unc.brier_score(sure, [0, 1]).tolist() == [0.0, 2.0]
    assert not np.signbit(unc.nlpd(sure, [0, 0])).any()


def test_the_log_is_of_the_mean_over_draws():
    probs = [[[1.0, 0.0]], [[0.5, 0.5]]]  # the mean of the logs would be infinite
    assert unc.nlpd(probs, [1]) == pytest.approx([math.log(4.0)])


def test_nlpd_is_the_column_of_the_summary():
    probs, y = random_case(draws=30, classes=5)
    assert (unc.nlpd(probs, y) == unc.summary(probs, y)["nll"]).all()


@pytest.mark.parametrize("rule", [unc.nlpd, unc.brier_score])
def test_the_truth_has_the_best_expectation(rule):
    truth = np.array([0.6, 0.3, 0.1])

    def expectation(probs):
        return truth @ rule([probs] * 3, [0, 1, 2])

    best = expectation(truth)
    for other in np.random.default_rng(3).dirichlet(np.ones(3), size=50):
        assert expectation(other) > best


def test_float32_is_computed_in_float64():
    probs, y = random_case()
    for rule in (unc.nlpd, unc.brier_score):
        found = rule(probs.astype(np.float32), y)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, rule(probs, y), rtol=1e-5, atol=1e-6)
