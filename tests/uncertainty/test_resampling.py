"""Bootstrap intervals against closed forms and a loop; the table of all scores of a classifier."""

from __future__ import annotations

import math
import time
from statistics import NormalDist

import numpy as np
import pytest
import sklearn.metrics

from pymc_bnn import uncertainty as unc


def test_interval_of_a_mean_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).exponential(2.0, size=4000)
    value, low, high = unc.bootstrap_interval(np.mean, values, level=0.9, repeats=4000)
    assert value == values.mean()
    error = values.std() / math.sqrt(4000)
    z = NormalDist().inv_cdf(0.95)
    # a quantile of 4000 resamples is known to √(0.05·0.95/4000)/density = 3.3 % of the error
    assert abs(low - (value - z * error)) < 4 * 0.033 * error
    assert abs(high - (value + z * error)) < 4 * 0.033 * error


def test_any_statistic_of_paired_rows_by_a_loop():
    generator = np.random.default_rng(1)
    x = generator.normal(size=200)
    matrix = np.stack([x + generator.normal(size=200), x], axis=1)

    def statistic(x, matrix):
        return np.corrcoef(x, matrix[:, 0])[0, 1]

    found = unc.bootstrap_interval(statistic, x, matrix, repeats=2000, random_seed=2)
    draws = []
    for _ in range(2000):
        rows = generator.integers(200, size=200)
        draws.append(statistic(x[rows], matrix[rows]))
    assert found.value == statistic(x, matrix)
    spread = np.std(draws)
    for end, q in ((found.low, 0.025), (found.high, 0.975)):
        assert abs(end - np.quantile(draws, q)) < 0.25 * spread  # 4 · √2 · 6 % would be 0.34
    unpaired = 0.2
    assert found.high - found.low < 2 * unpaired


def test_statistics_of_many_resamples_at_once_are_those_one_by_one():
    values = np.random.default_rng(3).normal(size=(50, 3))
    weights = np.random.default_rng(4).random(50)
    at_once = unc.bootstrap_interval(np.mean, weights, repeats=200)
    one_by_one = unc.bootstrap_interval(lambda a: a.mean(), weights, repeats=200)
    assert at_once == pytest.approx(one_by_one, rel=1e-12)

    def largest_mean(a, axis):
        return a.mean(axis=axis).max(-1)

    at_once = unc.bootstrap_interval(lambda a, axis=0: largest_mean(a, axis), values, repeats=200)
    one_by_one = unc.bootstrap_interval(lambda a: a.mean(0).max(), values, repeats=200)
    assert at_once == pytest.approx(one_by_one, rel=1e-12)


def test_basic_interval_is_the_percentile_one_reflected():
    values = np.random.default_rng(5).exponential(size=60)
    value, low, high = unc.bootstrap_interval(np.mean, values)
    basic = unc.bootstrap_interval(np.mean, values, method="basic")
    assert basic == pytest.approx((value, 2 * value - high, 2 * value - low))


def test_intervals_cover_as_often_as_they_say():
    generator = np.random.default_rng(6)
    covered = 0
    for _ in range(400):
        _, low, high = unc.bootstrap_interval(
            np.mean, generator.normal(size=100), level=0.8, repeats=200, random_seed=generator
        )
        covered += low <= 0 <= high
    # percentile intervals of 100 examples and 200 resamples are a little narrow
    assert abs(covered / 400 - 0.79) < 4 * math.sqrt(0.8 * 0.2 / 400)


def test_constant_and_single_examples_have_no_width():
    assert unc.bootstrap_interval(np.mean, np.full(20, 0.3), repeats=50) == pytest.approx([0.3] * 3)
    assert unc.bootstrap_interval(np.mean, [0.3]) == (0.3, 0.3, 0.3)


def test_the_seed_decides_and_a_generator_moves_on():
    values = np.random.default_rng(7).normal(size=30)
    first = unc.bootstrap_interval(np.mean, values, repeats=50, random_seed=1)
    generator = np.random.default_rng(1)
    assert first == unc.bootstrap_interval(np.mean, values, repeats=50, random_seed=generator)
    assert first != unc.bootstrap_interval(np.mean, values, repeats=50, random_seed=generator)


