"""Efficiency: the gradient's variance against closed forms, and steps per second."""

import numpy as np
import pandas as pd
import pymc as pm
import pytest

import pymc_bnn as bnn
from pymc_bnn.efficiency import gradient_variance, step_rates


def linear(n=60):
    """A regression with a weight of 2 numbers, whose gradient has a closed form."""
    x = np.random.default_rng(0).normal(size=(n, 2))
    with pm.Model() as model:
        w = pm.Normal("w", shape=2)
        pm.Normal("y", pm.Data("x", x) @ w, 1.0, observed=x @ [1.0, -1.0])
    return x, bnn.fit(model, steps=50, batch_size=20, random_seed=1, progressbar=False)


def test_pathwise_variance_agrees_with_the_closed_form():
    x, fitted = linear()
    # By w the loss −ELBO/N has the gradient −x'(y − xw)/N + (of the KL, no noise), on all data:
    # with w = m + s ε its covariance is H S H for H = x'x/N, S = diag(s²).
    s = np.exp(np.asarray(fitted.params["w"]["log_scale"], float))
    hessian = x.T @ x / len(x)
    exact = np.trace(hessian @ np.diag(s**2) @ hessian)
    table = gradient_variance(fitted, "pathwise", draws=400, batch_size=None)
    for column in ("noise_loc", "total_loc"):  # all data: nothing but noise
        assert abs(table.loc["w", column] - exact) < 4 * table.loc["w", f"{column}_se"]
    half = gradient_variance(fitted, "pathwise", draws=400, batch_size=None, particles=2)
    assert abs(half.loc["w", "noise_loc"] - exact / 2) < 4 * half.loc["w", "noise_loc_se"]


def test_local_variance_agrees_with_a_loop_over_examples():
    x, fitted = linear()
    # Each example has noise of its own, a_i = x_i m + |x_i s| ε_i; by m the gradient is
    # x'(a − y)/N, whose variance is Σ_i |x_i|² (x_i² s²) / N².
    s = np.exp(np.asarray(fitted.params["w"]["log_scale"], float))
    exact = sum((row @ row) * (row**2 @ s**2) for row in x) / len(x) ** 2
    table = gradient_variance(fitted, "local", draws=400, batch_size=None)
    assert abs(table.loc["w", "noise_loc"] - exact) < 4 * table.loc["w", "noise_loc_se"]


def test_minibatches_add_their_own_variance():
    _, fitted = linear()
    table = gradient_variance(fitted, "pathwise", draws=100)
    assert table.loc["(all)", "total_loc"] > table.loc["(all)", "noise_loc"]
    again = gradient_variance(fitted, "pathwise", draws=100)
    pd.testing.assert_frame_equal(table, again)
    parts = ["noise_loc", "noise_scale", "total_loc", "total_scale"]
    np.testing.assert_allclose(table.loc["w", parts], table.loc["(all)", parts])


def test_a_fit_on_all_data_may_be_asked_about_other_estimators():
    with pm.Model() as model:
        w = pm.Normal("w", shape=2)
        pm.Normal("y", pm.Data("x", np.eye(8, 2)) @ w, 1.0, observed=np.ones(8))
    settings = {"batch_size": None, "estimator": "pathwise", "progressbar": False}
    fitted = bnn.fit(model, steps=20, random_seed=1, **settings)
    assert gradient_variance(fitted, "flipout", draws=2).loc["w", "noise_loc"] > 0


def test_errors():
    _, fitted = linear(20)
    with pytest.raises(ValueError, match="`draws` must be"):
        gradient_variance(fitted, draws=1)
    with pytest.raises(ValueError, match="`particles` must be"):
        gradient_variance(fitted, particles=0)
    with pytest.raises(ValueError, match="`estimator` must be one of"):
        gradient_variance(fitted, "none")
    with pytest.raises(ValueError, match="`batch_size` must be"):
        gradient_variance(fitted, batch_size=21)
    with pytest.raises(ValueError, match="`contenders` must map names"):
        step_rates(fitted, {})
    with pytest.raises(ValueError, match=r"`contenders\['a'\]` must be keywords"):
        step_rates(fitted, {"a": {"steps": 1}})
    with pm.Model() as model:
        pm.MvNormal("y", pm.Normal("mu", shape=3), np.eye(3), observed=np.ones(3))
    whole = bnn.fit(model, steps=5, batch_size=None, progressbar=False)
    assert whole.problem.row_terms.unsure
    with pytest.raises(ValueError, match="`batch_size` must be None"):
        gradient_variance(whole, batch_size=2)
    assert gradient_variance(whole, draws=2).loc["mu", "noise_loc"] > 0


def test_step_rates_have_their_intervals():
    _, fitted = linear()
    table = step_rates(
        fitted, {"one": {"estimator": "pathwise"}, "64": {"particles": 64}}, rounds=3
    )
    assert list(table.index) == ["one", "64"]
    assert (table["steps_per_second"] > 0).all()
    assert (table["low"] <= table["steps_per_second"]).all()
    assert (table["steps_per_second"] <= table["high"]).all()
    assert (table["compile_s"] > 0).all()
