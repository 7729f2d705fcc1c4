"""A conjugate regression, its posterior and its ELBO in closed form, and steps that are counted."""

import numpy as np
import pymc as pm
import scipy.stats as st

RNG = np.random.default_rng(3)
N, SIGMA, TAU = 200, 0.7, 1.5
X = RNG.normal(size=(N, 3)) @ np.array([[1.0, 0.6, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 1.0]])
Y = X @ [1.0, -2.0, 0.5] + SIGMA * RNG.normal(size=N)
PRECISION = X.T @ X / SIGMA**2 + np.eye(3) / TAU**2
POSTERIOR_MEAN = np.linalg.solve(PRECISION, X.T @ Y) / SIGMA**2
BEST_SCALE = 1 / np.sqrt(np.diag(PRECISION))
QUIET = {"random_seed": 1, "progressbar": False}


def conjugate(minibatch=False):
    with pm.Model() as model:
        w = pm.Normal("w", 0, TAU, shape=3)
        if minibatch:
            x, y = pm.Minibatch(X, Y, batch_size=50)
            pm.Normal("y", x @ w, SIGMA, observed=y, total_size=N)
        else:
            pm.Normal("y", pm.Data("x", X) @ w, SIGMA, observed=Y)
    return model


def closed_form_elbo(loc, scale):
    nll = -st.norm.logpdf(Y, X @ loc, SIGMA).sum() + (X**2 @ scale**2).sum() / (2 * SIGMA**2)
    kl = np.sum(np.log(TAU / scale) + (scale**2 + loc**2) / (2 * TAU**2) - 0.5)
    return -nll - kl, nll, kl


class Chunks:
    def __init__(self):
        self.steps = []

    def on_chunk(self, state, info):
        self.steps.append(info.step)
        assert len(info.elbo) == min(7, info.step - (self.steps[-2] if self.steps[1:] else 0))
        assert len(info.approximation().history) == info.step
        assert int(state.step) == info.step
