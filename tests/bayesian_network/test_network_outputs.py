"""What a network of random variables gives: NumPy's numbers, layer by layer."""

import jax
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.graph.traversal import ancestors
from pytensor_ml.layers import (
    GRU,
    Conv1D,
    Conv2D,
    Embedding,
    Flatten,
    GroupNorm,
    LayerNorm,
    Linear,
    MultiheadAttention,
    Sequential,
    TransformerBlock,
)
from pytensor_ml.params import trainable
from pytensor_ml.pytensorf import collect_trainable_params
from scipy.special import softmax

from pymc_bnn import networks
from pymc_bnn.priors import HalfNormal, Normal
from tests.support.network_parts import (
    IDS,
    IMAGES,
    SERIES,
    TABLE,
    evaluate,
    make_model,
    random_values,
)


def test_the_output_is_the_networks():
    network = networks.convnet((8, 8, 1), 3, filters=2, kernel_size=3, dense=5)
    model = make_model(network, IMAGES)
    values = random_values(model)
    x = jax.lax.conv_general_dilated(
        IMAGES, values["conv1_W"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    x = np.tanh(np.asarray(x)).reshape(6, 3, 2, 3, 2, 2).max(axis=(2, 4)).reshape(6, -1)
    x = np.tanh(x @ values["dense1_W"] + values["dense1_b"])
    expected = x @ values["dense2_W"] + values["dense2_b"]
    assert evaluate(model, model["output"], values) == pytest.approx(expected, rel=1e-6)


def test_no_parameter_of_the_network_is_left():
    network = networks.mlp((4, 3, 2))
    model = make_model(network, TABLE)
    assert collect_trainable_params(model["output"]) == []
    assert set(ancestors([model["output"]])) >= set(model.free_RVs)
    assert len(collect_trainable_params(network(TABLE))) == 4  # the network itself is as it was


def test_a_function_with_parameters_of_its_own():
    W = trainable(np.zeros((4, 2)), "w")
    model = make_model(lambda x: pt.exp(x @ W), TABLE)
    values = random_values(model)
    assert model.named_vars_to_dims["w"] == ("w_dim_0", "w_dim_1")
    assert evaluate(model, model["output"], values) == pytest.approx(np.exp(TABLE @ values["w"]))


def test_layer_norm_and_conv1d_equal_numpy():
    network = Sequential(
        Conv1D("c", in_channels=4, out_channels=3, kernel_size=3), LayerNorm("n", n_in=3)
    )
    model = make_model(network, SERIES)
    values = random_values(model)
    windows = np.lib.stride_tricks.sliding_window_view(SERIES, 3, axis=1)  # (6, 6, 4, 3)
    x = np.einsum("ntcj,jco->nto", windows, values["c_W"]) + values["c_b"]
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    expected = x * values["n_scale"] + values["n_loc"]
    assert evaluate(model, model["output"], values) == pytest.approx(expected, rel=1e-6)


def test_attention_equals_numpy():
    network = MultiheadAttention("a", n_embd=4, n_head=1)
    model = make_model(network, SERIES)
    v = random_values(model)
    q, k, u = (SERIES @ v[f"a_{p}_proj_W"] + v[f"a_{p}_proj_b"] for p in "qkv")
    mixed = softmax(q @ k.transpose(0, 2, 1) / 2.0, axis=-1) @ u
    expected = mixed @ v["a_out_proj_W"] + v["a_out_proj_b"]
    assert evaluate(model, model["output"], v) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_embeddings_look_up_integers():
    network = Sequential(
        Embedding("e", n_embeddings=5, n_features=2), Flatten, Linear("d", n_in=6, n_out=2)
    )
    model = make_model(network, IDS)
    values = random_values(model)
    expected = values["e_W"][IDS].reshape(6, 6) @ values["d_W"] + values["d_b"]
    assert evaluate(model, model["output"], values) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("network", "x"),
    [
        (
            Sequential(
                Conv2D(in_channels=1, out_channels=4, kernel_size=3),
                GroupNorm(n_groups=2, n_in=4),
                Flatten,
                Linear(n_in=144, n_out=2),
            ),
            IMAGES,
        ),
        (Sequential(TransformerBlock(d_model=4, n_head=2), Linear(n_in=4, n_out=2)), SERIES),
        (Sequential(GRU(n_in=4, n_hidden=3), Linear(n_in=3, n_out=2)), SERIES),
    ],
    ids=["group norm", "transformer", "recurrent"],
)
def test_other_layers_equal_the_deterministic_network(network, x):
    model = make_model(network, x)
    values = random_values(model)
    deterministic = network(pt.constant(x))
    for parameter in collect_trainable_params(deterministic):
        parameter.set_value(values[parameter.name])
    expected = np.asarray(pytensor.function([], deterministic, mode="JAX")())
    assert evaluate(model, model["output"], values) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_single_precision():
    network = networks.mlp((4, 3, 2))  # in double precision
    with pytensor.config.change_flags(floatX="float32"):
        model = make_model(network, TABLE.astype("float32"), prior=Normal(sigma=HalfNormal(1.0)))
        assert {v.type.dtype for v in model.free_RVs} == {"float32"}
        point = model.initial_point()
        assert {value.dtype for value in point.values()} == {np.dtype("float32")}
        values = random_values(model)
        found = evaluate(model, model["output"], {k: np.float32(v) for k, v in values.items()})
    x = np.tanh(TABLE @ values["dense1_W"] + values["dense1_b"])
    expected = x @ values["dense2_W"] + values["dense2_b"]
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)
