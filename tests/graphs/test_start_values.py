"""Start values that go where the variable goes, instead of PyMC's `initval`."""

import copy
import pickle
from dataclasses import dataclass
from typing import Any

import cloudpickle
import numpy as np
import pymc as pm
import pytensor
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymc.distributions.distribution import support_point
from pymc.printing import str_for_model
from pytensor.tensor.random.basic import NormalRV

import pymc_bnn as bnn
from pymc_bnn import networks, priors
from pymc_bnn.graphs.interpreted import INTERPRETED, without_c
from pymc_bnn.graphs.start_values import family, move_initial_values
from pymc_bnn.model.decompose import decompose
from pymc_bnn.priors import place

QUIET = {"progressbar": False}


@dataclass(frozen=True, eq=False)
class Stranger(priors.Prior):
    """A prior of somebody's own, with `initval` as they would write it."""

    initval: Any = None

    def build(self, name, place):
        start = np.full(place.shape, self.initval, np.asarray(self.initval).dtype)
        settings = {"shape": place.shape, "dims": place.dims}
        return pm.Logistic(name, mu=0.0, s=1.0, initval=start, **settings)


HALF = priors.HalfNormal(1.0, per="layer")
PRIORS = {
    "default": None,
    "normal": priors.Normal(0.0, 1),
    "hierarchical": priors.Normal(sigma=priors.HalfNormal(priors.HalfCauchy(1.0))),
    "units": priors.Normal(sigma=priors.HalfCauchy(1.0, per="unit")),
    "network": priors.Normal(sigma=priors.HalfNormal(1.0, per="network")),
    "laplace": priors.Laplace(0.0, priors.InverseGamma(2.0, 1.0)),
    "student": priors.StudentT(4.0, 0.0, HALF),
    "positive": priors.HalfNormal(1.0),
    "lognormal": priors.LogNormal(0.0, 1.0),
    "exponential": priors.Exponential(2),
    "flat": priors.Flat(),
    "horseshoe": priors.Horseshoe(),
    "regularised horseshoe": priors.Horseshoe(slab_variance=priors.InverseGamma(2.0, 8.0)),
    "mixture": priors.ScaleMixture(0.25, (1.0, 0.01)),
    "learned mixture": priors.ScaleMixture(
        priors.Beta(1.0, 1.0, "network"),
        (priors.HalfNormal(1.0, "network"), priors.HalfNormal(0.1, "network")),
    ),
    "truncated by an inverse gamma": priors.ScaleMixture(
        0.5, (priors.InverseGamma(2.0, 1.0), 0.01)
    ),
    "number": Stranger(np.asarray(0.25)),
    "integer": Stranger(np.asarray(2)),
    "row": Stranger(np.array([0.5, 1.0, 2.0])),
    "float32": Stranger(np.float32(0.1)),
    "patterns": {"*_W": priors.Normal(sigma=HALF), "*": Stranger(np.int8(1))},
}


def make_model(prior=None, seed=0):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(9, 2))
    with pm.Model() as model:
        if isinstance(prior, Stranger):
            prior = {"dense1_*": prior, "*": priors.Normal()}
        out = bnn.bayesian(networks.mlp((2, 3, 1)), x, prior, random_seed=seed)
        pm.Normal("y", out[:, 0], 1.0, observed=x[:, 0])
    return model


@pytest.mark.parametrize("floatx", ["float64", "float32"])
@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
def test_starts_are_those_of_initial_values(prior, floatx, monkeypatch):
    if floatx == "float32" and isinstance(prior, Stranger) and prior.initval.dtype != "float32":
        pytest.skip("PyMC refuses initval of a wider dtype")
    with pytensor.config.change_flags(floatX=floatx, mode="FAST_COMPILE"):
        model = make_model(prior)
        with monkeypatch.context() as patched:
            patched.setattr(place, "move_initial_values", lambda model, variables: None)
            plain = make_model(prior)
        assert any(value is not None for value in plain.rvs_to_initial_values.values())
        assert all(value is None for value in model.rvs_to_initial_values.values())
        expected = plain.initial_point()
        for same in (model, model.copy(), copy.deepcopy(model), pm.do(model, {})):
            found = same.initial_point()
            assert found.keys() == expected.keys()
            for name, value in expected.items():
                assert found[name].dtype == value.dtype
                assert np.array_equal(found[name], value), name


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS)
def test_nothing_else_is_changed(prior, monkeypatch):
    model = make_model(prior)
    monkeypatch.setattr(place, "move_initial_values", lambda model, variables: None)
    plain = make_model(prior)
    assert str_for_model(model) == str_for_model(plain)
    for mine, theirs in zip(decompose(model).free, decompose(plain).free, strict=True):
        assert mine.family is theirs.family
        assert mine.transform is theirs.transform
    for mine, theirs in zip(model.free_RVs, plain.free_RVs, strict=True):
        assert isinstance(mine.owner.op, type(theirs.owner.op))
        assert mine.type == theirs.type
    with without_c():
        point = model.initial_point()
    mine, theirs = (m.compile_fn(m.logp(), mode=INTERPRETED)(point) for m in (model, plain))
    assert mine == theirs


