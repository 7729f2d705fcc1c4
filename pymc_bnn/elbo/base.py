"""What an estimator is: how a layer's output is drawn from the posterior of its weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from pymc_bnn.model.layers import Layer, NormalWeight

__all__ = ["Estimator", "NormalWeight"]


# Asks for noise of one row per example: (name, shape without the rows, law).
NewNoise = Callable[[str, tuple[int, ...], str], TensorVariable]


class Estimator(ABC):
    """How a layer's output is drawn, so that the ELBO's gradient has the right expectation.

    A new estimator implements :meth:`refuse` and :meth:`rewrite`; pass an instance of it as
    ``fit(estimator=…)``. It never sees the model, only one layer of its graph.

    Examples
    --------
    >>> class Mean(Estimator):
    ...     '''The layer at the posterior mean: no estimator of the ELBO, but a short one.'''
    ...     name = "mean"
    ...
    ...     def refuse(self, layer):
    ...         return None
    ...
    ...     def rewrite(self, layer, x, weight, bias, noise):
    ...         return layer.mean(x, weight, bias)
    """

    name: str

    @abstractmethod
    def refuse(self, layer: Layer) -> str | None:
        """Return None where the estimator is right for the layer, else why not."""

    @abstractmethod
    def rewrite(
        self,
        layer: Layer,
        x: TensorVariable,
        weight: NormalWeight | None,
        bias: NormalWeight | None,
        noise: NewNoise,
    ) -> TensorVariable:
        """Write the layer's output for its input `x`, which is already rewritten.

        Parameters
        ----------
        layer : Layer
            The layer.
        x : TensorVariable
            Its input, (rows, …).
        weight, bias : Part or None
            Its parts, where it has them.
        noise : callable
            ``noise(name, shape, law)`` returns random numbers ``(rows, *shape)`` of the law
            "normal" or "sign".
        """


def row_shape(layer: Layer) -> tuple[int, ...]:
    """Return the shape of an output row."""
    return tuple(layer.output.type.shape[1:])


def unknown_shape(layer: Layer) -> str | None:
    """Return what is wrong where a row's shape is not known before the data are."""
    if None in layer.output.type.shape[1:] or layer.x.type.shape[-1] is None:
        return "the shape of its output is not known; pt.specify_shape tells it"
    return None


def safe_sqrt(variance: TensorVariable) -> TensorVariable:
    """Write a square root whose gradient stays finite at 0: an image may be black."""
    return pt.sqrt(pt.maximum(variance, 1e-30))
