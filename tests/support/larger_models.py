"""Networks within larger models, as a stranger writes them: tables, ints, `pm.Data`.

Each builder returns the model of `n` simulated rows, which parameters have a meaning of their own,
and new rows to predict.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.transforms import ordered

import pymc_bnn as bnn

UNIT = bnn.priors.Normal(0, 1)  # of weights: tanh units of inputs of scale 1


class Larger(NamedTuple):
    """A model with a network in it."""

    model: pm.Model
    meant: tuple[str, ...]  # parameters that can be compared from fit to fit
    new: dict[str, Any]  # data of new rows


MODELS: dict[str, Callable[..., Larger]] = {}


def larger(function):
    """Put a builder among the models, under its name."""
    MODELS[function.__name__.replace("_", " ")] = function
    return function


def small(inputs, outputs=1):
    return bnn.networks.mlp((inputs, 4, outputs))


def wave(z):
    return np.sin(1.5 * z)


TOWNS = ["Ayr", "Bath", "Cork", "Deal", "Eton", "Fife"]


@larger
def varying_intercepts(n, seed=0):
    """Houses in towns; of the last town, Fife, none was sold yet."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"area": rng.normal(90, 25, n), "rooms": rng.integers(1, 6, n)})
    frame["town"] = pd.Categorical(rng.choice(TOWNS[:-1], n), categories=TOWNS)
    level = np.array([-1.0, -0.4, 0.1, 0.5, 1.1, np.nan])[frame["town"].cat.codes]
    frame["price"] = wave((frame["area"] - 90) / 25) + level + rng.normal(0, 0.4, n)
    with pm.Model(coords={"town": TOWNS}) as model:
        x = bnn.standardise("x", frame[["area", "rooms"]])
        town = pm.Data("town_of", frame["town"].cat.codes)
        f = bnn.bayesian(small(2), x, UNIT)[:, 0]
        spread = pm.HalfNormal("spread", 1)
        intercept = pm.Normal("intercept", 0, spread, dims="town")
        noise = pm.HalfNormal("noise", 1)
        pm.Normal("y", f + intercept[town], noise, observed=frame["price"], shape=f.shape)
    new = pd.DataFrame({"area": [60.0, 90.0, 120.0] * 2, "rooms": [2, 3, 4] * 2})
    new = {"x": new, "town_of": np.array([0, 1, 2, 3, 4, 5])}
    return Larger(model, ("spread", "noise", "intercept"), new)


@larger
def network_per_group(n, seed=1):
    """Weights of each of six groups around common ones, written out, as in PyMC's tutorials."""
    rng = np.random.default_rng(seed)
    x, g = rng.normal(size=(n, 2)), rng.integers(0, 6, n)
    turn = 0.25 * (g - 2.5)
    score = 2 * wave(x[:, 0] * np.cos(turn) + x[:, 1] * np.sin(turn))
    y = rng.uniform(size=n) < 1 / (1 + np.exp(-score))
    with pm.Model() as model:
        inputs, group = pm.Data("x", x), pm.Data("group", g)
        sd = pm.HalfNormal("sd", 0.5)
        w1 = pm.Normal("w1", 0, 1, shape=(2, 4)) + sd * pm.Normal("w1_of", shape=(6, 2, 4))
        w2 = pm.Normal("w2", 0, 1, shape=4) + sd * pm.Normal("w2_of", shape=(6, 4))
        hidden = pm.math.tanh((inputs[:, :, None] * w1[group]).sum(axis=1))
        logit = (hidden * w2[group]).sum(axis=1)
        pm.Bernoulli("y", logit_p=logit, observed=y, shape=logit.shape)
    return Larger(model, ("sd",), {"x": x[:6] + 0.1, "group": np.arange(6)})


@larger
def output_per_group(n, seed=2):
    """Hidden units that all groups share, an output for each, whose weights have common means."""
    rng = np.random.default_rng(seed)
    x, g = rng.normal(size=(n, 2)), rng.integers(0, 6, n)
    y = (0.4 + 0.3 * g) * wave(x[:, 0]) + 0.3 * x[:, 1] + rng.normal(0, 0.3, n)
    with pm.Model() as model:
        group = pm.Data("group", g)
        last = bnn.priors.Normal(
            bnn.priors.Normal(0, 1, per="unit"), bnn.priors.HalfNormal(0.5)
        )  # a mean for each hidden unit, one spread
        out = bnn.bayesian(small(2, 6), pm.Data("x", x), {"dense2_W": last, "*": UNIT})
        f = out[pt.arange(out.shape[0]), group]
        noise = pm.HalfNormal("noise", 1)
        pm.Normal("y", f, noise, observed=y, shape=f.shape)
    return Larger(model, ("noise", "dense2_W_sigma"), {"x": x[:6] + 0.1, "group": np.arange(6)})


