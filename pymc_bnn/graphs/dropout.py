"""Dropout in a log-density: markers of where it goes, which change nothing by themselves."""

from __future__ import annotations

from collections.abc import Iterable

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.replace import graph_replace
from pytensor.graph.traversal import toposort
from pytensor.tensor.variable import TensorVariable
from pytensor_ml.base import UnaryLayerOp
from pytensor_ml.layers import DropoutLayer

from pymc_bnn._checks import invalid

__all__ = ["DropoutMarker", "mark", "markers"]


class DropoutMarker(UnaryLayerOp):
    """The input unchanged, where a network has dropout.

    A layer that draws a random mask cannot be part of a log-density, so PyMC's engines (and
    prediction) see a network without dropout; a training loop may find these nodes by
    :func:`markers` and put a mask of its own in their place.

    Parameters
    ----------
    p : float
        Probability with which each element is to be zeroed, in (0, 1).

    Examples
    --------
    >>> x = pt.matrix("x")
    >>> y = DropoutMarker(p=0.5)(x)
    >>> y.owner.op.p, y.owner.inputs[0] is x
    (0.5, True)
    """

    __props__ = ("p",)

    def build_inner_graph(self, x: TensorVariable) -> list[TensorVariable]:
        """Return a copy of the input."""
        return [pt.tensor_copy(x)]


def mark(output: TensorVariable) -> TensorVariable:
    """Return the graph of `output` with a :class:`DropoutMarker` in place of each dropout layer.

    Parameters
    ----------
    output : TensorVariable
        Of a network with pytensor-ml's ``Dropout`` layers. A layer with ``p=0`` leaves no marker.
        Layers inside another operation's own graph, such as a loop's, are left as they are.

    Returns
    -------
    TensorVariable
        `output` itself where it has no dropout layer.

    Raises
    ------
    ValueError
        If a layer has ``p=1``, which leaves nothing of its input.

    Examples
    --------
    >>> from pytensor_ml.layers import Dropout
    >>> [node.op.p for node in markers([mark(Dropout(p=0.2)(pt.matrix("x")))])]
    [0.2]
    """
    layers = _nodes([output], DropoutLayer)
    for node in layers:
        if node.op.p >= 1:
            name = (node.outputs[0].name or "Dropout").removesuffix("_output")
            rule, repair = "have dropout with p below 1", "pass p=0.5, say, or remove what feeds it"
            raise invalid("network", rule, f"p={node.op.p} in layer {name!r}", repair)
    for _ in layers:  # one by one, from the input's side, as replacing one rebuilds those behind it
        node = _nodes([output], DropoutLayer)[0]
        replacement = node.inputs[0]
        if node.op.p > 0:
            replacement = DropoutMarker(p=float(node.op.p))(replacement)
            replacement.name = node.outputs[0].name
        [output] = graph_replace([output], {node.outputs[0]: replacement})
    return output


def markers(graphs: Iterable[Variable]) -> list[Apply]:
    """Return the marker nodes of graphs, from the inputs' side to the outputs'.

    Parameters
    ----------
    graphs : iterable of Variable
        Outputs of one graph. Graphs inside operations are not searched.

    Returns
    -------
    list of Apply
        Each once, in an order that the graphs fix; of each, ``node.op.p`` is the probability of
        zero, ``node.inputs[0]`` what goes in and ``node.outputs[0]`` what comes out, of one shape.

    Examples
    --------
    >>> x = pt.matrix("x")
    >>> h = DropoutMarker(p=0.1)(x)
    >>> [node.op.p for node in markers([DropoutMarker(p=0.5)(pt.tanh(h)), h])]
    [0.1, 0.5]
    """
    return _nodes(list(graphs), DropoutMarker)


def _nodes(graphs: list[Variable], kind: type) -> list[Apply]:
    return [node for node in toposort(graphs) if isinstance(node.op, kind)]
