"""The builders' networks against NumPy, SciPy and JAX."""

import pickle

import jax
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor_ml.layers import Conv2D, Dropout, Linear, MaxPool2D
from pytensor_ml.pytensorf import collect_trainable_params
from scipy.signal import correlate2d

from pymc_bnn import networks
from pymc_bnn.graphs.interpreted import INTERPRETED

REFERENCES = {
    "elu": jax.nn.elu,
    "gelu": jax.nn.gelu,
    "identity": lambda x: x,
    "leaky_relu": jax.nn.leaky_relu,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "swish": jax.nn.silu,
    "tanh": np.tanh,
}


def evaluate(network, x):
    """Return the network's output, compiled with the sizes of all axes but the first known."""
    given = pt.tensor("x", shape=(None, *x.shape[1:]), dtype=x.dtype)
    return pytensor.function([given], network(given), mode="JAX")(x)


def randomise(network, x, seed=0):
    """Give every parameter, biases included, random values; return them by name."""
    rng = np.random.default_rng(seed)
    parameters = collect_trainable_params(network(x))
    for parameter in parameters:
        parameter.set_value(rng.normal(size=parameter.type.shape).astype(parameter.type.dtype))
    return {parameter.name: parameter.get_value() for parameter in parameters}


def reference(weights, x, activation, padding="valid", pools=()):
    """Convolve by SciPy, then activate, then pool by a brute loop; then the dense layers."""
    for number, pool in enumerate(pools, start=1):
        kernel = weights[f"conv{number}_W"]
        maps = []
        for image in x:
            channels = [
                sum(
                    correlate2d(image[:, :, c], kernel[:, :, c, o], mode=padding)
                    for c in range(kernel.shape[2])
                )
                for o in range(kernel.shape[3])
            ]
            maps.append(np.stack(channels, axis=-1))
        x = np.asarray(activation(np.stack(maps) + weights.get(f"conv{number}_b", 0.0)))
        rows, columns = x.shape[1] // pool, x.shape[2] // pool
        pooled = np.empty((len(x), rows, columns, x.shape[3]))
        for i in range(rows):
            for j in range(columns):
                window = x[:, i * pool : (i + 1) * pool, j * pool : (j + 1) * pool]
                pooled[:, i, j] = window.max(axis=(1, 2))
        x = pooled
    x = x.reshape(len(x), -1)
    n_dense = sum(name.startswith("dense") and name.endswith("_W") for name in weights)
    for number in range(1, n_dense + 1):
        x = x @ weights[f"dense{number}_W"] + weights[f"dense{number}_b"]
        if number < n_dense:
            x = np.asarray(activation(x))
    return x


@pytest.mark.parametrize("name", REFERENCES)
def test_mlp_equals_numpy(name):
    network = networks.mlp((6, 5, 4, 3), activation=name)
    x = np.random.default_rng(1).normal(size=(7, 6))
    weights = randomise(network, x)
    assert evaluate(network, x) == pytest.approx(
        reference(weights, x, REFERENCES[name]), rel=1e-5, abs=1e-6
    )


def test_mlp_flattens_images_row_by_row():
    network = networks.mlp((12, 4, 2))
    x = np.random.default_rng(1).normal(size=(5, 2, 3, 2))
    weights = randomise(network, x)
    expected = np.tanh(x.reshape(5, 12) @ weights["dense1_W"] + weights["dense1_b"])
    expected = expected @ weights["dense2_W"] + weights["dense2_b"]
    assert evaluate(network, x) == pytest.approx(expected, rel=1e-6)
    assert network(pt.tensor4("x")).type.shape == (None, 2)


def test_mlp_of_two_sizes_is_linear():
    network = networks.mlp((3, 2), activation="relu")
    x = np.random.default_rng(1).normal(size=(4, 3))
    weights = randomise(network, x)
    assert sorted(weights) == ["dense1_W", "dense1_b"]
    expected = x @ weights["dense1_W"] + weights["dense1_b"]
    assert evaluate(network, x) == pytest.approx(expected)