@larger
def censored(n, seed=3):
    """Times to failure, of which each machine was watched for so long; whole hours."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"load": rng.normal(size=n), "age": rng.integers(0, 10, n)})
    middle = 4 - wave(frame["load"]) - 0.05 * frame["age"]
    watched = rng.integers(30, 120, n)
    hours = np.ceil(np.minimum(np.exp(rng.normal(middle, 0.6)), watched)).astype(int)
    with pm.Model() as model:
        x = bnn.standardise("x", frame)
        f = bnn.bayesian(small(2), x, UNIT)[:, 0]
        spread = pm.HalfNormal("spread", 1)
        limit = pm.Data("watched", watched)
        # Not a Weibull law: PyMC's own gradient of its survival is NaN far out, and NUTS stays put.
        life = pm.LogNormal.dist(4 + f, spread)
        pm.Censored("y", life, lower=None, upper=limit, observed=hours, shape=f.shape)
    new = pd.DataFrame({"load": [-1.0, 0.0, 1.0, 2.0], "age": [2, 4, 6, 8]})
    return Larger(model, ("spread",), {"x": new, "watched": np.array([500, 500, 60, 60])})


@larger
def ordinal(n, seed=4):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    latent = 2 * wave(x[:, 0]) + 0.5 * x[:, 1] + rng.logistic(size=n)
    frame = pd.DataFrame(x, columns=["price", "wait"])
    frame["stars"] = np.digitize(latent, [-1.5, 0, 1.5])
    with pm.Model() as model:
        x = pm.Data("x", frame[["price", "wait"]])
        f = bnn.bayesian(small(2), x, UNIT)[:, 0]
        start = np.array([-1.0, 0.0, 1.0])
        cuts = pm.Normal("cuts", 0, 2, shape=3, transform=ordered, initval=start)
        pm.OrderedLogistic("y", f, cuts, observed=frame["stars"], shape=f.shape)
    return Larger(model, ("cuts",), {"x": frame[["price", "wait"]][:5] + 0.1})


@larger
def zero_inflated(n, seed=5):
    """Fish caught, by parties of whom some do not fish at all."""
    rng = np.random.default_rng(seed)
    x, people = rng.normal(size=(n, 2)), rng.integers(1, 5, n)
    caught = rng.poisson(people * np.exp(0.5 + wave(x[:, 0]))) * (rng.uniform(size=n) < 0.7)
    with pm.Model() as model:
        f = bnn.bayesian(small(2), pm.Data("x", x), UNIT)[:, 0]
        rate = pm.Data("people", people) * pm.math.exp(f)
        fishing = pm.Beta("fishing", 1, 1)
        pm.ZeroInflatedPoisson("y", fishing, rate, observed=caught, shape=f.shape)
    return Larger(model, ("fishing",), {"x": x[:5] + 0.1, "people": np.array([1, 2, 3, 4, 4])})


@larger
def correlated_outputs(n, seed=6):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    noise = rng.multivariate_normal([0, 0], [[0.25, 0.14], [0.14, 0.16]], n)
    both = np.stack([wave(x[:, 0]), 0.7 * wave(x[:, 1])], axis=1) + noise
    frame = pd.DataFrame(both, columns=["wind", "wave"])
    with pm.Model(coords={"kind": list(frame)}) as model:
        f = bnn.bayesian(small(2, 2), pm.Data("x", x), UNIT)
        chol, _, _ = pm.LKJCholeskyCov("chol", n=2, eta=2, sd_dist=pm.HalfNormal.dist(1))
        pm.MvNormal("y", f, chol=chol, observed=frame, shape=f.shape)
    return Larger(model, ("chol_corr", "chol_stds"), {"x": x[:5] + 0.1})


@larger
def measurement_error(n, seed=7):
    """One of the inputs was measured badly; its true values are free variables, one for a row."""
    rng = np.random.default_rng(seed)
    dose, age = rng.normal(size=n), rng.normal(size=n)
    y = 1.5 * wave(dose) + 0.3 * age + rng.normal(0, 0.3, n)
    with pm.Model() as model:
        true = pm.Normal("true", 0, 1, shape=n)
        pm.Normal("measured", true, 0.4, observed=dose + rng.normal(0, 0.4, n))
        x = pt.stack([true, pm.Data("age", age)], axis=1)
        f = bnn.bayesian(small(2), x, UNIT)[:, 0]
        noise = pm.HalfNormal("noise", 1)
        pm.Normal("y", f, noise, observed=y)
    return Larger(model, ("noise", "true"), {})


@larger
def missing_responses(n, seed=8):
    """Two responses, of which a fifth is missing: a row for each that is there."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    frame = pd.DataFrame({"day": wave(x[:, 0]), "night": 0.5 * x[:, 1]})
    frame += rng.normal(0, [0.3, 0.5], (n, 2))
    hidden = rng.permutation(2 * n).reshape(n, 2) < 2 * n // 5
    seen = frame.mask(hidden).melt(ignore_index=False).dropna()
    with pm.Model(coords={"response": list(frame)}) as model:
        kind = pm.Data("kind", pd.Categorical(seen["variable"]).codes)
        out = bnn.bayesian(small(2, 2), pm.Data("x", x[seen.index]), UNIT)
        f = out[pt.arange(out.shape[0]), kind]
        noise = pm.HalfNormal("noise", 1, dims="response")
        pm.Normal("y", f, noise[kind], observed=seen["value"], shape=f.shape)
    new = {"x": np.repeat(x[:3] + 0.1, 2, axis=0), "kind": np.array([0, 1] * 3)}
    return Larger(model, ("noise",), new)


