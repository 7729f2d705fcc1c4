"""Regressions of several outputs: an axis is kept, and each output has what it has alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from pymc_bnn import uncertainty as u
from pymc_bnn.prediction import Prediction, ValuePrediction

RNG = np.random.default_rng(0)
DRAWS, N, OUTPUTS = 30, 40, 3
SAMPLES = RNG.normal(size=(DRAWS, N, OUTPUTS)) * [1, 10, 100]
VALUES = RNG.normal(size=(N, OUTPUTS)) * [1, 20, 50]
FUNCTIONS = {
    "value_interval": lambda s, y: u.value_interval(s, 0.8),
    "crps": u.crps,
    "variance_parts": lambda s, y: np.stack(u.variance_parts(s, 2.0), axis=-1),
    "conformal_values": lambda s, y: u.conformal_values(s, y).intervals(s),
    "normalised": lambda s, y: u.conformal_values(s, y, method="normalised").intervals(s),
}
TABLES = {
    "evaluate_values": lambda s, y: u.evaluate_values(s, y, repeats=5),
    "coverage_table": u.coverage_table,
}


def predicted(samples, **options):
    return ValuePrediction(DRAWS, samples.mean(0), samples.std(0, ddof=1), samples, **options)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_output_is_what_it_is_alone(name):
    found = FUNCTIONS[name](SAMPLES, VALUES)
    for j in range(OUTPUTS):
        alone = FUNCTIONS[name](SAMPLES[..., j], VALUES[:, j])
        np.testing.assert_allclose(found[:, j], alone, rtol=1e-9)


@pytest.mark.parametrize("name", TABLES)
def test_tables_have_the_outputs_one_below_the_other(name):
    columns = ["a", "b", "c"]
    found = TABLES[name](SAMPLES, pd.DataFrame(VALUES, columns=columns))
    assert list(found.index.unique("output")) == columns
    assert list(TABLES[name](SAMPLES, VALUES).index.unique("output")) == [0, 1, 2]
    for j, column in enumerate(columns):
        alone = TABLES[name](SAMPLES[..., j], VALUES[:, j])
        pd.testing.assert_frame_equal(found.loc[column], alone)


def test_coverage_has_a_share_and_ends_for_each_output():
    found = u.interval_coverage(SAMPLES, VALUES)
    for j, (value, low, high) in enumerate(zip(*found, strict=True)):
        assert u.interval_coverage(SAMPLES[..., j], VALUES[:, j]) == (value, low, high)
    assert type(u.interval_coverage(SAMPLES[..., 0], VALUES[:, 0]).value) is float


def test_the_density_is_of_all_outputs():
    table = u.evaluate_values(SAMPLES, VALUES, np.full(N, -3.0), repeats=5)
    assert table.loc[("all", "nlpd")].tolist() == [3, 3, 3]
    assert len(table) == 4 * OUTPUTS + 1


def test_predictions_with_examples_on_another_axis():
    turned = predicted(SAMPLES.transpose(0, 2, 1), rows=1)
    whole = Prediction({"y": turned}, DRAWS, None)
    for pred in (turned, whole):
        np.testing.assert_array_equal(u.crps(pred, VALUES), u.crps(SAMPLES, VALUES))
    made = u.conformal_values(SAMPLES, VALUES, method="normalised")
    for kept in (turned.samples, None):
        pred = ValuePrediction(DRAWS, turned.mean, turned.std, kept, rows=1)
        np.testing.assert_allclose(made.intervals(pred), made.intervals(SAMPLES), rtol=1e-9)


def test_noise_shared_or_of_each_output():
    noise = RNG.gamma(2.0, size=(DRAWS, OUTPUTS))
    root = np.sqrt((noise**2).mean(axis=0))
    of_each = predicted(noise, rows=None)  # a deterministic without examples
    for given in (noise[:, None], of_each):
        found = u.variance_parts(SAMPLES, given).aleatoric
        np.testing.assert_allclose(found, np.broadcast_to(root, (N, OUTPUTS)))
    of_all = u.variance_parts(SAMPLES, noise[:, :1, None]).aleatoric
    np.testing.assert_allclose(of_all, np.full((N, OUTPUTS), root[0]))
    single = predicted(noise[:, 0], rows=None)
    alone = u.variance_parts(SAMPLES[..., 0], single).aleatoric
    np.testing.assert_allclose(alone, np.full(N, root[0]))


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"`y` must have shape \(40, 3\), .* example and output"):
        u.crps(SAMPLES, VALUES[:, 0])
    with pytest.raises(
        ValueError, match=r"`noise_stds` must .* or \(30, 1, 1\), got shape \(30, 3"
    ):
        u.variance_parts(SAMPLES, np.ones((DRAWS, OUTPUTS)))
    with pytest.raises(ValueError, match=r"`log_density` must have shape \(40,\), one value per"):
        u.evaluate_values(SAMPLES, VALUES, np.zeros((N, OUTPUTS)))
    with pytest.raises(
        ValueError, match=r"`samples` must have shape .* got shape \(30, 40, 3, 1\)"
    ):
        u.coverage_table(SAMPLES[..., None], VALUES[..., None])


# ---------------------------------------------------------------- PIT, coverage of many levels


@pytest.mark.parametrize("draws", [1, 9])
@pytest.mark.parametrize("law", [scipy.stats.norm(), scipy.stats.poisson(1.5)])
def test_pit_of_what_the_draws_are_of_is_uniform(draws, law):
    values = law.rvs((draws + 1, 4000), random_state=1)
    found = u.pit(values[1:], values[0], 2)
    assert scipy.stats.kstest(found, "uniform").pvalue > 0.01
    wide = u.pit(3 * values[1:] - 2 * law.mean(), values[0], 2)
    if draws > 1:
        assert scipy.stats.kstest(wide, "uniform").pvalue < 1e-6


def test_pit_is_the_distribution_function_and_its_seed_is_its_own():
    samples, y = RNG.normal(size=(20_000, 5)), np.linspace(-2, 2, 5)
    np.testing.assert_allclose(u.pit(samples, y), scipy.stats.norm.cdf(y), atol=0.015)
    one = u.pit(SAMPLES, VALUES)
    assert one.shape == VALUES.shape
    np.testing.assert_array_equal(one, u.pit(SAMPLES, VALUES, 0))
    assert (one != u.pit(SAMPLES, VALUES, 1)).all()


def test_the_table_of_coverages_is_the_coverage_at_each_level():
    samples, y = SAMPLES[..., 0], VALUES[:, 0]
    table = u.coverage_table(samples, y, [0.3, 0.9])
    for level, row in table.iterrows():
        assert tuple(row[:3]) == u.interval_coverage(samples, y, level)
        assert row["width"] == pytest.approx(np.diff(u.value_interval(samples, level)).mean())
    with pytest.raises(ValueError, match="`levels` must hold a level at least"):
        u.coverage_table(samples, y, [])
    with pytest.raises(ValueError, match=r"`level` must be a number in \(0, 1\), got 1"):
        u.coverage_table(samples, y, [0.5, 1])
