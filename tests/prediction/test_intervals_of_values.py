"""Means, intervals and quantiles of predicted values against the posterior's closed form."""

import numpy as np
import pymc as pm
import pytest
from scipy import stats

import pymc_bnn as bnn

N, SIGMA = 60, 2
Y = np.random.default_rng(0).integers(-5, 5, size=(N, 2))  # two targets, as integers
QUIET = {"random_seed": 1, "progressbar": False}


@pytest.fixture(scope="module")
def fitted():
    with pm.Model() as model:
        mu = pm.Deterministic(
            "mu", pm.Data("x", np.ones((N, 1))) @ pm.Normal("a", 0, 10, shape=(1, 2))
        )
        pm.Normal("y", mu, SIGMA, observed=Y, shape=mu.shape)
    return bnn.fit(model, steps=3000, **QUIET)


def test_intervals_of_several_targets(fitted):
    precision = N / SIGMA**2 + 1 / 100
    center, spread = Y.sum(axis=0) / SIGMA**2 / precision, np.sqrt(1 / precision + SIGMA**2)
    pred = fitted.predict({"x": np.ones((3, 1))}, 4000, random_seed=2)
    assert pred.interval().shape == (3, 2, 2)
    exact = stats.norm.ppf([0.05, 0.95], center[:, None], spread)
    np.testing.assert_allclose(pred.interval(0.9), np.broadcast_to(exact, (3, 2, 2)), atol=0.2)
    np.testing.assert_allclose(pred.quantile(0.25), [exact.mean(1) - 0.6745 * spread] * 3, atol=0.2)
    np.testing.assert_allclose(pred.mean, [center] * 3, atol=0.1)
    np.testing.assert_allclose(pred.std, spread, rtol=0.05)
    np.testing.assert_array_equal(pred["y"].interval(0.5), pred.quantile([0.25, 0.75]))


def test_of_a_deterministic_it_is_chosen(fitted):
    pred = fitted.predict(None, 500, var_names=["mu"], random_seed=2)
    with pytest.raises(AttributeError, match=r"2 of the variables .* choose a variable"):
        pred.interval()
    low, high = pred["mu"].interval(0.9).T
    np.testing.assert_allclose((high - low)[0], 2 * 1.645 * SIGMA / np.sqrt(N), rtol=0.2)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda p: p.interval(90), r"`level` must be a number in \(0, 1\), got 90"),
        (lambda p: p.quantile(5), r"`q` must be numbers in \[0, 1\], got 5"),
        (lambda p: p.quantile([0.1, np.nan]), r"`q` must be numbers in \[0, 1\]"),
    ],
)
def test_bad_arguments(fitted, act, message):
    pred = fitted.predict(None, 20, random_seed=2)
    with pytest.raises(ValueError, match=message):
        act(pred)


def test_without_draws_there_are_moments_only(fitted):
    pred = fitted.predict(None, 20, keep_draws=False, random_seed=2)
    assert pred.mean.shape == pred.std.shape == (N, 2)
    with pytest.raises(ValueError, match=r"hold posterior draws.* keep_draws=True"):
        pred.interval()


def test_classes_have_none():
    with pm.Model() as model:
        pm.Bernoulli("y", logit_p=pm.Normal("a"), observed=[0, 1, 1])
    pred = bnn.fit(model, steps=50, **QUIET).predict(None, 20, random_seed=1)
    assert not hasattr(pred, "mean")
    with pytest.raises(AttributeError, match=r"0 of the variables .* have values"):
        pred.interval()
