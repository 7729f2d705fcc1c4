"""An earlier fit as `start=`: what was taken, and what was not, is said."""

import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn

X = np.random.default_rng(1).normal(size=(30, 2))
QUIET = {"steps": 3, "random_seed": 1, "progressbar": False}


def network(*hidden):
    with pm.Model() as model:
        out = bnn.bayesian(bnn.networks.mlp((2, *hidden, 1)), pm.Data("x", X))
        pm.Normal("y", out[:, 0], 1, observed=X[:, 0])
    return model


def noisy(distribution):
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("a", shape=3).sum() + distribution("s"), 1, observed=X[:, 0])
    return model


def test_another_width_is_said():
    fitted = bnn.fit(network(4), **QUIET)
    with pytest.warns(UserWarning, match="these start anew") as said:
        bnn.fit(network(5), start=fitted, **QUIET)
    [text] = [str(w.message) for w in said]
    names = [f.name for f in fitted.problem.terms.free]
    assert text.startswith(f"`start` gave '{names[-1]}'; these start anew: '{names[0]}' (shape")
    assert "(shape (2, 4) there and (2, 5) here)" in text
    assert "(shape (4, 1) there and (5, 1) here)" in text


def test_another_transform_is_said():
    fitted = bnn.fit(noisy(pm.HalfNormal), **QUIET)
    with pytest.warns(UserWarning, match=r"gave 'a'; these start anew: 's' \(transform Log.* none"):
        bnn.fit(noisy(pm.Normal), start=fitted, **QUIET)


def test_nothing_taken_is_said_and_all_taken_is_silent():
    one = bnn.fit(network(4), **QUIET)
    bnn.fit(network(4), start=one, **QUIET)
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("a", shape=2).sum(), 1, observed=X[:, 0])
    with pytest.warns(UserWarning, match=r"gave nothing; these start anew: 'a' \(shape \(3,\)"):
        bnn.fit(model, start=bnn.fit(noisy(pm.Normal), **QUIET), **QUIET)


def test_a_model_that_grew_is_silent():
    with pm.Model() as small:
        pm.Normal("y", pm.Normal("a", shape=3).sum(), 1, observed=X[:, 0])
    bnn.fit(noisy(pm.Normal), start=bnn.fit(small, **QUIET), **QUIET)
