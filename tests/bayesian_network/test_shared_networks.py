"""Networks and layers that are applied twice, and models that do not share."""

import gc
import weakref

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.graph.traversal import ancestors
from pytensor_ml.layers import Linear, Sequential

from pymc_bnn import networks
from pymc_bnn.bayesian_network import bayesian
from pymc_bnn.priors import HalfNormal, Normal
from tests.support.network_parts import TABLE, evaluate, make_model, random_values


def test_a_network_applied_twice_shares_its_variables():
    network = networks.mlp((4, 3, 2))
    prior = Normal(sigma=HalfNormal(1.0))
    with pm.Model() as model:
        first = bayesian(network, pm.Data("a", TABLE), prior, name="net")
        n_variables = len(model.free_RVs)
        second = bayesian(network, pm.Data("b", TABLE[:2] + 1))
        third = bayesian(network, TABLE, prior, name="net")
    assert len(model.free_RVs) == n_variables == 8
    values = random_values(model)
    for output, x in ((first, TABLE), (second, TABLE[:2] + 1), (third, TABLE)):
        hidden = np.tanh(x @ values["net_dense1_W"] + values["net_dense1_b"])
        expected = hidden @ values["net_dense2_W"] + values["net_dense2_b"]
        assert evaluate(model, output, values) == pytest.approx(expected, rel=1e-6)


def test_a_network_applied_twice_keeps_its_prior_and_name():
    network = networks.mlp((4, 2))
    with pm.Model():
        bayesian(network, TABLE, Normal(0, 1), name="net")
        with pytest.raises(ValueError, match=r"`prior` must be the one that 'dense1_W' has"):
            bayesian(network, TABLE, Normal(0, 2))
        with pytest.raises(ValueError, match=r"`name` must be the one that 'dense1_W' has.*'net'"):
            bayesian(network, TABLE, name="other")


def test_a_layer_in_two_networks_is_shared():
    body = Linear("body", n_in=4, n_out=3)
    one, two = Linear("one", n_in=3, n_out=2), Linear("two", n_in=3, n_out=1)
    with pm.Model() as model:
        a = bayesian(Sequential(body, pt.tanh, one), TABLE)
        b = bayesian(Sequential(body, pt.tanh, two), TABLE)
    assert len(model.free_RVs) == 6
    assert model["body_W"] in set(ancestors([a]))
    assert model["body_W"] in set(ancestors([b]))


def test_a_second_network_needs_a_name():
    with pm.Model() as model:
        bayesian(networks.mlp((4, 3, 2)), TABLE)
        with pytest.raises(ValueError, match=r"the name 'dense1_W', which exists.*name=\"net2\""):
            bayesian(networks.mlp((4, 3, 2)), TABLE)
        assert len(model.free_RVs) == 4
        bayesian(networks.mlp((4, 3, 2)), TABLE, name="net2")
    assert len(model.free_RVs) == 8


def test_fresh_layers_at_each_call_are_a_second_network():
    def network(x):
        return Linear("d", n_in=4, n_out=2)(x)

    with pm.Model():
        bayesian(network, TABLE)
        with pytest.raises(ValueError, match="create its layers once"):
            bayesian(network, TABLE)


def test_a_dim_of_another_length():
    with (
        pm.Model(coords={"dense1_in": range(3)}),
        pytest.raises(ValueError, match="the dim 'dense1_in' of length 4, which exists with an"),
    ):
        bayesian(networks.mlp((4, 2)), TABLE)


def test_models_do_not_share_and_are_not_kept_alive():
    network = networks.mlp((4, 3, 2))
    first, second = make_model(network, TABLE), make_model(network, TABLE)
    assert not set(first.free_RVs) & set(second.free_RVs)
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None