def test_the_mean_of_ten_thousand_is_quick():
    values = np.random.default_rng(8).normal(size=10_000)
    started = time.perf_counter()
    unc.bootstrap_interval(np.mean, values)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: unc.bootstrap_interval(np.mean), ValueError, r"`arrays` must be .* shapes \[\]"),
        (lambda: unc.bootstrap_interval(np.mean, []), ValueError, r"`arrays` .* \[\(0,\)\]"),
        (lambda: unc.bootstrap_interval(np.mean, 1.0), ValueError, r"`arrays` .* \[\(\)\]"),
        (
            lambda: unc.bootstrap_interval(np.dot, [1.0, 2.0], [1.0]),
            ValueError,
            r"`arrays` must be arrays of the same number of rows, .* shapes \[\(2,\), \(1,\)\]",
        ),
        (
            lambda: unc.bootstrap_interval(lambda a: a, [1.0, 2.0]),
            ValueError,
            "`statistic` must return a finite number, got array",
        ),
        (
            lambda: unc.bootstrap_interval([1.0, 2.0], np.mean),
            TypeError,
            "`statistic` must be callable, got a list; pass numpy.mean, say, before the arrays",
        ),
        (
            lambda: unc.bootstrap_interval(lambda a: None, [1.0, 2.0]),
            ValueError,
            "`statistic` must return a finite number, got None",
        ),
        (
            lambda: unc.bootstrap_interval(np.mean, [1j, 2.0]),
            ValueError,
            "`statistic` must return a finite number, got .*j",
        ),
        (
            lambda: unc.bootstrap_interval(np.mean, [[1.0, 2.0], [3.0, 4.0]]),
            ValueError,
            "`statistic` must return a finite number, got array",
        ),
        (
            lambda: unc.bootstrap_interval(np.mean, [1.0, np.nan]),
            ValueError,
            "`statistic` must return a finite number, got .*nan",
        ),
        (
            lambda: unc.bootstrap_interval(lambda a: 1.0 if 3 in a else np.nan, [1, 2, 3]),
            ValueError,
            "`statistic` must return a finite number of every resample",
        ),
        (lambda: unc.bootstrap_interval(np.mean, [1, 2], level=1), ValueError, "`level` .* got 1"),
        (lambda: unc.bootstrap_interval(np.mean, [1, 2], repeats=1), ValueError, "`repeats`"),
        (
            lambda: unc.bootstrap_interval(np.mean, [1, 2], method="BCa"),
            ValueError,
            '`method` must be "percentile" or "basic", got \'BCa\'',
        ),
        (
            lambda: unc.bootstrap_interval(np.mean, [1, 2], random_seed="a"),
            TypeError,
            "`random_seed`",
        ),
    ],
)
def test_bad_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()


# ---------------------------------------------------------------- all scores in a table


def calibrated(n, seed=0):
    generator = np.random.default_rng(seed)
    probs = generator.dirichlet(np.full(5, 0.2), size=n)
    return probs, (generator.random((n, 1)) < probs.cumsum(-1)).argmax(-1)


