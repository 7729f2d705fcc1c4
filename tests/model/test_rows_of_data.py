"""Which data have a row per example, and which only look like it."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import scipy.stats as st

import pymc_bnn as bnn
from tests.support.conjugate import QUIET, SIGMA, TAU, N, X, Y

RNG = np.random.default_rng(3)


def test_a_group_table_with_as_many_rows_as_examples_is_no_data_of_theirs():
    table, group = RNG.normal(size=N), RNG.integers(N, size=N)
    with pm.Model() as model:
        b = pm.Normal("b")
        pm.Normal("y", b * pm.Data("table", table)[pm.Data("group", group)], 1, observed=Y)
    by_itself = bnn.fit(model, steps=500, batch_size=50, **QUIET)
    named = bnn.fit(model, steps=500, batch_size=50, rows=["group", "y"], **QUIET)
    np.testing.assert_array_equal(by_itself.history["elbo"], named.history["elbo"])
    assert [d.name for d in named.problem.terms.data if not d.per_example] == ["table"]


def test_frozen_weights_with_as_many_rows_as_examples():
    x, w = RNG.normal(size=(N, N)), RNG.normal(size=(N, 3))
    with pm.Model() as model:
        hidden = pm.math.tanh(pm.Data("x", x) @ pm.Data("w", w))
        pm.Normal("y", hidden @ pm.Normal("v", shape=3), 1, observed=Y)
    fitted = bnn.fit(model, steps=5, batch_size=50, **QUIET)
    assert [d.name for d in fitted.problem.terms.data if not d.per_example] == ["w"]


def test_layers_that_mix_examples_are_caught():
    with pm.Model() as model:
        x = pm.Data("x", X)
        pm.Normal("y", (x - x.mean(axis=0)) @ pm.Normal("w", shape=3), 1, observed=Y)
    with pytest.raises(ValueError, match=r"a row depends on other rows"):
        bnn.fit(model, steps=5, batch_size=50, progressbar=False)


@pytest.mark.parametrize("batch_size", [50, None])
def test_an_effect_per_row_has_the_exact_posterior(batch_size):
    with pm.Model() as model:
        z = pm.Normal("z", shape=N)
        pm.Normal("y", z, 1, observed=Y)
    fitted = bnn.fit(model, steps=4000, batch_size=batch_size, **QUIET)
    np.testing.assert_allclose(fitted.mean["z"], Y / 2, atol=0.1)
    np.testing.assert_allclose(fitted.std["z"], np.sqrt(0.5), rtol=0.2 if batch_size else 0.1)
    np.testing.assert_allclose(fitted.std["z"].mean(), np.sqrt(0.5), rtol=0.01)
    evidence, found = st.norm.logpdf(Y, 0, np.sqrt(2)).sum(), fitted.elbo(100, random_seed=1)
    assert abs(found["elbo"] - evidence) < 4 * found["elbo_se"] + 0.2


@pytest.mark.filterwarnings(
    "ignore:Data in y contains missing values:pymc.exceptions.ImputationWarning"
)
def test_missing_values_are_free_variables():
    with_gaps = np.where(np.arange(N) % 50 == 0, np.nan, Y)
    with pm.Model() as model:
        pm.Normal("y", pt.as_tensor(X) @ pm.Normal("w", 0, TAU, shape=3), SIGMA, observed=with_gaps)
    with pytest.raises(ValueError, match=r"missing values.*pass batch_size=None"):
        bnn.fit(model, steps=5, batch_size=50, progressbar=False)
    fitted = bnn.fit(model, steps=4000, batch_size=None, **QUIET)
    missing = X[np.isnan(with_gaps)]
    w = fitted.mean["w"].values
    np.testing.assert_allclose(fitted.mean["y_unobserved"], missing @ w, atol=0.2)


def test_vectors_of_a_prior_are_not_taken_for_examples():
    with pm.Model() as model:
        w = pm.Normal("w", np.zeros(N), 1)
        pm.Normal("y", (pm.Data("x", X) @ w[:3]), 1, observed=Y)
    fitted = bnn.fit(model, steps=5, batch_size=50, **QUIET)
    assert fitted.params["w"]["loc"].shape == (N,)
