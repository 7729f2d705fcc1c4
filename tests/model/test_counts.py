"""Huge counts in float32: log-densities and gradients are SciPy's in float64."""

import jax
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import special, stats

import pymc_bnn as bnn
from pymc_bnn.elbo import assemble
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.model.counts import has_huge_counts
from pymc_bnn.model.decompose import decompose
from pymc_bnn.runtime.precision import precision
from tests.support.parts import by_rows, posterior_of

HUGE = 10**8
RNG = np.random.default_rng(3)
K = RNG.binomial(HUGE, 0.3, 12)
LOGIT = np.float32(special.logit(0.3))
P = special.expit(float(LOGIT))
MU = float(np.exp(np.float32(18.0)))
RNG_POISSON = RNG.poisson(MU, 12)
BEYOND = RNG.binomial(10**10, 0.3, 12)
TABLE = RNG.multinomial(HUGE, [0.2, 0.3, 0.5], 12)


def dirichlet_multinomial(y, a):
    n = y.sum(axis=-1)
    return (
        special.gammaln(a.sum()) + special.gammaln(n + 1) - special.gammaln(n + a.sum())
        + (special.gammaln(y + a) - special.gammaln(a) - special.gammaln(y + 1)).sum(axis=-1)
    )  # fmt: skip


CASES = {  # the likelihood of an unconstrained number t, where it is, and SciPy's log-densities
    "Binomial": (
        lambda t: pm.Binomial("y", HUGE, logit_p=t, observed=K),
        LOGIT,
        lambda t: stats.binom.logpmf(K, HUGE, special.expit(t)),
    ),
    "Binomial, of few": (
        lambda t: pm.Binomial("y", HUGE, pt.exp(t), observed=np.arange(12)),
        np.float32(-17),
        lambda t: stats.binom.logpmf(np.arange(12), HUGE, np.exp(t)),
    ),
    "BetaBinomial": (
        lambda t: pm.BetaBinomial("y", 30 * pt.exp(t), 70 * pt.exp(t), HUGE, observed=K),
        np.float32(6),
        lambda t: stats.betabinom.logpmf(K, HUGE, 30 * np.exp(t), 70 * np.exp(t)),
    ),
    "Poisson": (
        lambda t: pm.Poisson("y", pt.exp(t), observed=RNG_POISSON),
        np.float32(18),
        lambda t: stats.poisson.logpmf(RNG_POISSON, np.exp(t)),
    ),
    "NegativeBinomial": (
        lambda t: pm.NegativeBinomial("y", mu=MU, alpha=pt.exp(t), observed=RNG_POISSON),
        np.float32(10),
        lambda t: stats.nbinom.logpmf(RNG_POISSON, np.exp(t), np.exp(t) / (np.exp(t) + MU)),
    ),
    "NegativeBinomial, a large alpha": (
        lambda t: pm.NegativeBinomial("y", mu=5.0, alpha=pt.exp(t), observed=np.arange(12)),
        np.float32(13),
        lambda t: stats.nbinom.logpmf(np.arange(12), np.exp(t), np.exp(t) / (np.exp(t) + 5)),
    ),
    "Geometric": (
        lambda t: pm.Geometric("y", pt.exp(-t), observed=RNG_POISSON),
        np.float32(18),
        lambda t: stats.geom.logpmf(RNG_POISSON, np.exp(-t)),
    ),
    "Multinomial": (
        lambda t: pm.Multinomial(
            "y", HUGE, pt.stack([0.2 * t, 1 - 0.7 * t, 0.5 * t]), observed=TABLE
        ),
        np.float32(1),
        lambda t: stats.multinomial.logpmf(TABLE, HUGE, [0.2 * t, 1 - 0.7 * t, 0.5 * t]),
    ),
    "DirichletMultinomial": (
        lambda t: pm.DirichletMultinomial(
            "y", HUGE, pt.exp(t) * np.array([2.0, 3.0, 5.0]), observed=TABLE
        ),
        np.float32(8),
        lambda t: dirichlet_multinomial(TABLE, np.exp(t) * np.array([2.0, 3.0, 5.0])),
    ),
    "ZeroInflatedPoisson": (
        lambda t: pm.ZeroInflatedPoisson("y", 0.5, pt.exp(t), observed=RNG_POISSON),
        np.float32(18),
        lambda t: stats.poisson.logpmf(RNG_POISSON, np.exp(t)) + np.log(0.5),
    ),
    "beyond 2**31": (  # as floats: PyMC itself cuts integers to 32 bits
        lambda t: pm.Binomial("y", 10**10, logit_p=t, observed=1.0 * BEYOND),
        LOGIT,
        lambda t: stats.binom.logpmf(BEYOND, 10**10, special.expit(t)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_log_densities_and_gradients_are_scipys(name):
    likelihood, at, reference = CASES[name]
    with pm.Model() as model:
        likelihood(pm.Normal("t"))
    terms = by_rows(model)
    posterior = posterior_of(terms, dtype="float32")
    elbo = assemble(terms, posterior, "float32")
    params = {"t": {"loc": at, "log_scale": np.float32(-30)}}
    with precision("float32"):

        def rows(loc):
            found = elbo({"t": {**params["t"], "loc": loc}}, {"t": np.float32(0)}, terms.arrays())
            return found.row

        found = np.asarray(jax.jit(rows)(at))
        twice = np.asarray(jax.jit(jax.vmap(rows))(np.stack([at, at])))
        gradient = float(jax.jit(jax.grad(lambda loc: rows(loc).sum()))(at))
    expected, t = reference(float(at)), float(at)
    assert found.dtype == np.float32
    atol = 0.02 if name == "beyond 2**31" else 1e-4  # float32's of the data themselves
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=atol)
    np.testing.assert_allclose(twice, [found, found], rtol=1e-6)
    h, f = 5e-3, lambda k: reference(t + k * h).sum()
    slope = (8 * (f(1) - f(-1)) - (f(2) - f(-2))) / (12 * h)
    second = (f(1) - 2 * f(0) + f(-1)) / h**2
    assert gradient == pytest.approx(slope, rel=5e-3, abs=2e-6 * abs(second) + 1e-3)


def test_the_issues_binomial():
    k = np.random.default_rng(0).binomial(HUGE, 0.3, 100)
    with pm.Model() as model:
        pm.Binomial("y", HUGE, pm.Beta("p", 1, 1), observed=k)
    fits = [
        bnn.fit(model, steps=3000, random_seed=1, progressbar=False, dtype=d)
        for d in ("float32", "float64")
    ]
    a, b = (f.elbo(20, random_seed=1) for f in fits)
    assert a["nll"] == pytest.approx(b["nll"], rel=1e-3)


def test_a_network_is_left_in_float32():
    """Only what is behind the last product is computed in float64."""
    x = RNG.normal(size=(30, 3))
    with pm.Model() as model:
        h = pt.tanh(pm.Data("x", x) @ pm.Normal("w", shape=(3, 4))) @ pm.Normal("v", shape=4)
        pm.Poisson("y", pt.exp(h + 8), observed=np.full(30, 3000))
    terms = by_rows(model)
    elbo = assemble(terms, posterior_of(terms, dtype="float32"), "float32", "auto")
    assert elbo.choices["w"].estimator.name == "local"
    with precision("float32"):
        params = {b.name: b.params for b in posterior_of(terms).blocks}
        noise = elbo.draw_noise(jax.random.key(0), 30)
        text = str(jax.make_jaxpr(lambda p: elbo(p, noise, terms.arrays()).row)(params))
    assert "f64[30]" in text
    assert "f64[30,4]" not in text


def test_small_counts_and_labels_stay_in_float32():
    with pm.Model() as model:
        p = pm.Beta("p", 1, 1)
        pm.Binomial("few", 90, p, observed=[30, 40])
        pm.Bernoulli("label", p, observed=[0, 1])
        pm.Normal("real", p, observed=[1e6, 2e6])
    terms = decompose(model)
    assert not any(has_huge_counts(o, terms) for o in terms.observed)


def test_sums_of_whole_numbers_beyond_int32():
    counts = np.full(3, 2 * 10**9)
    x = pt.lvector("x")
    with precision("float32"):
        found = jaxify([x], [x.sum() * 1.5, pt.log(x.sum())])(counts.astype("int32"))
    np.testing.assert_allclose(found, [9e9, np.log(6e9)], rtol=1e-6)


def test_data_beyond_int32():
    x = np.array([2**40, 2**41])
    with pm.Model() as model:
        b = pm.Normal("b")
        pm.Normal("y", b * x, 1e12, observed=1.0 * x)
    terms = decompose(model)
    with precision("float32"):
        logp = jaxify([*terms.values, *terms.inputs], [terms.rest_logp])
        found = logp(np.float32(0.5), *terms.arrays().values())[0]
    np.testing.assert_allclose(found, stats.norm.logpdf(x, 0.5 * x, 1e12).sum(), rtol=1e-6)
