"""Guides keep their contract, recover closed-form posteriors, and are chosen by name pattern."""

from dataclasses import dataclass
from functools import cache

import jax
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import scipy.optimize
import scipy.stats as st
from scipy.linalg import subspace_angles

import pymc_bnn as bnn
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.guides import (
    Delta,
    Factorised,
    FullRank,
    LowRank,
    MeanField,
    VariationalDropout,
    assign_guides,
)
from pymc_bnn.inference.start import prior_scales
from pymc_bnn.model.decompose import decompose
from pymc_bnn.runtime.noise import draw_noise
from pymc_bnn.runtime.precision import precision
from tests.support.parts import posterior_of

QUIET = {"random_seed": 1, "progressbar": False}


@dataclass(frozen=True)
class OneScale(Factorised):
    """A guide from outside the package: one scale for all numbers of a variable."""

    def init(self, starts, rng):
        [start] = starts
        return {"loc": start.loc, "log_scale": np.log(start.scale).mean()}

    def mean_and_scale(self, variable, params):
        return params["loc"], pt.exp(params["log_scale"])


# --- the contract of all guides -----------------------------------------------------------------
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
    unit = np.eye(9)
    unit[np.tril_indices(9, -1)] = p["lower"]
    factor = np.exp(p["log_scale"])[:, None] * unit
    return p["loc"], factor @ factor.T


def of_low_rank(params):
    p = params["*"]
    scale = np.diag(np.exp(p["log_scale"]))
    return p["loc"], scale @ (np.eye(9) + p["factor"] @ p["factor"].T) @ scale


def logistic(x):
    return 1 / (1 + np.exp(-x))


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


# --- first scales -------------------------------------------------------------------------------
def priors():
    """Normal, log-transformed, wide and flat priors; `v` varies at its start, as networks do."""
    start = np.random.default_rng(2).normal(size=400)
    with pm.Model() as model:
        w = pm.Normal("w", 0, np.array([0.3, 2.0]))
        s = pm.HalfNormal("s", 7.0)
        v = pm.Normal("v", 0, 5, shape=400, initval=0.25 * (start - start.mean()) / start.std())
        f = pm.Flat("f")
        wide = pm.Normal("wide", 0, 100)
        pm.Normal("y", w.sum() + s + v.sum() + f + wide, 1, observed=0.0)
    return decompose(model)


LOG_HALF_NORMAL = np.pi / (2 * np.sqrt(2))  # standard deviation of log |N(0, σ)|, for every σ
FIRST = {
    "one": {"w": [1, 1], "s": 1, "v": 1, "f": 1, "wide": 1},
    "prior": {"w": [0.3, 2], "s": LOG_HALF_NORMAL, "v": 5, "f": 1, "wide": 100},
    # The spread of the initial values, or the (median) prior scale, at most 1.
    "start": {"w": [1, 1], "s": 1, "v": 0.25, "f": 1, "wide": 1},
}


@pytest.mark.parametrize("relative_to", FIRST)
@pytest.mark.parametrize(
    "family", [MeanField, FullRank, LowRank, lambda **k: VariationalDropout(form="scale", **k)]
)
def test_first_scales(family, relative_to):
    guide = family(init_scale=0.2, relative_to=relative_to)
    posterior = posterior_of(priors(), guide)
    with precision("float64"):
        means, stds = posterior.moments({b.name: b.params for b in posterior.blocks})
    for name, scale in FIRST[relative_to].items():
        # The scale of a prior that is not Normal is known from 1,000 draws.
        rtol = 0.1 if (name, relative_to) == ("s", "prior") else 1e-6
        expected = np.broadcast_to(0.2 * np.array(scale), stds[name].shape)
        np.testing.assert_allclose(stds[name], expected, rtol=rtol)
    assert means["s"] == pytest.approx(np.log(7.0), abs=0.3)  # in the unconstrained space
    assert np.std(means["v"]) == pytest.approx(0.25)


def test_prior_scales_of_all_variables():
    terms = priors()
    with precision("float64"):
        scales = prior_scales(terms, {f.name: f.start for f in terms.free}, "float64")
    assert np.isnan(scales["f"])
    np.testing.assert_allclose(scales["w"], [0.3, 2.0])
    assert scales["s"] == pytest.approx(LOG_HALF_NORMAL, rel=0.1)


# --- patterns and errors ------------------------------------------------------------------------
NAMES = ["conv1_W", "conv1_b", "conv1_W_sigma", "dense_W"]


