"""Expected log priors and KLs agree with quadrature, textbook formulas and exact expectations."""

import jax
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
import scipy.stats as st
from pymc.distributions.transforms import log_exp_m1, ordered
from pymc.logprob.transforms import LogTransform
from pytensor.tensor.random.basic import (
    ExponentialRV,
    GammaRV,
    HalfNormalRV,
    InvGammaRV,
    LaplaceRV,
    LogNormalRV,
    NormalRV,
)
from scipy.integrate import quad

from pymc_bnn.elbo import assemble
from pymc_bnn.elbo.kl import CLOSED_FORMS, closed_form, expected_log_prior
from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.guides import FullRank, MeanField
from pymc_bnn.model.decompose import decompose
from pymc_bnn.runtime.noise import no_noise
from pymc_bnn.runtime.precision import precision
from tests.support.parts import posterior_of

pytestmark = pytest.mark.usefixtures("optimised")

RNG = np.random.default_rng(4)
MEAN = np.array([-1.0, 0.0, 0.3, 2.0])  # of the guide, in the unconstrained space
SCALE = np.array([1.0, 0.05, 0.7, 0.4])
A, B = np.array([0.6, 1.0, 3.0, 2.0]), np.array([2.0, 0.5, 1.0, 7.0])  # of the priors, above 0

# For each closed form: the prior, and its log-density in the unconstrained space by SciPy, with
# the Jacobian by hand (z = exp(u) has log-density log p(exp u) + u).
CASES = {
    (NormalRV, None): (
        lambda: pm.Normal("z", A, B, shape=4),
        lambda u, i: st.norm.logpdf(u, A[i], B[i]),
    ),
    (LaplaceRV, None): (
        lambda: pm.Laplace("z", A, B, shape=4),
        lambda u, i: st.laplace.logpdf(u, A[i], B[i]),
    ),
    (HalfNormalRV, LogTransform): (
        lambda: pm.HalfNormal("z", B, shape=4),
        lambda u, i: st.halfnorm.logpdf(np.exp(u), scale=B[i]) + u,
    ),
    (LogNormalRV, LogTransform): (
        lambda: pm.LogNormal("z", A, B, shape=4),
        lambda u, i: st.lognorm.logpdf(np.exp(u), B[i], scale=np.exp(A[i])) + u,
    ),
    (ExponentialRV, LogTransform): (
        lambda: pm.Exponential("z", B, shape=4),
        lambda u, i: st.expon.logpdf(np.exp(u), scale=1 / B[i]) + u,
    ),
    (GammaRV, LogTransform): (
        lambda: pm.Gamma("z", A, B, shape=4),
        lambda u, i: st.gamma.logpdf(np.exp(u), A[i], scale=1 / B[i]) + u,
    ),
    (InvGammaRV, LogTransform): (
        lambda: pm.InverseGamma("z", A, B, shape=4),
        lambda u, i: st.invgamma.logpdf(np.exp(u), A[i], scale=B[i]) + u,
    ),
}


def only(prior):
    """The free variable of a model with one prior."""
    with pm.Model() as model:
        pm.Normal("y", prior().sum(), 1, observed=0.0)
    [free] = decompose(model).free
    return free


def value_of(graph, **inputs):
    roots = [root for root, _ in inputs.values()]
    function = pytensor.function(roots, graph, mode=INTERPRETED, on_unused_input="ignore")
    return function(*(value for _, value in inputs.values()))


def expectation(logp, mean, scale, breaks=()):
    """E of logp under Normal(mean, scale²), by adaptive quadrature."""
    low, high = mean - 12 * scale, mean + 12 * scale
    breaks = [b for b in breaks if low < b < high] or None
    value, _ = quad(
        lambda u: st.norm.pdf(u, mean, scale) * logp(u), low, high, points=breaks, limit=200
    )
    return value


def expectations(key):
    return [
        expectation(lambda u, i=i: CASES[key][1](u, i), MEAN[i], SCALE[i], [A[i]]) for i in range(4)
    ]


@pytest.mark.parametrize("key", CLOSED_FORMS, ids=lambda key: key[0].__name__)
def test_closed_forms_agree_with_quadrature(key):
    free = only(CASES[key][0])
    assert (free.family, free.transform) == key
    each = closed_form(free)(pt.constant(MEAN), pt.constant(SCALE) ** 2, *free.parameters)
    np.testing.assert_allclose(value_of(each), expectations(key), rtol=1e-6)
    total = value_of(expected_log_prior(free, pt.constant(MEAN), pt.constant(SCALE)))
    np.testing.assert_allclose(total, np.sum(expectations(key)), rtol=1e-6)


def test_every_case_is_a_closed_form_and_the_other_way_round():
    assert set(CASES) == set(CLOSED_FORMS)


