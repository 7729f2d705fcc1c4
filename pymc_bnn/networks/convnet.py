"""Convolutional classifiers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytensor_ml.layers import Conv2D, Flatten, MaxPool2D

from pymc_bnn._checks import check_int, invalid
from pymc_bnn.networks.activations import Activation, find_activation
from pymc_bnn.networks.arguments import dropout_rates, image_shape, per_layer, positive_ints
from pymc_bnn.networks.mlp import dense_layers
from pymc_bnn.networks.network import Network, in_a_row

__all__ = ["convnet"]


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
    height, width, channels = image_shape(input_shape)
    n_classes = check_int("n_classes", n_classes, 1, None, "pass the number of classes")
    filters = positive_ints("filters", filters, "pass one number of filters per convolution")
    if not filters:
        raise invalid("filters", "name at least one convolution", filters, "use mlp for none")
    kernels = per_layer("kernel_size", kernel_size, len(filters))
    pools = per_layer("pool", pool, len(filters))
    if padding not in ("valid", "same"):
        raise invalid("padding", "be 'valid' or 'same'", repr(padding), "pass padding='same', say")
    hidden = () if dense is None else positive_ints("dense", dense, "pass 256, (256, 64) or None")
    activate, label, monotone = find_activation(activation)
    rates = dropout_rates(dropout, len(hidden) + 1)

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
    parts += dense_layers((height * width * channels, *hidden, n_classes), activate, label, rates)
    return in_a_row(tuple(int(n) for n in input_shape), parts)


def _check_covers(
    argument: str, side: int, height: int, width: int, layer: str, repair: str
) -> None:
    if side > min(height, width):
        rule = f"be at most {min(height, width)} at {layer}, which sees {height}×{width} pixels"
        raise invalid(argument, rule, side, f"make it smaller, use fewer layers, or pass {repair}")
