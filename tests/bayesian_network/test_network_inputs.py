"""What may be a network's input, and what is known of it."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.graph.traversal import ancestors
from pytensor_ml.layers import Flatten, Linear, Sequential

from pymc_bnn import networks
from pymc_bnn.bayesian_network import bayesian, network_inputs
from tests.support.network_parts import IMAGES, TABLE, evaluate, make_model, random_values

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("kind", ["array", "data", "expression", "tensor"])
def test_kinds_of_inputs(kind):
    network = networks.convnet((8, 8, 1), 3, filters=1, kernel_size=3, dense=None)
    with pm.Model() as model:
        if kind == "array":
            output = bayesian(network, IMAGES)
        elif kind == "data":
            output = bayesian(network, pm.Data("x", IMAGES))
        elif kind == "expression":
            flat = pm.Data("x", 2 * IMAGES.reshape(6, 64))
            output = bayesian(network, flat.reshape((flat.shape[0], 8, 8, 1)) / 2)
        else:
            output = bayesian(network, pt.constant(IMAGES))
    assert output.type.shape[1] == 3
    values = random_values(model)
    x = IMAGES[..., 0]
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    x = np.tanh(np.einsum("nhwij,ij->nhw", windows, values["conv1_W"][:, :, 0, 0]))
    x = x.reshape(6, 3, 2, 3, 2).max(axis=(2, 4)).reshape(6, 9)
    expected = x @ values["dense1_W"] + values["dense1_b"]
    assert evaluate(model, output, values) == pytest.approx(expected, rel=1e-6)


def test_minibatches_keep_their_random_rows():
    with pm.Model():
        x, _ = pm.Minibatch(TABLE, np.arange(6.0), batch_size=3)
        output = bayesian(networks.mlp((4, 3, 2)), x)
    assert output.type.shape == (3, 2)
    assert x in set(ancestors([output]))  # not a copy, which would draw rows of its own


def test_integer_images_are_cast():
    pixels = RNG.integers(0, 256, size=(6, 2, 2, 1)).astype("uint8")
    with pm.Model() as model:
        output = bayesian(Sequential(Flatten, Linear("d", n_in=4, n_out=2)), pm.Data("x", pixels))
    values = random_values(model)
    expected = pixels.reshape(6, 4) @ values["d_W"] + values["d_b"]
    assert evaluate(model, output, values) == pytest.approx(expected)


def test_another_number_of_rows():
    model = make_model(networks.mlp((4, 3, 2)), TABLE)
    values = random_values(model)
    longer = RNG.normal(size=(9, 4))
    with model:
        pm.set_data({"x": longer})
    x = np.tanh(longer @ values["dense1_W"] + values["dense1_b"])
    expected = x @ values["dense2_W"] + values["dense2_b"]
    assert evaluate(model, model["output"], values) == pytest.approx(expected, rel=1e-6)


def test_network_inputs_lists_data_and_rows():
    with pm.Model() as model:
        a, b = pm.Data("a", TABLE), pm.Data("b", IMAGES[:5])
        bayesian(networks.mlp((4, 2)), a, name="first")
        second = networks.mlp((64, 2))
        bayesian(second, b / 255)
        bayesian(networks.mlp((4, 2)), TABLE[:2], name="third")
    found = network_inputs(model)
    assert [(i.variable.name, i.network, i.rows) for i in found] == [
        ("a", "first", 6),
        ("b", repr(second), 5),
        ("x", "third", 2),
    ]
    assert found[0].variable is a
    with model:
        pm.set_data({"a": TABLE[:3]})
    assert network_inputs(model)[0].rows == 3
    assert network_inputs(pm.Model()) == []
