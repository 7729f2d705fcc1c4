"""Weights: a row's log-density is multiplied by its weight, as if it were there so many times."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import BayesianRidge
from sklearn.preprocessing import StandardScaler

from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.networks import mlp
from pymc_bnn.sklearn import BNNRegressor
from pymc_bnn.sklearn.columns import Columns
from pymc_bnn.sklearn.models import class_model, normal_model
from tests.support.estimators import QUICK

TIMES = np.array([1, 3, 0, 2, 1, 4])


def log_density(model, seed=3):
    """The model's log-density at values that have nothing to do with where it starts."""
    rng = np.random.default_rng(seed)
    point = {k: rng.normal(size=np.shape(v)) for k, v in sorted(model.initial_point().items())}
    return float(model.compile_logp(mode=INTERPRETED)(point))


@pytest.mark.parametrize(("targets", "noise"), [(1, "input"), (2, "input"), (2, "constant")])
def test_weighted_targets_are_repeated_ones(targets, noise):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    y = y[:, 0] if targets == 1 else y
    k, rows = targets * (2 if noise == "input" else 1), np.repeat(np.arange(6), TIMES)
    weighted = normal_model(mlp((3, 4, k)), x, y, TIMES.astype(float), noise=noise)
    repeated = normal_model(mlp((3, 4, k)), x[rows], y[rows], noise=noise)
    assert log_density(weighted) == pytest.approx(log_density(repeated), rel=1e-12)


def test_weighted_labels_are_repeated_ones():
    x, labels = np.random.default_rng(0).normal(size=(6, 3)), np.array([0, 2, 1, 1, 0, 2])
    rows = np.repeat(np.arange(6), TIMES)
    weighted = class_model(mlp((3, 4, 3)), x, labels, TIMES.astype(float))
    repeated = class_model(mlp((3, 4, 3)), x[rows], labels[rows])
    assert log_density(weighted) == pytest.approx(log_density(repeated), rel=1e-12)


def test_scales_are_those_of_repeated_rows():
    x = np.random.default_rng(0).normal(size=(6, 3))
    known = Columns.of(x, TIMES.astype(float))
    assert np.allclose(known.encoded(x), StandardScaler().fit(np.repeat(x, TIMES, 0)).transform(x))


def test_a_weighted_fit_is_that_of_repeated_rows(table):
    """Of a line, in batches: the posterior of 450 rows, from 150 that count up to five times."""
    x, y = table
    times = np.random.default_rng(1).integers(0, 6, 150)
    options = {**QUICK, "steps": 1500, "noise": "constant", "batch_size": 50}
    weighted = BNNRegressor((), **options).fit(x, y, sample_weight=times)
    exact = BayesianRidge().fit(np.repeat(x, times, 0), np.repeat(y, times))
    assert np.allclose(weighted.predict(x), exact.predict(x), atol=0.02 * y.std())
    widths = weighted.fitted_.std["dense1_W"].to_numpy()[:, 0] * y.std() / x.std(axis=0)
    assert np.allclose(widths, np.sqrt(np.diag(exact.sigma_)), rtol=0.25)


def test_weights_of_one_change_nothing(table):
    """The potential has the observed variable's rows and scale, in batches, too."""
    options = {**QUICK, "batch_size": 50, "steps": 60}
    plain = BNNRegressor((), noise="constant", **options).fit(*table)
    weighted = clone(plain).fit(*table, sample_weight=np.ones(150))
    found, expected = (m.fitted_.history[["nll", "kl"]].to_numpy() for m in (weighted, plain))
    assert np.allclose(found, expected, rtol=1e-4)
