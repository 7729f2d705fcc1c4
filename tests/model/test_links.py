"""Activations behind a last layer are named where they are wrong, and nowhere else."""

import re
import warnings

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor_ml.activations import ReLU, Sigmoid, Tanh
from pytensor_ml.layers import Dropout, Linear, Sequential

import pymc_bnn as bnn
from pymc_bnn.model.decompose import decompose
from pymc_bnn.model.links import warn_of_links
from pymc_bnn.model.rows import find_rows

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 3)), RNG.normal(size=60)
LABELS = RNG.integers(0, 3, 60)
UNIT = bnn.Scale.of(1000 + 100 * Y)


def softmax(v):
    return pt.special.softmax(v, axis=-1)


def network(last, n=1):
    layers = Linear("hidden", n_in=3, n_out=4), Tanh(), Linear("top", n_in=4, n_out=n)
    return Sequential(*layers, *((last,) if last else ()))


def regression(last=None, y=Y, mu=lambda out: out[:, 0], law=pm.Normal, **others):
    with pm.Model() as model:
        out = bnn.bayesian(network(last), X, others.pop("prior", None))
        law("y", mu=mu(out), sigma=1, observed=y, shape=out.shape[0], **others)
    return model


def classes(last=None, logits=lambda out: out, n=3):
    with pm.Model() as model:
        out = logits(bnn.bayesian(network(last, n), X))
        if n == 1:
            pm.Bernoulli("y", logit_p=out[:, 0], observed=LABELS > 0, shape=out.shape[0])
        else:
            pm.Categorical("y", logit_p=out, observed=LABELS, shape=out.shape[0])
    return model


def said(model, by_rows=True):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_links(decompose(model, find_rows(model)[0] if by_rows else ()))
    return [str(w.message) for w in caught]


WRONG = {
    "relu": (lambda: regression(ReLU()), r"relu of layer 'top', never below 0, and \d+% of its"),
    "relu in units": (
        lambda: regression(ReLU(), 1000 + 100 * Y, lambda out: UNIT.mu(out[:, 0])),
        r"'y' is the relu of layer 'top', never below [^,]*, and \d+% of its values",
    ),
    "upside down": (
        lambda: regression(ReLU(), mu=lambda out: 0.5 - 2 * out[:, 0]),
        r"never above 0.5, and \d+% of its values",
    ),
    "by hand": (lambda: regression(lambda v: pt.maximum(v, 0.0)), "relu of layer 'top'"),
    "tanh": (lambda: regression(Tanh(), 3 * Y), "tanh of layer 'top', between -1 and 1, and "),
    "sigmoid": (lambda: regression(Sigmoid()), "sigmoid of layer 'top', between 0 and 1, and "),
    "named": (
        lambda: regression(ReLU(), mu=lambda out: pm.Deterministic("mean", out[:, 0])),
        "relu of layer 'top'",
    ),
    "dropout": (lambda: regression(Sequential(Dropout("drop", p=0.1), ReLU())), "layer 'top'"),
    "student": (lambda: regression(ReLU(), law=pm.StudentT, nu=4), "relu of layer 'top'"),
    "softmax of logits": (lambda: classes(softmax), "made by a softmax of layer 'top': it is"),
    "tanh of logits": (lambda: classes(Tanh()), "the tanh of layer 'top': .* 7.4 times as likely"),
    "relu of logits": (lambda: classes(ReLU()), "the relu of layer 'top': .* above 0 alone"),
    "relu of a logit": (lambda: classes(ReLU(), n=1), "of a probability of at least 0.5"),
    "sigmoid of a logit": (lambda: classes(Sigmoid(), n=1), "probability between 0.5 and 0.73"),
}


@pytest.mark.parametrize("by_rows", [True, False])
@pytest.mark.parametrize("case", WRONG)
def test_activations_that_cannot_be_right_are_named(case, by_rows):
    make, words = WRONG[case]
    [message] = said(make(), by_rows)
    assert re.search(words, message), message


def growth(out):
    return pm.Normal("a") + pm.HalfNormal("b") * out[:, 0]


RIGHT = {
    "none": regression,
    "classes": classes,
    "relu of what is positive": lambda: regression(ReLU(), abs(Y)),
    "tanh of what is within": lambda: regression(Tanh(), np.tanh(Y)),
    "curves that end": lambda: regression(Sigmoid(), (X[:, 0] > 0) + 0.1 * Y),
    "learned ends": lambda: regression(Sigmoid(), 9 * Y, growth),
    "a part of a sum": lambda: regression(ReLU(), mu=lambda out: out[:, 0] + X[:, 0]),
    "softplus": lambda: regression(pt.softplus),
    "exponential": lambda: regression(pt.exp),
    "floor above": lambda: regression(lambda v: pt.maximum(v, -2.0)),
    "bounded logits": lambda: classes(Tanh(), lambda out: 9 * out),
    "another law": lambda: regression(ReLU(), abs(Y) + 1, lambda out: out[:, 0] + 1, pm.Gamma),
}


@pytest.mark.parametrize("case", RIGHT)
def test_others_are_not(case):
    assert said(RIGHT[case]()) == []


def test_hand_written_curves_are_their_authors_choice():
    with pm.Model() as model:
        mu = pm.math.sigmoid(pm.Data("x", X) @ pm.Normal("w", shape=3))
        pm.Normal("y", mu, 1, observed=5 * Y)
    assert said(model) == []
