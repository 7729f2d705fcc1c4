"""What fits must reach, and takes long to show: ``python tests/long/known_answers.py``.

A hierarchical regression beside PyMC's NUTS, a network refined by NUTS beside its members, and a
wide, deep network under the default prior.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import pymc as pm
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

import pymc_bnn as bnn
from pymc_bnn.priors import fan_in_normal

QUIET = {"random_seed": 1, "progressbar": False}


def test_hierarchical_regression_agrees_with_nuts():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(6), 40)
    x = rng.normal(size=240)
    slopes = rng.normal(1.0, 0.5, size=6)
    y = slopes[group] * x + 0.5 * rng.normal(size=240)
    with pm.Model(coords={"group": list("abcdef")}) as model:
        mu = pm.Normal("mu", 0, 2)
        tau = pm.HalfNormal("tau", 1)
        slope = pm.Normal("slope", mu, tau, dims="group")
        noise = pm.LogNormal("noise", 0, 1)
        pm.Normal("y", slope[pm.Data("g", group)] * pm.Data("x", x), noise, observed=y)
        nuts = pm.sample(
            400, tune=300, chains=2, cores=1, random_seed=1, progressbar=False,
            compile_kwargs={"mode": "JAX"},
        ).posterior  # fmt: skip
    fitted = bnn.fit(model, steps=8000, batch_size=120, **QUIET)
    approx = fitted.sample(2000, random_seed=1).posterior
    assert approx["slope"].dims == ("chain", "draw", "group")
    assert list(approx["group"].values) == list("abcdef")
    for name in ("mu", "slope", "noise"):
        mean, sd = nuts[name].mean(("chain", "draw")), nuts[name].std(("chain", "draw"))
        gap = abs(approx[name].mean(("chain", "draw")) - mean) / sd
        assert float(gap.max()) < 0.35, (name, gap.values)
    # Mean-field scales are never wider, and here close, for what the data determine alone.
    ratio = approx["slope"].std(("chain", "draw")) / nuts["slope"].std(("chain", "draw"))
    assert float(ratio.min()) > 0.7
    assert float(ratio.max()) < 1.15
    np.testing.assert_allclose(fitted.mean["noise"], approx["noise"].mean(), rtol=0.01)
    np.testing.assert_allclose(fitted.std["noise"], approx["noise"].std(), rtol=0.1)


def test_a_network_predicts_better_than_its_members():
    rng = np.random.default_rng(1)
    x = rng.uniform(-2, 2, (150, 1))
    y = np.sin(2 * x[:, 0]) + rng.normal(0, 0.05, 150)
    with pm.Model() as model:
        prior = bnn.priors.Normal(sigma=bnn.priors.HalfNormal(1))
        out = bnn.bayesian(bnn.networks.mlp((1, 8, 1)), pm.Data("x", x[:100]), prior)
        pm.Normal("y", out[:, 0], pm.HalfNormal("noise"), observed=y[:100])
    fitted = bnn.fit(model, steps=2000, members=2, **QUIET)
    test = {"x": x[100:], "y": y[100:]}
    members = [-m.nll(test, 200) for m in fitted.members]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "NUTS: .*see refined.convergence")
        refined = fitted.refine(100, tune=150, **QUIET)
    assert -refined.nll(test, 200) > max(members) + 0.05
    assert refined.posterior.shape == (2, 100)
    index = list(refined.convergence.index)
    assert index[:2] == ["R-hat, mean of y", "bulk ESS, mean of y"]
    pred = refined.predict({"x": x[:7]}, draws=20, random_seed=2)
    assert pred["y"].samples.shape == (20, 7)


def test_a_wide_deep_network_is_not_worse_than_none():
    """Under Normal(0, 1/√fan_in) the best mean-field answer is the base rate, log 2 = 0.69."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2))
    y = (x[:, 0] + 0.5 * x[:, 1] > 0).astype(int)
    nll = {}
    for label, prior in {"default": None, "fan_in": fan_in_normal()}.items():
        network = bnn.networks.mlp((2, 40, 40, 40, 2), "relu")
        with pm.Model() as model:
            logits = bnn.bayesian(network, pm.Data("x", x), prior)
            pm.Categorical("y", logit_p=logits, observed=y, shape=logits.shape[0])
        fitted = bnn.fit(model, steps=1000, **QUIET)
        nll[label] = fitted.elbo(20, random_seed=1)["nll"] / 80
    assert nll["default"] < 0.2
    assert nll["fan_in"] > 0.6


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "--dist", "load", "-v", *sys.argv[1:]]))
