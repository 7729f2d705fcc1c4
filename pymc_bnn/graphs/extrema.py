"""Maxima and minima over axes whose derivative picks one entry, however entries are rounded."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.tensor.math import Max, Min

from pymc_bnn.graphs.only_in_jax import OnlyInJax

__all__ = ["Extremum", "extremum_of_one"]


class Extremum(OnlyInJax):
    """What a Max or Min of PyTensor is, for JAX, with the derivative of the first such entry.

    JAX's own derivative divides by the number of entries that equal the maximum. A kernel in which
    the entries are computed again, and rounded otherwise, may find none: then it is 0/0.
    """

    __props__ = ("reduction",)

    def __init__(self, reduction: Max | Min):
        self.reduction = reduction

    def make_node(self, x: Variable) -> Apply:
        """Apply it to a tensor; the axes are dropped."""
        return Apply(self, [x], [self.reduction(x).type()])

    def in_jax(self, value: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
        """Return the JAX function of a tensor; `value` is PyTensor's own of the reduction."""
        largest = isinstance(self.reduction, Max)
        own = self.reduction.axis

        def extremum(x: jax.Array) -> jax.Array:
            x = jnp.asarray(x)
            axes = tuple(range(x.ndim)) if own is None else own
            if not jnp.issubdtype(x.dtype, jnp.floating) or x.size == 0:
                return value(x)
            differentiable = jax.custom_jvp(value)

            @differentiable.defjvp
            def _(x: tuple[jax.Array], tangent: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
                entries, directions = _last(x[0], axes), _last(tangent[0], axes)
                last = entries.ndim - 1
                chosen = _first(jax.lax.stop_gradient(entries), largest)[..., None]
                where = jax.lax.broadcasted_iota(np.int32, entries.shape, last)
                # Not by index: the scatter that this becomes in reverse is slow on CPUs.
                direction = jnp.where(where == chosen, directions, 0).sum(axis=-1)
                return differentiable(x[0]), direction

            return differentiable(x)

        return extremum


@node_rewriter([Max, Min])
def extremum_of_one(fgraph: Any, node: Apply) -> list[Variable]:
    """Replace a maximum or minimum by one that never divides by a number of equals."""
    return [Extremum(node.op)(node.inputs[0])]


def _first(entries: jax.Array, largest: bool) -> jax.Array:
    """Return where the last axis has its largest (or smallest) entry, the first one of equals.

    As `argmax`, whose lowering asks for the precision of the day: this one takes that of entries.
    """

    def better(a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any]:
        beats = (a[0] > b[0]) if largest else (a[0] < b[0])
        wins = beats | (a[0] != a[0]) & (b[0] == b[0]) | (a[0] == b[0]) & (a[1] < b[1])
        return jnp.where(wins, a[0], b[0]), jnp.where(wins, a[1], b[1])

    last = entries.ndim - 1
    index = jax.lax.broadcasted_iota(np.int32, entries.shape, last)
    worst = np.array(-np.inf if largest else np.inf, entries.dtype), np.int32(entries.shape[-1])
    return jax.lax.reduce((entries, index), worst, better, (last,))[1]


def _last(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """Make one axis of several, the last."""
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    shape = (*(x.shape[axis] for axis in kept), prod(x.shape[axis] for axis in axes))
    return jnp.transpose(x, (*kept, *axes)).reshape(shape)
