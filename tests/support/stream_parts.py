"""Small models of samples, and loaders that stream their data."""

import numpy as np
import pymc as pm

RNG = np.random.default_rng(3)
N = 203
X = RNG.normal(size=(N, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.7 * RNG.normal(size=N)
LABELS = (Y > 0).astype(int) + (Y > 1)
QUIET = {"random_seed": 1, "progressbar": False}


def linear(n=N):
    with pm.Model() as model:
        pm.Normal("y", pm.Data("x", X[:n]) @ pm.Normal("w", 0, 1.5, shape=3), 0.7, observed=Y[:n])
    return model


def classes(n=8):
    with pm.Model() as model:
        w = pm.Normal("w", shape=(3, 3))
        pm.Categorical("y", logit_p=pm.Data("x", X[:n]) @ w, observed=LABELS[:n])
    return model


class Batched:
    """As a torch DataLoader: lists of arrays, a length and the data set."""

    def __init__(self, size=50, y=Y, x=X):
        self.x, self.y, self.size = x, y, size
        self.dataset = range(len(x))
        self.passes = 0

    def __len__(self):
        return -(-len(self.x) // self.size)

    def __iter__(self):
        self.passes += 1
        for start in range(0, len(self.x), self.size):
            yield [self.x[start : start + self.size], self.y[start : start + self.size]]


class Stop:
    def __init__(self, step):
        self.at_steps = {step}

    def on_chunk(self, state, info):
        return True
