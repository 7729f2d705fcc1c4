"""From networks to random variables: names, dims, sharing, values and errors."""

import gc
import weakref

import jax
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.graph.replace import graph_replace
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.variable import shared_rng
from pytensor_ml.checkpoint import _index_by_key
from pytensor_ml.layers import (
    GRU,
    BatchNorm,
    Conv1D,
    Conv2D,
    Dropout,
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
from pytensor_ml.pytensorf import collect_shared_variables, collect_trainable_params
from scipy.special import softmax

from pymc_bnn import networks
from pymc_bnn.bayesian_network import bayesian, network_inputs
from pymc_bnn.graphs.to_jax import INTERPRETED
from pymc_bnn.priors import HalfNormal, Horseshoe, Normal, fan_in_normal

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(6, 4))
SERIES = RNG.normal(size=(6, 8, 4))
IMAGES = RNG.normal(size=(6, 8, 8, 1))
IDS = RNG.integers(0, 5, size=(6, 3))


def make_model(network, x, **settings):
    with pm.Model() as model:
        data = pm.Data("x", x)
        output = bayesian(network, data, **settings)
        pm.Deterministic("output", output)
    return model


def evaluate(model, output, values):
    """Return the output where the random variables have the given values by name."""
    places = {v: v.type(v.name) for v in model.free_RVs}
    fixed = graph_replace(output, places, strict=False)
    compiled = pytensor.function(list(places.values()), fixed, mode="JAX", on_unused_input="ignore")
    return np.asarray(compiled(*(values[v.name] for v in places)))


def random_values(model, seed=1):
    rng = np.random.default_rng(seed)
    return {v.name: rng.normal(size=v.type.shape) for v in model.free_RVs}


# Names, dims, coords ----------------------------------------------------------------------------


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


# The output -------------------------------------------------------------------------------------


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


# Inputs -----------------------------------------------------------------------------------------


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


# Sharing ----------------------------------------------------------------------------------------


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


# Start values -----------------------------------------------------------------------------------


def test_start_values_have_the_fan_in_scale():
    network = networks.convnet((8, 8, 3), 10, filters=60, kernel_size=5, pool=4, dense=80)
    start = make_model(network, np.zeros((2, 8, 8, 3))).initial_point()
    for name, fan_in in {"conv1_W": 75, "dense1_W": 60, "dense2_W": 80}.items():
        n = start[name].size
        deviation = start[name] * np.sqrt(fan_in)
        assert np.mean(deviation) == pytest.approx(0, abs=4 / np.sqrt(n))
        assert np.var(deviation) == pytest.approx(1, abs=4 * np.sqrt(2 / n))
        assert len(np.unique(start[name])) == n
    assert not start["dense1_b"].any()


def test_layer_norm_starts_at_the_identity():
    start = make_model(LayerNorm("n", n_in=4), TABLE).initial_point()
    assert np.array_equal(start["n_scale"], np.ones(4))
    assert np.array_equal(start["n_loc"], np.zeros(4))


def test_start_values_follow_the_seed():
    def start(seed, name="a"):
        model = make_model(networks.mlp((4, 3, 2)), TABLE, name=name, random_seed=seed)
        return model.initial_point()[f"{name}_dense1_W"]

    assert np.array_equal(start(3), start(3))
    assert not np.array_equal(start(3), start(4))
    assert not np.array_equal(start(3, "a"), start(3, "b"))
    generators = [np.random.default_rng(5) for _ in range(2)]
    assert np.array_equal(start(generators[0]), start(generators[1]))
    assert not np.array_equal(start(generators[0]), start(5))


# Priors -----------------------------------------------------------------------------------------


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


# Errors -----------------------------------------------------------------------------------------


def test_outside_a_model():
    with pytest.raises(TypeError, match="`bayesian` must be called inside a model"):
        bayesian(networks.mlp((4, 2)), TABLE)


class Unsized:
    """A network of no parameters."""

    def __call__(self, x):
        return x.sum(axis=-1)


def noisy(x):
    rng = shared_rng(np.random.default_rng(1), name="noise/rng")
    return x + pt.random.normal(size=x.shape, rng=rng, return_next_rng=True)[1]


