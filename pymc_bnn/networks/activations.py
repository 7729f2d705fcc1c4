"""Activations by name."""

from __future__ import annotations

from collections.abc import Callable

import pytensor.tensor as pt
from pytensor.graph.op import Op
from pytensor.tensor.variable import TensorVariable
from pytensor_ml.activations import GELU, LeakyReLU, ReLU, Sigmoid, SoftPlus, Swish, Tanh

from pymc_bnn._checks import invalid

__all__ = ["Activation", "find_activation"]

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


def find_activation(activation: Activation) -> tuple[Callable, str, bool]:
    """Return the function, its label, and whether it is known to increase throughout.

    Examples
    --------
    >>> find_activation("relu")[1:], find_activation("gelu")[1:], find_activation(abs)[1:]
    (('relu', True), ('gelu', False), ('abs', False))
    """
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
