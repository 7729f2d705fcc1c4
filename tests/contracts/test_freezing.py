"""Layers held fixed by `pm.do`: freezing and transfer learning."""

import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn
from pymc_bnn import networks
from pymc_bnn.priors import HalfNormal, Normal

FIT = {"steps": 30, "random_seed": 1, "progressbar": False}


def convolutional(n=40, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    images, labels = rng.normal(size=(n, 6, 6, 1)), np.arange(n) % classes
    with pm.Model() as model:
        x, y = pm.Data("x", images), pm.Data("labels", labels)
        network = networks.convnet((6, 6, 1), classes, filters=2, kernel_size=3, dense=4)
        logits = bnn.bayesian(network, x, {"*_W": Normal(sigma=HalfNormal(1.0)), "*": Normal()})
        pm.Categorical("y", logit_p=logits, observed=y, shape=logits.shape[0])
    return model, images


def linear(x, y, hidden=3):
    """An identity network of two linear layers: given the first, the second has a closed form."""
    with pm.Model() as model:
        network = networks.mlp((x.shape[1], hidden, 1), activation=lambda h: h)
        out = bnn.bayesian(network, pm.Data("x", x), Normal(0.0, 1.0))
        pm.Normal("y", out[:, 0], 0.5, observed=y)
    return model


@pytest.mark.slow
def test_a_fit_trains_the_rest():
    model, images = convolutional()
    frozen = "conv1_W"
    first = bnn.fit(model, **FIT)
    held = pm.do(model, {frozen: first.mean[frozen]})
    fitted = bnn.fit(held, start=first, **FIT)
    assert set(fitted.mean) <= set(first.mean) - {frozen}
    assert {"dense2_W", "dense2_b"} <= set(fitted.mean)
    assert np.isfinite(fitted.elbo()["elbo"])
    assert fitted.predict({"x": images[:5]}, draws=4).mean_probs.shape == (5, 3)
    draws = fitted.sample(3, random_seed=1)
    assert frozen not in draws.posterior
    assert all(v is None for v in held.rvs_to_initial_values.values())
    assert frozen in [v.name for v in model.free_RVs]  # the model itself is as it was


@pytest.mark.parametrize("n", [60, 400])
def test_the_rest_is_the_exact_posterior_given_what_is_held(n):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2))
    y = x @ [1.0, -0.5] + 0.5 * rng.normal(size=n)
    w, b = np.array([[1.0, 0.3], [-0.3, 1.0]]), np.array([0.2, -0.1])
    held = pm.do(linear(x, y, hidden=2), {"dense1_W": w, "dense1_b": b})
    fitted = bnn.fit(held, steps=2000, random_seed=1, progressbar=False)
    features = np.column_stack([x @ w + b, np.ones(n)])
    precision = features.T @ features / 0.25 + np.eye(3)
    exact = np.linalg.solve(precision, features.T @ y / 0.25)
    sd = np.sqrt(np.diag(np.linalg.inv(precision)))
    found = np.append(fitted.mean["dense2_W"], fitted.mean["dense2_b"])
    assert np.abs((found - exact) / sd).max() < 0.3


def test_transfer_to_other_classes():
    source, _ = convolutional(classes=3)
    learned = bnn.fit(source, **FIT)
    target, _ = convolutional(classes=2, seed=1)
    body = {name: learned.mean[name] for name in ("conv1_W", "dense1_W", "dense1_b")}
    fitted = bnn.fit(pm.do(target, body, make_interventions_shared=False), **FIT)
    assert {name for name in fitted.mean if not name.endswith("sigma")} == {"dense2_W", "dense2_b"}
    assert fitted.mean["dense2_W"].shape == (4, 2)


def test_held_weights_as_many_as_rows_are_not_rows():
    rng = np.random.default_rng(0)
    n = 300
    x = rng.normal(size=(n, n))
    held = pm.do(linear(x, x[:, 0]), {"dense1_W": rng.normal(size=(n, 3))})
    fitted = bnn.fit(held, rows=["x", "y"], **FIT)
    assert np.isfinite(fitted.elbo()["elbo"])