@pytest.mark.parametrize(
    ("network", "x", "error", "message"),
    [
        (
            Sequential(Linear("a", n_in=4, n_out=3), BatchNorm("norm", n_in=3)),
            TABLE,
            ValueError,
            r"`network` must have no layer with running state.*'norm'.*LayerNorm or GroupNorm",
        ),
        (
            Sequential(Linear("a", n_in=4, n_out=3), Dropout("drop", p=1.0)),
            TABLE,
            ValueError,
            r"`network` must have dropout with p below 1, got p=1.0 in layer 'drop'",
        ),
        (
            Sequential(Linear("a", n_in=4, n_out=3), noisy),
            TABLE,
            ValueError,
            r"`network` must have no randomness of its own but Dropout, got layer 'noise'",
        ),
        (Unsized(), TABLE, ValueError, r"`network` must have trainable parameters"),
        (
            lambda x: x @ trainable(np.zeros((4, 2))),
            TABLE,
            ValueError,
            r"`network` must have named parameters, got one without, of shape \(4, 2\)",
        ),
        (lambda x: [x], TABLE, TypeError, r"`network` must return one tensor, got list"),
        ("mlp", TABLE, TypeError, r"`network` must be a function from a tensor"),
        (Linear, TABLE, TypeError, r"`network` must be a function from a tensor"),
        (
            Sequential(Linear("a", n_in=5, n_out=3)),
            TABLE,
            ValueError,
            r"`x` must have a shape that the network takes, got shape \(\?, 4\), on which",
        ),
        (
            Sequential(Linear("a", n_in=6, n_out=3)),
            TABLE[:, 0],
            ValueError,
            r"`x` must reach layer 'a' with shape \(n, 6\), got shape \(\?,\)",
        ),
        (
            networks.convnet((8, 8, 1), 2, filters=1, kernel_size=3, dense=None),
            IMAGES[..., 0],
            ValueError,
            r"`x` must have shape \(n, 8, 8, 1\), got shape \(\?, 8, 8\)",
        ),
        (networks.mlp((5, 2)), TABLE, ValueError, r"`x` must have shape \(n, 5\)"),
        (networks.mlp((4, 2)), TABLE[:0], ValueError, r"`x` must hold at least one row"),
        (
            networks.mlp((4, 2)),
            np.full((2, 4), np.inf),
            ValueError,
            r"`x` must hold finite numbers only, got 8 NaN or infinite values",
        ),
        (
            lambda x: Linear("a_1", n_in=4, n_out=4)(
                Linear("a", n_in=4, n_out=4)(Linear("a", n_in=4, n_out=4)(x))
            ),
            TABLE,
            ValueError,
            r"`network` must have parameters with names of their own, got 'a_1_W' twice",
        ),
    ],
)
def test_bad_networks_and_data(network, x, error, message):
    with pm.Model() as model:
        data = pm.Data("x", x)
        with pytest.raises(error, match=message):
            bayesian(network, data)
    assert model.free_RVs == []


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"x": np.array(["a"])}, TypeError, "`x` must hold numbers, got ndarray"),
        ({"x": None}, TypeError, "`x` must hold numbers, got NoneType"),
        (
            {"x": np.ones((2, 4)) * 1j},
            TypeError,
            "`x` must hold real numbers, got ndarray of dtype complex128",
        ),
        (
            {"x": pytensor.shared(np.ones((2, 4)) * 1j)},
            TypeError,
            "`x` must be a tensor of real numbers, got a variable of Matrix.complex128",
        ),
        ({"x": 3.0}, ValueError, "`x` must have one row per example, got a scalar"),
        ({"x": np.full((2, 4), np.nan)}, ValueError, "`x` must hold finite numbers"),
        ({"x": TABLE[:0]}, ValueError, "`x` must hold at least one row"),
        ({"prior": 1.0}, TypeError, "`prior` must be a prior"),
        ({"prior": {"conv*": Normal()}}, ValueError, "`prior` must have a pattern for every"),
        ({"name": ""}, ValueError, "`name` must be a non-empty string"),
        ({"name": "a::b"}, ValueError, "`name` must be a non-empty string without '::'"),
        ({"name": 3}, TypeError, "`name` must be a non-empty string"),
        ({"random_seed": -1}, ValueError, "`random_seed` must be an integer in 0…"),
        ({"random_seed": "a"}, TypeError, "`random_seed` must be an integer"),
    ],
)
def test_bad_arguments(settings, error, message):
    with pm.Model() as model, pytest.raises(error, match=message):
        bayesian(networks.mlp((4, 2)), **{"x": TABLE, **settings})
    assert model.free_RVs == []