def test_the_first_pattern_that_matches_wins_and_the_rest_is_mean_field():
    point, full = Delta(), FullRank()
    chosen = assign_guides({"*_sigma": full, "conv*": point}, NAMES)
    assert chosen["conv1_W"] == chosen["conv1_b"] == ("conv*", point)
    assert chosen["conv1_W_sigma"] == ("*_sigma", full)
    assert chosen["dense_W"] == ("*", MeanField())
    assert assign_guides(None, NAMES) == dict.fromkeys(NAMES, ("*", MeanField()))
    assert assign_guides(point, NAMES) == dict.fromkeys(NAMES, ("*", point))
    assert assign_guides({}, NAMES) == assign_guides(None, NAMES)
    # "*" may be there for safety, also where the others leave nothing over.
    assert assign_guides({"*_*": point, "*": full}, NAMES)["dense_W"] == ("*_*", point)


BAD_GUIDES = [
    (
        {"lstm*": Delta()},
        ValueError,
        r"`guide` must have patterns that match a free variable, w, s",
    ),
    ({"*": Delta(), "w": MeanField()}, ValueError, r"each pattern win a variable.*'w' after"),
    ({"w": Delta}, TypeError, r"`guide\['w'\]` must be a guide.*create one, as in Delta\(\)"),
    (FullRank, TypeError, r"`guide` must be a guide.*create one, as in FullRank\(\)"),
    ("mean_field", TypeError, r"`guide` must be a guide.*pass guides.MeanField\(\)"),
    ({3: Delta()}, TypeError, r"`guide` must have strings as keys"),
]


@pytest.mark.parametrize(("guide", "error", "message"), BAD_GUIDES)
def test_bad_guides(guide, error, message):
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("w", shape=2).sum(), pm.HalfNormal("s"), observed=np.zeros(5))
    with pytest.raises(error, match=message):
        bnn.fit(model, steps=5, guide=guide, progressbar=False)


BAD_OPTIONS = [
    (lambda: MeanField(init_scale=0), r"`init_scale` must be a finite number above 0, got 0"),
    (lambda: FullRank(init_scale=True), r"`init_scale` must be a finite number above 0"),
    (lambda: MeanField(relative_to="posterior"), r'`relative_to` must be "start", "prior" or'),
    (lambda: LowRank(0), r"`rank` must be an integer of at least 1, got 0"),
    (lambda: VariationalDropout(bounds=(1.0, 0.5)), r"`bounds` must be two finite numbers"),
    (lambda: VariationalDropout(bounds=0.5), r"`bounds` must be two finite numbers"),
    (lambda: VariationalDropout(0.05, bounds=(0.1, 1)), r"`alpha` must lie inside bounds"),
    (lambda: VariationalDropout(1.0), r"`alpha` must lie inside bounds"),
    (lambda: VariationalDropout(0.0, learn=False), r"`alpha` must be a finite number above 0"),
    (lambda: VariationalDropout("a"), r"`alpha` must be a finite number above 0, got 'a'"),
    (lambda: VariationalDropout(form="both"), r'`form` must be "loc" or "scale"'),
    (lambda: VariationalDropout(floor=0.0), r"`floor` must be a finite number above 0"),
]


@pytest.mark.parametrize(("make", "message"), BAD_OPTIONS)
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()
    assert VariationalDropout(1.0, learn=False).alpha == 1.0  # the bound itself, if it stays


def test_full_rank_has_a_largest_size():
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("w", shape=5000).sum() + pm.Normal("b"), 1, observed=0.0)
    message = r"`guide` must be FullRank for at most 4,096 numbers, got .* 5,001 numbers of"
    with pytest.raises(ValueError, match=message):
        bnn.fit(model, steps=5, guide=FullRank(), progressbar=False)
    single = posterior_of(decompose(model), {"b": FullRank()}, "float32")
    _, stds = single.moments({b.name: b.params for b in single.blocks})
    np.testing.assert_allclose(stds["b"], 0.1, rtol=1e-6)  # one number has no correlations


# --- a conjugate regression: the exact posterior and evidence -----------------------------------
N, SIGMA, TAU, D = 100, 0.5, 2.0, 6


def inputs():
    """Inputs (100, 6), whose last column is 1: four directions are seen well, and two badly."""
    rng = np.random.default_rng(7)
    turn = np.linalg.qr(rng.normal(size=(D, D)))[0]
    sizes = np.sqrt(N) * np.array([1, 1, 1, 1, 0.2, 0.15])
    x = np.linalg.qr(rng.normal(size=(N, D)))[0] @ np.diag(sizes) @ turn.T
    return x, turn[:, -2:]


