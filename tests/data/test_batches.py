"""Epochs: every example once, in an order that is as good as random."""

from math import factorial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from pymc_bnn.data.epochs import Counts, EpochPlan
from pymc_bnn.data.shuffle import shuffled

WORDS = np.random.default_rng(0).integers(2**32, size=(100_000, 2), dtype=np.uint32)


def permutations(words, n):
    return np.asarray(jax.jit(jax.vmap(lambda w: shuffled(jnp.arange(n), n, w)))(words))


@pytest.mark.parametrize("n", [1, 2, 3, 10, 257, 1000, 60_000])
def test_a_permutation_holds_every_number_once(n):
    for order in permutations(WORDS[:3], n):
        assert np.array_equal(np.sort(order), np.arange(n))


def test_places_may_be_asked_for_alone():
    whole = permutations(WORDS[:1], 1000)[0]
    some = jnp.array([[3, 999], [0, 17]])
    assert np.array_equal(shuffled(some, 1000, WORDS[0]), whole[some])


def test_the_largest_numbers_do_not_overflow():
    n = 2**31 - 1
    places = jnp.arange(n - 1000, n)
    found = np.asarray(shuffled(places, n, WORDS[0])).astype(int)
    assert found.min() >= 0
    assert found.max() < n
    assert np.unique(found).size == 1000


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_all_permutations_are_equally_likely(n):
    codes = permutations(WORDS, n) @ n ** np.arange(n)
    _, counts = np.unique(codes, return_counts=True)
    assert counts.size == factorial(n)
    assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize("n", [100, 128, 1001])
def test_places_neighbours_and_fixed_points(n):
    orders = permutations(WORDS[:4000], n).astype(int)
    m = len(orders)
    counts = np.stack([np.bincount(orders[:, i], minlength=n) for i in range(n)])
    assert stats.chi2.sf(((counts - m / n) ** 2 / (m / n)).sum(), (n - 1) ** 2) > 1e-4
    for gap in (1, 2, n // 2):
        steps = (orders[:, gap:] - orders[:, :-gap]) % n
        assert stats.chisquare(np.bincount(steps.ravel(), minlength=n)[1:]).pvalue > 1e-4
    fixed = (orders == np.arange(n)).sum(axis=1)
    expected = stats.poisson.pmf([0, 1], 1)
    seen = [(fixed == 0).sum(), (fixed == 1).sum(), (fixed > 1).sum()]
    assert stats.chisquare(seen, m * np.append(expected, 1 - expected.sum())).pvalue > 1e-4
    rises = (np.diff(orders, axis=1) > 0).sum(axis=1)  # mean (n − 1)/2, variance (n + 1)/12
    assert abs(rises.mean() - (n - 1) / 2) < 4.5 * np.sqrt((n + 1) / 12 / m)
    assert abs(rises.var() / ((n + 1) / 12) - 1) < 4.5 * np.sqrt(2 / m)


def test_batches_of_a_large_epoch_are_random_samples():
    """Labels sorted in the data must come mixed: variances of batch means as by chance."""
    batches = EpochPlan(60_000, 500)
    label = np.arange(60_000) // 6000
    plan = Counts.of(batches)
    rows = jax.jit(jax.vmap(lambda step: plan.at(WORDS[0], step, 500)[0]))(jnp.arange(1200))
    counts = np.stack([np.bincount(label[r], minlength=10) for r in np.asarray(rows)])
    expected = stats.hypergeom(60_000, 6000, 500).var()
    assert abs(counts.var() / expected - 1) < 0.05
    epochs = np.asarray(rows).reshape(10, -1)
    assert all(np.array_equal(np.sort(e), np.arange(60_000)) for e in epochs)
    same = np.mean(epochs[1:] == epochs[:-1]) * 60_000
    assert same < 1 + 4.5 / 3  # about one fixed point in each of nine comparisons


def test_epochs_differ_and_every_batch_has_its_size():
    batches = EpochPlan(11, 4)
    words = np.array([5, 6], np.uint32)
    epochs = []
    for epoch in range(3):
        seen = []
        for i, expected in enumerate(batches.sizes()):
            rows, size = Counts.of(batches).at(words, 3 * epoch + i, batches.capacity)
            assert int(size) == expected
            assert rows.shape == (batches.capacity,)
            seen += np.asarray(rows)[: int(size)].tolist()
        assert sorted(seen) == list(range(11))
        epochs.append(tuple(seen))
    assert len(set(epochs)) == 3
