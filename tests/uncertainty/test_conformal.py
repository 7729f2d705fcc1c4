"""Split conformal prediction: sets by hand and by loops, coverage over many splits."""

from __future__ import annotations

import math
from itertools import accumulate

import numpy as np
import pytest

from pymc_bnn import uncertainty as unc
from tests.support.coverage import check_beta_binomial


def labels(probs, generator):
    """One label of each row of probabilities."""
    return (generator.random((len(probs), 1)) < probs.cumsum(-1)).argmax(-1)


def unsure(n, generator):
    """Probabilities that are not those of the labels: the truth is flatter."""
    truth = generator.dirichlet(np.full(5, 0.5), size=n)
    return truth**2 / (truth**2).sum(-1, keepdims=True), labels(truth, generator)


def saturated(n, generator):
    """Most probabilities are exactly 1, few of them wrong; the others are even."""
    certain = generator.random(n) < 0.9
    truth = generator.integers(4, size=n)
    shown = np.where(generator.random(n) < 0.97, truth, (truth + 1) % 4)
    return np.where(certain[:, None], np.eye(4)[shown], 0.25), truth


def often_wrong(n, generator):
    """All probabilities are 1, a fifth of them wrong: the threshold falls among the errors."""
    truth = generator.integers(4, size=n)
    return np.eye(4)[np.where(generator.random(n) < 0.8, truth, (truth + 1) % 4)], truth


class Fixed(np.random.Generator):
    """A generator of given numbers."""

    def __init__(self, *rows):
        super().__init__(np.random.PCG64())
        self.rows = np.array(rows, float)

    def random(self, size):
        assert self.rows.shape == size
        return self.rows


# ---------------------------------------------------------------- by hand


def test_lac_worked_by_hand():
    probs = [[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6]]
    made = unc.conformal(probs, [0, 0, 1, 0], coverage=0.6, method="lac")
    assert made.threshold == pytest.approx(0.3)  # the ⌈5 · 0.6⌉ = 3rd of 0.1, 0.2, 0.3, 0.6
    assert (made.method, made.coverage) == ("lac", 0.6)
    sets = made.sets([[0.75, 0.25], [0.5, 0.5], [0.05, 0.95]])
    assert sets.dtype == bool
    assert sets.tolist() == [[True, False], [False, False], [False, True]]


def test_aps_by_a_loop():
    generator = np.random.default_rng(0)
    probs, y = unsure(50, generator)
    u = generator.random(50)
    scores = []
    for p, label, share in zip(probs.tolist(), y, u, strict=True):
        ranked = sorted(range(5), key=lambda k, p=p: -p[k])
        upto = dict(zip(ranked, accumulate(p[k] for k in ranked), strict=True))
        scores.append(upto[label] - (1 - share) * p[label])
    made = unc.conformal(probs, y, 0.8, "aps", Fixed(u, np.zeros(50)))
    assert made.threshold == pytest.approx(sorted(scores)[math.ceil(51 * 0.8) - 1])

    new, _ = unsure(30, generator)
    u = generator.random(30)
    sets = made.sets(new, Fixed(u, np.zeros(30)))
    for p, share, found in zip(new.tolist(), u, sets, strict=True):
        ranked = sorted(range(5), key=lambda k, p=p: -p[k])
        before = dict(zip(ranked, accumulate([0.0, *(p[k] for k in ranked)]), strict=False))
        assert found.tolist() == [before[k] + share * p[k] <= made.threshold for k in range(5)]


def test_of_equally_likely_classes_the_lower_counts_as_likelier():
    half = Fixed(np.full(1, 0.5), np.zeros(1))
    made = unc.Conformal("aps", coverage=0.9, threshold=0.6, tie=1.0)  # scores: 0.2, 0.6, 0.9
    assert made.sets([[0.4, 0.4, 0.2]], half).tolist() == [[True, True, False]]
    made = unc.Conformal("aps", coverage=0.9, threshold=0.5, tie=1.0)
    assert made.sets([[0.4, 0.4, 0.2]], half).tolist() == [[True, False, False]]


def test_a_tiny_coverage_takes_the_smallest_score():
    assert unc.conformal([[0.9, 0.1], [0.6, 0.4]], [0, 0], 1e-12, "lac").threshold < 0.11


def test_equal_scores_are_cut_at_a_random_place():
    probs = np.eye(2)[[0] * 9]  # nine sure predictions, all right
    ties = [0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6, 0.5]
    made = unc.conformal(probs, [0] * 9, 0.5, "lac", Fixed([0.0] * 9, ties))
    assert (made.threshold, made.tie) == (0.0, 0.5)  # the fifth of them
    sets = made.sets(probs[:3], Fixed([0.0] * 3, [0.4, 0.5, 0.6]))
    assert sets.tolist() == [[True, False], [True, False], [False, False]]


def test_same_seed_other_numbers_in_the_sets():
    """Else the random numbers of an example would decide its threshold and its set together."""
    generator = np.random.default_rng(1)
    probs, y = unsure(300, generator)
    made = unc.conformal(probs, y, random_seed=5)
    first = made.sets(probs, random_seed=5)
    assert (first == made.sets(probs, random_seed=5)).all()
    assert (first != made.sets(probs, random_seed=6)).any()
    both = np.random.default_rng([5, 0]).random((2, 300))  # the numbers of the calibration
    assert (first != made.sets(probs, Fixed(*both))).any()


# ---------------------------------------------------------------- coverage