X, BADLY_SEEN = inputs()
WEIGHTS = [1.0, -1.5, 0.8, -1.2, 1.0, 0.7]
Y = X @ WEIGHTS + SIGMA * np.random.default_rng(2).normal(size=N)
PRECISION = X.T @ X / SIGMA**2 + np.eye(D) / TAU**2
COV = np.linalg.inv(PRECISION)
MEAN = COV @ X.T @ Y / SIGMA**2
EVIDENCE = st.multivariate_normal(np.zeros(N), SIGMA**2 * np.eye(N) + TAU**2 * X @ X.T).logpdf(Y)


def regression():
    """The weights are two free variables, so that a joint guide has to bridge them."""
    with pm.Model(coords={"feature": list("abcd")}) as model:
        w, v = pm.Normal("w", 0, TAU, dims="feature"), pm.Normal("v", 0, TAU, shape=2)
        x = pm.Data("x", X)
        mu = pm.Deterministic("mu", x[:, :4] @ w + x[:, 4:] @ v)
        pm.Normal("y", mu, SIGMA, observed=Y)
    return model


@cache
def fit(name):
    """A fit of the regression that several tests look at."""
    guide, options = {
        "MeanField": (None, {"steps": 2000}),
        "FullRank": (FullRank(), {"steps": 4000, "particles": 16}),
        "LowRank": (LowRank(2), {"steps": 4000, "particles": 4}),
        "Delta": (Delta(), {"steps": 3000}),
        "OneScale": (OneScale(), {"steps": 500}),
        **{name: (guide, {"steps": 3000, "start": START}) for name, (guide, _) in DROPOUTS.items()},
    }[name]
    return bnn.fit(regression(), guide=guide, learning_rate=0.03, **options, **QUIET)


def gap(mean, cov):
    """KL from Normal(mean, cov) to the exact posterior: the evidence minus the ELBO."""
    d = mean - MEAN
    quadratic = np.trace(PRECISION @ cov) + d @ PRECISION @ d - D
    return 0.5 * (quadratic - np.linalg.slogdet(cov)[1] - np.linalg.slogdet(PRECISION)[1])


BEST_MEAN_FIELD = gap(MEAN, np.diag(1 / np.diag(PRECISION)))


def test_full_rank_recovers_the_exact_posterior_and_evidence():
    fitted = fit("FullRank")
    p = fitted.params["*"]
    unit = np.eye(D)
    unit[np.tril_indices(D, -1)] = p["lower"]
    factor = np.exp(p["log_scale"])[:, None] * unit
    sd = np.sqrt(np.diag(COV))
    cov = factor @ factor.T
    np.testing.assert_allclose(p["loc"], MEAN, atol=0.1 * sd.min())
    np.testing.assert_allclose(cov / np.outer(sd, sd), COV / np.outer(sd, sd), atol=0.05)
    assert np.abs(COV[:4, 4:] / np.outer(sd[:4], sd[4:])).max() > 0.6  # across the variables
    assert gap(p["loc"], cov) < 0.01 < 0.01 * BEST_MEAN_FIELD
    # What the user sees is the same distribution.
    draws = fitted.sample(4000, random_seed=1).posterior
    drawn = np.concatenate([draws["w"].values[0], draws["v"].values[0]], axis=1)
    errors = np.sqrt((np.outer(np.diag(cov), np.diag(cov)) + cov**2) / 4000)
    assert (np.abs(np.cov(drawn.T) - cov) < 4.5 * errors).all()
    np.testing.assert_allclose(fitted.std["w"], np.sqrt(np.diag(cov))[:4], rtol=1e-5)
    estimate = fitted.elbo(1000)
    assert estimate["elbo_se"] < 0.1
    assert abs(estimate["elbo"] - EVIDENCE) < 4 * estimate["elbo_se"]
    assert fitted.summary()["kl_method"].tolist() == ["closed form", "closed form"]
    assert fitted.kl().index.tolist() == ["*"]


