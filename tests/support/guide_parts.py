"""A regression whose posterior and evidence are known, and ways to look at its fits."""

from dataclasses import dataclass

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import scipy.stats as st

from pymc_bnn.guides import Factorised

QUIET = {"random_seed": 1, "progressbar": False}


@dataclass(frozen=True)
class OneScale(Factorised):
    """A guide from outside the package: one scale for all numbers of a variable."""

    def init(self, starts, rng):
        [start] = starts
        return {"loc": start.loc, "log_scale": np.log(start.scale).mean()}

    def mean_and_scale(self, variable, params):
        return params["loc"], pt.exp(params["log_scale"])


def logistic(x):
    return 1 / (1 + np.exp(-x))


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


def check_everything(fitted, point=False):
    """Use all that a fit of the regression offers."""
    assert np.isfinite(fitted.history.to_numpy()).all()
    draws = fitted.sample(2000, random_seed=1).posterior
    assert draws["w"].dims == ("chain", "draw", "feature")
    for variable in ("w", "v"):
        error = fitted.std[variable] / np.sqrt(2000)
        shift = np.abs(draws[variable].mean(("chain", "draw")) - fitted.mean[variable])
        assert (shift <= 4 * error + 1e-4).all()
    assert fitted.summary().index.tolist() == ["w", "v"]
    assert fitted.scale_ratio().index.tolist() == ["w", "v"]
    assert fitted.scale_ratio().isna().all() == point
    prediction = fitted.predict({"x": X[:7]}, draws=6, var_names=["mu"], random_seed=1)
    spread = np.ptp(prediction["mu"].samples, axis=0)
    assert (spread == 0).all() if point else (spread > 0).all()
    assert prediction["y"].samples.shape == (6, 7)
