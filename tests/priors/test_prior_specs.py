"""A prior is a small value: a class of one's own, equality, and one clear error each."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytest
from scipy import stats

from pymc_bnn.priors import (
    Argument,
    Beta,
    Distribution,
    Exponential,
    FanIn,
    Flat,
    HalfCauchy,
    HalfNormal,
    Horseshoe,
    InverseGamma,
    Laplace,
    LogNormal,
    Normal,
    Prior,
    ScaleMixture,
    Site,
    StudentT,
    assign,
    build,
    fan_in_normal,
)
from tests.support.prior_parts import SHAPES, log_density, make_model, make_sites, random_point


@dataclass(frozen=True, eq=False)
class Logistic(Prior):
    scale: Any = 1.0

    def build(self, name, place):
        scale = place.argument("scale", self.scale, positive=True)
        return pm.Logistic(name, mu=0.0, s=scale, **place.settings(self))


@dataclass(frozen=True, eq=False)
class LogisticRow(Distribution):
    distribution = pm.Logistic
    arguments = (Argument("mu"), Argument("scale", positive=True, keyword="s"))
    mu: Any = 0.0
    scale: Any = 1.0


@pytest.mark.parametrize("kind", [Logistic, LogisticRow])
def test_a_new_prior_is_one_small_class(kind):
    model = make_model(kind(scale=HalfNormal(1.0, per="layer")))
    values, c = random_point(model)
    expected = sum(stats.halfnorm.logpdf(c[name]) for name in ("conv1_scale", "dense1_scale"))
    for name in SHAPES:
        scale = c[f"{name.split('_')[0]}_scale"]
        expected += stats.logistic.logpdf(c[name], 0, scale).sum()
    assert log_density(model, values) == pytest.approx(expected, rel=1e-8)


def test_equality_and_hash_are_by_value():
    assert Normal(0, HalfNormal(1.0)) == Normal(0.0, HalfNormal(1))
    assert hash(Normal(0, FanIn(2.0))) == hash(Normal(0, FanIn(2.0)))
    assert Normal(np.zeros(2)) == Normal(np.zeros(2))
    assert Normal(np.zeros(2)) != Normal(np.ones(2))
    assert Normal(0, HalfNormal(1.0, "layer")) != Normal(0, HalfNormal(1.0, "network"))
    assert Normal(0, 1) != Laplace(0, 1)
    assert Normal(np.array([0.0])) == Normal(np.array([-0.0]))


@pytest.mark.parametrize(
    ("build_prior", "error", "message"),
    [
        (lambda: Normal(0.0, -1.0), ValueError, "`sigma` must be positive and finite, got -1.0"),
        (lambda: Normal(0.0, 0), ValueError, "`sigma` must be positive and finite, got 0"),
        (lambda: Normal(np.nan), ValueError, "`mu` must be finite, got nan"),
        (lambda: Normal("a"), TypeError, "`mu` must be a number, an array, FanIn.* got 'a'"),
        (lambda: Normal(0.0, None), TypeError, "`sigma` must be a number, .* got None"),
        (lambda: Normal(0.0, True), TypeError, "`sigma` must be a number, .* got True"),
        (lambda: Normal(0.0, Normal()), ValueError, r"`sigma` must be positive, got Normal\("),
        (lambda: HalfNormal(Normal()), ValueError, r"`sigma` must be positive, got Normal\("),
        (lambda: HalfNormal(1.0, "neuron"), ValueError, "`per` must be one of .* got 'neuron'"),
        (lambda: FanIn(0.0), ValueError, "`scale` must be positive and finite, got 0.0"),
        (lambda: FanIn(Normal()), TypeError, "`scale` must be a number"),
        (lambda: FanIn(1.0, decay=-1), ValueError, "`decay` must be 0 or more, got -1"),
        (lambda: FanIn(1.0, decay="1"), TypeError, "`decay` must be a number, got '1'"),
        (lambda: FanIn(1.0, units=0), ValueError, "`units` must be positive and finite, got 0"),
        (lambda: FanIn(1.0, units="1"), TypeError, "`units` must be a number, got '1'"),
        (lambda: fan_in_normal(-1), ValueError, "`scale` must be positive and finite, got -1"),
    ],
)
def test_bad_specs(build_prior, error, message):
    with pytest.raises(error, match=message):
        build_prior()


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (
            Normal(sigma=HalfNormal(HalfNormal(1.0, "tensor"), "network")),
            "`sigma` must be shared at least as widely .*per='network', got per='tensor'",
        ),
        (
            Normal(sigma=HalfNormal(FanIn(1.0), per="network")),
            "`sigma` must not depend on the layer in a prior per='network'",
        ),
        (
            {
                "*_W": Normal(sigma=HalfNormal(1.0, "layer")),
                "*": Normal(sigma=HalfNormal(2.0, "layer")),
            },
            "`prior` must give parameters that share 'dense1_sigma' equal priors of it",
        ),
        (
            {"*_W": Normal(sigma=np.ones(3)), "*": Normal()},
            r"`sigma` must broadcast to shape \(2, 2, 3, 4\) of 'conv1_W', got shape \(3,\)",
        ),
        (
            Normal(sigma=HalfNormal(np.ones(2))),
            r"`sigma` must broadcast to shape \(\) of 'conv1_W_sigma', got shape \(2,\)",
        ),
    ],
)
def test_specs_that_do_not_fit_the_network(prior, message):
    with pytest.raises(ValueError, match=message):
        make_model(prior)


def test_one_layer_of_unequal_fan_in_refuses_a_shared_fan_in_scale():
    sites = [
        Site("gru_W_ih", "gru_W_ih", "gru", "", (2, 6), ("a", "b"), 2, 0, np.zeros((2, 6))),
        Site("gru_W_hh", "gru_W_hh", "gru", "", (3, 6), ("c", "d"), 3, 0, np.zeros((3, 6))),
    ]
    with pytest.raises(ValueError, match="`prior` must not depend on the fan-in in 'gru_sigma'"):
        make_model(Normal(sigma=HalfNormal(FanIn(1.0), per="layer")), sites)


def test_a_name_that_the_model_has_already():
    with pm.Model() as model:
        pm.HalfNormal("sigma")
        model.add_coords({d: range(9) for s in make_sites() for d in s.dims})
        with pytest.raises(ValueError, match=r"`name` must tell .* the name 'sigma'"):
            build(make_sites(), assign(Normal(sigma=HalfNormal(1.0, "network")), list(SHAPES)))


@pytest.mark.parametrize(
    ("build_prior", "error", "message"),
    [
        (lambda: Laplace(scale=0.0), ValueError, "`scale` must be positive and finite, got 0.0"),
        (lambda: Laplace(mu=np.inf), ValueError, "`mu` must be finite, got inf"),
        (lambda: StudentT(nu=-1.0), ValueError, "`nu` must be positive and finite, got -1.0"),
        (lambda: StudentT(3.0, sigma=Normal()), ValueError, r"`sigma` must be positive, got Norm"),
        (lambda: LogNormal(sigma=0), ValueError, "`sigma` must be positive and finite, got 0"),
        (lambda: Exponential(-2.0), ValueError, "`scale` must be positive and finite, got -2.0"),
        (lambda: HalfCauchy("a"), TypeError, "`scale` must be a number, .* got 'a'"),
        (lambda: InverseGamma(0.0), ValueError, "`alpha` must be positive and finite, got 0.0"),
        (lambda: Beta(1.0, -1.0), ValueError, "`beta` must be positive and finite, got -1.0"),
        (lambda: Flat(per="all"), ValueError, "`per` must be one of .* got 'all'"),
        (lambda: ScaleMixture(1.5), ValueError, "`weight` must be between 0 and 1, .* got 1.5"),
        (lambda: ScaleMixture(0), ValueError, "`weight` must be between 0 and 1, .* got 0"),
        (lambda: ScaleMixture("a"), TypeError, "`weight` must be a number.* pass 0.5"),
        (lambda: ScaleMixture(FanIn()), TypeError, "`weight` must be a number, an array or a pr"),
        (lambda: ScaleMixture(HalfNormal()), ValueError, "`weight` must be between .* use Beta"),
        (lambda: ScaleMixture(0.5, 1.0), TypeError, "`sigmas` must be a pair, the larger first"),
        (lambda: ScaleMixture(0.5, (0.1, 1.0)), ValueError, "`sigmas` must hold the larger one f"),
        (lambda: ScaleMixture(0.5, (1, 1)), ValueError, r"`sigmas` must hold .*got \(1, 1\)"),
        (lambda: ScaleMixture(0.5, (FanIn(1), FanIn(2))), ValueError, "`sigmas` must hold the la"),
        (lambda: ScaleMixture(0.5, (1, -1)), ValueError, r"`sigmas\[1\]` must be positive and fin"),
        (lambda: ScaleMixture(0.5, (1, Normal())), ValueError, r"`sigmas\[1\]` must be positive"),
        (lambda: Horseshoe(0.0), ValueError, "`global_scale` must be positive and finite"),
        (lambda: Horseshoe(1.0, Normal()), ValueError, "`local_scale` must be positive, got"),
        (lambda: Horseshoe(slab_variance=-1), ValueError, "`slab_variance` must be positive and"),
        (lambda: Horseshoe(per="x"), ValueError, "`per` must be one of .* got 'x'"),
    ],
)
def test_bad_specs_of_other_priors(build_prior, error, message):
    with pytest.raises(error, match=message):
        build_prior()
