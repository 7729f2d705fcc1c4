"""Fits find posteriors that are known: in closed form, or by NUTS."""

import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn
from tests.support.conjugate import (
    BEST_SCALE,
    POSTERIOR_MEAN,
    QUIET,
    SIGMA,
    TAU,
    X,
    closed_form_elbo,
    conjugate,
)

pytestmark = pytest.mark.usefixtures("optimised")


@pytest.mark.parametrize("batch_size", [None, 50, "pm.Minibatch"])
def test_conjugate_posterior(batch_size):
    minibatch = batch_size == "pm.Minibatch"
    fitted = bnn.fit(
        conjugate(minibatch), steps=6000, batch_size=50 if minibatch else batch_size, **QUIET
    )
    # Adam's noise at the end of the cosine is far below a posterior scale.
    np.testing.assert_allclose(fitted.mean["w"], POSTERIOR_MEAN, atol=0.15 * BEST_SCALE.min())
    np.testing.assert_allclose(fitted.std["w"], BEST_SCALE, rtol=0.05)
    elbo, _, kl = closed_form_elbo(fitted.mean["w"].values, fitted.std["w"].values)
    estimate = fitted.elbo(200)
    assert abs(estimate["elbo"] - elbo) < 4 * estimate["elbo_se"]
    np.testing.assert_allclose(estimate["kl"], kl, rtol=1e-4)
    best = closed_form_elbo(POSTERIOR_MEAN, BEST_SCALE)[0]
    assert best - elbo < 0.02


@pytest.mark.slow
def test_hierarchical_regression_agrees_with_nuts():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(6), 40)
    x = rng.normal(size=240)
    slopes = rng.normal(1.0, 0.5, size=6)
    y = slopes[group] * x + 0.5 * rng.normal(size=240)
    with pm.Model(coords={"group": list("abcdef")}) as model:
        mu = pm.Normal("mu", 0, 2)
        tau = pm.HalfNormal("tau", 1)
        slope = pm.Normal("slope", mu, tau, dims="group")
        noise = pm.LogNormal("noise", 0, 1)
        pm.Normal("y", slope[pm.Data("g", group)] * pm.Data("x", x), noise, observed=y)
        nuts = pm.sample(
            400, tune=300, chains=2, cores=1, random_seed=1, progressbar=False,
            compile_kwargs={"mode": "JAX"},
        ).posterior  # fmt: skip
    fitted = bnn.fit(model, steps=8000, batch_size=120, **QUIET)
    approx = fitted.sample(2000, random_seed=1).posterior
    assert approx["slope"].dims == ("chain", "draw", "group")
    assert list(approx["group"].values) == list("abcdef")
    for name in ("mu", "slope", "noise"):
        mean, sd = nuts[name].mean(("chain", "draw")), nuts[name].std(("chain", "draw"))
        gap = abs(approx[name].mean(("chain", "draw")) - mean) / sd
        assert float(gap.max()) < 0.35, (name, gap.values)
    # Mean-field scales are never wider, and here close, for what the data determine alone.
    ratio = approx["slope"].std(("chain", "draw")) / nuts["slope"].std(("chain", "draw"))
    assert float(ratio.min()) > 0.7
    assert float(ratio.max()) < 1.15
    np.testing.assert_allclose(fitted.mean["noise"], approx["noise"].mean(), rtol=0.01)
    np.testing.assert_allclose(fitted.std["noise"], approx["noise"].std(), rtol=0.1)


def test_cold_posterior_has_smaller_scales():
    # With weight w the optimum has precision XᵀX/(w σ²) + 1/τ².
    fitted = bnn.fit(conjugate(), steps=6000, kl_weight=0.25, **QUIET)
    cold = 1 / np.sqrt(np.diag(X.T @ X) / SIGMA**2 / 0.25 + 1 / TAU**2)
    np.testing.assert_allclose(fitted.std["w"], cold, rtol=0.05)