@pytest.mark.parametrize(
    "prior",
    [
        lambda: pm.Normal("z", shape=3, transform=ordered, initval=[0.0, 1.0, 2.0]),
        lambda: pm.HalfNormal("z", shape=3, default_transform=log_exp_m1),
        lambda: pm.StudentT("z", 4, shape=3),
        lambda: pm.Flat("z", shape=3),
        lambda: pm.ZeroSumNormal("z", shape=3),
        lambda: pm.Truncated("z", pm.Normal.dist(0, 1), lower=0, shape=3),
    ],
    ids=["ordered", "softplus", "StudentT", "Flat", "ZeroSumNormal", "Truncated"],
)
def test_other_priors_and_other_transforms_have_none(prior):
    assert closed_form(only(prior)) is None


@pytest.mark.parametrize("scale", [0.4, SCALE[:3]], ids=["one scale", "a scale for each column"])
def test_one_number_serves_many_weights(scale):
    shape = (5, 3)
    mean = RNG.normal(size=shape)
    free = only(lambda: pm.Normal("z", 0.2, 1.5, shape=shape))
    each = st.norm.logpdf(mean, 0.2, 1.5) - scale**2 / (2 * 1.5**2)
    total = value_of(expected_log_prior(free, pt.constant(mean), pt.constant(scale)))
    np.testing.assert_allclose(total, each.sum(), rtol=1e-6)
    # A single mean, too: what counts is the variable's shape.
    total = value_of(expected_log_prior(free, pt.constant(0.2), pt.constant(scale)))
    each = st.norm.logpdf(0.2, 0.2, 1.5) - np.broadcast_to(scale, shape) ** 2 / (2 * 1.5**2)
    np.testing.assert_allclose(total, each.sum(), rtol=1e-6)


def test_a_sampled_parent_is_taken_at_its_draw():
    with pm.Model() as model:
        b = pm.HalfNormal("b", 1.0, shape=3)  # one for each column
        w = pm.Laplace("w", 0.1, b, shape=(2, 3))
        pm.Normal("y", w.sum(), 1, observed=0.0)
    free = {f.name: f for f in decompose(model).free}
    mean, scale = RNG.normal(size=(2, 3)), np.exp(RNG.normal(size=(2, 3)))
    graph = expected_log_prior(free["w"], pt.constant(mean), pt.constant(scale))
    for log_b in ([-1.0, 0.0, 0.5], [0.3, -2.0, 1.0]):
        got = value_of(graph, b=(free["b"].value, np.array(log_b)))
        parts = [
            expectation(
                lambda u, j=j, b=log_b: st.laplace.logpdf(u, 0.1, np.exp(b[j])), m, s, breaks=[0.1]
            )
            for (_, j), m, s in zip(np.ndindex(2, 3), mean.flat, scale.flat, strict=True)
        ]
        np.testing.assert_allclose(got, np.sum(parts), rtol=1e-6)


def divergence(model, guide):
    """(params, noise) → the KL of each block; how they are computed; the first parameters."""
    terms = decompose(model)
    posterior = posterior_of(terms, guide)
    with precision("float64"):
        elbo = assemble(terms, posterior, "float64")
    data, still = terms.arrays(), no_noise(elbo.noise, 1, "float64")

    def kl(params, noise):
        return elbo(params, still | noise, data).kl.sum()

    return kl, elbo.kl_methods, {b.name: b.params for b in posterior.blocks}


def observed_sum(*variables):
    pm.Normal("y", sum(v.sum() for v in variables), 1, observed=0.0)


def textbook(m, cov, mu, sigma):
    """KL from Normal(m, cov) to independent Normal(mu, sigma²)."""
    quadratic = (((m - mu) ** 2 + np.diag(cov)) / sigma**2).sum()
    logdet = np.linalg.slogdet(cov)[1] - 2 * np.log(sigma * np.ones(len(m))).sum()
    return 0.5 * (quadratic - len(m) - logdet)


def test_normal_to_normal_is_the_textbook_kl():
    with pm.Model() as model:
        observed_sum(pm.Normal("w", A, B, shape=4))
    for guide in (MeanField(), FullRank()):
        kl, methods, _ = divergence(model, guide)
        assert methods == {"w": "closed form"}
        params = {"loc": MEAN, "log_scale": np.log(SCALE)}
        factor = np.eye(4)
        if guide.joint:
            params["lower"] = RNG.normal(size=(4, 4))
            factor += np.tril(params["lower"], -1)
        factor = SCALE[:, None] * factor
        with precision("float64"):
            got = kl({"w": params}, {})
        np.testing.assert_allclose(got, textbook(MEAN, factor @ factor.T, A, B), rtol=1e-7)


def test_normal_to_laplace_is_the_integral():
    with pm.Model() as model:
        observed_sum(pm.Laplace("w", A, B, shape=4))
    kl, methods, _ = divergence(model, None)
    with precision("float64"):
        got = kl({"w": {"loc": MEAN, "log_scale": np.log(SCALE)}}, {})
    each = [
        expectation(
            lambda u, i=i: st.norm.logpdf(u, MEAN[i], SCALE[i]) - st.laplace.logpdf(u, A[i], B[i]),
            MEAN[i],
            SCALE[i],
            [A[i]],
        )
        for i in range(4)
    ]
    assert methods == {"w": "closed form"}
    np.testing.assert_allclose(got, np.sum(each), rtol=1e-6)


