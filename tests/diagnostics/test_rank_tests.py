"""Tests of ranks against brute force and known distributions; what the table says of them."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from pymc_bnn.diagnostics.rank_tests import rank_table, symmetry_test, uniformity_test


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_symmetry_is_that_of_all_tosses_of_a_coin(n):
    sides = np.array(list(product([-1, 1], repeat=n))).T
    far = np.linspace(0.4, 0.1, n)[:, None]  # from the middle, the ends first
    reached = np.abs(np.cumsum(sides, axis=0)).max(axis=0)
    expected = [(reached >= m).mean() for m in reached]
    order = np.random.default_rng(0).permutation(n)
    np.testing.assert_allclose(symmetry_test((0.5 + far * sides)[order]), expected, atol=1e-9)


def test_symmetry_is_the_distance_of_numbers_from_their_mirror_image():
    u = np.random.default_rng(0).beta(2, 1.5, size=60)
    distance = stats.ks_2samp(u, 1 - u).statistic
    walk = np.sign(u - 0.5)[np.argsort(-np.abs(u - 0.5))].cumsum()
    assert np.abs(walk).max() / 60 == pytest.approx(distance)


def test_uniformity_of_one_and_of_two_numbers():
    u = np.array([[0.5, 0.1, 0.999]])
    np.testing.assert_allclose(uniformity_test(u), [1.0, 0.2, 0.002], rtol=1e-6, atol=1e-9)
    # Of two the least p-value is that of the smaller one being below 0.01, or its mirror image.
    low = stats.beta.ppf(0.005, 1, 2), stats.beta.ppf(0.995, 1, 2)
    other = stats.beta.ppf(0.005, 2, 1)
    rng = np.random.default_rng(0)
    drawn = np.sort(rng.uniform(size=(2, 400_000)), axis=0)
    out = (drawn[0] < low[0]) | (drawn[0] > low[1])
    out |= (drawn[1] < other) | (drawn[1] > 1 - low[0])
    found = uniformity_test(np.array([[low[0]], [0.5]]))[0]
    assert found == pytest.approx(out.mean(), abs=4 * np.sqrt(0.02 / 400_000))


@pytest.mark.parametrize("test", [uniformity_test, symmetry_test])
def test_false_alarms_are_as_many_as_stated(test):
    p = test(np.random.default_rng(1).uniform(size=(41, 1500)))
    for level in (0.5, 0.1, 0.02):
        noise = 4 * np.sqrt(level * (1 - level) / 1500)
        # That of symmetry has few values: it is never liberal.
        low = 0.4 * level if test is symmetry_test else level
        assert low - noise < (p <= level).mean() < level + noise


SHAPES = {
    "exact": ((1, 1), "good", "no sign of a wrong width or place"),
    "narrow": ((0.4, 0.4), "bad", "too narrow: true values pile up at both ends"),
    "wide": ((4, 4), "bad", "too wide: none lie far out, the central 90% interval holds 100%"),
    "low": ((3, 1), "bad", "too low:"),
    "high": ((1, 3), "bad", "too high:"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_verdicts_in_words(shape):
    (a, b), verdict, says = SHAPES[shape]
    row = rank_table({"x": np.random.default_rng(2).beta(a, b, size=200)}).loc["x"]
    assert row["verdict"] == verdict
    assert says in row["says"]
    if shape in ("narrow", "wide"):
        assert row["symmetric_p"] > 0.05
        assert (row["inside"] < 0.9) == (shape == "narrow")
    if shape in ("low", "high"):
        assert row["symmetric_p"] < 0.001
        assert (row["above"] > 0.7) == (shape == "low")


def test_what_has_no_name_is_said_all_the_same():
    rng = np.random.default_rng(0)
    two = np.where(rng.uniform(size=400) < 0.5, 0.25, 0.75) + rng.uniform(-0.05, 0.05, 400)
    row = rank_table({"x": two}).loc["x"]
    assert row["verdict"] == "bad"
    assert row["says"] == "ranks are not uniform: look at their picture"


def test_the_worst_entry_is_named_and_all_tests_are_counted():
    u = np.random.default_rng(3).uniform(size=(200, 2, 3))
    u[:, 1, 0] = np.random.default_rng(4).beta(0.7, 0.7, size=200)
    u[:, 0, 2] = np.nan  # fixed
    one = rank_table({"x": u[:, 1, 0]}).loc["x"]
    table = rank_table({"x": u, "y": u[:, 0, 0], "fixed": u[:, 0, 2]})
    assert list(table.index) == ["x", "y"]
    assert list(table["size"]) == [5, 1]
    assert table.loc["x", "worst"] == "x[1, 0]"
    assert table.loc["x", "uniform_p"] == pytest.approx(6 * one["uniform_p"], rel=1e-3)