def test_low_rank_recovers_the_leading_directions_and_beats_mean_field():
    mean_field, low_rank = fit("MeanField"), fit("LowRank")
    p = low_rank.params["*"]
    scale = np.diag(np.exp(p["log_scale"]))
    cov = scale @ (np.eye(D) + p["factor"] @ p["factor"].T) @ scale
    leading = np.linalg.eigh(cov)[1][:, -2:]
    assert np.degrees(subspace_angles(leading, BADLY_SEEN)).max() < 3
    assert gap(p["loc"], cov) < 0.05
    better, worse = low_rank.elbo(200), mean_field.elbo(200)
    gain, error = better["elbo"] - worse["elbo"], np.hypot(better["elbo_se"], worse["elbo_se"])
    assert BEST_MEAN_FIELD > 1
    assert abs(gain - BEST_MEAN_FIELD) < 4 * error + 0.1


def test_scales_in_one_block_beside_mean_field_weights():
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(6), 4)
    y = 1.0 + rng.normal(size=6)[group] + 0.5 * rng.normal(size=24)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 2)
        effect = pm.Normal("effect", 0, pm.HalfNormal("effect_sigma"), shape=6)
        noise = pm.HalfNormal("noise_sigma")
        pm.Normal("y", mu + effect[pm.Data("group", group)], noise, observed=y)
    guides = [None, {"*_sigma": FullRank()}, FullRank()]
    fits = [
        bnn.fit(model, steps=2000, guide=guide, learning_rate=0.03, **QUIET) for guide in guides
    ]
    assert [b.name for b in fits[1].posterior.guide.blocks] == ["mu", "*_sigma", "effect"]
    mean_field, scales, full = (fitted.elbo(300) for fitted in fits)
    error = np.hypot(mean_field["elbo_se"], scales["elbo_se"])
    assert scales["elbo"] - mean_field["elbo"] > -4 * error
    # Only the sum of mu and the effects is seen well, which a joint guide knows.
    error = np.hypot(mean_field["elbo_se"], full["elbo_se"])
    assert full["elbo"] - mean_field["elbo"] > 4 * error
    assert set(fits[1].program.elbo.kl_methods.values()) == {"closed form"}
    assert fits[2].program.elbo.kl_methods == {
        "*": "Monte Carlo, sticking the landing (closed form: mu, effect_sigma, noise_sigma)"
    }
    draws = fits[2].sample(2000, random_seed=1).posterior["noise_sigma"]
    error = float(draws.std()) / np.sqrt(2000)
    assert abs(float(fits[2].mean["noise_sigma"]) - float(draws.mean())) < 4 * error


# --- points -------------------------------------------------------------------------------------
def test_ridge_regression_is_delta_with_normal_priors():
    fitted = fit("Delta")
    w = np.concatenate([fitted.mean["w"], fitted.mean["v"]])
    np.testing.assert_allclose(w, MEAN, atol=2e-3)  # the posterior's mode
    assert float(fitted.std["w"].max()) < 1e-12
    nll, prior = -st.norm.logpdf(Y, X @ w, SIGMA).sum(), st.norm.logpdf(w, 0, TAU).sum()
    objective = fitted.elbo(5)
    assert list(objective.index) == [
        "objective", "nll", "kl", "log_prior", "objective_se", "objective_per_example",
    ]  # fmt: skip
    np.testing.assert_allclose(
        objective, [prior - nll, nll, 0, prior, 0, (prior - nll) / N], rtol=1e-5
    )


def test_the_mode_is_taken_in_the_models_own_space():
    y = 1.3 * np.random.default_rng(4).normal(size=8)
    with pm.Model() as model:
        pm.Normal("y", 0, pm.HalfNormal("s", 2.0), observed=y)
    fitted = bnn.fit(model, steps=2000, guide=Delta(), **QUIET)
    # d/ds of -n log s - Σy²/2s² - s²/2τ² = 0 is a quadratic of s²; with a Jacobian n is n - 1.
    mode = np.sqrt(4.0 * (-8 + np.sqrt(64 + 4 * (y**2).sum() / 4.0)) / 2)
    assert float(fitted.mean["s"]) == pytest.approx(mode, rel=1e-4)
    by_pymc = pm.find_MAP(
        model=model, progressbar=False, return_inferencedata=True, jitter=False,
        compile_kwargs={"mode": "FAST_COMPILE"},
    ).posterior["s"].item()  # fmt: skip
    assert float(fitted.mean["s"]) == pytest.approx(by_pymc, rel=1e-3)
    log_prior = st.halfnorm.logpdf(mode, scale=2.0)
    assert fitted.elbo(2)["log_prior"] == pytest.approx(log_prior, rel=1e-4)
    assert fitted.history["log_prior"].iloc[-1] == pytest.approx(log_prior, rel=1e-4)