@pytest.mark.parametrize("activation", ["tanh", "leaky_relu", "gelu", "silu"])
@pytest.mark.parametrize(
    ("padding", "conv_bias", "kernel_size", "pool"),
    [("valid", False, 3, 2), ("same", True, 3, 2), ("same", True, (2, 3), (3, 1))],
)
def test_convnet_equals_scipy(activation, padding, conv_bias, kernel_size, pool):
    network = networks.convnet(
        (12, 13, 2),
        3,
        filters=(4, 2),
        kernel_size=kernel_size,
        padding=padding,
        dense=5,
        activation=activation,
        conv_bias=conv_bias,
        pool=pool,
    )
    x = np.random.default_rng(2).normal(size=(3, 12, 13, 2))
    weights = randomise(network, x)
    assert ("conv1_b" in weights) is conv_bias
    pools = (pool, pool) if isinstance(pool, int) else pool
    if kernel_size == 3:
        expected = reference(weights, x, REFERENCES[activation], padding, pools)
    else:  # an even kernel: "same" pads after rather than before, as XLA does
        expected = xla_reference(weights, x, REFERENCES[activation], pools)
    assert evaluate(network, x) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def xla_reference(weights, x, activation, pools):
    for number, pool in enumerate(pools, start=1):
        x = jax.lax.conv_general_dilated(
            x,
            weights[f"conv{number}_W"],
            (1, 1),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        x = activation(x + weights[f"conv{number}_b"])
        window = (1, pool, pool, 1)
        x = jax.lax.reduce_window(x, -np.inf, jax.lax.max, window, window, "VALID")
    return reference({k: v for k, v in weights.items() if k[:4] != "conv"}, x, activation)


def test_lenet5_equals_scipy():
    network = networks.lenet5((8, 8, 1), n_classes=3)
    x = np.random.default_rng(2).normal(size=(2, 8, 8, 1))
    weights = randomise(network, x)
    expected = reference(weights, x, REFERENCES["relu"], "same", (2, 2, 1))
    assert evaluate(network, x) == pytest.approx(expected, rel=1e-6)


def test_lenet5_on_mnist_has_the_published_shapes():
    shapes = {
        parameter.name: parameter.type.shape
        for parameter in collect_trainable_params(networks.lenet5()(pt.tensor4("x")))
    }
    assert shapes == {
        "conv1_W": (5, 5, 1, 6),
        "conv1_b": (6,),
        "conv2_W": (5, 5, 6, 16),
        "conv2_b": (16,),
        "conv3_W": (5, 5, 16, 120),
        "conv3_b": (120,),
        "dense1_W": (7 * 7 * 120, 84),
        "dense1_b": (84,),
        "dense2_W": (84, 10),
        "dense2_b": (10,),
    }


def test_convnet_defaults_are_the_mnist_network_of_pymc3_and_lasagne():
    network = networks.convnet((28, 28, 1), 10)
    shapes = {
        parameter.name: parameter.type.shape
        for parameter in collect_trainable_params(network(pt.tensor4("x")))
    }
    assert shapes == {
        "conv1_W": (5, 5, 1, 32),
        "conv2_W": (5, 5, 32, 32),
        "dense1_W": (4 * 4 * 32, 256),
        "dense1_b": (256,),
        "dense2_W": (256, 10),
        "dense2_b": (10,),
    }


@pytest.mark.parametrize(
    ("dense", "sizes"),
    [(None, [(9, 2)]), ((), [(9, 2)]), (5, [(9, 5), (5, 2)]), ((5, 4), [(9, 5), (5, 4), (4, 2)])],
)
def test_dense_layers_of_a_convnet(dense, sizes):
    network = networks.convnet((8, 8, 1), 2, filters=1, kernel_size=3, dense=dense)
    layers = [layer for layer in network.layers if isinstance(layer, Linear)]
    assert [(layer.n_in, layer.n_out) for layer in layers] == sizes
    assert [layer.name for layer in layers] == [f"dense{i + 1}" for i in range(len(sizes))]


@pytest.mark.parametrize(
    ("activation", "pool_first"), [("tanh", True), ("relu", True), ("gelu", False), (pt.sin, False)]
)
def test_pooling_precedes_an_activation_known_to_increase(activation, pool_first):
    network = networks.convnet(
        (8, 8, 1), 2, filters=1, kernel_size=3, dense=None, activation=activation
    )
    kinds = [type(layer) for layer in network.layers]
    assert kinds.index(Conv2D) == 0
    assert (kinds.index(MaxPool2D) == 1) is pool_first


def test_a_pool_of_one_pixel_is_left_out():
    network = networks.convnet((8, 8, 1), 2, filters=1, kernel_size=3, dense=None, pool=1)
    assert not any(isinstance(layer, MaxPool2D) for layer in network.layers)


def test_a_callable_that_does_not_increase_is_applied_before_pooling():
    network = networks.convnet(
        (6, 6, 1), 2, filters=2, kernel_size=3, dense=None, activation=lambda x: -x
    )
    x = np.random.default_rng(3).normal(size=(2, 6, 6, 1))
    weights = randomise(network, x)
    expected = reference(weights, x, np.negative, pools=(2,))
    assert evaluate(network, x) == pytest.approx(expected, rel=1e-6)


def test_integers_are_cast_and_not_scaled():
    network = networks.mlp((4, 3, 2))
    x = np.arange(12, dtype="uint8").reshape(3, 4)
    weights = randomise(network, x)
    expected = reference(weights, x.astype(float), np.tanh)
    assert evaluate(network, x) == pytest.approx(expected, rel=1e-6)


def test_two_calls_share_the_parameters():
    network = networks.mlp((4, 3, 2))
    both = network(pt.matrix("a")) + network(pt.matrix("b"))
    assert len(collect_trainable_params(both)) == 4


@pytest.mark.parametrize(
    ("dropout", "expected"),
    [(0.0, []), (0.5, ["d1", 0.5, "d2", 0.5, "d3"]), ((0.2, 0, 0.4), [0.2, "d1", "d2", 0.4, "d3"])],
)
@pytest.mark.parametrize("kind", ["mlp", "convnet"])
def test_dropout_is_before_dense_layers(kind, dropout, expected):
    if kind == "mlp":
        network = networks.mlp((4, 3, 3, 2), dropout=dropout)
    else:
        network = networks.convnet((8, 8, 1), 2, 1, 3, dense=(3, 3), dropout=dropout)
    kinds = [layer for layer in network.layers if isinstance(layer, (Linear, Dropout))]
    found = [k.p if isinstance(k, Dropout) else f"d{k.name[-1]}" for k in kinds]
    assert found == (expected or ["d1", "d2", "d3"])
    names = [k.name for k in kinds if isinstance(k, Dropout)]
    assert len(set(names)) == len(names)
    dropped = [i for i, layer in enumerate(network.layers) if isinstance(layer, Dropout)]
    assert all(isinstance(network.layers[i + 1], Linear) for i in dropped)


def test_dropout_zeroes_a_share_and_keeps_the_mean():
    network = networks.mlp((50, 40, 1), activation="identity", dropout=(0.2, 0.0))
    x = np.ones((400, 50))
    hidden = network.layers[0](pt.constant(x))
    values = pytensor.function([], hidden, mode=INTERPRETED)()
    assert np.mean(values == 0) == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / values.size))
    assert values[values > 0] == pytest.approx(1.25)
    assert "dropout 0.2" in repr(network)
    assert len(pickle.loads(pickle.dumps(network)).layers) == len(network.layers)


