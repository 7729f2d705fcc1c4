"""Votes are counted as a loop counts them; their chi-square is SciPy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from pymc_bnn import uncertainty as unc
from tests.support.probabilities import random_probs

# votes -------------------------------------------------------------------------------------------


def test_one_hot_draws_are_sampled_as_they_are():
    labels = np.array([[2, 0, 1], [0, 0, 2]])
    sampled = unc.sample_labels(np.eye(3)[labels], random_seed=7)
    assert sampled.dtype == np.int64
    assert sampled.tolist() == labels.tolist()


def test_sampled_labels_have_the_frequencies_of_their_draw():
    truth = np.array([[0.1, 0.2, 0.7], [0.0, 0.5, 0.5], [0.3, 0.7, 0.0]])
    draws = 20_000
    probs = np.broadcast_to(truth, (draws, 3, 3))
    labels = unc.sample_labels(probs, random_seed=11)
    assert labels.shape == (draws, 3)
    for i in range(3):
        for k in range(3):
            frequency = np.count_nonzero(labels[:, i] == k) / draws
            standard_error = math.sqrt(truth[i, k] * (1 - truth[i, k]) / draws)
            assert abs(frequency - truth[i, k]) <= 4 * standard_error  # exact where p is 0


def test_zero_uniforms_never_pick_an_impossible_class():
    class Zero(np.random.Generator):
        value = 0.0

        def random(self, size):
            return np.full(size, self.value)

    class NearlyOne(Zero):
        value = np.nextafter(1.0, 0.0)

    probs = np.array([[[0.0, 0.3, 0.7, 0.0], [0.0, 0.0, 1.0, 0.0], [0.1, 0.2, 0.7, 0.0]]])
    assert unc.sample_labels(probs, Zero(np.random.PCG64())).tolist() == [[1, 2, 0]]
    assert unc.sample_labels(probs, NearlyOne(np.random.PCG64())).tolist() == [[2, 2, 2]]


def test_a_seed_and_its_generator_give_the_same_labels_and_another_seed_others():
    probs = random_probs()
    first = unc.sample_labels(probs, 5)
    assert (first == unc.sample_labels(probs, 5)).all()
    generator = np.random.default_rng(5)
    assert (first == unc.sample_labels(probs, generator)).all()
    assert (first != unc.sample_labels(probs, generator)).any()  # the generator moved on
    assert (first != unc.sample_labels(probs, 6)).any()


def test_votes_are_counted_as_a_loop_counts_them():
    probs = random_probs(draws=30, n=7, classes=4, seed=2)
    labels = unc.sample_labels(probs, 9)
    by_label = np.zeros((7, 4), int)
    by_class = np.zeros((7, 4), int)
    for d in range(30):
        for i in range(7):
            by_label[i, labels[d, i]] += 1
            by_class[i, list(probs[d, i]).index(max(probs[d, i]))] += 1
    assert (unc.label_votes(probs, 9) == by_label).all()
    assert (unc.count_votes(labels, 4) == by_label).all()
    assert (unc.class_votes(probs) == by_class).all()


def test_a_tie_of_probabilities_is_a_vote_for_the_lowest_class():
    assert unc.class_votes([[[0.2, 0.4, 0.4]], [[0.4, 0.2, 0.4]]]).tolist() == [[1, 1, 0]]


def test_votes_keep_classes_that_nobody_chose():
    assert unc.count_votes([[0, 1]], n_classes=4).tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]


# chi-square --------------------------------------------------------------------------------------


def test_chi_square_of_even_and_unanimous_votes():
    statistic, p_value = unc.chi_square([[10] * 10, [100] + [0] * 9])
    assert statistic[0] == 0.0
    assert statistic[1] == pytest.approx(100 * 9)
    assert p_value[0] == 1.0
    assert 0 <= p_value[1] < 1e-180


def test_chi_square_agrees_with_scipy_row_by_row():
    votes = np.random.default_rng(1).multinomial(100, np.full(10, 0.1), size=50)
    found = unc.chi_square(votes)
    for i, row in enumerate(votes):
        reference = scipy.stats.chisquare(row)
        assert found.statistic[i] == pytest.approx(reference.statistic, rel=1e-12)
        assert found.p_value[i] == pytest.approx(reference.pvalue, rel=1e-10)


def test_p_values_are_uniform_when_the_vote_is_even_by_chance():
    votes = np.random.default_rng(4).multinomial(2_000, np.full(10, 0.1), size=2_000)
    below = (unc.chi_square(votes).p_value < 0.05).mean()
    assert abs(below - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 2_000)


def test_fewer_than_five_draws_per_class_warn():
    with pytest.warns(UserWarning, match=r"49 draws over 10 classes .* at least 50 draws") as seen:
        unc.chi_square([[49] + [0] * 9])
    assert seen[0].filename == __file__
    unc.chi_square([[50] + [0] * 9])  # a warning would be an error here