@larger
def offset(n, seed=9):
    """Claims of policies that ran for unequal times, and grow with age as nobody knows."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"age": rng.integers(18, 80, n), "days": rng.integers(30, 366, n)})
    frame["sport"] = rng.integers(0, 2, n)
    rate = np.exp(1 + wave((frame["age"] - 49) / 18) + 0.5 * frame["sport"])
    frame["claims"] = rng.poisson(rate * frame["days"] / 365)
    with pm.Model() as model:
        f = bnn.bayesian(small(1), bnn.standardise("age", frame[["age"]]), UNIT)[:, 0]
        effect = pm.Normal("effect", 0, 1)
        log_rate = f + effect * pm.Data("sport", frame["sport"])
        log_rate += pm.math.log(pm.Data("days", frame["days"]) / 365)
        pm.Poisson("y", pm.math.exp(log_rate), observed=frame["claims"], shape=f.shape)
    new = {"age": frame[["age"]][:4], "sport": np.array([0, 1, 0, 1])}
    return Larger(model, ("effect",), {**new, "days": np.array([365, 365, 30, 30])})


def weighted(value, mu, sigma, weight):
    """Log-density of a Normal that counts `weight` times."""
    return weight * pm.logp(pm.Normal.dist(mu, sigma), value)


def unweighted(mu, sigma, weight, size):
    """What is predicted: the Normal itself."""
    return pm.Normal.dist(mu, sigma, size=size)


@larger
def weight_per_row(n, seed=10):
    """A survey whose answers stand for unequal numbers of people."""
    rng = np.random.default_rng(seed)
    x, people = rng.normal(size=(n, 2)), rng.integers(1, 4, n)
    y = wave(x[:, 0]) + 0.4 * x[:, 1] + rng.normal(0, 0.5, n)
    with pm.Model() as model:
        f = bnn.bayesian(small(2), pm.Data("x", x), UNIT)[:, 0]
        noise = pm.HalfNormal("noise", 1)
        weight = pm.Data("people", people)
        law = {"logp": weighted, "dist": unweighted, "class_name": "Weighted"}
        pm.CustomDist("y", f, noise, weight, observed=y, shape=f.shape, **law)
    return Larger(model, ("noise",), {"x": x[:5] + 0.1, "people": np.ones(5, int)})


@larger
def mixture_density(n, seed=11):
    """Two branches, of which the input says how likely each is and where it lies."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, n)
    upper = rng.uniform(size=n) < 1 / (1 + np.exp(-x))
    y = np.where(upper, 1 + 0.5 * x, -1 - 0.3 * x) + rng.normal(0, 0.25, n)
    with pm.Model() as model:
        out = bnn.bayesian(small(1, 4), pm.Data("x", x[:, None]), UNIT)
        w, mu = pm.math.softmax(out[:, :2], axis=-1), out[:, 2:] + np.array([-1, 1])
        noise = pm.HalfNormal("noise", 1)
        pm.NormalMixture("y", w, mu, noise, observed=y, shape=out.shape[:1])
    return Larger(model, ("noise",), {"x": np.linspace(-2, 2, 5)[:, None]})