def test_flat_priors_and_points_are_maximum_likelihood():
    with pm.Model() as model:
        w, b = pm.Flat("w", shape=5), pm.Flat("b")
        pm.Normal("y", pm.Data("x", X)[:, :5] @ w + b, pm.HalfFlat("s"), observed=Y)
    fitted = bnn.fit(model, steps=4000, guide=Delta(), learning_rate=0.05, **QUIET)
    design = np.column_stack([X[:, :5], np.ones(N)])
    best, residual, *_ = np.linalg.lstsq(design, Y)
    np.testing.assert_allclose(
        np.append(fitted.mean["w"], fitted.mean["b"]), best, atol=0.02 * np.abs(best).max()
    )
    assert float(fitted.mean["s"]) == pytest.approx(np.sqrt(residual[0] / N), rel=0.01)


def test_logistic_regression_agrees_with_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    labels = (X[:, 0] + 0.5 * np.random.default_rng(3).normal(size=N) > 0.3).astype(int)
    with pm.Model() as model:
        logit = pm.Data("x", X[:, :3]) @ pm.Flat("w", shape=3) + pm.Flat("b")
        pm.Bernoulli("y", logit_p=logit, observed=labels)
    fitted = bnn.fit(model, steps=4000, guide=Delta(), learning_rate=0.05, **QUIET)
    sklearn = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(X[:, :3], labels)
    np.testing.assert_allclose(fitted.mean["w"], sklearn.coef_[0], rtol=5e-3)
    np.testing.assert_allclose(fitted.mean["b"], sklearn.intercept_[0], rtol=5e-3, atol=5e-3)
    prediction = fitted.predict({"x": X[:20, :3]}, draws=5, random_seed=1)
    assert np.ptp(prediction.probs, axis=0).max() == 0  # one point: all draws are equal
    np.testing.assert_allclose(prediction.mean_probs, sklearn.predict_proba(X[:20, :3]), atol=5e-3)


def test_a_partly_bayesian_model_has_an_objective_and_no_elbo():
    fitted = bnn.fit(regression(), steps=500, guide={"v": Delta()}, batch_size=50, **QUIET)
    assert fitted.points == ("v",)
    assert fitted.objective == "objective"
    assert list(fitted.history) == ["epoch", "objective", "nll", "kl", "log_prior"]
    last = fitted.history.iloc[-1]
    v = fitted.mean["v"].values
    assert last["objective"] == pytest.approx(-last["nll"] - last["kl"] + last["log_prior"])
    assert last["log_prior"] == pytest.approx(st.norm.logpdf(v, 0, TAU).sum(), rel=1e-2)
    estimate = fitted.elbo(10)
    assert {"objective", "objective_se"} <= set(estimate.index)
    assert not [name for name in estimate.index if name.startswith("elbo")]
    summary = fitted.summary()
    assert summary["guide"].to_dict() == {"w": "MeanField", "v": "Delta"}
    assert summary.loc["v", ["kl", "scale_ratio", "collapsed"]].isna().all()
    assert summary.loc["w", ["kl", "scale_ratio", "collapsed"]].notna().all()
    assert np.isnan(fitted.kl()["v"])


@pytest.mark.parametrize(
    "name", ["MeanField", "Delta", "FullRank", "LowRank", "shared", "OneScale"]
)
def test_everything_a_fit_offers_works_under_every_guide(name):
    fitted = fit(name)
    assert np.isfinite(fitted.history.to_numpy()).all()
    draws = fitted.sample(2000, random_seed=1).posterior
    assert draws["w"].dims == ("chain", "draw", "feature")
    for variable in ("w", "v"):
        error = fitted.std[variable] / np.sqrt(2000)
        shift = np.abs(draws[variable].mean(("chain", "draw")) - fitted.mean[variable])
        assert (shift <= 4 * error + 1e-4).all()
    point = name == "Delta"
    assert fitted.summary().index.tolist() == ["w", "v"]
    assert fitted.scale_ratio().index.tolist() == ["w", "v"]
    assert fitted.scale_ratio().isna().all() == point
    prediction = fitted.predict({"x": X[:7]}, draws=6, var_names=["mu"], random_seed=1)
    spread = np.ptp(prediction["mu"].samples, axis=0)
    assert (spread == 0).all() if point else (spread > 0).all()
    assert prediction["y"].samples.shape == (6, 7)


