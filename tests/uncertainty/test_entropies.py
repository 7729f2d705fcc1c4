"""Entropies by hand and by SciPy, and intervals of probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from pymc_bnn import uncertainty as unc
from tests.support.probabilities import random_probs

HALVES = [0.5, 0.5]
# The binary entropy of 1/4 in bits, from 2 - (3/4)·log2(3).
ENTROPY_QUARTER = 2.0 - 0.75 * math.log2(3.0)


# entropies ---------------------------------------------------------------------------------------

# draws for one example, then total, expected and mutual information in bits, by hand
BY_HAND = {
    "agree and sure": ([[1.0, 0.0], [1.0, 0.0]], 0.0, 0.0, 0.0),
    "agree, unsure": ([HALVES, HALVES], 1.0, 1.0, 0.0),
    "disagree, sure": ([[1.0, 0.0], [0.0, 1.0]], 1.0, 0.0, 1.0),
    "disagree a little": (
        [[0.75, 0.25], [0.25, 0.75]],
        1.0,
        ENTROPY_QUARTER,
        1.0 - ENTROPY_QUARTER,
    ),
    "three classes": ([[0.5, 0.25, 0.25]], 1.5, 1.5, 0.0),
    "one class out": ([[0.5, 0.5, 0.0], [0.5, 0.0, 0.5]], 1.5, 1.0, 0.5),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_entropies_worked_by_hand(case):
    draws, total, expected, information = BY_HAND[case]
    probs = np.array(draws)[:, None]  # (draws, 1, classes)
    for unit, factor in (("bits", 1.0), ("nats", math.log(2.0))):
        got = [
            f(probs, unit=unit)[0]
            for f in (unc.predictive_entropy, unc.expected_entropy, unc.mutual_information)
        ]
        want = [factor * total, factor * expected, factor * information]
        assert got == pytest.approx(want, abs=1e-15)
    assert unc.predictive_entropy(probs)[0] == pytest.approx(total, abs=1e-15)  # bits by default


def test_entropies_agree_with_scipy():
    probs = random_probs()
    mean = sum(probs) / len(probs)
    total = scipy.stats.entropy(mean, axis=-1)
    expected = sum(scipy.stats.entropy(p, axis=-1) for p in probs) / len(probs)
    # mutual information is also the mean Kullback–Leibler divergence from the mean
    divergence = sum(scipy.stats.entropy(p, mean, axis=-1) for p in probs) / len(probs)
    np.testing.assert_allclose(unc.predictive_entropy(probs, "nats"), total, rtol=1e-12)
    np.testing.assert_allclose(unc.expected_entropy(probs, "nats"), expected, rtol=1e-12)
    np.testing.assert_allclose(unc.mutual_information(probs, "nats"), divergence, rtol=1e-10)
    np.testing.assert_allclose(
        unc.predictive_entropy(probs, "bits"), scipy.stats.entropy(mean, base=2, axis=-1)
    )


def test_identical_float32_draws_have_no_mutual_information_and_none_is_negative():
    one = random_probs(draws=1, n=500, seed=8).astype(np.float32)
    same = np.repeat(one, 7, axis=0)
    information = unc.mutual_information(same)
    assert (information >= 0).all()
    assert information.max() < 1e-14


def test_impossible_classes_give_exact_zeros():
    probs = np.eye(4)[None]  # one sure draw of four examples
    for f in (unc.predictive_entropy, unc.expected_entropy, unc.mutual_information):
        value = f(probs)
        assert (value == 0).all()
        assert not np.signbit(value).any()


def test_sums_within_the_tolerance_are_normalised():
    probs = np.array([[[0.4998, 0.4998]]])
    assert unc.predictive_entropy(probs)[0] == pytest.approx(1.0, abs=1e-15)


# intervals ---------------------------------------------------------------------------------------


def test_intervals_of_evenly_spaced_draws():
    first = np.linspace(0.0, 1.0, 201)  # its q-quantile is q
    probs = np.stack([first, 1.0 - first], axis=-1)[:, None]
    np.testing.assert_allclose(unc.probability_interval(probs)[0], [[0.025, 0.975]] * 2)
    np.testing.assert_allclose(unc.probability_interval(probs, level=0.5)[0], [[0.25, 0.75]] * 2)


def test_intervals_agree_with_scipy_quantiles():
    probs = random_probs(draws=37, n=3, classes=4)
    found = unc.probability_interval(probs, level=0.9)
    assert found.shape == (3, 4, 2)
    for i in range(3):
        for k in range(4):
            want = scipy.stats.mstats.mquantiles(
                probs[:, i, k], [0.05, 0.95], alphap=1, betap=1
            )  # linear interpolation
            np.testing.assert_allclose(found[i, k], want, rtol=1e-12)
