"""A network applied to its input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytensor.tensor as pt
from pytensor import config
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable
from pytensor_ml.layers import EmbeddingLayer, LinearLayer

from pymc_bnn._checks import invalid
from pymc_bnn.networks import Network

__all__ = ["apply", "nodes_of"]


def apply(
    network: Callable[[TensorVariable], TensorVariable], x: TensorVariable
) -> tuple[TensorVariable, TensorVariable]:
    """Return the input that the network got and its output: floats, or integers for embeddings.

    Examples
    --------
    >>> from pymc_bnn import networks
    >>> x, output = apply(networks.mlp((2, 3)), pt.imatrix("x"))
    >>> x.type.dtype == config.floatX, output.type.shape
    (True, (None, 3))
    """
    whole = x.type.dtype.startswith(("int", "uint", "bool"))
    x_cast = pt.cast(x, config.floatX) if whole else x
    try:
        try:
            output = network(x_cast)
        except (TypeError, IndexError):
            if not whole or isinstance(network, Network):
                raise
            x_cast, output = x, network(x)  # indices cannot be floats
            if not any(isinstance(node.op, EmbeddingLayer) for node in nodes_of(output)):
                raise
    except (AssertionError, IndexError, TypeError, ValueError) as error:
        if isinstance(network, Network):
            raise
        got = f"shape {_shape(x)}, on which it raised {type(error).__name__}: {error}"
        rule, repair = "have a shape that the network takes", "pass data of such a shape"
        if "integers" in str(error) and not whole:
            rule, got = "hold integers, which the network looks up", f"a tensor of {x.type.dtype}"
            repair = 'pass pm.Data("x", frame.to_numpy()): PyMC makes floats of tables of integers'
        raise invalid("x", rule, got, repair) from error
    if not isinstance(output, TensorVariable):
        rule, repair = "return one tensor", "select one of its outputs"
        raise invalid("network", rule, f"{type(output).__name__}", repair, TypeError)
    for node in nodes_of(output):
        if isinstance(node.op, LinearLayer) and node.inputs[0].type.ndim < 2:
            layer = getattr(node.inputs[1], "layer_name", None) or "Linear"
            rule = f"reach layer {layer!r} with shape (n, {node.op.n_in})"
            got = f"shape {_shape(node.inputs[0])}"
            raise invalid("x", rule, got, "add an axis, as in x[:, None]")
    return x_cast, output


def nodes_of(output: Any) -> list[Apply]:
    """Return the nodes of the output's graph.

    Examples
    --------
    >>> len(nodes_of(-pt.exp(pt.vector("x"))))
    2
    """
    if not isinstance(output, Variable):
        return []
    return [variable.owner for variable in ancestors([output]) if variable.owner is not None]


def _shape(x: TensorVariable) -> str:
    inner = ", ".join("?" if n is None else str(n) for n in x.type.shape)
    return f"({inner},)" if x.type.ndim == 1 else f"({inner})"
