"""Every prior by one contract: SciPy's log-density, a gradient, draws, equality by value."""

from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import numpy as np
import pymc as pm
import pytest
from scipy import special, stats

from pymc_bnn import networks
from pymc_bnn.bayesian_network import bayesian
from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.model.decompose import decompose
from pymc_bnn.priors import (
    Beta,
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
    StudentT,
    from_posterior,
    from_weights,
)
from pymc_bnn.runtime.precision import precision
from tests.support.prior_parts import FITTED, MOMENTS, SIZES, make_model, mixture

UNITS = {"conv1_W": (1, 1, 1, 1), "dense1_W": (2, 1), "dense1_b": (3,)}


def network_model(prior):
    network = networks.convnet((4, 4, 1), 3, 2, kernel_size=3, dense=None, pool=2)
    with pm.Model() as model:
        output = bayesian(network, np.ones((2, 4, 4, 1)), prior)
        pm.Normal("y", output, 1.0, observed=np.zeros((2, 3)))
    return model


def each(density):
    """Sum a log-density over all weights."""
    return lambda c: sum(density(c[name]).sum() for name in SIZES)


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


def around_weights(c):
    sigma = c["sigma"]
    total = stats.halfnorm(scale=0.3).logpdf(sigma)
    return total + sum(stats.norm.logpdf(c[n], MOMENTS[n][0], sigma).sum() for n in SIZES)


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
LONG = {"mixture of a network", "mixture of units"}  # as "mixture of layers"
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
    "weights": Case(
        from_weights({n: MOMENTS[n][0] for n in SIZES}, HalfNormal(0.3, "network")), around_weights
    ),
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


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=pytest.mark.long if k in LONG else ()) for k in CASES]
)
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
    assert repr(prior).startswith(("from_posterior(", "from_weights(", type(prior).__name__))


def test_flat_priors_cannot_be_sampled():
    with network_model(Flat()), pytest.raises(NotImplementedError, match="sample from flat"):
        pm.sample_prior_predictive(draws=2, compile_kwargs={"mode": INTERPRETED})