def test_values_are_those_of_scikit_learn_and_loops():
    probs, y = calibrated(1000)
    table = unc.evaluate(probs, y, repeats=100)
    assert table.index.name == "metric"
    assert table.index.tolist() == ["accuracy", "nll", "brier", "ece", "ece_floor", "aurc"]
    assert table.columns.tolist() == ["value", "low", "high"]
    value = table["value"]
    assert value["accuracy"] == sklearn.metrics.accuracy_score(y, probs.argmax(-1))
    assert value["nll"] == pytest.approx(sklearn.metrics.log_loss(y, probs, labels=range(5)))
    brier = sklearn.metrics.brier_score_loss(y, probs, labels=range(5), scale_by_half=False)
    assert value["brier"] == pytest.approx(brier)
    wrong = probs.argmax(-1) != y
    entropy = -np.sum(probs * np.log(probs), axis=-1)
    ranked = wrong[np.argsort(entropy)].tolist()
    aurc = sum(sum(ranked[:k]) / k for k in range(1, 1001)) / 1000
    assert value["aurc"] == pytest.approx(aurc)
    order = np.argsort(probs.max(-1))
    gaps = [abs(sum(~wrong[g]) - probs.max(-1)[g].sum()) for g in np.array_split(order, 15)]
    assert value["ece"] == pytest.approx(sum(gaps) / 1000)
    assert tuple(table.loc["ece_floor"]) == pytest.approx(unc.calibration_floor(probs))
    assert (table["low"] <= table["high"]).all()
    assert (
        table.loc[["accuracy", "nll", "brier", "aurc"], "low"] < value.drop(["ece", "ece_floor"])
    ).all()


def test_intervals_are_as_wide_as_the_spread_of_fresh_data():
    values = np.array(
        [unc.evaluate(*calibrated(400, seed), repeats=2)["value"] for seed in range(200)]
    )
    tables = [unc.evaluate(*calibrated(400, seed), repeats=200) for seed in range(200, 206)]
    width = np.mean([t["high"] - t["low"] for t in tables], axis=0)
    names = list(tables[0].index)
    for name in ("accuracy", "nll", "brier", "aurc"):
        spread = 2 * 1.96 * values[:, names.index(name)].std()
        assert width[names.index(name)] == pytest.approx(spread, rel=0.25)


def test_interval_of_the_calibration_error_takes_its_bias_out():
    probs, y = calibrated(3000)
    table = unc.evaluate(probs, y, repeats=200)
    ece, floor = table.loc["ece"], table.loc["ece_floor"]
    assert floor["low"] < ece["value"] < floor["high"]
    assert ece["low"] < ece["value"] / 2  # resampling adds to the error: the truth is below
    assert ece["high"] < ece["value"] * 1.2

    # where the true error is plain, it is covered
    generator = np.random.default_rng(9)
    covered = 0
    for _ in range(40):
        right = generator.random(2000) < 0.8
        probs = np.tile([0.9, 0.1], (2000, 1))
        probs[:, 0] += generator.uniform(-0.05, 0.05, size=2000)
        probs[:, 1] = 1 - probs[:, 0]
        table = unc.evaluate(
            probs, (~right).astype(int), bins=5, repeats=100, random_seed=generator
        )
        covered += table.loc["ece", "low"] <= 0.1 <= table.loc["ece", "high"]
    assert covered >= 33  # of 40 at 95 %, 100 resamples: 33 or more with probability 0.999


def test_options_of_the_table():
    probs, y = calibrated(300)
    wide = unc.evaluate(probs, y, repeats=100, level=0.99)
    narrow = unc.evaluate(probs, y, repeats=100, level=0.5)
    assert (wide["high"] - wide["low"] > narrow["high"] - narrow["low"]).all()
    assert unc.evaluate(probs, y, bins=1, repeats=10).loc["ece", "value"] == pytest.approx(
        abs((probs.argmax(-1) == y).mean() - probs.max(-1).mean())
    )
    for options, match in (
        ({"level": 2}, "`level` .* got 2"),
        ({"bins": 0}, "`bins` .* got 0"),
        ({"repeats": 1}, "`repeats` .* got 1"),
        ({"random_seed": -1}, "`random_seed` .* got -1"),
    ):
        with pytest.raises(ValueError, match=match):
            unc.evaluate(probs, y, **options)


def test_a_classifier_without_errors():
    table = unc.evaluate(np.eye(3)[[0, 1, 2] * 10], [0, 1, 2] * 10, repeats=20)
    assert table.loc["accuracy", "value"] == 1.0
    assert table.loc["accuracy", "low"] < 0.9
    assert (table.loc[["nll", "brier", "ece", "ece_floor", "aurc"]] == 0).all(axis=None)
