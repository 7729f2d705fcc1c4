"""Variational dropout finds the best of its family."""

from functools import cache

import numpy as np
import pytest
import scipy.optimize
import scipy.stats as st

import pymc_bnn as bnn
from pymc_bnn.guides import VariationalDropout
from tests.support.guide_parts import (
    MEAN,
    PRECISION,
    QUIET,
    SIGMA,
    TAU,
    D,
    X,
    Y,
    check_everything,
    logistic,
    regression,
)


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


@cache
def fit(name):
    guide, _ = DROPOUTS[name]
    options = {"steps": 3000, "start": START, "learning_rate": 0.03}
    return bnn.fit(regression(), guide=guide, **options, **QUIET)


@pytest.mark.parametrize("name", ["shared"])
def test_everything_a_fit_offers_works_under_every_guide(name):
    check_everything(fit(name))


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