@pytest.mark.parametrize("method", ["aps", "lac"])
@pytest.mark.parametrize("data", [unsure, saturated, often_wrong])
def test_coverage_is_beta_binomial_over_splits(method, data):
    generator = np.random.default_rng(7)
    n, n_test, coverage, splits = 100, 150, 0.9, 800
    covered = []
    for _ in range(splits):
        probs, y = data(n + n_test, generator)
        made = unc.conformal(probs[:n], y[:n], coverage, method, generator)
        sets = made.sets(probs[n:], generator)
        covered.append(sum(row[k] for row, k in zip(sets, y[n:], strict=True)))
    check_beta_binomial(covered, n, n_test, coverage)


def test_lac_makes_smaller_sets_where_probabilities_are_right():
    generator = np.random.default_rng(3)
    probs = generator.dirichlet(np.full(10, 0.2), size=10_000)
    y = labels(probs, generator)
    sizes = {}
    for method in ("aps", "lac"):
        made = unc.conformal(probs[:5000], y[:5000], 0.9, method)
        sizes[method] = unc.set_summary(made.sets(probs[5000:]), y[5000:])["mean_size"]
    assert sizes["lac"] < sizes["aps"]


def test_aps_threshold_of_true_probabilities_is_the_coverage():
    """Its score of the true class is then uniform."""
    generator = np.random.default_rng(4)
    probs = generator.dirichlet(np.full(6, 0.5), size=5000)
    made = unc.conformal(probs, labels(probs, generator), 0.8)
    assert abs(made.threshold - 0.8) < 4 * math.sqrt(0.8 * 0.2 / 5000)


@pytest.mark.parametrize(
    ("n", "n_test", "coverage", "level"), [(50, 40, 0.9, 0.95), (19, 7, 0.5, 0.8)]
)
def test_interval_by_adding_probabilities(n, n_test, coverage, level):
    k = math.ceil((n + 1) * coverage)
    probability = [
        math.comb(n_test, c)
        * math.exp(
            math.lgamma(k + c)
            + math.lgamma(n + 1 - k + n_test - c)
            - math.lgamma(n + 1 + n_test)
            + math.lgamma(n + 1)
            - math.lgamma(k)
            - math.lgamma(n + 1 - k)
        )
        for c in range(n_test + 1)
    ]
    upto = list(accumulate(probability))
    assert upto[-1] == pytest.approx(1.0)
    low = next(c for c, p in enumerate(upto) if p >= (1 - level) / 2)
    high = next(c for c, p in enumerate(upto) if p >= (1 + level) / 2)
    found = unc.conformal_coverage_interval(n, n_test, coverage, level)
    assert found == (low, high)
    assert all(type(end) is int for end in found)


def test_set_summary_by_hand():
    sets = [[True, False, False], [True, True, False], [False] * 3, [True] * 3]
    found = unc.set_summary(sets, [0, 2, 1, 2])
    assert found.to_dict() == {
        "coverage": 0.5,
        "mean_size": 1.5,
        "share_empty": 0.25,
        "share_single": 0.25,
    }


# ---------------------------------------------------------------- one clear error each

PROBS, Y = [[0.9, 0.1]] * 9, [0] * 9


def test_the_smallest_calibration_set():
    assert unc.conformal(PROBS, Y, coverage=0.9).threshold <= 1
    with pytest.raises(ValueError, match=r"`calibration_pred` must have at least 9 .* 0\.9, got 8"):
        unc.conformal(PROBS[:8], Y[:8], coverage=0.9)
    with pytest.raises(ValueError, match=r"at least 19 examples for a coverage of 0\.95, got 9"):
        unc.conformal(PROBS, Y, coverage=0.95)
    with pytest.raises(ValueError, match=r"`n_calibration` must have at least 99 .* got 98"):
        unc.conformal_coverage_interval(98, 10, coverage=0.99)
    unc.conformal_coverage_interval(99, 10, coverage=0.99)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: unc.conformal(PROBS, Y, 1.0), ValueError, r"`coverage` .* \(0, 1\), got 1.0"),
        (lambda: unc.conformal(PROBS, Y, "0.9"), ValueError, "`coverage` .* got '0.9'"),
        (lambda: unc.conformal(PROBS, Y, method="raps"), ValueError, "`method` .* got 'raps'"),
        (lambda: unc.conformal(PROBS, Y, random_seed=-1), ValueError, "`random_seed` .* got -1"),
        (lambda: unc.conformal(PROBS, Y).sets(PROBS, None), TypeError, "`random_seed` .* None"),
        (
            lambda: unc.conformal_coverage_interval(0, 10),
            ValueError,
            "`n_calibration` .* at least 1, got 0",
        ),
        (lambda: unc.conformal_coverage_interval(99, 1.0), TypeError, "`n_test` .* got 1.0"),
        (lambda: unc.conformal_coverage_interval(99, 9, 0), ValueError, "`coverage` .* got 0"),
        (lambda: unc.conformal_coverage_interval(99, 9, 0.9, 2), ValueError, "`level` .* got 2"),
        (lambda: unc.set_summary([[1, 0]], [0]), TypeError, "`sets` must be booleans .*int64"),
        (lambda: unc.set_summary([True], [0]), ValueError, r"`sets` .* got shape \(1,\)"),
        (lambda: unc.set_summary([[True, False]], [2]), ValueError, "`y` must hold class numbers"),
    ],
)
def test_bad_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()