def mean_within_errors(values, exact):
    """Compare the mean of (n, …) Monte Carlo values with exact ones, by 4 standard errors."""
    values = np.asarray(values)
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    assert (np.abs(values.mean(axis=0) - exact) < 4 * error + 1e-9).all()


def test_a_parent_in_the_same_block_takes_monte_carlo():
    # w ~ Normal(0.2, s), s ~ HalfNormal(1), with (w, log s) jointly Normal under the guide: E of
    # ((w - 0.2)/s)² is exact all the same, by tilting: exp(-2u) moves w's mean by -2 cov(w, u).
    with pm.Model() as model:
        s = pm.HalfNormal("s", 1.0)
        observed_sum(pm.Normal("w", 0.2, s, shape=2))
    kl, methods, first = divergence(model, FullRank())
    assert methods == {"*": "Monte Carlo, sticking the landing (closed form: s)"}
    params = {
        "loc": np.array([-0.4, 0.5, -0.3]),
        "log_scale": np.log([0.3, 0.4, 0.2]),
        "lower": np.array([[0, 0, 0], [0.8, 0, 0], [-0.6, 0.5, 0]]),
    }
    assert {k: v.shape for k, v in first["*"].items()} == {k: v.shape for k, v in params.items()}

    def exact(params):
        unit = jax.numpy.eye(3) + jax.numpy.tril(params["lower"], -1)
        factor = jax.numpy.exp(params["log_scale"])[:, None] * unit
        cov, m = factor @ factor.T, params["loc"]
        u, v = m[0], cov[0, 0]
        log_s = 0.5 * np.log(2 / np.pi) - jax.numpy.exp(2 * u + 2 * v) / 2 + u
        tilted = (m[1:] - 2 * cov[1:, 0] - 0.2) ** 2 + jax.numpy.diag(cov)[1:]
        log_w = -u - 0.5 * np.log(2 * np.pi) - 0.5 * jax.numpy.exp(-2 * u + 2 * v) * tilted
        entropy = params["log_scale"].sum() + 1.5 * np.log(2 * np.pi * np.e)
        return -entropy - log_s - log_w.sum()

    noise = RNG.standard_normal((20_000, 3))
    with precision("float64"):
        one = jax.jit(
            jax.vmap(jax.value_and_grad(lambda p, e: kl({"*": p}, {"*/joint": e})), (None, 0))
        )
        values, gradients = one(params, noise)
        reference, slopes = jax.value_and_grad(exact)(params)
    mean_within_errors(values, reference)
    for role in params:
        # The same expected gradient, although the score of the parameters is left out of it.
        mean_within_errors(gradients[role], slopes[role])


def test_a_parent_in_another_block_does_not():
    with pm.Model() as model:
        s = pm.HalfNormal("s", 1.0)
        observed_sum(pm.Normal("w", 0.2, s, shape=2))
    kl, methods, first = divergence(model, {"w": FullRank()})
    assert methods == {"s": "closed form", "w": "closed form"}
    log_s = first["s"]["loc"] + np.exp(first["s"]["log_scale"]) * 0.7
    sd = np.exp(first["w"]["log_scale"])
    with precision("float64"):
        got = kl(first, {"s": np.array(0.7)})
        u, v = first["s"]["loc"], np.exp(2 * first["s"]["log_scale"])
    log_prior = expectation(lambda x: st.halfnorm.logpdf(np.exp(x)) + x, u, np.sqrt(v))
    kl_s = -st.norm(u, np.sqrt(v)).entropy() - log_prior
    kl_w = textbook(first["w"]["loc"], np.diag(sd**2), 0.2, np.exp(log_s))
    np.testing.assert_allclose(got, kl_s + kl_w, rtol=1e-6)


def test_a_prior_without_a_closed_form_takes_monte_carlo():
    with pm.Model() as model:
        observed_sum(pm.StudentT("w", 3, mu=0.2, sigma=1.5))
    kl, methods, _ = divergence(model, None)
    assert methods == {"w": "Monte Carlo, sticking the landing"}

    def exact(loc, log_scale):
        scale = np.exp(log_scale)
        expected = expectation(lambda u: st.t.logpdf(u, 3, 0.2, 1.5), loc, scale)
        return -st.norm(loc, scale).entropy() - expected

    loc, log_scale, h = 0.9, np.log(0.8), 1e-4
    noise = RNG.standard_normal(20_000)
    with precision("float64"):
        params = {"loc": np.array(loc), "log_scale": np.array(log_scale)}
        one = jax.jit(jax.vmap(jax.value_and_grad(lambda p, e: kl({"w": p}, {"w": e})), (None, 0)))
        values, gradients = one(params, noise)
    mean_within_errors(values, exact(loc, log_scale))
    by_loc = (exact(loc + h, log_scale) - exact(loc - h, log_scale)) / (2 * h)
    by_scale = (exact(loc, log_scale + h) - exact(loc, log_scale - h)) / (2 * h)
    mean_within_errors(gradients["loc"], by_loc)
    mean_within_errors(gradients["log_scale"], by_scale)
