"""Barriers where many gradients branch off, lest XLA computes what they share once for each.

The gradient of ``b[0] * x0 + b[1] * x1 + …`` with respect to each of n numbers is a sum over rows.
XLA on CPU fuses what leads to the common factor into each of these sums: work, and compilation,
grow with n². Behind a barrier the factor is computed once.
"""

from __future__ import annotations

from typing import Any

import jax
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.tensor.elemwise import Elemwise

__all__ = ["Barrier", "set_barriers"]

_BRANCHES = 6  # sums of gradients behind one expression; with fewer, computing it again is cheap


class Barrier(Op):
    """A tensor as it is, which JAX computes once, and its derivative once, too."""

    __props__ = ()

    def make_node(self, x: Variable) -> Apply:
        """Apply it to a tensor."""
        return Apply(self, [x], [x.type()])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        """Return the tensor."""
        outputs[0][0] = inputs[0]

    def in_jax(self) -> Any:
        """Return the JAX function of a tensor."""
        return jax.lax.optimization_barrier


def set_barriers(graph: FunctionGraph) -> None:
    """Set barriers into a graph, for its gradient.

    Parameters
    ----------
    graph : FunctionGraph
        As JAX will run it; changed in place.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> b, x = pt.scalars(10), pt.vectors(10)
    >>> graph = FunctionGraph([*b, *x], [sum(m * n for m, n in zip(b, x, strict=True))])
    >>> set_barriers(graph)
    >>> sum(isinstance(node.op, Barrier) for node in graph.apply_nodes)
    1
    """
    branches: dict[Variable, int] = {}
    for node in graph.toposort():
        if not isinstance(node.op, Elemwise):
            continue
        output = node.outputs[0]
        branches[output] = sum(
            1 if _is_spread(i, output) else branches.get(i, 0) for i in set(node.inputs)
        )
        if branches[output] > _BRANCHES:
            behind = Barrier()(output)
            for client, place in list(graph.clients[output]):
                graph.change_node_input(client, place, behind, reason="many gradients")


def _is_spread(x: Variable, output: Variable) -> bool:
    """Whether a tensor is repeated over an axis of the result, so that its gradient is a sum."""
    if isinstance(x, Constant):
        return False
    pairs = zip(x.type.broadcastable, output.type.broadcastable, strict=True)
    return any(own and not of_output for own, of_output in pairs)
