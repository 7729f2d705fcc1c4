"""Convolution and pooling in the forms that CPUs are fast at: values, gradients, and where not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor_ml.layers import AvgPool2D, Conv2D, MaxPool1D, MaxPool2D
from pytensor_ml.layers.conv import ConvLayer
from scipy.signal import correlate

from pymc_bnn.graphs.substitute import substitute
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.runtime.precision import precision

RNG = np.random.default_rng(0)


def convolution(shape, kernel, bias=False, stride=1, dilation=1, gradient=True):
    """Lift a convolution of (rows, *shape) with a kernel; return it, its arguments, its program."""
    x = pt.tensor("x", shape=(None, *shape), dtype="float64")
    k = pt.tensor("k", shape=kernel, dtype="float64")
    b = [pt.tensor("b", shape=kernel[-1:], dtype="float64")] if bias else []
    sides = len(kernel) - 2
    layer = ConvLayer(kernel[:sides], (stride,) * sides, (dilation,) * sides)
    f = jaxify([x, k, *b], [layer(x, k, *b)], "float64", gradient)
    arguments = [RNG.normal(size=s) for s in ((3, *shape), kernel, *([kernel[-1:]] * bias))]
    return f, arguments, str(jax.make_jaxpr(f)(*arguments))


def brute_convolution(x, kernel, bias=0.0):
    """Correlate image by image and channel by channel with SciPy."""
    out = [
        sum(
            correlate(image[..., c], kernel[..., c, o], mode="valid", method="direct")
            for c in range(image.shape[-1])
        )
        for image in x
        for o in range(kernel.shape[-1])
    ]
    out = np.reshape(out, (len(x), kernel.shape[-1], *out[0].shape))
    return np.moveaxis(out, 1, -1) + bias


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("shape", "kernel"),
    [
        ((12, 12, 1), (5, 5, 1, 4)),  # 8 columns: blocks of 4
        ((6, 7, 3), (2, 3, 3, 2)),  # 5
        ((6, 11, 8), (3, 3, 8, 1)),  # 3
        ((1, 14, 2), (1, 1, 2, 3)),  # 7, one row
        ((9, 8, 1), (9, 1, 1, 2)),  # as high as the image
    ],
)
def test_few_channels_are_a_product(shape, kernel, bias):
    with precision("float64"):
        f, arguments, program = convolution(shape, kernel, bias)
        [out] = jax.jit(f)(*arguments)
    assert "conv_general_dilated" not in program
    np.testing.assert_allclose(out, brute_convolution(*arguments), atol=1e-12)


def test_gradients_of_the_product():
    with precision("float64"):
        f, (x, k, b), _ = convolution((10, 9, 2), (3, 2, 2, 4), bias=True)
        weights = RNG.normal(size=(3, 8, 8, 4))
        found = jax.grad(lambda *a: (weights * f(*a)[0]).sum(), argnums=(0, 1, 2))(x, k, b)

        def native(x, k, b):
            names = ("NHWC", "HWIO", "NHWC")
            y = jax.lax.conv_general_dilated(x, k, (1, 1), "VALID", dimension_numbers=names)
            return (weights * (y + b)).sum()

        expected = jax.grad(native, argnums=(0, 1, 2))(x, k, b)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-11)


@pytest.mark.parametrize(
    ("shape", "kernel", "settings"),
    [
        ((12, 12, 9), (5, 5, 9, 4), {}),  # too many channels
        ((12, 15, 1), (5, 5, 1, 4), {}),  # 11 columns
        ((12, 12, 1), (5, 5, 1, 4), {"stride": 2}),
        ((12, 12, 1), (3, 3, 1, 4), {"dilation": 2}),
        ((12, 1), (5, 1, 4), {}),  # of sequences
    ],
)
def test_others_stay_convolutions(shape, kernel, settings):
    with precision("float64"):
        assert "conv_general_dilated" in convolution(shape, kernel, **settings)[2]


@pytest.mark.parametrize(
    ("channels", "out_channels", "product"), [(2, 16, True), (3, 16, False), (1, 17, False)]
)
def test_without_gradient_only_the_narrowest_are_a_product(channels, out_channels, product):
    with precision("float64"):
        kernel = (5, 5, channels, out_channels)
        f, arguments, program = convolution((12, 12, channels), kernel, gradient=False)
        [out] = jax.jit(f)(*arguments)
        assert "conv_general_dilated" not in convolution((12, 12, channels), kernel)[2]
    assert ("conv_general_dilated" not in program) == product
    np.testing.assert_allclose(out, brute_convolution(*arguments), atol=1e-12)


def test_padded_convolution_of_two_precisions(capfd):
    x = pt.tensor("x", shape=(None, 6, 6, 9), dtype="float32")
    layer = Conv2D("c", in_channels=9, out_channels=2, kernel_size=3, padding="same", bias=False)
    kernel, value = RNG.normal(size=(3, 3, 9, 2)), RNG.normal(size=(2, 6, 6, 9)).astype("float32")
    [out] = substitute([layer(x)], {layer.W: pt.constant(kernel)})
    assert out.dtype == "float64"
    with precision("float64"):
        [found] = jax.jit(jaxify([x], [out], "float64"))(value)
    framed = np.pad(value.astype(float), [(0, 0), (1, 1), (1, 1), (0, 0)])
    np.testing.assert_allclose(found, brute_convolution(framed, kernel), atol=1e-12)
    assert found.dtype == "float64"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", ["same", (1, 3)])
def test_convolutions_pad_themselves(padding, stride):
    x = pt.tensor("x", shape=(None, 9, 11, 9), dtype="float64")
    settings = {"kernel_size": (3, 5), "stride": stride, "padding": padding}
    layer = Conv2D("c", in_channels=9, out_channels=4, **settings)
    kernel, bias = RNG.normal(size=(3, 5, 9, 4)), RNG.normal(size=4)
    given = {layer.W: pt.constant(kernel), layer.b: pt.constant(bias)}
    [out] = substitute([layer(x)], given)
    value, before = RNG.normal(size=(2, 9, 11, 9)), layer.padding
    with precision("float64"):
        f = jaxify([x], [out], "float64")
        program = str(jax.make_jaxpr(f)(value))
        [found] = jax.jit(f)(value)
    framed = np.pad(value, [(0, 0), *before, (0, 0)])
    expected = brute_convolution(framed, kernel, bias)[:, ::stride, ::stride]
    np.testing.assert_allclose(found, expected, atol=1e-11)
    assert f"padding={tuple(before)}" in program.replace("\n", "")
    assert " pad[" not in program


def test_other_frames_stay():
    x = pt.tensor("x", shape=(None, 8, 8, 9), dtype="float64")
    layer = Conv2D(
        "c", in_channels=9, out_channels=2, kernel_size=3, padding="same", padding_mode="edge"
    )
    [out] = substitute([layer(x)], {p: pt.constant(p.get_value()) for p in (layer.W, layer.b)})
    with precision("float64"):
        program = str(jax.make_jaxpr(jaxify([x], [out], "float64"))(np.ones((2, 8, 8, 9))))
    assert "padding=((0, 0), (0, 0))" in program


def test_accelerators_keep_their_convolutions(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    with precision("float64"):
        assert "conv_general_dilated" in convolution((12, 12, 1), (5, 5, 1, 4))[2]


def brute_pool(x, size, stride, reduce):
    """Pool (n, h, w, c) by loops."""
    height = (x.shape[1] - size[0]) // stride[0] + 1
    width = (x.shape[2] - size[1]) // stride[1] + 1
    out = np.zeros((x.shape[0], height, width, x.shape[3]))
    for i in range(height):
        for j in range(width):
            rows = slice(i * stride[0], i * stride[0] + size[0])
            columns = slice(j * stride[1], j * stride[1] + size[1])
            out[:, i, j] = reduce(x[:, rows, columns], axis=(1, 2))
    return out


@pytest.mark.parametrize("height", [6, 7])
@pytest.mark.parametrize(("size", "stride"), [((2, 2), (2, 2)), ((3, 2), (3, 2)), ((2, 2), (1, 1))])
@pytest.mark.parametrize("layer", [MaxPool2D, AvgPool2D])
def test_pooling(layer, size, stride, height):
    x = pt.tensor("x", shape=(None, height, 5, 3), dtype="float64")
    f = jaxify([x], [layer(kernel_size=size, stride=stride)(x)], "float64")
    value = RNG.normal(size=(4, height, 5, 3))
    with precision("float64"):
        out = jax.jit(f)(value)[0]
        jaxpr = str(jax.make_jaxpr(f)(value))
    expected = brute_pool(value, size, stride, np.max if layer is MaxPool2D else np.mean)
    np.testing.assert_allclose(out, expected, rtol=1e-10)
    assert ("reduce_window" in jaxpr) == (size != stride)


def test_pooling_of_sequences_and_its_gradient():
    x = pt.tensor("x", shape=(None, 6, 2), dtype="float64")
    f = jaxify([x], [MaxPool1D(kernel_size=3)(x)], "float64")
    value = RNG.normal(size=(2, 6, 2))
    with precision("float64"):
        gradient = jax.grad(lambda v: (f(v)[0] * jnp.arange(8.0).reshape(2, 2, 2)).sum())(value)
    blocks = value.reshape(2, 2, 3, 2)
    weights = np.arange(8.0).reshape(2, 2, 1, 2)
    expected = np.where(blocks == blocks.max(axis=2, keepdims=True), weights, 0.0)
    np.testing.assert_allclose(gradient, expected.reshape(2, 6, 2))
