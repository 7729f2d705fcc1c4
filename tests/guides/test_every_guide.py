"""Every guide by one contract: blocks, density and entropy, draws and moments, noise."""

import jax
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import scipy.stats as st

from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.guides import Delta, Factorised, FullRank, LowRank, MeanField, VariationalDropout
from pymc_bnn.model.decompose import decompose
from pymc_bnn.runtime.noise import draw_noise
from pymc_bnn.runtime.precision import precision
from tests.support.guide_parts import OneScale, logistic
from tests.support.parts import posterior_of

SHAPES = {"a": (), "w": (2, 3), "b": (2,)}


def three_variables():
    with pm.Model() as model:
        a, w, b = (pm.Normal(name, 0, 1, shape=shape) for name, shape in SHAPES.items())
        pm.Normal("y", a + w.sum() + b.sum(), 1, observed=0.0)
    return decompose(model)


def flat(array):
    return np.asarray(array, float).ravel()


def by_variable(mean_and_scale):
    """What a guide of independent numbers promises: mean (9,) and covariance (9, 9)."""

    def promised(params):
        parts = [mean_and_scale(params, name, shape) for name, shape in SHAPES.items()]
        means = [flat(mean) for mean, _ in parts]
        scales = [flat(np.broadcast_to(s, SHAPES[n])) for n, (_, s) in zip(SHAPES, parts)]  # noqa: B905
        return np.concatenate(means), np.diag(np.concatenate(scales) ** 2)

    return promised


def of_mean_field(params, name, shape):
    return params[name]["loc"], np.exp(params[name]["log_scale"])


def of_delta(params, name, shape):
    return params[name]["loc"], 0.0


def of_full_rank(params):
    p = params["*"]
    factor = np.exp(p["log_scale"])[:, None] * (np.eye(9) + np.tril(p["lower"], -1))
    return p["loc"], factor @ factor.T


def of_low_rank(params):
    p = params["*"]
    scale = np.diag(np.exp(p["log_scale"]))
    return p["loc"], scale @ (np.eye(9) + p["factor"] @ p["factor"].T) @ scale


def of_loc_dropout(params, name, shape):  # bounds (0, 1)
    p = params[name]
    return p["loc"], np.maximum(np.sqrt(logistic(p["alpha"])) * np.abs(p["loc"]), 1e-4)


def of_fixed_dropout(params, name, shape):  # floor 0.4, which some locs are below
    loc = params[name]["loc"]
    return loc, np.maximum(0.5 * np.abs(loc), 0.4)


def of_shared_dropout(params, name, shape):
    p = params["*"]
    alpha = 0.2 + 0.7 * logistic(p["alpha"])
    return p[f"loc {name}"], np.maximum(np.sqrt(alpha) * np.abs(p[f"loc {name}"]), 1e-4)


def of_scale_dropout(params, name, shape):  # floor 0.4
    p = params[name]
    return p["loc"], logistic(p["alpha"]) * np.maximum(np.exp(p["log_scale"]), 0.4)


def of_shared_scale_dropout(params, name, shape):
    p = params["*"]
    scale = np.maximum(np.exp(p[f"log_scale {name}"]), 1e-4)
    return p[f"loc {name}"], logistic(p["alpha"]) * scale


# A new guide joins by one row: an instance, and what distribution it promises of (a, w, b).
GUIDES = {
    "MeanField": (MeanField(), by_variable(of_mean_field)),
    "Delta": (Delta(), by_variable(of_delta)),
    "FullRank": (FullRank(), of_full_rank),
    "LowRank": (LowRank(2), of_low_rank),
    "LowRank of a high rank": (LowRank(12), of_low_rank),
    "dropout": (VariationalDropout(), by_variable(of_loc_dropout)),
    "fixed dropout": (
        VariationalDropout(0.25, learn=False, floor=0.4),
        by_variable(of_fixed_dropout),
    ),
    "shared dropout": (
        VariationalDropout(bounds=(0.2, 0.9), shared=True),
        by_variable(of_shared_dropout),
    ),
    "scale dropout": (VariationalDropout(form="scale", floor=0.4), by_variable(of_scale_dropout)),
    "shared scale dropout": (
        VariationalDropout(form="scale", shared=True),
        by_variable(of_shared_scale_dropout),
    ),
    "OneScale": (OneScale(), by_variable(of_mean_field)),
}


@pytest.fixture(scope="module", params=GUIDES)
def case(request):
    """A guide of three variables at random parameters, and what it promises there."""
    guide, promised = GUIDES[request.param]
    posterior = posterior_of(three_variables(), guide)
    rng = np.random.default_rng(8)
    params = {
        b.name: {role: 0.7 * rng.normal(size=p.shape) for role, p in b.params.items()}
        for b in posterior.blocks
    }
    return guide, posterior, params, *promised(params)