@settings(deadline=None, max_examples=15, derandomize=True)
@given(
    start=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=4),
    dtype=st.sampled_from(["float64", "float32", "int8", "int64"]),
    distribution=st.sampled_from([pm.Normal, pm.Laplace, pm.StudentT, pm.Cauchy, pm.Flat]),
)
def test_any_distribution_and_array(start, dtype, distribution):
    start = np.clip(start, -100, 100).astype(dtype)
    arguments = {
        pm.StudentT: {"nu": 3},
        pm.Laplace: {"mu": 0, "b": 1},
        pm.Cauchy: {"alpha": 0, "beta": 1},
    }
    with pm.Model() as model:
        x = distribution("x", shape=start.shape, initval=start, **arguments.get(distribution, {}))
    expected = model.initial_point()["x"]
    base = type(x.owner.op)
    move_initial_values(model, [x])
    op, again = x.owner.op, pickle.loads(pickle.dumps(x.owner.op))
    assert (op, hash(op)) == (again, hash(again))
    assert op == copy.deepcopy(op)
    assert family(again) is base
    assert op != base()
    for m in (model, model.copy(), cloudpickle.loads(cloudpickle.dumps(model))):
        assert np.array_equal(m.initial_point()["x"], expected)


def test_ops_are_equal_where_their_starts_are():
    with pm.Model() as model:
        x, y, z = (
            pm.Normal(n, shape=2, initval=v)
            for n, v in zip("xyz", ([1, 2], [1.0, 2.0], [2, 2]), strict=True)
        )
    move_initial_values(model, [x, y, z])
    assert x.owner.op == y.owner.op
    assert x.owner.op != z.owner.op
    assert len({v.owner.op for v in (x, y, z)}) == 2
    assert "Normal" in str(x.owner.op).title()


def test_what_the_user_sets_afterwards_wins():
    model = make_model()
    model.set_initval(model["dense1_b"], np.array([1.0, 2.0, 3.0]))
    assert np.array_equal(model.initial_point()["dense1_b"], [1.0, 2.0, 3.0])
    with pm.Model() as other:
        x = pm.Normal("x", initval="prior")
    move_initial_values(other, [x])
    assert other.rvs_to_initial_values[x] == "prior"


def test_variables_of_another_shape_start_at_their_support_point():
    with pm.Model() as model:
        x = pm.Normal("x", 4.0, shape=2, initval=[1.0, 2.0])
    move_initial_values(model, [x])
    rng, _, *parameters = x.owner.inputs
    other = x.owner.op.make_node(rng, (3,), *parameters).outputs[1]
    assert np.array_equal(support_point(other).eval(mode="FAST_COMPILE"), [4.0] * 3)


@pytest.mark.filterwarnings("ignore:The RandomType SharedVariables:UserWarning")
@pytest.mark.parametrize("mode", ["FAST_COMPILE", "JAX"])
def test_draws_are_the_distributions_own(mode):
    with pm.Model() as model:
        x = pm.Normal("x", 5.0, 0.1, shape=4, initval=np.zeros(4))
    move_initial_values(model, [x])
    function = pytensor.function([], x, mode=mode)
    assert function() == pytest.approx(np.full(4, 5.0), abs=1.0)
    assert not any(family(n.op) is not type(n.op) for n in function.maker.fgraph.apply_nodes)
    assert family(x.owner.op) is NormalRV


@pytest.mark.filterwarnings("ignore:.find_MAP. will:FutureWarning")
def test_map_estimate_is_as_good_as_from_initial_values():
    """That ADVI and NUTS start there is tested in tests/contracts/, with PyMC's functions."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (120, 2))
    y = np.sin(2 * x[:, 0]) * x[:, 1] + 0.1 * rng.normal(size=120)
    with pm.Model() as model:
        prior = bnn.priors.fan_in_normal()
        out = bnn.bayesian(networks.mlp((2, 8, 8, 1)), pm.Data("x", x), prior)
        pm.Normal("y", out[:, 0], 0.3, observed=y)
    logp = model.compile_logp(mode="JAX")
    start = model.initial_point()
    assert logp(start) == pytest.approx(-522.42670, abs=1e-3)
    found = pm.find_MAP(model=model, backend="jax", **QUIET)
    # What initial values gave (commit 890831e); from zeros, all units alike, it ends at −352.57.
    assert logp({name: found[name] for name in start}) == pytest.approx(-41.65, abs=3.0)
