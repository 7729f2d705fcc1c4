"""Names, dims and coords of a network's random variables."""

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.graph.traversal import ancestors
from pytensor_ml.checkpoint import _index_by_key
from pytensor_ml.layers import GRU, Conv1D, Flatten, LayerNorm, Linear, Sequential
from pytensor_ml.params import trainable
from pytensor_ml.pytensorf import collect_shared_variables

from pymc_bnn import networks
from pymc_bnn.bayesian_network import bayesian, standardise
from pymc_bnn.priors import HalfNormal, Normal
from tests.support.network_parts import IMAGES, SERIES, TABLE, make_model


def test_names_dims_and_coords_of_a_convnet():
    network = networks.convnet((8, 8, 1), 3, filters=2, kernel_size=3, dense=5, conv_bias=True)
    model = make_model(network, IMAGES)
    assert {v.name: model.named_vars_to_dims[v.name] for v in model.free_RVs} == {
        "conv1_W": ("conv1_height", "conv1_width", "conv1_in", "conv1_out"),
        "conv1_b": ("conv1_out",),
        "dense1_W": ("dense1_in", "dense1_out"),
        "dense1_b": ("dense1_out",),
        "dense2_W": ("dense2_in", "dense2_out"),
        "dense2_b": ("dense2_out",),
    }
    assert {name: v.type.shape for name, v in model.named_vars.items() if name[-2:] == "_W"} == {
        "conv1_W": (3, 3, 1, 2),
        "dense1_W": (18, 5),
        "dense2_W": (5, 3),
    }
    assert model.coords["conv1_height"] == (0, 1, 2)
    assert model.coords["dense1_in"] == tuple(range(18))


def test_dims_of_other_layers():
    network = Sequential(
        Conv1D("c", in_channels=4, out_channels=3, kernel_size=3),
        LayerNorm("n", n_in=3),
        Flatten,
        Linear("d", n_in=18, n_out=2),
    )
    model = make_model(network, SERIES)
    assert model.named_vars_to_dims["c_W"] == ("c_width", "c_in", "c_out")
    assert model.named_vars_to_dims["n_scale"] == ("n_scale_dim_0",)
    model = make_model(GRU("g", n_in=4, n_hidden=3), SERIES)
    assert model.named_vars_to_dims["g_W_ih"] == ("g_W_ih_dim_0", "g_W_ih_dim_1")


def test_a_name_is_the_prefix_of_everything():
    prior = Normal(sigma=HalfNormal(1.0, per="unit"))
    model = make_model(networks.mlp((4, 3, 2)), TABLE, name="net", prior=prior)
    assert all(v.name.startswith("net_") for v in model.free_RVs)
    assert model.named_vars_to_dims["net_dense1_W"] == ("net_dense1_in", "net_dense1_out")
    assert model.named_vars_to_dims["net_dense1_W_sigma"] == ("net_dense1_in",)
    assert all(dim.startswith("net_") for dim in model.coords)


def test_coords_that_the_model_has_are_kept():
    features = ["age", "height", "mass", "year"]
    with pm.Model(coords={"dense1_in": features}) as model:
        bayesian(networks.mlp((4, 3, 2)), TABLE)
    assert list(model.coords["dense1_in"]) == features


def test_nested_models_of_different_sizes():
    with pm.Model() as model:
        for name, width in {"a": 3, "b": 5}.items():
            with pm.Model(name=name):
                bayesian(networks.mlp((4, width, 2)), TABLE)
    assert model["a::dense1_W"].type.shape == (4, 3)
    assert model["b::dense1_W"].type.shape == (4, 5)
    assert model.named_vars_to_dims["b::dense1_W"] == ("b::dense1_in", "b::dense1_out")


def test_repeated_layers_are_numbered_as_in_checkpoints():
    network = Sequential(
        Linear(n_in=4, n_out=3), pt.tanh, Linear(n_in=3, n_out=3), pt.tanh, Linear(n_in=3, n_out=2)
    )
    model = make_model(network, TABLE)
    keys = _index_by_key(collect_shared_variables(network(pt.matrix("x"))))
    assert {v.name: v.type.shape for v in model.free_RVs} == {
        key: parameter.type.shape for key, parameter in keys.items()
    }
    assert model["Linear_3_W"].type.shape == (4, 3)
    assert model.named_vars_to_dims["Linear_1_b"] == ("Linear_1_out",)


def test_repeated_layers_of_which_some_have_no_bias():
    network = Sequential(
        Linear(n_in=4, n_out=3),
        pt.tanh,
        Linear(n_in=3, n_out=5, bias=False),
        pt.tanh,
        Linear(n_in=5, n_out=2),
    )
    model = make_model(network, TABLE, prior=Normal(sigma=HalfNormal(1.0, per="layer")))
    shapes = {v.name: v.type.shape for v in model.free_RVs if "sigma" not in v.name}
    assert shapes == {
        "Linear_3_W": (4, 3),
        "Linear_3_b": (3,),
        "Linear_2_W": (3, 5),
        "Linear_1_W": (5, 2),
        "Linear_1_b": (2,),
    }
    assert set(ancestors([model["Linear_3_b"]])) >= {model["Linear_3_sigma"]}


def test_hand_written_layers_that_cannot_be_paired():
    def layer(shape, bias):
        W = trainable(np.zeros(shape), "layer_W", layer_name="layer")
        b = trainable(np.zeros(shape[1]), "layer_b", layer_name="layer")
        return lambda x: x @ W + b if bias else x @ W

    network = Sequential(layer((4, 3), True), layer((3, 2), False))
    with pytest.raises(
        ValueError, match=r"unlike those named 'layer', got 2 × layer_W and 1 × lay"
    ):
        make_model(network, TABLE)


def test_inputs_of_the_first_layer_are_called_as_their_columns():
    table = pd.DataFrame(np.ones((4, 2)), columns=["age", "height"])
    numbered = table.set_axis([0, 1], axis=1)
    for x, expected in ((table, ("age", "height")), (numbered, (0, 1)), (table.to_numpy(), (0, 1))):
        with pm.Model() as model:
            bayesian(networks.mlp((2, 2, 2)), x)
        assert model.coords["dense1_in"] == expected
        assert model.coords["dense2_in"] == (0, 1)
    with pm.Model() as model:
        bayesian(networks.mlp((2, 1)), standardise("x", table))
    assert model.coords["dense1_in"] == ("age", "height")
    with pm.Model() as model:  # in another order
        x = standardise("x", table)
        bayesian(networks.mlp((2, 1)), x[:, ::-1])
    assert model.coords["dense1_in"] == (0, 1)
