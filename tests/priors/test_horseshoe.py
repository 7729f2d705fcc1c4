"""Horseshoes: weights are named products, equal to their formula, that start where others do."""

import numpy as np
import pymc as pm
import pytensor
import pytest
from pytensor.graph.traversal import ancestors
from pytensor_ml.layers import LinearLayer

from pymc_bnn import networks
from pymc_bnn.bayesian_network import bayesian
from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.model.decompose import decompose
from pymc_bnn.priors import HalfCauchy, Horseshoe, InverseGamma
from tests.support.prior_parts import make_model


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
