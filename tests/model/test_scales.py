"""Data far from scale 1 are named before a fit, with the repair; others are not."""

import re
import warnings

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from pytensor_ml.layers import RNN, LayerNorm, Linear, Sequential

import pymc_bnn as bnn
from pymc_bnn import networks
from pymc_bnn.model.decompose import decompose
from pymc_bnn.model.rows import find_rows
from pymc_bnn.model.scales import warn_of_scales

RNG = np.random.default_rng(0)
N = 60
X, Y = RNG.normal(size=(N, 3)), RNG.normal(size=N)
TABLE = pd.DataFrame(X, columns=["a", "b", "c"])


def said(model, by_rows=True, **keywords):
    """Return what is said of a model; with keywords, by a fit."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if keywords:
            bnn.fit(model, steps=1, random_seed=1, progressbar=False, **keywords)
        else:
            warn_of_scales(decompose(model, find_rows(model)[0] if by_rows else ()))
    return [str(w.message) for w in caught]


def regression(x=X, y=Y, mu=lambda f: f, law=pm.Normal, network=None, **keywords):
    with pm.Model() as model:
        network = network or networks.mlp((np.shape(x)[1], 2, 1))
        f = bnn.bayesian(network, x)[:, 0]
        law("y", mu=mu(f), observed=y, shape=f.shape, **(keywords or {"sigma": 1.0}))
    return model


def series(x):
    rnn, out = RNN("rnn", n_in=3, n_hidden=2), Linear("out", n_in=2, n_out=1)
    return regression(x[:, None] * np.ones((2, 1)), network=lambda s: out(rnn(s)[..., -1, :]))


def held(x):
    values = {"dense1_W": np.full((3, 2), 0.01), "dense1_b": np.zeros(2)}
    return pm.do(regression(x), values, prune_vars=True)


pixels = np.where(RNG.random((N, 3)) < 0.05, 0.2, 0.0)
FAR = {
    "large": (
        lambda: regression(TABLE.assign(b=9 * X[:, 1])),
        r"input 'x', column 'b' \(mean .*, sd 7",
    ),
    "away": (lambda: regression(X + np.array([0, 0, 46])), r"input 'x', column 2 \(mean 46.2, sd"),
    "small": (lambda: regression(X * np.array([1, 0.01, 1])), r"column 1 \(mean .*, sd 0.0"),
    "constant": (lambda: regression(np.c_[X, np.full(N, 99.0)]), r"column 3 \(mean 99, sd 0\)"),
    "years": (
        lambda: regression(TABLE.assign(c=range(1960, 2020)).astype({"c": int})),
        "column 'c'",
    ),
    "many": (
        lambda: regression(RNG.normal(50, 9, (N, 30))),
        r"columns 0 \(.*and 26 more. In",
    ),
    "series": (lambda: series(99 * X), r"input 'x', columns 0 \(mean"),
    "held layer": (lambda: held(99 * X), r"input 'x', columns 0 \(mean"),
    "target": (
        lambda: regression(y=5000 + 800 * Y),
        r"1. Far from that: target 'y' \(mean 4,853, sd 890.*Scale.of",
    ),
    "tiny target": (lambda: regression(y=Y / 100), r"target 'y' \(mean .*, sd 0.0"),
    "both": (lambda: regression(9 * X, 20 * Y), "input 'x', .*; target 'y'.*standardise.*; unit"),
    "counts": (lambda: regression(y=np.arange(N)), "target 'y'"),
    "student": (lambda: regression(y=99 * Y, law=pm.StudentT, nu=4, sigma=1), "target 'y'"),
    "shifted": (lambda: regression(y=5000 + 800 * Y, mu=lambda f: 5000 + f), "target 'y'"),
}


@pytest.mark.parametrize("name", FAR)
def test_what_is_far_is_named_once(name):
    make, match = FAR[name]
    model = make()
    for by_rows in (True, False):
        [message] = said(model, by_rows)
        assert re.search(match, message), message
        assert "data and predictions keep their units" in message


NEAR = {
    "plain": lambda: regression(),
    "series": lambda: series(X),
    "small units of a held layer": lambda: held(X),
    "target of sd 7": lambda: regression(y=7 * Y),
    "pixels": lambda: regression(pixels),
    "categories": lambda: regression(np.eye(20)[RNG.integers(0, 20, N)]),
    "scaled target": lambda: regression(y=5000 + 800 * Y, mu=lambda f: 5000 + 800 * f),
    "normalised": lambda: regression(
        9 * X, network=Sequential(LayerNorm("n", n_in=3), Linear("l", n_in=3, n_out=1))
    ),
    "log link": lambda: regression(y=np.exp(3 + Y), mu=lambda f: pm.math.exp(f)),
}


@pytest.mark.parametrize("name", NEAR)
def test_what_is_near_is_not(name):
    model = NEAR[name]()
    assert said(model) == []
    assert said(model, by_rows=False) == []


def test_models_without_a_network_may_have_any_scale():
    with pm.Model() as model:
        slopes = pm.Normal("slopes", shape=3)
        pm.Normal("y", pm.Data("x", 1000 * X) @ slopes, 1.0, observed=5000 + Y)
    assert said(model) == []


def test_the_repairs_end_it():
    table, y = 1000 * TABLE, 5000 + 800 * Y
    unit = bnn.Scale.of(y)
    with pm.Model() as model:
        f = bnn.bayesian(networks.mlp((3, 2, 1)), bnn.standardise("x", table))[:, 0]
        pm.Normal("y", unit.mu(f), unit.sigma(pm.HalfNormal("s")), observed=y, shape=f.shape)
    assert said(model, batch_size=20) == []
    assert said(model, by_rows=False) == []
    assert said(pm.do(model, {"s": 1.0})) == []


def test_images_have_channels():
    images = RNG.integers(0, 256, (12, 6, 6, 2), "uint8")
    labels = np.arange(12) % 3
    for network in (networks.mlp((72, 3)), networks.convnet((6, 6, 2), 3, (2,), dense=None)):
        for standardised in (False, True):
            with pm.Model() as model:
                x = bnn.standardise("x", images) if standardised else pm.Data("x", images)
                logits = bnn.bayesian(network, x)
                pm.Categorical("y", logit_p=logits, observed=labels, shape=logits.shape[0])
            assert len(said(model)) == 1 - standardised


def test_streams_are_judged_by_their_first_batch():
    with pm.Model() as model:
        f = bnn.bayesian(networks.mlp((3, 2, 1)), pm.Data("x", np.zeros((5, 3))))[:, 0]
        pm.Normal("y", f, 1.0, observed=np.zeros(5), shape=f.shape)
    batches = [(TABLE * 100, Y)]
    [message] = said(model, data=batches, total_size=N)
    assert "input 'x', columns 'a' (" in message
    assert said(model, data=[(TABLE, Y)], total_size=N) == []
