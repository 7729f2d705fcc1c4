"""A network: layers in a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import pytensor.tensor as pt
from pytensor import config
from pytensor.tensor.variable import TensorVariable
from pytensor_ml.layers import Flatten

from pymc_bnn._checks import invalid
from pymc_bnn._frames import as_html

__all__ = ["Network", "in_a_row"]


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
    >>> from pymc_bnn.networks import mlp
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

    def _repr_html_(self) -> str:
        """Return a table of the layers and their parameters, for notebooks."""
        import pandas as pd

        weights = [
            [v.get_value(borrow=True) for v in vars(layer).values() if hasattr(v, "get_value")]
            if hasattr(layer, "__dict__")
            else []
            for layer in self.layers
        ]
        shapes = [", ".join(_shape(v.shape) for v in own) for own in weights]
        sizes = [sum(v.size for v in own) for own in weights]
        rows = {"layer": self.labels, "parameters": shapes, "numbers": sizes}
        title = f"Network of {_shape(self.input_shape)}: {sum(sizes):,} numbers"
        return as_html(title, pd.DataFrame(rows))

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


def in_a_row(
    input_shape: tuple[int, ...], parts: list[tuple[Callable, str]], flatten: bool = False
) -> Network:
    """Return a network of pairs of a layer and its label.

    Examples
    --------
    >>> in_a_row((3,), [(pt.tanh, "tanh")])
    Network((3,) → tanh)
    """
    layers, labels = zip(*parts, strict=True)
    return Network(input_shape, layers, labels, flatten)


def _shape(shape: Sequence[Any]) -> str:
    """Write a shape as Python does, with ? for what is not known."""
    inner = ", ".join("?" if n is None else str(n) for n in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"
