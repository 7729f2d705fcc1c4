"""Scale mixtures: names, levels, starts, their draws' variance, and what does not fit."""

from dataclasses import dataclass

import numpy as np
import pymc as pm
import pytensor
import pytest
from scipy import special, stats

from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.priors import (
    Beta,
    Exponential,
    FanIn,
    HalfNormal,
    Horseshoe,
    Normal,
    Prior,
    ScaleMixture,
    spike_and_slab,
)
from tests.support.prior_parts import SHAPES, log_density, make_model, mixture, random_point


def test_names_levels_and_starts_of_mixtures():
    prior = ScaleMixture(Beta(1, 1, "layer"), (HalfNormal(1, "network"), HalfNormal(0.1, "tensor")))
    model = make_model(prior)
    names = [v.name for v in model.free_RVs if v.name not in SHAPES]
    assert names == [
        "conv1_weight",
        "sigma_1",
        "conv1_W_sigma_2",
        "dense1_weight",
        "dense1_W_sigma_2",
        "dense1_b_sigma_2",
    ]
    start = model.initial_point()
    slab = np.exp(start["sigma_1_log__"])
    assert slab == pytest.approx(2 * stats.gmean([1 / np.sqrt(12), 1 / np.sqrt(5)]))
    spike = slab * special.expit(start["dense1_W_sigma_2_interval__"])
    assert spike == pytest.approx(0.2 / np.sqrt(5))
    assert special.expit(start["dense1_weight_logodds__"]) == pytest.approx(0.5)


def test_a_start_outside_the_support_is_moved_into_it():
    model = make_model(ScaleMixture(0.5, (1e-3, HalfNormal(1.0))))
    start = model.initial_point()["dense1_W_sigma_2_interval__"]
    assert 1e-3 * special.expit(start) == pytest.approx(5e-4)
    model = make_model(ScaleMixture(0.5, (HalfNormal(1.0), 4.0)))
    assert 4 + np.exp(model.initial_point()["dense1_W_sigma_1_interval__"]) == pytest.approx(8.0)
    prior = ScaleMixture(0.5, (Beta(1, 1, "network"), Exponential(1.0)))  # starts at its mean
    with_mean = make_model(prior).initial_point()
    assert np.isfinite(with_mean["dense1_W_sigma_2_interval__"])


def test_spike_and_slab_is_a_mixture():
    assert spike_and_slab() == ScaleMixture(0.5, (1.0, 0.0025))
    # 0.5·N(0, 1²) + 0.5·N(0, 10²)
    model = make_model(spike_and_slab(slab=10.0, spike=1.0))
    values, c = random_point(model)
    expected = sum(mixture(c[name], 0.5, 10.0, 1.0) for name in SHAPES)
    assert log_density(model, values) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(
    ("prior", "variance", "fourth"),
    [
        (ScaleMixture(0.25, (2.0, 0.5)), 0.25 * 4 + 0.75 / 4, 3 * (0.25 * 16 + 0.75 / 16)),
        (Horseshoe(0.5, 4.0), 4.0, 3 * 16.0),
        # λ² → 4·1/(4 + 1) of N(0, 0.8)
        (Horseshoe(0.5, 2.0, slab_variance=4.0), 0.8, 3 * 0.64),
    ],
)
def test_the_draws_have_their_variance(prior, variance, fourth):
    model = make_model(prior)
    with model:
        draws = pm.draw(model["conv1_W"], draws=400, random_seed=1, mode=INTERPRETED)
    error = np.sqrt((fourth - variance**2) / draws.size)
    assert np.mean(draws**2) == pytest.approx(variance, abs=4 * error)


@dataclass(frozen=True, eq=False)
class Gamma(Prior):
    positive = True

    def build(self, name, place):
        return pm.Gamma(name, 2.0, 1.0, **place.settings(self))


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (
            ScaleMixture(0.5, (HalfNormal(1.0, "tensor"), HalfNormal(0.1, "network"))),
            "`sigma_2` must not be shared more widely than `sigma_1`, which is per='tensor'",
        ),
        (
            ScaleMixture(0.5, (FanIn(1.0), 3.0)),
            "`sigmas` must hold the larger one first, got .* 3.0",
        ),
        (
            ScaleMixture(0.5, (HalfNormal(1.0), Gamma())),
            r"`sigma_2` must be a prior that can be truncated, got Gamma\(\)",
        ),
        (
            {
                "*_W": ScaleMixture(0.5, (2.0, HalfNormal(0.1, "network"))),
                "*": ScaleMixture(0.5, (1.0, HalfNormal(0.1, "network"))),
            },
            "`prior` must give parameters that share 'sigma_2' equal priors.*below 2.0 and .*1.0;",
        ),
        (
            ScaleMixture(0.5, (FanIn(1.0), HalfNormal(0.1, "network"))),
            "`sigma_1` must not depend on the layer in a prior per='network'",
        ),
        (
            {"dense1_W": ScaleMixture(np.full(3, 0.5)), "*": Normal()},
            r"`weight` must broadcast to shape \(5, 2\) of 'dense1_W', got shape \(3,\)",
        ),
        (
            Normal(mu=Horseshoe(per="tensor")),
            "`local` must be shared at least as widely .*per='tensor', got per='weight'",
        ),
    ],
)
def test_mixtures_and_horseshoes_that_do_not_fit(prior, message):
    with pytest.raises(ValueError, match=message):
        make_model(prior)


def test_single_precision_of_mixtures_and_horseshoes():
    learned = ScaleMixture(Beta(1, 1), (HalfNormal(1.0), HalfNormal(0.1)))
    with pytensor.config.change_flags(floatX="float32"):
        for prior in (learned, spike_and_slab(), Horseshoe(slab_variance=4.0)):
            model = make_model(prior)
            assert {model[name].dtype for name in SHAPES} == {"float32"}
            assert np.isfinite(log_density(model, model.initial_point()))
