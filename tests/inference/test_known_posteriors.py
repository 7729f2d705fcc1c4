"""Fits find posteriors that are known: in closed form, or by NUTS."""

import numpy as np
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


def test_cold_posterior_has_smaller_scales():
    # With weight w the optimum has precision XᵀX/(w σ²) + 1/τ².
    fitted = bnn.fit(conjugate(), steps=6000, kl_weight=0.25, **QUIET)
    cold = 1 / np.sqrt(np.diag(X.T @ X) / SIGMA**2 / 0.25 + 1 / TAU**2)
    np.testing.assert_allclose(fitted.std["w"], cold, rtol=0.05)
