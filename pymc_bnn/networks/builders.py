"""Builders that assemble pytensor-ml layers: nothing Bayesian yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor import config
from pytensor.graph.op import Op
from pytensor.tensor.variable import TensorVariable
from pytensor_ml.activations import GELU, LeakyReLU, ReLU, Sigmoid, SoftPlus, Swish, Tanh
from pytensor_ml.layers import Conv2D, Dropout, Flatten, Linear, MaxPool2D

from pymc_bnn._checks import check_int, invalid

__all__ = ["Network", "convnet", "lenet5", "mlp"]

Activation = str | Callable[[TensorVariable], TensorVariable]


class _ELU:
    """x where positive, exp(x) − 1 elsewhere."""

    def __call__(self, x: TensorVariable) -> TensorVariable:
        return pt.switch(x > 0, x, pt.expm1(pt.minimum(x, 0)))


class _Identity:
    """The input unchanged."""

    def __call__(self, x: TensorVariable) -> TensorVariable:
        return x


# Name: the class of the activation, and whether it increases throughout, so that it commutes with
# taking a maximum.
_ACTIVATIONS: dict[str, tuple[type, bool]] = {
    "elu": (_ELU, True),
    "gelu": (GELU, False),
    "identity": (_Identity, True),
    "leaky_relu": (LeakyReLU, True),
    "relu": (ReLU, True),
    "sigmoid": (Sigmoid, True),
    "silu": (Swish, False),
    "softplus": (SoftPlus, True),
    "swish": (Swish, False),
    "tanh": (Tanh, True),
}


@dataclass(frozen=True, eq=False, repr=False)
class Network:
    """Layers in a row: calling the network on a tensor builds its output's graph.

    What :func:`mlp`, :func:`convnet` and :func:`lenet5` return. The layers are pytensor-ml's, so
    the parameters are its ``TrainableParameter`` shared variables; :func:`pymc_bnn.bayesian` turns
    them into random variables. Two calls share the parameters.

    Parameters
    ----------
    input_shape : tuple of int or None
        Shape of one example, without the batch axis; None where any size will do.
    layers : tuple of callables
        Each takes a tensor whose first axis is the batch, and returns one.
    labels : tuple of str
        One word or two per layer, for the repr.
    flatten : bool, optional
        Whether inputs with more axes than ``(batch, features)`` are flattened first. Default False.

    Raises
    ------
    ValueError
        On a call with an input whose number of axes or static shape does not fit.

    Examples
    --------
    >>> network = mlp((64, 16, 10))
    >>> network.input_shape
    (64,)
    >>> network(pt.matrix("x")).type.shape
    (None, 10)
    """

    input_shape: tuple[int | None, ...]
    layers: tuple[Callable[[TensorVariable], TensorVariable], ...]
    labels: tuple[str, ...]
    flatten: bool = False

    def __repr__(self) -> str:
        return f"Network({_shape(self.input_shape)} → {' → '.join(self.labels)})"

    def __call__(self, x: Any) -> TensorVariable:
        """Build the graph of the output for `x`, of shape (batch, …).

        Integers and booleans are cast to floatX, without scaling. Sizes that `x` leaves open are
        fixed to the network's own.
        """
        x = pt.as_tensor_variable(x)
        if x.type.dtype not in {"float16", "float32", "float64"}:
            x = pt.cast(x, config.floatX)
        for layer in (self._fit, *self.layers):
            x = layer(x)
        return x

    def _fit(self, x: TensorVariable) -> TensorVariable:
        """Check x against the input shape, flatten it where asked, and fix its open sizes."""
        given, wanted = x.type.shape, (None, *self.input_shape)
        if self.flatten and x.type.ndim > 2:
            known = None not in given[1:]
            if known and self.input_shape[0] not in {None, prod(given[1:])}:
                raise self._misfit(given)
            x = Flatten(x)
            given = (given[0], prod(given[1:]) if known else None)
        if len(given) != len(wanted) or any(
            None not in (a, b) and a != b for a, b in zip(given, wanted, strict=True)
        ):
            raise self._misfit(given)
        if any(a is None and b is not None for a, b in zip(x.type.shape, wanted, strict=True)):
            x = pt.specify_shape(x, wanted)
        return x

    def _misfit(self, given: tuple[int | None, ...]) -> Exception:
        wanted = ("n", *("any" if n is None else n for n in self.input_shape))
        if self.flatten:
            rule = f"have shape {_shape(wanted)}, or more axes with as many values per row"
        else:
            rule = f"have shape {_shape(wanted)}"
        tail, size = given[1:], prod(n or 0 for n in self.input_shape)
        if not self.flatten and (*tail, 1) == self.input_shape:
            repair = "add the channel axis, as in x[..., None]"
        elif not self.flatten and None not in tail and prod(tail) == size and len(tail) == 1:
            repair = f"reshape it with x.reshape(-1, {', '.join(map(str, self.input_shape))})"
        elif self.flatten and len(given) == 1 and size == 1:
            repair = "add the feature axis, as in x[:, None]"
        else:
            repair = "reshape x, or build the network for its shape"
        return invalid("x", rule, f"shape {_shape(given)}", repair)


def mlp(
    sizes: Sequence[int],
    activation: Activation = "tanh",
    dropout: float | Sequence[float] = 0.0,
) -> Network:
    """Return a dense network: linear layers with biases, and an activation between them.

    Inputs with more than two axes, such as images, are flattened.

    Parameters
    ----------
    sizes : sequence of int
        ``(n_in, n_hidden, ..., n_out)``, each at least 1; two or more. ``(64, 10)`` is a linear
        map.
    activation : str or callable, optional
        Applied after every layer but the last: "elu", "gelu", "identity", "leaky_relu", "relu",
        "sigmoid", "silu", "softplus", "swish", "tanh", or a function of a tensor. Default "tanh".
    dropout : float or sequence of float, optional
        Probability, in [0, 1), with which training zeroes each output of a hidden layer after the
        activation; the others are divided by 1 − p. A sequence has one for what each layer gets:
        ``(0.2, 0.5)`` for 0.2 of the inputs and 0.5 of the hidden units of a network with one
        hidden layer. In a Bayesian network see :func:`pymc_bnn.bayesian`. Default 0.0, for none.

    Returns
    -------
    Network
        From (batch, n_in) to (batch, n_out). Its layers are named ``dense1``, ``dense2``, …, with
        parameters ``dense1_W`` (n_in, n_hidden) and ``dense1_b`` (n_hidden,).

    Raises
    ------
    ValueError, TypeError
        If a size is not a positive integer, fewer than two are given, the activation is unknown, or
        `dropout` is not one probability below 1, or one for each layer.

    Examples
    --------
    >>> mlp((784, 800, 800, 10))
    Network((784,) → dense1 784→800 → tanh → dense2 800→800 → tanh → dense3 800→10)
    >>> mlp((784, 800, 10), dropout=(0.2, 0.5))
    Network((784,) → dropout 0.2 → dense1 784→800 → tanh → dropout 0.5 → dense2 800→10)
    >>> mlp((1, 20, 1), activation=pt.sin)(pt.matrix("x")).type.shape
    (None, 1)
    """
    sizes = _ints("sizes", sizes, "pass (n_in, n_hidden, n_out)")
    if len(sizes) < 2:
        repair = "pass (n_in, n_hidden, n_out)"
        raise invalid("sizes", "hold at least the sizes of input and output", sizes, repair)
    activate, label, _ = _activation(activation)
    parts = _dense(sizes, activate, label, _rates(dropout, len(sizes) - 1))
    return _network((sizes[0],), parts, flatten=True)


def convnet(
    input_shape: Sequence[int],
    n_classes: int,
    filters: int | Sequence[int] = (32, 32),
    kernel_size: int | Sequence[int] = 5,
    padding: str = "valid",
    dense: int | Sequence[int] | None = 256,
    activation: Activation = "tanh",
    conv_bias: bool = False,
    pool: int | Sequence[int] = 2,
    dropout: float | Sequence[float] = 0.0,
) -> Network:
    """Return a convolutional classifier: convolutions with max-pooling, then dense layers.

    Each convolution is followed by the activation and by max-pooling over windows that do not
    overlap. The defaults are those of the PyMC3 and Lasagne network for MNIST: two convolutions
    of 32 filters without bias, and 256 dense units.

    Parameters
    ----------
    input_shape : sequence of 3 ints
        (height, width, channels) of one image. Channels come last.
    n_classes : int
        Number of outputs (logits), at least 1.
    filters : int or sequence of int, optional
        Number of filters of each convolution. Default (32, 32).
    kernel_size : int or sequence of int, optional
        Side of the square kernels in pixels, shared or one per convolution. Default 5.
    padding : {"valid", "same"}, optional
        "valid" shrinks each side by kernel_size − 1; "same" keeps it. Default "valid".
    dense : int, sequence of int or None, optional
        Units of the dense layers before the output; None or () for none. Default 256.
    activation : str or callable, optional
        As in :func:`mlp`. Default "tanh".
    conv_bias : bool, optional
        Whether convolutions have a bias. Default False. Dense layers always have one.
    pool : int or sequence of int, optional
        Side of the pooling windows in pixels, shared or one per convolution; 1 for no pooling.
        Rows and columns that fill no window are dropped. Default 2.
    dropout : float or sequence of float, optional
        As in :func:`mlp`, for the dense layers; the first of a sequence is for what the
        convolutions hand on. Default 0.0.

    Returns
    -------
    Network
        From (batch, height, width, channels) to logits (batch, n_classes). Layers are named
        ``conv1``, ``conv2``, … and ``dense1``, ``dense2``, …; kernels ``conv1_W`` have shape
        (kernel_size, kernel_size, channels, filters).

    Raises
    ------
    ValueError, TypeError
        If a size is not a positive integer, a kernel or a pooling window is larger than what
        reaches it, the activation or the padding is unknown, or `dropout` is as in :func:`mlp`.

    Notes
    -----
    An activation that increases throughout commutes with the maximum, so for the names of that
    kind (all but "gelu", "silu" and "swish") pooling comes first: the same output from a
    ``pool²``-th of the activations. A callable is applied before pooling.

    Examples
    --------
    >>> convnet((8, 8, 1), n_classes=10, filters=(4, 8), kernel_size=3, padding="same", dense=16)
    Network((8, 8, 1) → conv1 3×3 1→4 → pool 2×2 → tanh → conv2 3×3 4→8 → pool 2×2 → tanh → flatten
    → dense1 32→16 → tanh → dense2 16→10)
    """
    height, width, channels = _image(input_shape)
    n_classes = check_int("n_classes", n_classes, 1, None, "pass the number of classes")
    filters = _ints("filters", filters, "pass one number of filters per convolution")
    if not filters:
        raise invalid("filters", "name at least one convolution", filters, "use mlp for none")
    kernels = _per_layer("kernel_size", kernel_size, len(filters))
    pools = _per_layer("pool", pool, len(filters))
    if padding not in {"valid", "same"}:
        raise invalid("padding", "be 'valid' or 'same'", repr(padding), "pass padding='same', say")
    hidden = () if dense is None else _ints("dense", dense, "pass 256, (256, 64) or None")
    activate, label, monotone = _activation(activation)
    rates = _rates(dropout, len(hidden) + 1)

    parts: list[tuple[Callable, str]] = []
    layers = enumerate(zip(filters, kernels, pools, strict=True), start=1)
    for number, (n_filters, kernel, window) in layers:
        if padding == "valid":
            _check_covers("kernel_size", kernel, height, width, f"conv{number}", "padding='same'")
            height, width = height - kernel + 1, width - kernel + 1
        _check_covers("pool", window, height, width, f"conv{number}", "padding='same' or pool=1")
        height, width = height // window, width // window
        convolution = Conv2D(
            f"conv{number}",
            in_channels=channels,
            out_channels=n_filters,
            kernel_size=kernel,
            padding=padding,
            bias=bool(conv_bias),
        )
        pooling = (MaxPool2D(f"pool{number}", kernel_size=window), f"pool {window}×{window}")
        after = [(activate, label)] if window == 1 else [pooling, (activate, label)]
        parts.append((convolution, f"conv{number} {kernel}×{kernel} {channels}→{n_filters}"))
        parts += after if monotone else after[::-1]
        channels = n_filters
    parts.append((Flatten, "flatten"))
    parts += _dense((height * width * channels, *hidden, n_classes), activate, label, rates)
    return _network(tuple(int(n) for n in input_shape), parts)


def lenet5(
    input_shape: Sequence[int] = (28, 28, 1), n_classes: int = 10, activation: Activation = "relu"
) -> Network:
    """Return LeNet-5 as it is used on MNIST with TensorFlow Probability.

    Three 5×5 convolutions with biases that keep the image's size, of 6, 16 and 120 filters, with
    2×2 max-pooling after the first two; then 84 dense units.

    Parameters
    ----------
    input_shape : sequence of 3 ints, optional
        (height, width, channels) of one image, at least 4×4. Default (28, 28, 1).
    n_classes : int, optional
        Number of outputs (logits). Default 10.
    activation : str or callable, optional
        As in :func:`mlp`. Default "relu".

    Returns
    -------
    Network
        From (batch, height, width, channels) to logits (batch, n_classes), with layers ``conv1``
        to ``conv3``, ``dense1`` and ``dense2``.

    Raises
    ------
    ValueError, TypeError
        As :func:`convnet`.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, *Gradient-based learning applied to document recognition*,
    Proceedings of the IEEE 86 (1998), section II.B, for the layers' sizes; the original subsamples
    by learned averages and has tanh units.

    Examples
    --------
    >>> lenet5((8, 8, 1))
    Network((8, 8, 1) → conv1 5×5 1→6 → pool 2×2 → relu → conv2 5×5 6→16 → pool 2×2 → relu
    → conv3 5×5 16→120 → relu → flatten → dense1 480→84 → relu → dense2 84→10)
    """
    return convnet(
        input_shape,
        n_classes,
        filters=(6, 16, 120),
        kernel_size=5,
        padding="same",
        dense=84,
        activation=activation,
        conv_bias=True,
        pool=(2, 2, 1),
    )


def _network(
    input_shape: tuple[int, ...], parts: list[tuple[Callable, str]], flatten: bool = False
) -> Network:
    layers, labels = zip(*parts, strict=True)
    return Network(input_shape, layers, labels, flatten)


def _dense(
    sizes: tuple[int, ...], activate: Callable, label: str, rates: tuple[float, ...]
) -> list[tuple[Callable, str]]:
    """Linear layers of the given sizes, with the activation between them, and dropout before."""
    parts: list[tuple[Callable, str]] = []
    for number, ((n_in, n_out), rate) in enumerate(
        zip(pairwise(sizes), rates, strict=True), start=1
    ):
        if parts:
            parts.append((activate, label))
        if rate:
            mask = Dropout(f"dropout{number}", p=rate, random_state=number)
            parts.append((mask, f"dropout {rate:g}"))
        layer = Linear(f"dense{number}", n_in=n_in, n_out=n_out)
        parts.append((layer, f"dense{number} {n_in}→{n_out}"))
    return parts


def _rates(dropout: Any, n_layers: int) -> tuple[float, ...]:
    """Return the dropout of what each of the dense layers gets; a number leaves the first out."""
    repair = f"pass one number, or one for each of the {n_layers} dense layers"
    several = hasattr(dropout, "__iter__") and not isinstance(dropout, str)
    rates = tuple(dropout) if several else (dropout,)
    for rate in rates:
        rule = "be a probability, at least 0 and below 1"
        if isinstance(rate, bool) or not isinstance(rate, (int, float, np.number)):
            raise invalid("dropout", rule, repr(rate), repair, TypeError)
        if not 0 <= rate < 1:
            raise invalid("dropout", rule, rate, repair)
    if not several:
        return (0.0, *(float(dropout),) * (n_layers - 1))
    if len(rates) != n_layers:
        rule = f"hold {n_layers} probabilities, one for what each dense layer gets"
        raise invalid("dropout", rule, rates, repair)
    return tuple(map(float, rates))


def _activation(activation: Activation) -> tuple[Callable, str, bool]:
    """Return the function, its label, and whether it is known to increase throughout."""
    if isinstance(activation, str):
        if activation not in _ACTIVATIONS:
            known = ", ".join(f"'{name}'" for name in _ACTIVATIONS)
            rule = f"be one of {known}, or a function of a tensor"
            raise invalid("activation", rule, repr(activation), "choose one, or pass a function")
        kind, monotone = _ACTIVATIONS[activation]
        return kind(), activation, monotone
    if not callable(activation) or isinstance(activation, type):
        rule, repair = "be a name or a function of a tensor", "pass 'tanh', say"
        raise invalid("activation", rule, repr(activation), repair, TypeError)
    fallback = str(activation) if isinstance(activation, Op) else type(activation).__name__
    return activation, getattr(activation, "__name__", fallback), False


def _ints(argument: str, value: Any, repair: str) -> tuple[int, ...]:
    """Return `value`, an integer or several, as a tuple of positive integers."""
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        value = (value,)
    return tuple(check_int(argument, size, 1, None, repair) for size in value)


def _per_layer(argument: str, value: Any, n_layers: int) -> tuple[int, ...]:
    """Return one positive integer per convolution."""
    repair = f"pass one number, or one for each of the {n_layers} convolutions"
    given = _ints(argument, value, repair)
    if not hasattr(value, "__iter__"):
        return given * n_layers
    if len(given) != n_layers:
        raise invalid(argument, f"hold {n_layers} numbers, one per convolution", given, repair)
    return given


def _image(input_shape: Any) -> tuple[int, int, int]:
    repair = "pass (28, 28, 1) for gray images of 28×28 pixels, say"
    shape = _ints("input_shape", input_shape, repair)
    if len(shape) != 3:
        raise invalid("input_shape", "be (height, width, channels)", shape, repair)
    return shape


def _check_covers(
    argument: str, side: int, height: int, width: int, layer: str, repair: str
) -> None:
    if side > min(height, width):
        rule = f"be at most {min(height, width)} at {layer}, which sees {height}×{width} pixels"
        raise invalid(argument, rule, side, f"make it smaller, use fewer layers, or pass {repair}")


def _shape(shape: Sequence[Any]) -> str:
    """Write a shape as Python does, with ? for what is not known."""
    inner = ", ".join("?" if n is None else str(n) for n in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"
