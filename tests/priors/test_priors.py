"""Prior specs: log-densities against SciPy, sharing, start values and errors."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pymc as pm
import pytensor
import pytest
import xarray as xr
from pytensor.graph.traversal import ancestors
from pytensor_ml.layers import LinearLayer
from scipy import special, stats

from pymc_bnn import networks
from pymc_bnn.bayesian_network import bayesian
from pymc_bnn.graphs.to_jax import INTERPRETED, jaxify
from pymc_bnn.model.decompose import decompose
from pymc_bnn.priors import (
    Argument,
    Beta,
    Distribution,
    Exponential,
    FanIn,
    Flat,
    FromPosterior,
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
    from_posterior,
    spike_and_slab,
)
from pymc_bnn.runtime.precision import precision

# The parameters of a network: a kernel without bias, and a dense layer.
SHAPES = {"conv1_W": (2, 2, 3, 4), "dense1_W": (5, 2), "dense1_b": (2,)}
DIMS = {
    "conv1_W": ("conv1_height", "conv1_width", "conv1_in", "conv1_out"),
    "dense1_W": ("dense1_in", "dense1_out"),
    "dense1_b": ("dense1_out",),
}
FAN_IN = {"conv1_W": 12, "dense1_W": 5, "dense1_b": 5}
INPUT_AXIS = {"conv1_W": 2, "dense1_W": 0, "dense1_b": 0}


def make_sites(prefix="", start=0.25):
    return [
        Site(
            name=prefix + name,
            parameter=name,
            layer=prefix + name[:-2],
            prefix=prefix,
            shape=shape,
            dims=tuple(prefix + dim for dim in DIMS[name]),
            fan_in=FAN_IN[name],
            input_axis=INPUT_AXIS[name],
            start=np.full(shape, start),
        )
        for name, shape in SHAPES.items()
    ]


def make_model(prior, sites=None):
    sites = make_sites() if sites is None else sites
    coords = {d: range(n) for s in sites for d, n in zip(s.dims, s.shape, strict=True)}
    with pm.Model(coords=coords) as model:
        build(sites, assign(prior, [site.parameter for site in sites]))
    return model


def random_point(model, seed=0):
    """Return random unconstrained values, and the constrained ones by variable name."""
    rng = np.random.default_rng(seed)
    values, constrained = {}, {}
    for variable in model.free_RVs:
        value = rng.normal(size=variable.type.shape)
        positive = model.rvs_to_transforms[variable] is not None
        values[model.rvs_to_values[variable].name] = value
        constrained[variable.name] = np.exp(value) if positive else value
    return values, constrained


def log_density(model, values):
    return float(model.compile_fn(model.logp(jacobian=False), mode="JAX")(values))


# For each `per`: the names of the scales with their shapes, and how each broadcasts.
LEVELS = {
    "tensor": {"conv1_W_sigma": (), "dense1_W_sigma": (), "dense1_b_sigma": ()},
    "layer": {"conv1_sigma": (), "dense1_sigma": ()},
    "network": {"sigma": ()},
    "unit": {"conv1_W_sigma": (3,), "dense1_W_sigma": (5,), "dense1_b_sigma": (2,)},
    "weight": {"conv1_W_sigma": (2, 2, 3, 4), "dense1_W_sigma": (5, 2), "dense1_b_sigma": (2,)},
}


def scale_of(per, weight, values):
    """Return the scale that applies to each number of a weight, written out by hand."""
    if per == "network":
        return values["sigma"]
    if per == "layer":
        return values[f"{weight.split('_')[0]}_sigma"]
    scale = values[f"{weight}_sigma"]
    if per == "unit" and weight == "conv1_W":
        return scale.reshape(1, 1, 3, 1)
    if per == "unit" and weight == "dense1_W":
        return scale.reshape(5, 1)
    return scale


@pytest.mark.parametrize("per", LEVELS)
def test_log_density_equals_scipy(per):
    model = make_model(Normal(0.3, HalfNormal(2.0, per=per)))
    scales = {v.name: v.type.shape for v in model.free_RVs if v.name not in SHAPES}
    assert scales == LEVELS[per]
    values, constrained = random_point(model)
    expected = sum(stats.halfnorm.logpdf(constrained[s], scale=2.0).sum() for s in scales)
    for weight in SHAPES:
        scale = scale_of(per, weight, constrained)
        expected += stats.norm.logpdf(constrained[weight], 0.3, scale).sum()
    assert log_density(model, values) == pytest.approx(expected, rel=1e-8)


def test_log_density_of_fixed_scales_equals_scipy():
    prior = {"*_b": Normal(1.0, 3.0), "conv*": Normal(0.0, 0.1), "*": fan_in_normal(2.0)}
    model = make_model(prior)
    values, constrained = random_point(model)
    expected = (
        stats.norm.logpdf(constrained["conv1_W"], 0, 0.1).sum()
        + stats.norm.logpdf(constrained["dense1_W"], 0, 2 / np.sqrt(5)).sum()
        + stats.norm.logpdf(constrained["dense1_b"], 1, 3).sum()
    )
    assert log_density(model, values) == pytest.approx(expected, rel=1e-8)


def test_fan_in_of_a_kernel_and_of_a_bias():
    model = make_model(Normal(0.0, FanIn(2.0)))
    values, constrained = random_point(model)
    expected = sum(
        stats.norm.logpdf(constrained[name], 0, 2 / np.sqrt(n)).sum()
        for name, n in {"conv1_W": 2 * 2 * 3, "dense1_W": 5, "dense1_b": 5}.items()
    )
    assert log_density(model, values) == pytest.approx(expected, rel=1e-8)


def test_hyperpriors_nest_three_deep():
    prior = Normal(sigma=HalfNormal(HalfNormal(HalfNormal(0.5), per="network"), per="layer"))
    model = make_model(prior)
    assert [v.name for v in model.free_RVs if v.name not in SHAPES] == [
        "sigma_sigma_sigma",
        "sigma_sigma",
        "conv1_sigma",
        "dense1_sigma",
    ]
    values, c = random_point(model)
    expected = (
        stats.halfnorm.logpdf(c["sigma_sigma_sigma"], scale=0.5)
        + stats.halfnorm.logpdf(c["sigma_sigma"], scale=c["sigma_sigma_sigma"])
        + stats.halfnorm.logpdf(c["conv1_sigma"], scale=c["sigma_sigma"])
        + stats.halfnorm.logpdf(c["dense1_sigma"], scale=c["sigma_sigma"])
        + stats.norm.logpdf(c["conv1_W"], 0, c["conv1_sigma"]).sum()
        + stats.norm.logpdf(c["dense1_W"], 0, c["dense1_sigma"]).sum()
        + stats.norm.logpdf(c["dense1_b"], 0, c["dense1_sigma"]).sum()
    )
    assert log_density(model, values) == pytest.approx(expected, rel=1e-8)


def test_a_scale_per_unit_under_a_scale_per_weight():
    prior = {"dense1_W": Normal(sigma=HalfNormal(HalfNormal(1.0, "unit"), "weight")), "*": Normal()}
    model = make_model(prior)
    values, c = random_point(model)
    unit = c["dense1_W_sigma_sigma"].reshape(5, 1)
    expected = (
        stats.halfnorm.logpdf(unit).sum()
        + stats.halfnorm.logpdf(c["dense1_W_sigma"], scale=unit).sum()
        + stats.norm.logpdf(c["dense1_W"], 0, c["dense1_W_sigma"]).sum()
        + stats.norm.logpdf(c["conv1_W"]).sum()
        + stats.norm.logpdf(c["dense1_b"]).sum()
    )
    assert log_density(model, values) == pytest.approx(expected, rel=1e-8)


def test_a_learned_mean():
    model = make_model(Normal(mu=Normal(0.5, 2.0, per="network"), sigma=HalfNormal(FanIn(3.0))))
    values, c = random_point(model)
    expected = stats.norm.logpdf(c["mu"], 0.5, 2.0)
    for name, n in FAN_IN.items():
        expected += stats.halfnorm.logpdf(c[f"{name}_sigma"], scale=3 / np.sqrt(n))
        expected += stats.norm.logpdf(c[name], c["mu"], c[f"{name}_sigma"]).sum()
    assert log_density(model, values) == pytest.approx(expected, rel=1e-8)


def test_an_array_of_scales_broadcasts():
    sigma = np.array([[1.0], [2.0], [3.0], [4.0], [5.0]])
    model = make_model({"dense1_W": Normal(sigma=sigma), "*": Normal()})
    values, c = random_point(model)
    expected = stats.norm.logpdf(c["dense1_W"], 0, sigma).sum()
    expected += stats.norm.logpdf(c["conv1_W"]).sum() + stats.norm.logpdf(c["dense1_b"]).sum()
    assert log_density(model, values) == pytest.approx(expected, rel=1e-8)


# PyTensor copies the random generators into the compiled JAX function, and says so.
@pytest.mark.filterwarnings("ignore:The RandomType SharedVariables:UserWarning")
def test_the_draws_of_a_hierarchy_have_its_scale():
    model = make_model(Normal(sigma=HalfNormal(2.0, per="weight")))
    with model:
        draws = pm.draw(model["conv1_W"], draws=400, random_seed=1, mode="JAX")
    # E[w²] = E[σ²] = 4; Var(w²) = 3·E[σ⁴] − 16 = 3·3·16 − 16 = 128.
    error = np.sqrt(128 / draws.size)
    assert np.mean(draws**2) == pytest.approx(4.0, abs=4 * error)


def test_dims_of_scales():
    model = make_model(Normal(sigma=HalfNormal(1.0, per="unit")))
    assert model.named_vars_to_dims["conv1_W_sigma"] == ("conv1_in",)
    assert model.named_vars_to_dims["dense1_W_sigma"] == ("dense1_in",)
    assert model.named_vars_to_dims["dense1_b_sigma"] == ("dense1_out",)
    model = make_model(Normal(sigma=HalfNormal(1.0, per="weight")))
    assert model.named_vars_to_dims["conv1_W_sigma"] == DIMS["conv1_W"]


def test_a_prefix_goes_before_every_name():
    for per, expected in {
        "tensor": "net_conv1_W_sigma",
        "layer": "net_conv1_sigma",
        "network": "net_sigma",
    }.items():
        model = make_model(Normal(sigma=HalfNormal(1.0, per=per)), make_sites("net_"))
        assert [v.name for v in model.free_RVs][:2] == [expected, "net_conv1_W"]


def test_start_values_of_scales_are_the_fan_in_scale():
    start = make_model(Normal(sigma=HalfNormal(5.0))).initial_point()
    for name, n in FAN_IN.items():
        assert np.exp(start[f"{name}_sigma_log__"]) == pytest.approx(1 / np.sqrt(n))
    start = make_model(Normal(sigma=HalfNormal(5.0, per="unit"))).initial_point()
    assert np.exp(start["conv1_W_sigma_log__"]) == pytest.approx(np.full(3, 1 / np.sqrt(12)))
    start = make_model(Normal(sigma=HalfNormal(5.0, per="layer"))).initial_point()
    assert np.exp(start["dense1_sigma_log__"]) == pytest.approx(1 / np.sqrt(5))
    start = make_model(Normal(sigma=HalfNormal(5.0, per="network"))).initial_point()
    geometric = stats.gmean([1 / np.sqrt(12), 1 / np.sqrt(5)])
    assert np.exp(start["sigma_log__"]) == pytest.approx(geometric)


def test_start_values_of_weights_are_the_sites():
    start = make_model(Normal(3.0, 0.1)).initial_point()
    assert np.array_equal(start["conv1_W"], np.full((2, 2, 3, 4), 0.25))


def test_start_values_of_positive_weights_are_positive():
    start = make_model(HalfNormal(1.0), make_sites(start=-0.5)).initial_point()
    assert np.exp(start["conv1_W_log__"]) == pytest.approx(np.full((2, 2, 3, 4), 0.5))
    start = make_model(HalfNormal(1.0), make_sites(start=0.0)).initial_point()
    assert np.exp(start["dense1_b_log__"]) == pytest.approx(np.full(2, 1 / np.sqrt(5)))


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


def test_the_first_matching_pattern_wins():
    one, two, three = Normal(0, 1), Normal(0, 2), Normal(0, 3)
    chosen = assign({"conv*": one, "*_b": two, "*": three}, [*SHAPES, "conv1_b"])
    assert chosen == {"conv1_W": one, "dense1_W": three, "dense1_b": two, "conv1_b": one}
    assert assign({"*_W": one, "*_b": two, "*": three}, list(SHAPES))["dense1_W"] == one


@pytest.mark.parametrize(
    ("prior", "error", "message"),
    [
        ({"*_W": Normal()}, ValueError, "`prior` must have a pattern for every .*'dense1_b'"),
        (
            {"dense9*": Normal(), "*": Normal()},
            ValueError,
            "`prior` must have patterns that match .*conv1_W, dense1_W, dense1_b, got 'dense9",
        ),
        (
            {"*": Normal(), "conv*": Normal()},
            ValueError,
            "`prior` must have each pattern win .*'conv",
        ),
        ({"*": 1.0}, TypeError, r"`prior\['\*'\]` must be a prior.* got 1.0"),
        ({3: Normal()}, TypeError, "`prior` must have strings as keys, got 3"),
        (1.0, TypeError, "`prior` must be a prior, or a dict .* got 1.0"),
        (Normal, TypeError, r"`prior` must be a prior.*create one, as in Normal\(\)"),
        (FanIn(2.0), TypeError, r"`prior` must be a prior.*pass Normal\(sigma=FanIn\(scale=2.0\)"),
        (HalfNormal(1.0, per="layer"), ValueError, "`prior` must have a number per weight, got p"),
    ],
)
def test_bad_assignments(prior, error, message):
    with pytest.raises(error, match=message):
        assign(prior, list(SHAPES))


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


# Every prior, by one contract -------------------------------------------------------------------

SIZES = {"conv1_W": (3, 3, 1, 2), "dense1_W": (2, 3), "dense1_b": (3,)}
FANS = {"conv1_W": 9, "dense1_W": 2, "dense1_b": 2}
UNITS = {"conv1_W": (1, 1, 1, 1), "dense1_W": (2, 1), "dense1_b": (3,)}
MOMENTS = {
    name: (np.linspace(-1, 1, int(np.prod(shape))).reshape(shape), np.full(shape, 0.5))
    for name, shape in SIZES.items()
}
FITTED = SimpleNamespace(
    mean={name: mean for name, (mean, _) in MOMENTS.items()} | {"noise": np.ones(())},
    std={name: std for name, (_, std) in MOMENTS.items()} | {"noise": np.zeros(())},
)


def network_model(prior):
    network = networks.convnet((4, 4, 1), 3, 2, kernel_size=3, dense=None, pool=2)
    with pm.Model() as model:
        output = bayesian(network, np.ones((2, 4, 4, 1)), prior)
        pm.Normal("y", output, 1.0, observed=np.zeros((2, 3)))
    return model


def each(density):
    """Sum a log-density over all weights."""
    return lambda c: sum(density(c[name]).sum() for name in SIZES)


def mixture(w, weight, first, second):
    return np.logaddexp(
        np.log(weight) + stats.norm.logpdf(w, 0, first),
        np.log1p(-weight) + stats.norm.logpdf(w, 0, second),
    ).sum()


def truncated(value, upper, scale):
    law = stats.halfnorm(scale=scale)
    return law.logpdf(value) - law.logcdf(upper)


def learned_mean(c):
    return stats.norm.logpdf(c["mu"], 0, 1) + each(stats.norm(c["mu"], 0.5).logpdf)(c)


def scale_per_unit(c):
    total = 0.0
    for name in SIZES:
        scale = c[f"{name}_sigma"]
        total += stats.halfnorm.logpdf(scale).sum()
        total += stats.norm.logpdf(c[name], 0, scale.reshape(UNITS[name])).sum()
    return total


def learned_degrees(c):
    law = stats.t(c["nu"], 0.0, 0.5)
    return stats.expon.logpdf(c["nu"], scale=4.0) + each(law.logpdf)(c)


def network_mixture(c):
    total = stats.beta.logpdf(c["weight"], 1, 1) + stats.halfnorm.logpdf(c["sigma_1"])
    total += truncated(c["sigma_2"], c["sigma_1"], 0.1)
    return total + sum(mixture(c[n], c["weight"], c["sigma_1"], c["sigma_2"]) for n in SIZES)


def layer_mixture(c):
    total = 0.0
    for layer, names in {"conv1": ["conv1_W"], "dense1": ["dense1_W", "dense1_b"]}.items():
        first, second = c["sigma_1"], c[f"{layer}_sigma_2"]
        total += truncated(second, first, 0.1)
        total += stats.beta.logpdf(c[f"{layer}_weight"], 2, 3)
        total += sum(mixture(c[n], c[f"{layer}_weight"], first, second) for n in names)
    return total + stats.lognorm.logpdf(c["sigma_1"], 0.5, scale=np.exp(-1))


def unit_mixture(c):
    total = 0.0
    for name in SIZES:
        first, second = c[f"{name}_sigma_1"], c[f"{name}_sigma_2"]
        share = c[f"{name}_weight"].reshape(UNITS[name])
        total += stats.halfnorm.logpdf(first).sum() + truncated(second, first, 0.2).sum()
        first, second = first.reshape(UNITS[name]), second.reshape(UNITS[name])
        total += stats.beta.logpdf(share, 1, 1).sum() + mixture(c[name], share, first, second)
    return total


def mixture_below_a_number(c):
    total = 0.0
    for name in SIZES:
        spike = c[f"{name}_sigma_2"]
        total += truncated(spike, 0.7, 0.1) + mixture(c[name], 0.3, 0.7, spike)
    return total


def mixture_above_a_number(c):
    slab = c["sigma_1"]
    law = stats.expon(scale=1.0)
    total = law.logpdf(slab) - law.logsf(0.05)
    return total + sum(mixture(c[name], 0.3, slab, 0.05) for name in SIZES)


def horseshoe(c):
    total = 0.0
    for name in SIZES:
        total += stats.norm.logpdf(c[f"{name}_raw"]).sum()
        total += stats.halfcauchy.logpdf(c[f"{name}_local"]).sum()
        total += stats.halfcauchy.logpdf(c[f"{name}_global"])
    return total


def regularised_horseshoe(c):
    total = sum(stats.norm.logpdf(c[f"{name}_raw"]).sum() for name in SIZES)
    total += sum(stats.halfnorm.logpdf(c[f"{name}_local"]).sum() for name in SIZES)
    for layer, n in {"conv1": 9, "dense1": 2}.items():
        total += stats.halfcauchy.logpdf(c[f"{layer}_global"], scale=1 / np.sqrt(n))
    return total + stats.invgamma.logpdf(c["slab_variance"], 2.0, scale=8.0)


def posterior(c):
    return sum(stats.norm.logpdf(c[name], *MOMENTS[name]).sum() for name in SIZES)


@dataclass
class Case:
    """A prior, the log-density of its variables by SciPy, and the intervals they are confined to.

    The intervals are by the end of the name: (lower, upper), a string for a variable's name's end.
    """

    prior: Prior
    density: Callable
    bounds: dict = field(default_factory=dict)


ORDERED = {"sigma_2": (0.0, "sigma_1")}
CASES = {
    "normal": Case(Normal(0.3, 2.0), each(stats.norm(0.3, 2.0).logpdf)),
    "learned mean": Case(Normal(Normal(0.0, 1.0, per="network"), 0.5), learned_mean),
    "scale per unit": Case(Normal(sigma=HalfNormal(1.0, per="unit")), scale_per_unit),
    "laplace": Case(Laplace(0.2, 0.5), each(stats.laplace(0.2, 0.5).logpdf)),
    "student": Case(StudentT(3.0, 0.1, 0.5), each(stats.t(3.0, 0.1, 0.5).logpdf)),
    "learned degrees": Case(StudentT(Exponential(4.0, per="network"), 0.0, 0.5), learned_degrees),
    "half normal": Case(HalfNormal(2.0), each(stats.halfnorm(scale=2.0).logpdf)),
    "half cauchy": Case(HalfCauchy(2.0), each(stats.halfcauchy(scale=2.0).logpdf)),
    "exponential": Case(Exponential(2.0), each(stats.expon(scale=2.0).logpdf)),
    "log-normal": Case(LogNormal(-1.0, 0.5), each(stats.lognorm(0.5, scale=np.exp(-1)).logpdf)),
    "inverse gamma": Case(InverseGamma(3.0, 0.5), each(stats.invgamma(3.0, scale=0.5).logpdf)),
    "beta": Case(Beta(2.0, 3.0), each(stats.beta(2.0, 3.0).logpdf)),
    "flat": Case(Flat(), lambda c: 0.0),
    "mixture": Case(
        ScaleMixture(0.25, (1.0, 0.01)),
        lambda c: sum(mixture(c[name], 0.25, 1.0, 0.01) for name in SIZES),
    ),
    "mixture of a network": Case(
        ScaleMixture(
            Beta(1, 1, per="network"), (HalfNormal(1, per="network"), HalfNormal(0.1, "network"))
        ),
        network_mixture,
        ORDERED,
    ),
    "mixture of layers": Case(
        ScaleMixture(
            Beta(2, 3, "layer"), (LogNormal(-1.0, 0.5, "network"), HalfNormal(0.1, "layer"))
        ),
        layer_mixture,
        ORDERED,
    ),
    "mixture of units": Case(
        ScaleMixture(Beta(1, 1, "unit"), (HalfNormal(1, "unit"), HalfNormal(0.2, "unit"))),
        unit_mixture,
        ORDERED,
    ),
    "mixture, fixed slab": Case(
        ScaleMixture(0.3, (0.7, HalfNormal(0.1))),
        mixture_below_a_number,
        {"sigma_2": (0.0, 0.7)},
    ),
    "mixture, fixed spike": Case(
        ScaleMixture(0.3, (Exponential(1.0, "network"), 0.05)),
        mixture_above_a_number,
        {"sigma_1": (0.05, None)},
    ),
    "horseshoe": Case(Horseshoe(), horseshoe),
    "regularised horseshoe": Case(
        Horseshoe(
            HalfCauchy(FanIn(1.0), "layer"), HalfNormal(1, "unit"), InverseGamma(2, 8, "network")
        ),
        regularised_horseshoe,
    ),
    "posterior": Case(from_posterior(FITTED), posterior),
}


def constrain(case, model, values):
    """Return the variables by name, and the log-Jacobian, worked out by hand."""
    found, jacobian = {}, 0.0
    for variable in model.free_RVs:
        name, v = variable.name, np.asarray(values[model.rvs_to_values[variable].name])
        kind = type(model.rvs_to_transforms[variable]).__name__
        lower, upper = case.bounds.get(f"sigma_{name[-1]}", (0.0, None))
        if isinstance(upper, str):
            known = [n for n in found if n.endswith(upper)]
            upper = next((found[n] for n in known if n == name[:-7] + upper), found[known[0]])
        if kind == "NoneType":
            found[name] = v
        elif kind == "LogTransform" or (upper is None and kind == "Interval"):
            found[name] = lower + np.exp(v)
            jacobian += v.sum()
        else:
            upper = 1.0 if upper is None else upper
            share = special.expit(v)
            found[name] = lower + (upper - lower) * share
            jacobian += np.log((upper - lower) * share * (1 - share)).sum()
    return found, jacobian


@pytest.mark.parametrize("kind", CASES)
def test_every_prior_equals_scipy_and_has_a_gradient(kind):
    case = CASES[kind]
    model = network_model(case.prior)
    assert {n: model[n].type.shape for n in SIZES} == SIZES
    assert all(model.named_vars_to_dims[name][-1].endswith("_out") for name in SIZES)
    terms = decompose(model)
    arrays = [d.value for d in terms.data]
    total = sum(free.logp.sum() for free in terms.free)
    rng = np.random.default_rng(3)
    start = {free.value.name: free.start for free in terms.free}
    points = [start, {name: rng.normal(size=v.shape) for name, v in start.items()}]
    with precision("float64"):
        outputs = [total, total + terms.rest_logp]
        f = jaxify([*terms.values, *terms.inputs], outputs, "float64")
        for point in points:
            found, jacobian = constrain(case, model, point)
            expected = case.density(found) + jacobian
            assert float(f(*point.values(), *arrays)[0]) == pytest.approx(expected, rel=1e-6)
        gradient = jax.grad(lambda values: f(*values, *arrays)[1])(list(start.values()))
    assert all(np.isfinite(g).all() for g in gradient)
    assert sum(float(np.abs(g).sum()) for g in gradient) > 0


@pytest.mark.parametrize("kind", [kind for kind in CASES if kind != "flat"])
def test_every_prior_can_be_sampled(kind):
    model = network_model(CASES[kind].prior)
    with model:
        settings = {"draws": 20, "random_seed": 1, "compile_kwargs": {"mode": INTERPRETED}}
        draws = pm.sample_prior_predictive(**settings).prior.ds.squeeze("chain")
    assert {name: draws[name].shape[1:] for name in SIZES} == SIZES
    assert all(np.isfinite(draws[name]).all() for name in draws)
    for name in draws:
        if name.endswith("sigma_2") and len(CASES[kind].bounds) and kind != "mixture, fixed slab":
            slab = draws.get(name[:-1] + "1", draws.get("sigma_1"))
            assert (draws[name] < slab).all()
    if kind == "mixture, fixed slab":
        assert draws["conv1_W_sigma_2"].max() < 0.7
    if kind == "mixture, fixed spike":
        assert draws["sigma_1"].min() > 0.05


POSITIVE = {
    "half normal": HalfNormal(1.0),
    "half cauchy": HalfCauchy(1.0),
    "exponential": Exponential(1.0),
    "log-normal": LogNormal(-1.0, 1.0),
    "inverse gamma": InverseGamma(3.0, 0.5),
    "beta": Beta(2.0, 2.0),
}


@pytest.mark.parametrize("kind", POSITIVE)
def test_positive_priors_are_priors_of_scales(kind):
    model = make_model(Normal(sigma=POSITIVE[kind]))
    assert [v.name for v in model.free_RVs][:2] == ["conv1_W_sigma", "conv1_W"]
    start = model.initial_point()
    if kind == "beta":
        assert special.expit(start["dense1_W_sigma_logodds__"]) == pytest.approx(0.5)
    else:
        assert np.exp(start["dense1_W_sigma_log__"]) == pytest.approx(1 / np.sqrt(5))


@pytest.mark.parametrize("kind", CASES)
def test_every_prior_is_compared_by_value(kind):
    prior = CASES[kind].prior
    same = {
        "posterior": lambda: FromPosterior(dict(prior.means), dict(prior.stds)),
    }.get(kind, lambda: type(prior)(**vars(prior)))()
    assert same is not prior
    assert same == prior
    assert hash(same) == hash(prior)
    assert sum(case.prior == prior for case in CASES.values()) == 1
    assert repr(prior).startswith(("from_posterior(", type(prior).__name__))


# Scale mixtures ---------------------------------------------------------------------------------


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


# Horseshoes -------------------------------------------------------------------------------------


def test_horseshoe_weights_are_named_products():
    network = networks.mlp((4, 3, 2))
    prior = Horseshoe(HalfCauchy(1.0, "layer"), HalfCauchy(1.0, "unit"), slab_variance=4.0)
    with pm.Model() as model:
        x = pm.Data("x", np.ones((5, 4)))
        first = bayesian(network, x, prior, name="net")
        second = bayesian(network, 2 * x)
        pm.Normal("y", first + second, 1.0, observed=np.zeros((5, 2)))
    assert [v.name for v in model.free_RVs] == [
        "net_dense1_global",
        "net_dense1_W_local",
        "net_dense1_W_raw",
        "net_dense1_b_local",
        "net_dense1_b_raw",
        "net_dense2_global",
        "net_dense2_W_local",
        "net_dense2_W_raw",
        "net_dense2_b_local",
        "net_dense2_b_raw",
    ]
    weights = [v.name for v in model.deterministics]
    assert weights == ["net_dense1_W", "net_dense1_b", "net_dense2_W", "net_dense2_b"]
    assert model.named_vars_to_dims["net_dense1_W"] == ("net_dense1_in", "net_dense1_out")
    assert model.named_vars_to_dims["net_dense1_W_raw"] == ("net_dense1_in", "net_dense1_out")
    assert model.named_vars_to_dims["net_dense1_W_local"] == ("net_dense1_in",)
    nodes = {v.owner for v in ancestors([decompose(model).rest_logp]) if v.owner}
    layers = [node for node in nodes if isinstance(node.op, LinearLayer)]
    assert len(layers) == 4
    assert all(node.inputs[1].owner.op == pytensor.tensor.mul for node in layers)


def test_horseshoe_weights_equal_their_formula():
    prior = Horseshoe(HalfCauchy(1.0), HalfCauchy(1.0, "unit"), InverseGamma(2.0, 8.0))
    model = make_model(prior)
    values = {
        v.name: np.random.default_rng(1).uniform(0.5, 2, v.type.shape) for v in model.free_RVs
    }
    inputs = [v.type() for v in model.free_RVs]
    givens = dict(zip(model.free_RVs, inputs, strict=True))
    found = pytensor.graph.clone_replace(model["conv1_W"], givens)
    found = pytensor.function(inputs, found, mode=INTERPRETED, on_unused_input="ignore")
    local = values["conv1_W_local"].reshape(1, 1, 3, 1)
    tau, c2 = values["conv1_W_global"], values["conv1_W_slab_variance"]
    shrunk = np.sqrt(c2 * local**2 / (c2 + tau**2 * local**2))
    expected = values["conv1_W_raw"] * shrunk * tau
    assert found(*(values[v.name] for v in model.free_RVs)) == pytest.approx(expected)


def test_horseshoe_weights_start_where_others_do():
    start = make_model(Horseshoe()).initial_point()
    assert start["conv1_W_raw"] == pytest.approx(np.full((2, 2, 3, 4), 0.25 * np.sqrt(12)))
    assert np.exp(start["conv1_W_local_log__"]) == pytest.approx(np.ones((2, 2, 3, 4)))
    assert np.exp(start["conv1_W_global_log__"]) == pytest.approx(1 / np.sqrt(12))


# Posteriors as priors, flat priors --------------------------------------------------------------


def test_a_posterior_is_found_by_the_name_in_the_model():
    moments = xr.Dataset(
        {f"net_{n}": (DIMS[n], np.full(SHAPES[n], 2.0)) for n in SHAPES} | {"tau": ((), 0.0)}
    )
    prior = from_posterior(SimpleNamespace(mean=moments, std=moments))
    assert (make_model(prior, make_sites("net_")).initial_point()["net_conv1_W"] == 2.0).all()
    plain = from_posterior(FITTED)  # also where the new network has a prefix and the old none
    with pm.Model() as model:
        x = np.ones((2, 4, 4, 1))
        network = networks.convnet((4, 4, 1), 3, 2, kernel_size=3, dense=None)
        bayesian(network, x, {"*_W": plain, "*": Normal()}, name="again")
    assert np.array_equal(model.initial_point()["again_dense1_W"], MOMENTS["dense1_W"][0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"mean": {"a": np.ones(2)}, "std": {"a": np.ones(2)}},
            "`fitted` must hold 'conv1_W', got a; give this parameter another prior",
        ),
        (
            {"mean": {"conv1_W": np.ones(2)}, "std": {"conv1_W": np.ones(2)}},
            r"`fitted` must hold 'conv1_W' of shape \(2, 2, 3, 4\), got shape \(2,\)",
        ),
        (
            {"mean": {"conv1_W": np.ones(SHAPES["conv1_W"])}, "std": {"conv1_W": np.zeros(48)}},
            "`fitted` must hold 'conv1_W' of shape",
        ),
        (
            {
                "mean": {"conv1_W": np.ones(SHAPES["conv1_W"])},
                "std": {"conv1_W": np.zeros(SHAPES["conv1_W"])},
            },
            "`fitted` must have finite means and positive standard deviations of 'conv1_W', got 48",
        ),
    ],
)
def test_posteriors_that_do_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        make_model(from_posterior(SimpleNamespace(**change)))


def test_objects_that_are_no_fit():
    with pytest.raises(TypeError, match=r"`fitted` must have mappings.*'ndarray'"):
        from_posterior(np.zeros(3))
    uneven = SimpleNamespace(mean={"a": np.ones(2)}, std={})
    with pytest.raises(ValueError, match=r"same variables, got one without the other of \['a'\]"):
        from_posterior(uneven)


def test_flat_priors_cannot_be_sampled():
    with network_model(Flat()), pytest.raises(NotImplementedError, match="sample from flat"):
        pm.sample_prior_predictive(draws=2, compile_kwargs={"mode": INTERPRETED})


def test_single_precision_of_mixtures_and_horseshoes():
    learned = ScaleMixture(Beta(1, 1), (HalfNormal(1.0), HalfNormal(0.1)))
    with pytensor.config.change_flags(floatX="float32"):
        for prior in (learned, spike_and_slab(), Horseshoe(slab_variance=4.0)):
            model = make_model(prior)
            assert {model[name].dtype for name in SHAPES} == {"float32"}
            assert np.isfinite(log_density(model, model.initial_point()))


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
