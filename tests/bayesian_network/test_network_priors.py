"""Priors of a network's parameters."""

import numpy as np
import pymc as pm
import pytest
from pytensor_ml.layers import Embedding

from pymc_bnn import networks
from pymc_bnn.bayesian_network import bayesian
from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.priors import Horseshoe, Normal, fan_in_normal
from tests.support.network_parts import IDS, TABLE, evaluate, make_model, random_values


def test_patterns_see_names_without_the_prefix():
    prior = {"dense1_*": Normal(5.0, 1e-3), "*": Normal(-5.0, 1e-3)}
    with pm.Model() as model:
        bayesian(networks.mlp((4, 3, 2)), TABLE, prior, name="net")
    logp = model.compile_fn(model.logp(sum=False, vars=model.free_RVs), mode="JAX")
    at = {
        v.name: np.full(v.type.shape, 5.0 if "dense1" in v.name else -5.0) for v in model.free_RVs
    }
    for value, variable in zip(logp(at), model.free_RVs, strict=True):
        assert value == pytest.approx(np.full(variable.type.shape, 5.988816743)), variable.name


def test_the_default_prior_is_scaled_by_fan_in():
    def total(**settings):
        model = make_model(networks.mlp((4, 3, 2)), TABLE, **settings)
        point = {v.name: np.full(v.type.shape, 0.3) for v in model.free_RVs}
        return float(model.compile_fn(model.logp(), mode="JAX")(point))

    expected = 0.0
    for n, fan_in in ((4 * 3 + 3, 4), (3 * 2 + 2, 3)):
        expected += n * (-0.5 * 0.3**2 * fan_in - 0.5 * np.log(2 * np.pi / fan_in))
    assert total() == pytest.approx(expected, rel=1e-8)
    assert total(prior=fan_in_normal(1.0)) == pytest.approx(expected, rel=1e-8)


def test_an_embedding_has_a_fan_in_of_one():
    model = make_model(Embedding("e", n_embeddings=5, n_features=2), IDS)
    at = {"e_W": np.full((5, 2), 1.0)}
    value = float(model.compile_fn(model.logp(), mode="JAX")(at))
    assert value == pytest.approx(10 * (-0.5 - 0.5 * np.log(2 * np.pi)), rel=1e-8)


def test_a_prior_whose_weights_are_deterministic():
    network = networks.mlp((4, 3, 2))
    with pm.Model() as model:
        first = bayesian(network, pm.Data("a", TABLE), Horseshoe(0.5), name="net")
        second = bayesian(network, TABLE[:2] + 1, Horseshoe(0.5))
        with pytest.raises(ValueError, match="the name 'net_dense1_W', which exists"):
            bayesian(networks.mlp((4, 3, 2)), TABLE, name="net")
        pm.Deterministic("first", first)
    names = [f"net_dense{i}_{p}" for i in (1, 2) for p in "Wb"]
    assert [v.name for v in model.free_RVs if v.name[-3:] == "raw"] == [f"{n}_raw" for n in names]
    assert [v.name for v in model.deterministics] == [*names, "first"]
    assert model.named_vars_to_dims["net_dense2_W"] == ("net_dense2_in", "net_dense2_out")
    values = random_values(model)
    w = {n[4:]: values[f"{n}_raw"] * values[f"{n}_local"] * 0.5 for n in names}
    for output, x in ((first, TABLE), (second, TABLE[:2] + 1)):
        hidden = np.tanh(x @ w["dense1_W"] + w["dense1_b"])
        expected = hidden @ w["dense2_W"] + w["dense2_b"]
        assert evaluate(model, output, values) == pytest.approx(expected, rel=1e-6)
    with model:
        draws = pm.sample_prior_predictive(5, random_seed=1, compile_kwargs={"mode": INTERPRETED})
    product = 0.5 * draws.prior["net_dense1_W_raw"] * draws.prior["net_dense1_W_local"]
    assert draws.prior["net_dense1_W"].values == pytest.approx(product.values)
