"""Prior specs: log-densities against SciPy, sharing, start values and errors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytest
from scipy import stats

from pymc_bnn.priors import FanIn, HalfNormal, Normal, Prior, Site, assign, build, fan_in_normal

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
class Laplace(Prior):
    scale: Any = 1.0

    def build(self, name, place):
        scale = place.argument("scale", self.scale, positive=True)
        return pm.Laplace(name, mu=0.0, b=scale, **place.settings(self))


def test_a_new_prior_is_one_small_class():
    model = make_model(Laplace(HalfNormal(1.0, per="layer")))
    values, c = random_point(model)
    expected = sum(stats.halfnorm.logpdf(c[name]) for name in ("conv1_scale", "dense1_scale"))
    for name in SHAPES:
        scale = c[f"{name.split('_')[0]}_scale"]
        expected += stats.laplace.logpdf(c[name], 0, scale).sum()
    assert log_density(model, values) == pytest.approx(expected, rel=1e-8)


def test_equality_and_hash_are_by_value():
    assert Normal(0, HalfNormal(1.0)) == Normal(0.0, HalfNormal(1))
    assert hash(Normal(0, FanIn(2.0))) == hash(Normal(0, FanIn(2.0)))
    assert Normal(np.zeros(2)) == Normal(np.zeros(2))
    assert Normal(np.zeros(2)) != Normal(np.ones(2))
    assert Normal(0, HalfNormal(1.0, "layer")) != Normal(0, HalfNormal(1.0, "network"))
    assert Normal(0, 1) != Laplace(1)


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