def test_pickle_keeps_the_output():
    network = networks.convnet((8, 8, 1), 2, filters=2, kernel_size=3, activation="elu")
    x = np.random.default_rng(0).normal(size=(3, 8, 8, 1))
    copy = pickle.loads(pickle.dumps(network))
    assert evaluate(copy, x) == pytest.approx(evaluate(network, x))


def test_the_repr_names_every_layer():
    assert repr(networks.mlp((4, 3, 2), activation=pt.sin)) == (
        "Network((4,) → dense1 4→3 → Sin → dense2 3→2)"
    )
    assert repr(networks.mlp((4, 3, 2), activation=REFERENCES["identity"])) == (
        "Network((4,) → dense1 4→3 → <lambda> → dense2 3→2)"
    )


def test_sizes_left_open_are_checked_when_data_arrive():
    network = networks.mlp((4, 2))
    x = pt.matrix("x")
    run = pytensor.function([x], network(x), mode="JAX")
    assert run(np.zeros((3, 4))).shape == (3, 2)
    with pytest.raises((AssertionError, TypeError, ValueError)):
        run(np.zeros((3, 5)))


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        ("convnet", (5, 8, 8), r"`x` must have shape \(n, 8, 8, 1\), got .*add the channel axis"),
        ("convnet", (5, 64), r"reshape it with x\.reshape\(-1, 8, 8, 1\)"),
        ("convnet", (5, 9, 8, 1), r"got shape \(5, 9, 8, 1\)"),
        ("convnet", (5, 8, 8, 3), r"must have shape \(n, 8, 8, 1\)"),
        ("mlp", (5, 63), r"`x` must have shape \(n, 64\), or more axes.*got shape \(5, 63\)"),
        ("mlp", (5, 8, 9), r"got shape \(5, 8, 9\)"),
        ("mlp", (64,), r"got shape \(64,\)"),
        ("narrow", (64,), r"add the feature axis, as in x\[:, None\]"),
    ],
)
def test_images_of_the_wrong_shape(network, shape, message):
    network = {
        "convnet": lambda: networks.convnet((8, 8, 1), 2, filters=2, kernel_size=3, dense=None),
        "mlp": lambda: networks.mlp((64, 2)),
        "narrow": lambda: networks.mlp((1, 2)),
    }[network]()
    with pytest.raises(ValueError, match=message):
        network(np.zeros(shape))


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: networks.mlp((4,)), ValueError, "`sizes` must hold at least the sizes"),
        (lambda: networks.mlp(4), ValueError, "`sizes` must hold at least the sizes"),
        (lambda: networks.mlp((4, 0, 2)), ValueError, "`sizes` must .* got 0"),
        (lambda: networks.mlp((4, 2.5)), TypeError, "`sizes` must .* got 2.5"),
        (lambda: networks.mlp((4, 2), "tan"), ValueError, "'relu', .*'tanh', .*got 'tan'"),
        (lambda: networks.mlp((4, 2), 3), TypeError, "`activation` must be a name or a function"),
        (lambda: networks.mlp((4, 2), None), TypeError, "`activation` must be a name or a"),
        (lambda: networks.convnet((8, 8), 2), ValueError, r"`input_shape` must be \(height, w"),
        (lambda: networks.convnet((8, 8, -1), 2), ValueError, "`input_shape` must .* got -1"),
        (lambda: networks.convnet((8, 8, 1), 0), ValueError, "`n_classes` must .* got 0"),
        (lambda: networks.convnet((28, 28, 1), 2, ()), ValueError, "`filters` must name at least"),
        (lambda: networks.convnet((28, 28, 1), 2, (4, 0)), ValueError, "`filters` must .* got 0"),
        (lambda: networks.convnet((28, 28, 1), 2, "ab"), TypeError, "`filters` must .* got 'ab'"),
        (
            lambda: networks.convnet((28, 28, 1), 2, (4, 4), kernel_size=(3, 3, 3)),
            ValueError,
            "`kernel_size` must hold 2 numbers, one per convolution",
        ),
        (
            lambda: networks.convnet((8, 8, 1), 2, 4, kernel_size=9),
            ValueError,
            "`kernel_size` must be at most 8 at conv1, which sees 8×8 pixels, got 9",
        ),
        (
            lambda: networks.convnet((8, 8, 1), 2),
            ValueError,
            "`kernel_size` must be at most 2 at conv2, which sees 2×2 pixels",
        ),
        (
            lambda: networks.convnet((8, 8, 1), 2, (4, 4), kernel_size=3),
            ValueError,
            "`pool` must be at most 1 at conv2, which sees 1×1 pixels, got 2; .*padding='same'",
        ),
        (
            lambda: networks.convnet((28, 28, 1), 2, padding="full"),
            ValueError,
            "`padding` must be 'valid' or 'same', got 'full'",
        ),
        (lambda: networks.convnet((28, 28, 1), 2, dense=0), ValueError, "`dense` must .* got 0"),
        (lambda: networks.convnet((28, 28, 1), 2, pool=0), ValueError, "`pool` must .* got 0"),
        (lambda: networks.mlp((4, 2), dropout=1.0), ValueError, "`dropout` must be a probability"),
        (lambda: networks.mlp((4, 2), dropout=-0.1), ValueError, "`dropout` must .* got -0.1"),
        (lambda: networks.mlp((4, 2), dropout="a"), TypeError, "`dropout` must .* got 'a'"),
        (lambda: networks.mlp((4, 2), dropout=[True]), TypeError, "`dropout` must .* got True"),
        (
            lambda: networks.mlp((4, 3, 2), dropout=(0.5,)),
            ValueError,
            r"`dropout` must hold 2 probabilities, .* got \(0.5,\); pass one number, or one for ea",
        ),
        (
            lambda: networks.convnet((28, 28, 1), 2, dense=None, dropout=(0.5, 0.5)),
            ValueError,
            "`dropout` must hold 1 probabilities",
        ),
        (lambda: networks.lenet5((3, 3, 1)), ValueError, "`pool` must be at most 1 at conv2"),
    ],
)
def test_bad_arguments(build, error, message):
    with pytest.raises(error, match=message):
        build()
