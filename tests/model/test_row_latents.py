"""Which free variables belong to the rows of the data, and what their log-densities are."""

import warnings

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest

import pymc_bnn as bnn
from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.inference.vi import VI
from pymc_bnn.model.whole_or_rows import take_apart
from tests.support.latent_parts import errors_in_variables, measured

N = 30
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=N), RNG.normal(size=N)


def effect():
    u = pm.Normal("u", 0, pm.HalfNormal("s"), shape=N)
    pm.Poisson("y", pm.math.exp(u + pm.Normal("b") * X), observed=np.arange(N))


def by_dims():
    pm.modelcontext(None).add_coord("obs", range(N))
    x = pm.Data("x", X, dims="obs")
    u = pm.Normal("u", x, 1, dims="obs")
    pm.Normal("y", pm.Normal("b") * u, pm.HalfNormal("s"), observed=Y, dims="obs")


def columns_and_chain():
    """Two columns to a row, whose own means are latents, too; one lives on a log scale."""
    z = pm.LogNormal("z", np.abs(X), 1, shape=N)
    u = pm.Normal("u", z[:, None], 1, shape=(N, 2))
    pm.Normal("y", u @ pm.Normal("w", shape=2), 1, observed=Y)
    pm.Normal("also", u[:, 0], np.linspace(1, 2, N), observed=X)


def multivariate():
    u = pm.MvNormal("u", np.zeros(2), np.eye(2) + 0.5, shape=(N, 2))
    pm.Normal("y", u.sum(axis=1), 1, observed=Y)


def beside_weights_of_as_many_columns():
    """The weights, of which there happen to be as many, belong to no row."""
    w = pm.Normal("w", 0, 0.1, shape=N)
    pm.Normal("y", np.eye(N) @ w + pm.Normal("u", shape=N), 1, observed=Y)


def by_a_scan():
    """Of which the graph does not say that rows stand alone: numbers do."""
    u = pm.Normal("u", shape=N)
    mu = pytensor.scan(
        lambda u, b: b * u, [u], non_sequences=[pm.Normal("b")], return_updates=False
    )
    pm.Normal("y", mu, 1, observed=Y)


TAKEN = {
    effect: {"u"}, by_dims: {"u"}, columns_and_chain: {"u", "z"}, multivariate: {"u"},
    beside_weights_of_as_many_columns: {"u"}, by_a_scan: {"u"},
}  # fmt: skip


@pytest.mark.parametrize("build", TAKEN)
def test_latents_of_rows_have_pymcs_numbers_row_by_row(build):
    with pm.Model() as model:
        build()
    terms, size, row_terms = take_apart(model, 7, None, 0, False, latents=VI().by_rows(model))
    assert (set(terms.latents), size, terms.n_rows) == (TAKEN[build], 7, N)
    assert row_terms.latents == ()
    by_row = terms.row_logp + sum(f.row_logp for f in terms.free if f.per_example)
    rest = terms.rest_logp + sum(f.logp.sum() for f in terms.free if not f.per_example)
    function = pytensor.function(
        [*terms.values, *terms.inputs], [by_row, rest], mode=INTERPRETED, on_unused_input="ignore"
    )
    point = {k: v + 0.3 * RNG.normal(size=v.shape) for k, v in model.initial_point().items()}
    values = {f.name: point[f.value.name] for f in terms.free}
    rows, other = function(*values.values(), *(d.value for d in terms.data))
    np.testing.assert_allclose(
        rows.sum() + other, model.compile_logp(mode=INTERPRETED)(point), rtol=1e-6
    )
    some = np.array([7, 3, 28])
    few, _ = function(
        *terms.values_of(values, some).values(),
        *(d.value[some] if d.per_example else d.value for d in terms.data),
    )
    np.testing.assert_allclose(few, rows[some], rtol=1e-6)


def walk():
    pm.Normal(
        "y", pm.GaussianRandomWalk("u", 1, init_dist=pm.Normal.dist(), shape=N), 1, observed=Y
    )


def correlated():
    pm.Normal("y", pm.MvNormal("u", np.zeros(N), np.eye(N) + 0.5), 1, observed=Y)


def summed():
    pm.Normal("y", pm.ZeroSumNormal("u", shape=N), 1, observed=Y)


def pulled():
    u = pm.Normal("u", shape=N)
    pm.Normal("y", u, 1, observed=Y)
    pm.Potential("p", -(u.sum() ** 2))


def parent():
    u = pm.Normal("u", shape=N)
    pm.Normal("y", u + pm.Normal("b", u.mean()), 1, observed=Y)


def shifted():
    u = pm.Normal("u", shape=N)
    pm.Normal("y", u + pt.roll(u, 1), 1, observed=Y)


@pytest.mark.parametrize("build", [walk, correlated, summed, pulled, parent, shifted])
def test_what_does_not_come_apart_by_row_is_no_latent_of_rows(build):
    with pm.Model() as model:
        build()
    with pytest.raises(ValueError, match="`batch_size` must be None"):
        take_apart(model, 7, None, 0, False, latents=VI().by_rows(model))


def test_the_same_rule_decides_how_many_rows_a_step_takes():
    model = errors_in_variables(*measured(300))
    allowed = VI().by_rows(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert take_apart(model, 100, None, 0, False, 256, allowed).batch_size == 100
        assert take_apart(model, "auto", None, 0, False, 256, allowed).batch_size is None
        assert take_apart(model, "auto", None, 0, False, 1024, allowed).batch_size is None
        assert take_apart(model, None, None, 0, False, 256, allowed).terms.latents == ()
        many = errors_in_variables(*measured(10_001))
        assert take_apart(many, "auto", None, 0, False, 256, allowed).batch_size == 256


def test_other_guides_and_streams_are_refused_in_one_sentence():
    model = errors_in_variables(*measured(40))
    settings = {"steps": 2, "progressbar": False}
    with pytest.raises(ValueError, match=r"guide is not MeanField.*\['x_true'\]"):
        bnn.fit(model, batch_size=10, guide={"x_true": bnn.guides.FullRank()}, **settings)
    data = [{"x_obs": np.zeros(10), "y": np.zeros(10)}]
    with pytest.raises(ValueError, match=r"`data` must be left out.*\['x_true'\]"):
        bnn.fit(model, data=data, total_size=10, **settings)
