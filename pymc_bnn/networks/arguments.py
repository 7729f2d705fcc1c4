"""What the builders' arguments may be."""

from __future__ import annotations

from typing import Any

import numpy as np

from pymc_bnn._checks import check_int, invalid
from pymc_bnn._warnings import warn

__all__ = ["dropout_rates", "image_shape", "per_layer", "positive_ints"]

_COLOURS = (1, 3, 4)  # channels that pictures have


def positive_ints(argument: str, value: Any, repair: str) -> tuple[int, ...]:
    """Return `value`, an integer or several, as a tuple of positive integers.

    Examples
    --------
    >>> positive_ints("dense", 256, "pass 256, say")
    (256,)
    """
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        value = (value,)
    return tuple(check_int(argument, size, 1, None, repair) for size in value)


def per_layer(argument: str, value: Any, n_layers: int) -> tuple[int, ...]:
    """Return one positive integer per convolution.

    Examples
    --------
    >>> per_layer("kernel_size", 5, 2)
    (5, 5)
    """
    repair = f"pass one number, or one for each of the {n_layers} convolutions"
    given = positive_ints(argument, value, repair)
    if not hasattr(value, "__iter__"):
        return given * n_layers
    if len(given) != n_layers:
        raise invalid(argument, f"hold {n_layers} numbers, one per convolution", given, repair)
    return given


def image_shape(input_shape: Any) -> tuple[int, int, int]:
    """Return the (height, width, channels) of one image.

    Examples
    --------
    >>> image_shape([28, 28, 1])
    (28, 28, 1)
    """
    repair = "pass (28, 28, 1) for gray images of 28×28 pixels, say"
    shape = positive_ints("input_shape", input_shape, repair)
    if len(shape) != 3:
        raise invalid("input_shape", "be (height, width, channels)", shape, repair)
    if shape[0] in _COLOURS and shape[1] == shape[2] > 4:
        warn(
            f"`input_shape` {shape} is read as (height, width, channels) and looks like channels "
            f"first: pass {(*shape[1:], shape[0])}, and images by np.moveaxis(x, 1, -1)"
        )
    return shape


def dropout_rates(dropout: Any, n_layers: int) -> tuple[float, ...]:
    """Return the dropout of what each of the dense layers gets; a number leaves the first out.

    Examples
    --------
    >>> dropout_rates(0.5, 3)
    (0.0, 0.5, 0.5)
    """
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
