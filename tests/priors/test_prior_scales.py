"""Learned scales and means: log-densities against SciPy, names, dims, starts."""

import numpy as np
import pymc as pm
import pytest
from scipy import stats

from pymc_bnn.priors import FanIn, HalfNormal, Normal, fan_in_normal
from tests.support.prior_parts import (
    DIMS,
    FAN_IN,
    SHAPES,
    log_density,
    make_model,
    make_sites,
    random_point,
)

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


def decayed(n, scale, exponent, positions=1, units=1):
    """Scales of n units, whose squares, over all positions, add up to scale²."""
    sizes = np.array([(1 + (i - 1) / units) ** -exponent for i in range(1, n + 1)])
    return scale * sizes / np.sqrt(positions * (sizes**2).sum())


@pytest.mark.parametrize("units", [1, 3, 2.5])
def test_scales_that_decay_from_unit_to_unit(units):
    model = make_model(fan_in_normal(2.0, decay=1.5, units=units))
    values, c = random_point(model)
    kernel, matrix = decayed(3, 2.0, 1.5, 4, units), decayed(5, 2.0, 1.5, units=units)
    expected = (
        stats.norm.logpdf(c["conv1_W"], 0, kernel.reshape(1, 1, 3, 1)).sum()
        + stats.norm.logpdf(c["dense1_W"], 0, matrix.reshape(5, 1)).sum()
        + stats.norm.logpdf(c["dense1_b"], 0, 2 / np.sqrt(5)).sum()  # sums nothing
    )
    assert log_density(model, values) == pytest.approx(expected, rel=1e-8)


def test_learned_scales_may_decay_from_unit_to_unit():
    model = make_model(Normal(sigma=HalfNormal(FanIn(3.0, decay=1.0), per="unit")))
    values, c = random_point(model)
    expected = stats.halfnorm.logpdf(c["dense1_W_sigma"], scale=decayed(5, 3.0, 1.0)).sum()
    expected += stats.halfnorm.logpdf(c["conv1_W_sigma"], scale=decayed(3, 3.0, 1.0, 4)).sum()
    expected += stats.halfnorm.logpdf(c["dense1_b_sigma"], scale=3 / np.sqrt(5)).sum()
    for name in SHAPES:
        expected += stats.norm.logpdf(c[name], 0, scale_of("unit", name, c)).sum()
    assert log_density(model, values) == pytest.approx(expected, rel=1e-8)
    with pytest.raises(ValueError, match="`sigma` must have no decay where units share one"):
        make_model(Normal(sigma=HalfNormal(FanIn(3.0, decay=1.0), per="layer")))


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