def joined(values):
    """Values of the three variables (n, …) as one array (n, 9)."""
    return np.concatenate([np.reshape(values[name], (len(values[name]), -1)) for name in SHAPES], 1)


def test_blocks(case):
    guide, posterior, *_ = case
    assert [b.name for b in posterior.blocks] == (["*"] if guide.joint else list(SHAPES))
    assert [v.name for b in posterior.blocks for v in b.variables] == list(SHAPES)
    assert posterior.drawn.keys() == SHAPES.keys()


def test_density_and_entropy(case):
    guide, posterior, params, mean, cov = case
    values = np.random.default_rng(9).normal(size=9)
    parts = dict(zip(SHAPES, np.split(values, [1, 7]), strict=True))
    parts = {name: part.reshape(SHAPES[name]) for name, part in parts.items()}
    roots = {v.name: v.value for b in posterior.blocks for v in b.variables}
    density = entropy = pt.constant(0.0)
    for b in posterior.blocks:
        own = {v.name: v.value for v in b.variables}
        density += b.guide.log_density(b.variables, own, posterior.roots[b.name])
        entropy += b.guide.entropy(b.variables, posterior.roots[b.name])
    of_params = [root for b in posterior.roots.values() for root in b.values()]
    with precision("float64"):
        function = jaxify([*of_params, *roots.values()], [density, entropy], "float64")
        flat_params = [p for b in params.values() for p in b.values()]
        got = [float(v) for v in function(*flat_params, *(parts[name] for name in roots))]
    if guide.point:
        assert got == [0, 0]  # neither is defined
        return
    reference = st.multivariate_normal(mean, cov)
    np.testing.assert_allclose(got, [reference.logpdf(values), reference.entropy()], rtol=1e-6)


def test_draws_and_moments(case):
    _, posterior, params, mean, cov = case
    n = 20_000
    with precision("float64"):
        keys = jax.random.split(jax.random.key(3), n)
        draw = jax.jit(
            jax.vmap(
                lambda key: posterior.draw(params, draw_noise(key, posterior.noise, 0, "float64"))
            )
        )
        draws = joined(draw(keys))
        means, stds = (
            joined({k: v[None] for k, v in m.items()}) for m in posterior.moments(params)
        )
    np.testing.assert_allclose(means[0], mean, rtol=1e-7)
    np.testing.assert_allclose(stds[0], np.sqrt(np.diag(cov)), rtol=1e-7)
    assert (np.abs(draws.mean(axis=0) - mean) <= 4 * stds[0] / np.sqrt(n) + 1e-12).all()
    variances = np.outer(np.diag(cov), np.diag(cov))
    errors = np.sqrt((variances + cov**2) / n)
    assert (np.abs(np.cov(draws.T) - cov) <= 4 * errors + 1e-12).all()


def test_independent_numbers_have_the_same_moments(case):
    guide, _, params, mean, cov = case
    if not guide.contains_mean_field:
        with pytest.raises(NotImplementedError, match="does not contain independent Normals"):
            guide.independent(params)
        return
    mean_of, cov_of = next(promised for own, promised in GUIDES.values() if own == guide)(
        {"*": guide.independent(params["*"])}
    )
    np.testing.assert_allclose(mean_of, mean)
    np.testing.assert_allclose(cov_of, np.diag(np.diag(cov)), rtol=1e-12, atol=1e-12)


def test_noise_is_what_the_draw_says(case):
    guide, posterior, params, mean, _ = case
    noise = {n.name: np.random.default_rng(1).normal(size=n.shape) for n in posterior.noise}
    assert len(noise) == len(posterior.noise)
    factorised = isinstance(guide, Factorised)
    assert all((d.noise is not None) == factorised for d in posterior.drawn.values())
    with precision("float64"):
        draw = joined({k: v[None] for k, v in posterior.draw(params, noise).items()})[0]
        _, stds = posterior.moments(params)
    if factorised:
        own = {name: noise[f"*/{name}" if guide.joint else name] for name in SHAPES}
        stds = {name: np.broadcast_to(stds[name], SHAPES[name]) for name in SHAPES}
        expected = mean + np.concatenate([flat(stds[name] * own[name]) for name in SHAPES])
        np.testing.assert_allclose(draw, expected, rtol=1e-7)


def test_each_variable_has_noise_of_its_own_whatever_a_guide_calls_it():
    class Apart(FullRank):
        """A full covariance within each variable, none between them."""

        joint = False

    with pm.Model() as model:
        total = pm.Normal("a", shape=2).sum() + pm.Normal("b", shape=2).sum()
        pm.Normal("y", total, 1, observed=np.zeros(4))
    posterior = posterior_of(decompose(model), Apart())
    assert [noise.name for noise in posterior.noise] == ["a/joint", "b/joint"]
