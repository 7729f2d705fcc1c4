"""The assembled ELBO: its bias where documented, its KL, its rows, its steps, and fits with it."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
import scipy.linalg
import scipy.stats as st
from pytensor_ml.layers import LinearLayer

import pymc_bnn as bnn
from pymc_bnn.elbo import ESTIMATORS, assemble
from pymc_bnn.graphs.dropout import DropoutMarker
from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.guides import FullRank
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.prepare import DataOptions, prepare
from pymc_bnn.inference.vi import VI
from pymc_bnn.model.decompose import decompose
from pymc_bnn.model.rows import find_rows
from pymc_bnn.runtime.noise import no_noise
from pymc_bnn.runtime.precision import precision
from tests.support.elbo_parts import (
    TABLE,
    N,
    OwnWeights,
    away_from_start,
    compiled,
    gradients,
    make_model,
    noise_of,
    normal,
)
from tests.support.parts import by_rows, posterior_of

QUIET = {"random_seed": 1, "progressbar": False}


@functools.cache
def taken_apart(kind):
    model = make_model(kind)
    return decompose(model, find_rows(model, ["x", "y"])[0])


# 16 positions that share one weight: the documented bias of independent noise per position.


def test_independent_noise_at_positions_is_another_objective():
    z, weight = np.polynomial.hermite_e.hermegauss(64)
    exact = (np.tanh(z) ** 2 * weight).sum() / weight.sum()  # E[tanh(w)²], w standard Normal
    assert abs(exact - 0.394) < 1e-3
    with pm.Model() as model:
        weights = pm.Normal("w", shape=(1, 1))
        op = LinearLayer(n_in=1, n_out=1, bias=False)
        h = pt.tanh(op(pm.Data("x", np.ones((8, 16, 1))), weights)).mean(axis=(1, 2))
        pm.Normal("y", h, 1.0, observed=np.zeros(8))
    terms = by_rows(model)
    params = {"w": {"loc": np.zeros((1, 1)), "log_scale": np.zeros((1, 1))}}
    found = {}
    for name in ("pathwise", "flipout", "local_approx"):
        with precision("float64"):
            elbo = assemble(terms, posterior_of(terms), "float64", name)
            noise = noise_of(elbo, 4001, 8, 2)
            row = jax.vmap(lambda n, e=elbo: e(params, n, terms.arrays()).row)(noise)
        squares = -2 * (np.asarray(row)[:-1] + 0.5 * np.log(2 * np.pi))  # h², (draws, rows)
        # One weight per draw, whose square serves all rows: rows add nothing to the precision.
        error = squares.mean(axis=1).std() / np.sqrt(len(squares))
        found[name] = squares.mean(), error
    for name in ("pathwise", "flipout"):
        mean, error = found[name]
        assert abs(mean - exact) < 4 * error, (name, mean)
    mean, error = found["local_approx"]
    assert abs(mean - exact / 16) < 4 * error  # 0.0246
    print(
        {name: f"E[(mean of 16 tanh)²] {mean:.4f} ± {e:.4f}" for name, (mean, e) in found.items()}
    )
    assert found["pathwise"][0] / mean > 12


# Fits: the same model under every estimator, unchanged afterwards.

SIGMA, TAU = 0.7, 1.5
Y = TABLE @ [1.0, -2.0, 0.5] + SIGMA * np.random.default_rng(4).normal(size=N)
PRECISION = TABLE.T @ TABLE / SIGMA**2 + np.eye(3) / TAU**2
MEAN = np.linalg.solve(PRECISION, TABLE.T @ Y) / SIGMA**2
COVARIANCE = np.linalg.inv(PRECISION)
BEST_SCALE = 1 / np.sqrt(np.diag(PRECISION))  # of independent Normals


def regression(prior=None):
    with pm.Model() as model:
        w = prior() if prior else pm.Normal("w", 0, TAU, shape=3)
        mu = pm.Deterministic("mu", pm.Data("x", TABLE) @ w)
        pm.Normal("y", mu, SIGMA, observed=Y)
    return model


def as_text(model):
    """All that a user may see of a model."""
    graphs = [*model.basic_RVs, *model.deterministics, *model.value_vars, model.logp()]
    point = model.initial_point()
    logp = model.compile_logp(mode=INTERPRETED)({k: v + 0.3 for k, v in point.items()})
    graph = pytensor.dprint(graphs, file="str")
    shared = {
        k: v.get_value().tolist() for k, v in model.named_vars.items() if hasattr(v, "get_value")
    }
    return graph, list(model.named_vars), {k: v.tolist() for k, v in point.items()}, logp, shared


MODEL = regression()
BEFORE = as_text(MODEL)


@pytest.mark.parametrize(
    "estimator", [*ESTIMATORS, "auto", OwnWeights()], ids=lambda e: getattr(e, "name", e)
)
def test_one_model_fits_under_every_estimator_and_stays_as_it_was(estimator):
    fitted = bnn.fit(MODEL, steps=3000, batch_size=32, estimator=estimator, **QUIET)
    np.testing.assert_allclose(fitted.mean["w"], MEAN, atol=0.35 * BEST_SCALE.min())
    np.testing.assert_allclose(fitted.std["w"], BEST_SCALE, rtol=0.15)
    name = "local" if estimator == "auto" else getattr(estimator, "name", estimator)
    assert fitted.summary().loc["w", "estimator"] == name
    assert as_text(MODEL) == BEFORE


def test_an_estimator_from_outside_is_checked_like_the_others():
    with pytest.raises(ValueError, match=r"got 'own weights', although it is no dense layer; use"):
        bnn.fit(make_model("Conv1D"), steps=1, rows=["x", "y"], estimator=OwnWeights(), **QUIET)
    with pytest.raises(ValueError, match=r"got 'own weights', although its guide, FullRank"):
        bnn.fit(MODEL, steps=1, estimator=OwnWeights(), guide=FullRank(), **QUIET)


@pytest.mark.parametrize("estimator", ["pathwise", "local", "flipout"])
def test_any_number_of_rows(estimator):
    terms, rng = taken_apart("LinearLayer, bias"), np.random.default_rng(3)
    with precision("float64"):
        posterior = posterior_of(terms)
        elbo = assemble(terms, posterior, "float64", estimator)
        params = away_from_start(posterior.blocks, 1)
        w, b, v = (params[name]["loc"] for name in ("w", "b", "v"))
        for rows in (1, 5, 300):
            x, y = rng.normal(size=(rows, 3)), rng.normal(size=rows)
            data = {**terms.arrays(), "x": x, "y": y}
            row = elbo(params, no_noise(elbo.noise, rows, "float64"), data).row
            assert row.shape == (rows,)
            expected = st.norm.logpdf(y, np.tanh(x @ w + b) @ v, 0.5)
            np.testing.assert_allclose(row, expected, rtol=1e-7)


def test_set_data_before_a_fit():
    with pm.Model() as model:
        x, y = pm.Data("x", TABLE), pm.Data("y_data", Y)
        pm.Normal("y", x @ normal("w", 3), SIGMA, observed=y, shape=x.shape[0])
    pm.set_data({"x": TABLE[:50], "y_data": Y[:50]}, model=model)
    fitted = bnn.fit(model, steps=20, estimator="local", **QUIET)
    assert np.isfinite(fitted.history["elbo"]).all()
    assert fitted.elbo(20)["nll"] < fitted.history["nll"].iloc[0]


def test_integer_images_do_not_overflow():
    images = np.random.default_rng(0).integers(0, 256, size=(6, 3))
    rows = []
    for dtype in ("uint8", "float64"):
        with pm.Model() as model:
            mu = pt.as_tensor(images.astype(dtype)) @ normal("w", 3, 2)
            pm.Normal("y", mu.sum(axis=1), 100.0, observed=np.zeros(6))
        terms = by_rows(model)
        with precision("float64"):
            posterior = posterior_of(terms)
            elbo = assemble(terms, posterior, "float64", "local")
            params = {block.name: block.params for block in posterior.blocks}
            noise = {n.name: np.ones(n.full_shape(6)) for n in elbo.noise}
            rows.append(elbo(params, noise, terms.arrays()).row)
    np.testing.assert_allclose(*rows, rtol=1e-12)


def test_a_hidden_layer_of_two_likelihoods_is_drawn_once():
    with pm.Model() as model:
        h = DropoutMarker(p=0.5)(pt.tanh(pm.Data("x", TABLE) @ normal("w", 3, 4)))
        pm.Normal("y", h @ normal("mu", 4), 1.0, observed=TABLE[:, 0])
        pm.Normal("z", h @ normal("mu2", 4), 1.0, observed=TABLE[:, 1])
    terms = by_rows(model)
    with precision("float64"):
        elbo = assemble(terms, posterior_of(terms), "float64", "local")
    assert sorted(n.law for n in elbo.noise) == ["keep", "normal", "normal", "normal"]
    assert {c.estimator.name for c in elbo.choices.values()} == {"local"}


@pytest.mark.parametrize("kind", ["LinearLayer", "LinearLayer, bias", "x @ w + b"])
def test_black_images_have_finite_gradients(kind):
    terms = taken_apart(kind)
    data = {k: np.asarray(v, "float32") for k, v in terms.arrays().items()}
    with precision("float32"):
        posterior = posterior_of(terms, dtype="float32")
        elbo = assemble(terms, posterior, "float32", "local")
        params = jax.tree.map(jnp.float32, away_from_start(posterior.blocks, 1))
        noise = elbo.draw_noise(jax.random.key(0), N)

        def nll(params, x):
            return -elbo(params, noise, {**data, "x": x}).row.sum()

        gradient = compiled(jax.grad(nll))
        half = gradient(params, np.where(np.arange(N)[:, None] % 2, data["x"], 0).astype("float32"))
        black = gradient(params, np.zeros_like(data["x"]))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves([half, black]))
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(black["w"]))
    assert all((leaf != 0).any() for leaf in jax.tree.leaves(half["w"]))


# Steps: particles and the weight of the KL.


def step_of(estimator, kl_weight=1.0, particles=1):
    """A function from a state to metrics and gradient of the next step, and the first state."""
    options = DataOptions(batch_size=None, dtype="float64")
    problem, source = prepare(MODEL, options, layers=True)
    method = VI(None, estimator, particles, optax.sgd(0.1), kl_weight=kl_weight)
    program = method.compile(problem, Plan(source.batches, steps=100))
    counts = program.counts

    def gradient(state):
        return program.gradient(state, *program.batch(state, source.data, counts), counts)

    return gradient, program.init(7, away_from_start(program.guide.blocks, 1))


@pytest.mark.parametrize("estimator", ["pathwise", "flipout"])
def test_particles_divide_the_variance_and_keep_the_expectation(estimator):
    results = []
    for particles in (1, 4):
        with precision("float64"):
            step, state = step_of(estimator, particles=particles)

            def at(i, step=step, state=state):
                return step(replace(state, step=i))

            metrics, gradient = compiled(jax.vmap(at))(jnp.arange(2000))
        flat = np.concatenate([gradient["w"]["loc"], gradient["w"]["log_scale"]], axis=1)
        results.append((metrics, flat))
    (one, g1), (four, g4) = results
    for a, b in ((one.nll, four.nll), (g1, g4)):
        error = np.sqrt(a.var(axis=0) / len(a) + b.var(axis=0) / len(b))
        assert (abs(a.mean(axis=0) - b.mean(axis=0)) < 4.5 * error).all()
    np.testing.assert_allclose(one.kl, four.kl)  # the KL is exact
    np.testing.assert_allclose(g4.var(axis=0).sum() / g1.var(axis=0).sum(), 0.25, rtol=0.15)


def test_gradient_under_a_schedule_of_the_kl_weight():
    def gradient(kl_weight):
        with precision("float64"):
            step, state = step_of("local", kl_weight)
            at_30 = replace(state, step=jnp.int32(30))
            return state.params["w"], compiled(step)(at_30)[1]["w"]

    params, scheduled = gradient(lambda t: 0.1 + 0.01 * t)
    _, constant = gradient(0.4)
    _, full = gradient(1.0)
    scale = np.exp(params["log_scale"])
    of_kl = {"loc": params["loc"] / TAU**2, "log_scale": scale**2 / TAU**2 - 1}
    for role in ("loc", "log_scale"):
        np.testing.assert_allclose(scheduled[role], constant[role], rtol=1e-9)
        np.testing.assert_allclose(scheduled[role], full[role] - 0.6 * of_kl[role] / N, rtol=1e-6)


# Sticking the landing, by a prior without a closed form that is Normal all the same.


def full_rank_elbo(params):
    """The ELBO of the regression under a Normal guide, in closed form."""
    d = 3
    unit = jnp.eye(d) + jnp.tril(params["lower"], -1)
    factor = jnp.exp(params["log_scale"])[:, None] * unit
    m, cov = params["loc"], factor @ factor.T
    residual = Y - TABLE @ m
    fit = -((residual**2).sum() + jnp.trace(TABLE.T @ TABLE @ cov)) / (2 * SIGMA**2)
    kl = 0.5 * ((jnp.trace(cov) + m @ m) / TAU**2 - d) + d * np.log(TAU) - params["log_scale"].sum()
    return fit - 0.5 * N * np.log(2 * np.pi * SIGMA**2) - kl


def test_sticking_the_landing():
    model = regression(lambda: pm.MvNormal("w", np.zeros(3), cov=TAU**2 * np.eye(3)))
    terms = by_rows(model)
    root = scipy.linalg.cholesky(COVARIANCE, lower=True)
    diagonal = np.diag(root)
    best = {
        "loc": MEAN,
        "log_scale": np.log(diagonal),
        "lower": np.tril(root / diagonal[:, None], -1),
    }
    elsewhere = {
        "loc": MEAN + 0.1,
        "log_scale": np.log(diagonal) + 0.3,
        "lower": np.array([[0, 0, 0], [0.5, 0, 0], [-0.2, 0.3, 0]]),
    }
    with precision("float64"):
        elbo = assemble(terms, posterior_of(terms, FullRank()), "float64")
        assert elbo.kl_methods == {"w": "Monte Carlo, sticking the landing"}
        noise = noise_of(elbo, 4000, N, 3)

        own = compiled(lambda params: gradients(elbo, {"w": params}, noise, terms.arrays()))

        exact = jax.flatten_util.ravel_pytree({"w": jax.grad(full_rank_elbo)(elsewhere)})[0]
        value = float(full_rank_elbo(elsewhere))
        (loss, at_best), (losses, at_elsewhere) = (
            [np.asarray(a) for a in own(params)] for params in (best, elsewhere)
        )
    # At the exact posterior no draw has a gradient, whatever the noise; the loss still varies by
    # the exact entropy alone.
    assert abs(at_best).max() < 1e-8
    assert loss[:-1].std() > 0.1
    error = at_elsewhere.std(axis=0) / np.sqrt(len(at_elsewhere))
    assert (abs(at_elsewhere.mean(axis=0) + exact) <= 4.5 * error).all()
    assert abs(losses.mean() + value) < 4 * losses.std() / np.sqrt(len(losses))
