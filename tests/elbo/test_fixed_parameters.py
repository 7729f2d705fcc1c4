"""Parts of the ELBO at fixed parameters, against closed forms."""

import jax
import numpy as np
import optax
import pymc as pm
import pytest
import scipy.stats as st

from pymc_bnn.elbo import assemble
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.prepare import DataOptions, prepare
from pymc_bnn.inference.vi import VI
from pymc_bnn.model.decompose import decompose
from pymc_bnn.runtime.precision import precision
from tests.support.conjugate import SIGMA, N, X, Y, closed_form_elbo, conjugate
from tests.support.parts import posterior_of

RNG = np.random.default_rng(3)


def test_elbo_parts_at_fixed_parameters():
    terms = decompose(conjugate())
    loc, scale = np.array([0.5, -1.0, 2.0]), np.array([0.1, 0.2, 0.3])
    _, nll, kl = closed_form_elbo(loc, scale)
    with precision("float64"):
        elbo = assemble(terms, posterior_of(terms), "float64")
        params = {"w": {"loc": loc, "log_scale": np.log(scale)}}
        noise = RNG.standard_normal((20_000, 3))
        draws = jax.vmap(lambda e: elbo(params, {"w": e}, terms.arrays())[1])(noise)
        divergence = elbo(params, {"w": noise[0]}, terms.arrays())[2]
    np.testing.assert_allclose(divergence, [kl], rtol=1e-7)
    error = np.std(draws) / np.sqrt(len(draws))
    assert abs(-np.mean(draws) - nll) < 4 * error


def test_sampled_scale_enters_the_kl():
    with pm.Model() as model:
        w = pm.Normal("w", 0.2, pm.HalfNormal("s", 1.0), shape=4)
        pm.Normal("y", w.sum(), 1, observed=Y)
    terms = decompose(model)
    loc, scale, log_s = np.array([0.1, 0.2, -1.0, 3.0]), np.array([0.5, 1.0, 2.0, 0.1]), -0.4
    params = {
        "s": {"loc": np.array(log_s), "log_scale": np.array(-np.inf)},
        "w": {"loc": loc, "log_scale": np.log(scale)},
    }
    with precision("float64"):
        elbo = assemble(terms, posterior_of(terms), "float64")
        noise = {"s": np.array(0.0), "w": np.zeros(4)}
        kl = dict(zip(elbo.names, elbo(params, noise, terms.arrays())[2], strict=True))
    s = np.exp(log_s)
    expected = np.log(s / scale) + (scale**2 + (loc - 0.2) ** 2) / (2 * s**2) - 0.5
    np.testing.assert_allclose(kl["w"], expected.sum(), rtol=1e-7)


@pytest.mark.parametrize("batch_size", [7, 50, 64, 199])
def test_minibatch_likelihoods_of_an_epoch_add_up(batch_size):
    with pm.Model() as model:  # whose batches say which rows they are
        mu = pm.Data("x", X) @ pm.Normal("w", 0, 1.5, shape=3) + 0 * pm.Data("row", np.arange(N))
        pm.Normal("y", mu, SIGMA, observed=Y)
    problem, source = prepare(model, DataOptions(batch_size=batch_size, dtype="float64"))
    batches = source.batches
    loc, scale = np.array([0.5, -1.0, 2.0]), np.array([0.1, 0.2, 0.3])
    eps = np.array([1.0, -0.5, 0.3])
    with precision("float64"):
        method = VI(estimator="pathwise", optimizer=optax.sgd(0.0))
        program = method.compile(problem, Plan(batches, steps=100))
        state = program.init(5, {"w": {"loc": loc, "log_scale": np.log(scale)}})
        total, seen = 0.0, []
        counts = program.counts
        for size in batches.sizes():
            batch, weights = program.batch(state, source.data, counts)
            row = program.elbo(state.params, {"w": eps}, batch)[0]
            weights = np.asarray(weights)
            np.testing.assert_allclose(weights[:size], N / size)
            assert (weights[size:] == 0).all()
            total += float((row * weights).sum() * size / N)
            seen.extend(np.asarray(batch["row"])[:size])
            state = program.step(state, source.data, counts)[0]
    assert sorted(seen) == list(range(N))
    w = loc + scale * eps
    np.testing.assert_allclose(total, st.norm.logpdf(Y, X @ w, SIGMA).sum(), rtol=1e-7)
