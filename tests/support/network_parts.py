"""Inputs of small networks, models of them, and their outputs at given values."""

import numpy as np
import pymc as pm
import pytensor
from pytensor.graph.replace import graph_replace

from pymc_bnn.bayesian_network import bayesian

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(6, 4))
SERIES = RNG.normal(size=(6, 8, 4))
IMAGES = RNG.normal(size=(6, 8, 8, 1))
IDS = RNG.integers(0, 5, size=(6, 3))


def make_model(network, x, **settings):
    with pm.Model() as model:
        data = pm.Data("x", x)
        output = bayesian(network, data, **settings)
        pm.Deterministic("output", output)
    return model


def evaluate(model, output, values):
    """Return the output where the random variables have the given values by name."""
    places = {v: v.type(v.name) for v in model.free_RVs}
    fixed = graph_replace(output, places, strict=False)
    compiled = pytensor.function(list(places.values()), fixed, mode="JAX", on_unused_input="ignore")
    return np.asarray(compiled(*(values[v.name] for v in places)))


def random_values(model, seed=1):
    rng = np.random.default_rng(seed)
    return {v.name: rng.normal(size=v.type.shape) for v in model.free_RVs}
