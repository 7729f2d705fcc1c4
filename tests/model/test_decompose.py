"""Models taken apart agree with PyMC's own log-density, whatever their data are made of."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import scipy.stats as st

from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.model.decompose import decompose
from pymc_bnn.model.rows import find_rows
from pymc_bnn.runtime.precision import precision

RNG = np.random.default_rng(1)
X = RNG.normal(size=(30, 4))
Y = RNG.normal(size=30)
LABELS = RNG.integers(3, size=30)


def regression(kind):
    """Linear regression whose data are pm.Data, constants, with dims, or a Minibatch."""
    coords = {"obs": np.arange(30), "feature": list("abcd")} if kind == "dims" else None
    with pm.Model(coords=coords) as model:
        w = pm.Normal("w", 0, 2, shape=4)
        s = pm.HalfNormal("s", 1)
        if kind == "data":
            pm.Normal("y", pm.Data("x", X) @ w, s, observed=pm.Data("y_data", Y))
        elif kind == "constants":
            pm.Normal("y", pt.as_tensor(X) @ w, s, observed=Y)
        elif kind == "dims":
            x = pm.Data("x", X, dims=("obs", "feature"))
            pm.Normal("y", x @ w, s, observed=Y, dims="obs")
        else:
            x, y = pm.Minibatch(X, Y, batch_size=10)
            pm.Normal("y", x @ w, s, observed=y, total_size=30)
    return model


@pytest.mark.parametrize("kind", ["data", "constants", "dims", "minibatch"])
def test_row_log_likelihood_matches_scipy(kind):
    model = regression(kind)
    rows, n = find_rows(model)
    terms = decompose(model, rows)
    assert (n, terms.n_rows) == (30, 30)
    w, s = np.array([0.3, -1.0, 0.5, 2.0]), 1.7
    index = [3, 3, 17]
    arrays = [d.value[index] for d in terms.data]
    with precision("float64"):
        f = jaxify([*terms.values, *terms.inputs], [terms.row_logp, terms.rest_logp], "float64")
        row, rest = f(w, np.log(s), *arrays)
    np.testing.assert_allclose(row, st.norm.logpdf(Y[index], X[index] @ w, s), rtol=1e-7)
    assert float(rest) == 0.0


def test_prior_terms_match_pymc_and_scipy():
    terms = decompose(regression("data"))
    w, s = np.array([0.3, -1.0, 0.5, 2.0]), 1.7
    with precision("float64"):
        f = jaxify([*terms.values], [free.logp.sum() for free in terms.free], "float64")
        prior_w, prior_s = f(w, np.log(s))
    # PyMC keeps log√2π as a float32 constant.
    np.testing.assert_allclose(prior_w, st.norm.logpdf(w, 0, 2).sum(), rtol=1e-8)
    # The density of log s gains the Jacobian log s.
    np.testing.assert_allclose(prior_s, st.halfnorm.logpdf(s) + np.log(s), rtol=1e-7)


def test_total_size_beyond_the_data_scales_the_likelihood():
    with pm.Model() as model:
        y = pm.Minibatch(Y, batch_size=10)
        pm.Normal("y", pm.Normal("mu"), 1, observed=y, total_size=300)
    rows, _ = find_rows(model)
    terms = decompose(model, rows)
    with precision("float64"):
        row = jaxify([*terms.values, *terms.inputs], [terms.row_logp], "float64")(0.0, Y)[0]
    np.testing.assert_allclose(row, 10 * st.norm.logpdf(Y), rtol=1e-7)


def test_several_observed_variables_and_trailing_axes_add_up_by_row():
    counts = RNG.poisson(2.0, size=(30, 2))
    with pm.Model() as model:
        w = pm.Normal("w", shape=(4, 3))
        pm.Categorical("label", logit_p=pm.Data("x", X) @ w, observed=LABELS)
        pm.Poisson("counts", pm.math.exp(w[0, :2]), observed=counts)
    rows, _ = find_rows(model)
    terms = decompose(model, rows)
    w = RNG.normal(size=(4, 3))
    with precision("float64"):
        f = jaxify([*terms.values, *terms.inputs], [terms.row_logp], "float64")
        row = f(w, *(d.value for d in terms.data))[0]
    logits = X @ w
    label = logits[np.arange(30), LABELS] - np.log(np.exp(logits).sum(1))
    expected = label + st.poisson.logpmf(counts, np.exp(w[0, :2])).sum(1)
    np.testing.assert_allclose(row, expected, rtol=1e-8)


def test_potentials_by_row_and_whole():
    with pm.Model() as model:
        mu = pm.Normal("mu")
        pm.Potential("rows", -((pm.Data("x", Y) - mu) ** 2))
        pm.Potential("whole", -(mu**2))
        pm.Normal("y", mu, 1, observed=Y)
    rows, _ = find_rows(model)
    terms = decompose(model, rows)
    with precision("float64"):
        f = jaxify(
            [*terms.values, *terms.inputs], [terms.row_logp, terms.potential_logp], "float64"
        )
        row, whole = f(0.5, *(d.value for d in terms.data))
    np.testing.assert_allclose(row, st.norm.logpdf(Y, 0.5) - (Y - 0.5) ** 2, rtol=1e-7)
    np.testing.assert_allclose(whole, -0.25)


def test_dims_tell_a_group_table_from_the_examples():
    with pm.Model(coords={"obs": range(30), "group": range(30)}) as model:
        table = pm.Data("table", RNG.normal(size=30), dims="group")
        group = pm.Data("group_index", np.arange(30) // 3, dims="obs")
        pm.Normal("y", pm.Normal("b") * table[group], 1, observed=Y, dims="obs")
    rows, _ = find_rows(model)
    assert {r.name for r in rows} == {"group_index", "y"}


def test_rows_argument():
    model = regression("dims")
    assert {r.name for r in find_rows(model, "obs")[0]} == {"x", "y"}
    assert {r.name for r in find_rows(model, ["y"])[0]} == {"y"}
    with pytest.raises(ValueError, match=r"`rows` must name a dimension.*'z'"):
        find_rows(model, ["z"])


def test_of_different_lengths_the_longest_are_the_examples():
    with pm.Model() as model:
        mu = pm.Normal("mu")
        pm.Normal("a", mu, 1, observed=Y)
        pm.Normal("b", mu, 1, observed=Y[:7])
    rows, n = find_rows(model)
    assert n == find_rows(model, ["a"])[1] == 30
    assert find_rows(model, ["b"])[1] == 7
    terms = decompose(model, rows)
    with precision("float64"):
        rest = jaxify([*terms.values, *terms.inputs], [terms.rest_logp], "float64")
        value = rest(0.0, *(d.value for d in terms.data))[0]
    np.testing.assert_allclose(value, st.norm.logpdf(Y[:7]).sum())


def test_refusals():
    with pm.Model() as discrete:
        pm.Normal("y", pm.Bernoulli("z", 0.5), 1, observed=Y)
    with pytest.raises(ValueError, match=r"`model` must have continuous free variables.*'z'"):
        decompose(discrete)
    with pm.Model() as unobserved:
        pm.Normal("z")
    with pytest.raises(ValueError, match=r"`model` must have observed variables"):
        decompose(unobserved)
    with pm.Model() as nan:
        pm.Normal("y", pm.Normal("b") * pm.Data("x", np.where(Y > 1, np.inf, Y)), 1, observed=Y)
    with pytest.raises(ValueError, match=r"`x` must hold finite numbers.*NaN or infinite"):
        decompose(nan)
    with pm.Model() as dense:
        pm.MvNormal("y", pm.Normal("mu") * np.ones(30), np.eye(30), observed=Y)
    with pytest.raises(ValueError, match=r"depends on other rows, got 'y'"):
        decompose(dense, find_rows(dense)[0])


def test_free_variables_of_examples_are_refused():
    with pm.Model() as effects:
        z = pm.Normal("z", mu=pm.Data("prior", Y), sigma=1)
        pm.Normal("y", z, 1, observed=Y)
    with pytest.raises(ValueError, match=r"belong to examples.*\['z'\]; pass batch_size=None"):
        decompose(effects, find_rows(effects)[0])