# --- variational dropout ------------------------------------------------------------------------
def elbo_of(mean, scale):
    """The ELBO of a factorised Normal guide of the conjugate regression, in closed form."""
    fit = st.norm.logpdf(Y, X @ mean, SIGMA).sum() - (X**2 @ scale**2).sum() / (2 * SIGMA**2)
    return fit - np.sum(np.log(TAU / scale) + (scale**2 + mean**2) / (2 * TAU**2) - 0.5)


def best_dropout(n_alphas, bounds=(0.0, 1.0), fixed=None):
    """The best θ (6,) and α of w's and of v's weights, by a direct optimisation."""

    def unpack(x):
        alpha = bounds[0] + (bounds[1] - bounds[0]) * logistic(x[D:])
        alpha = np.broadcast_to(fixed if fixed else alpha, n_alphas)
        each = np.repeat(alpha if n_alphas == 2 else [alpha[0]] * 2, [4, 2])
        return x[:D], alpha, np.maximum(np.sqrt(each) * np.abs(x[:D]), 1e-4)

    def loss(x):
        theta, _, scale = unpack(x)
        return -elbo_of(theta, scale)

    found = scipy.optimize.minimize(
        loss, np.append(MEAN, np.zeros(n_alphas)), method="Nelder-Mead",
        options={"maxiter": 20_000, "maxfev": 20_000, "xatol": 1e-6, "fatol": 1e-8},
    )  # fmt: skip
    theta, alpha, _ = unpack(found.x)
    return theta, alpha, -found.fun


# θ cannot cross zero without being a point there: it starts on the right side.
START = {"w": MEAN[:4], "v": MEAN[4:]}
DROPOUTS = {
    "one α each": (VariationalDropout(), {"n_alphas": 2}),
    "shared": (VariationalDropout(shared=True), {"n_alphas": 1}),
    "fixed": (VariationalDropout(0.01, learn=False), {"n_alphas": 2, "fixed": 0.01}),
    "at a bound": (
        VariationalDropout(0.5, bounds=(0.05, 1.0), shared=True),
        {"n_alphas": 1, "bounds": (0.05, 1.0)},
    ),
}


@pytest.mark.parametrize("name", DROPOUTS)
def test_variational_dropout_finds_the_best_of_its_family(name):
    guide, constraint = DROPOUTS[name]
    theta, alpha, best = best_dropout(**constraint)
    fitted = fit(name)
    (means, stds), low, high = fitted.posterior.moments(), *guide.bounds
    mean = np.concatenate([means["w"], means["v"]])
    scale = np.concatenate([stds["w"], stds["v"]])
    ratio = (scale / np.abs(mean)) ** 2
    assert elbo_of(mean, scale) > best - (1.0 if name == "at a bound" else 0.05)
    np.testing.assert_allclose(mean, theta, atol=0.03)
    np.testing.assert_allclose(ratio, np.repeat(np.broadcast_to(alpha, 2), [4, 2]), rtol=0.1)
    assert (ratio >= low * 0.999).all()
    assert (ratio <= high * 1.001).all()
    learned = [role for roles in fitted.params.values() for role in roles if role == "alpha"]
    assert len(learned) == (0 if not guide.learn else 1 if guide.shared else 2)


def test_a_scale_for_each_weight_and_a_shared_multiplier_are_mean_field():
    # α multiplies scales that are free themselves: the family is the mean-field one.
    fitted = bnn.fit(
        regression(), steps=4000, guide=VariationalDropout(form="scale"), learning_rate=0.03,
        **QUIET,
    )  # fmt: skip
    best = 1 / np.sqrt(np.diag(PRECISION))
    np.testing.assert_allclose(np.concatenate([fitted.std["w"], fitted.std["v"]]), best, rtol=0.05)
    assert {role for roles in fitted.params.values() for role in roles} == {
        "loc", "log_scale", "alpha",
    }  # fmt: skip


def test_each_variable_has_noise_of_its_own_whatever_a_guide_calls_it():
    class Apart(FullRank):
        """A full covariance within each variable, none between them."""

        joint = False

    with pm.Model() as model:
        total = pm.Normal("a", shape=2).sum() + pm.Normal("b", shape=2).sum()
        pm.Normal("y", total, 1, observed=np.zeros(4))
    posterior = posterior_of(decompose(model), Apart())
    assert [noise.name for noise in posterior.noise] == ["a/joint", "b/joint"]
