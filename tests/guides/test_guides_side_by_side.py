"""Guides of one model's variables side by side."""

import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn
from pymc_bnn.guides import FullRank
from tests.support.guide_parts import QUIET


@pytest.mark.slow
@pytest.mark.long
def test_scales_in_one_block_beside_mean_field_weights():
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(6), 4)
    y = 1.0 + rng.normal(size=6)[group] + 0.5 * rng.normal(size=24)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 2)
        effect = pm.Normal("effect", 0, pm.HalfNormal("effect_sigma"), shape=6)
        noise = pm.HalfNormal("noise_sigma")
        pm.Normal("y", mu + effect[pm.Data("group", group)], noise, observed=y)
    guides = [None, {"*_sigma": FullRank()}, FullRank()]
    fits = [
        bnn.fit(model, steps=2000, guide=guide, learning_rate=0.03, **QUIET) for guide in guides
    ]
    assert [b.name for b in fits[1].posterior.guide.blocks] == ["mu", "*_sigma", "effect"]
    mean_field, scales, full = (fitted.elbo(300) for fitted in fits)
    error = np.hypot(mean_field["elbo_se"], scales["elbo_se"])
    assert scales["elbo"] - mean_field["elbo"] > -4 * error
    # Only the sum of mu and the effects is seen well, which a joint guide knows.
    error = np.hypot(mean_field["elbo_se"], full["elbo_se"])
    assert full["elbo"] - mean_field["elbo"] > 4 * error
    assert set(fits[1].program.elbo.kl_methods.values()) == {"closed form"}
    assert fits[2].program.elbo.kl_methods == {
        "*": "Monte Carlo, sticking the landing (closed form: mu, effect_sigma, noise_sigma)"
    }
    draws = fits[2].sample(2000, random_seed=1).posterior["noise_sigma"]
    error = float(draws.std()) / np.sqrt(2000)
    assert abs(float(fits[2].mean["noise_sigma"]) - float(draws.mean())) < 4 * error
