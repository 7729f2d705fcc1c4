"""Where a model's graph multiplies its examples by free variables: the layers of a network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import ancestors, toposort
from pytensor.scalar import Add, Cast, Identity, Mul, Neg, Sub, TrueDiv
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Dot
from pytensor.tensor.reshape import JoinDims, SplitDims
from pytensor.tensor.shape import Reshape, Shape, Shape_i, SpecifyShape
from pytensor.tensor.variable import TensorVariable
from pytensor_ml.layers import LinearLayer
from pytensor_ml.layers.conv import ConvLayer

from pymc_bnn.model.layer import Layer, NormalWeight, Slot, Uses
from pymc_bnn.model.operations import row_shapes
from pymc_bnn.model.terms import FreeVariable, ModelTerms

__all__ = ["Layer", "NormalWeight", "Slot", "Uses", "find_layers"]


def find_layers(terms: ModelTerms) -> Uses:
    """Find the layers whose weight or bias is a free variable of a model.

    Matches pytensor-ml's ``LinearLayer`` and ``ConvLayer``, hand-written ``x @ w`` (``pt.dot``,
    ``pt.matmul``; w may be transposed, cast, shifted, or scaled by variables, as non-centred
    priors do) and the addition of a bias to rows.

    Parameters
    ----------
    terms : ModelTerms
        A model taken apart by rows.

    Returns
    -------
    Uses
        Layers in which each variable is used in that one place, and reasons for the others.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> from pymc_bnn.model.rows import find_rows
    >>> with pm.Model() as model:
    ...     w = pm.Normal("w", shape=3)
    ...     y = pm.Normal("y", pm.Data("x", np.ones((4, 3))) @ w, 1, observed=np.zeros(4))
    >>> [layer.kind for layer in find_layers(decompose(model, find_rows(model)[0])).layers]
    ['dense']
    """
    if terms.row_logp is None:
        return Uses((), {})
    nodes = list(toposort([terms.row_logp]))
    clients: dict[Variable, list[tuple[Apply, int]]] = {}
    for node in nodes:
        for k, variable in enumerate(node.inputs):
            clients.setdefault(variable, []).append((node, k))
    row_inputs = {d.variable for d in terms.data if d.per_example}
    row_inputs |= {f.value for f in terms.free if f.per_example}
    by_row = _descendants(nodes, row_inputs)
    slots: dict[tuple[Apply, int], Slot] = {}
    elsewhere: dict[str, str] = {}
    for free in (f for f in terms.free if not f.per_example):
        found, others = _follow(free, clients, by_row)
        if not found:
            continue
        others += _outside(free, terms)
        if len(found) > 1:
            others.append(f"{len(found)} layers")
        if others:
            elsewhere[free.name] = " and ".join(dict.fromkeys(others))
            continue
        [(node, k, expression)] = found
        if (node, k) in slots:
            first = slots.pop((node, k)).variable.name
            elsewhere[free.name] = f"a product or sum with '{first}', which is a weight itself"
            elsewhere[first] = f"a product or sum with '{free.name}', which is a weight itself"
            continue
        slots[node, k] = Slot(free, expression)
    layers = [_layer(node, slots) for node in nodes if any(n is node for n, _ in slots)]
    misfits = _not_by_row(layers, terms)
    for layer in misfits:
        for slot in layer.slots:
            elsewhere[slot.variable.name] = "rows other than the examples (x was reshaped)"
    return Uses(tuple(layer for layer in layers if layer not in misfits), elsewhere)


def _follow(
    free: FreeVariable, clients: dict, by_row: set[Variable]
) -> tuple[list[tuple[Apply, int, TensorVariable]], list[str]]:
    """Walk from a variable to the layers it enters; return these and what else it meets."""
    found, others, pending = [], [], [free.value]
    while pending:
        variable = pending.pop()
        for node, k in clients.get(variable, []):
            if isinstance(node.op, Shape | Shape_i):
                continue
            if _enters(node, k, by_row):
                found.append((node, k, variable))
            elif _one_to_one(node, k, free.value, by_row):
                pending.append(node.outputs[0])
            else:
                others.append(_describe(node))
    return found, others


def _outside(free: FreeVariable, terms: ModelTerms) -> list[str]:
    """List what else depends on the variable, beside the likelihood that comes by rows."""
    others = [
        f"the prior of '{f.name}'"
        for f in terms.free
        if f is not free and free.value in ancestors([f.logp])
    ]
    if free.value in ancestors([terms.potential_logp]):
        others.append("a potential")
    if free.value in ancestors([terms.rest_logp]):
        others.append("a likelihood that does not come by rows")
    return others


def _describe(node: Apply) -> str:
    op = node.op
    if isinstance(op, LinearLayer | ConvLayer) or _is_product(node):
        return "a product in which it is not the right factor"
    return f"an operation {getattr(op, 'name', None) or op}"


def _is_product(node: Apply) -> bool:
    op = node.op
    return isinstance(op, Dot) or (isinstance(op, Blockwise) and isinstance(op.core_op, Dot))


def _is_sum(node: Apply) -> bool:
    return isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Add)


def _enters(node: Apply, k: int, by_row: set[Variable]) -> bool:
    """Tell whether input k of the node is the weight or the bias of a layer."""
    if isinstance(node.op, LinearLayer | ConvLayer):
        return k >= 1
    if _is_product(node):
        return k == 1 and node.inputs[0] in by_row
    if _is_sum(node):  # a bias: one number per unit, the same for every row
        own, out = node.inputs[k].type, node.outputs[0]
        first = own.broadcastable[:1] == (True,)
        return out in by_row and first and own.shape[-1] == out.type.shape[-1]
    return False


_STRUCTURAL = (DimShuffle, Reshape, SpecifyShape, JoinDims, SplitDims)
_SCALING = (Mul, TrueDiv, Neg, Cast, Identity)
_SHIFTING = (Add, Sub)


def _one_to_one(node: Apply, k: int, value: Variable, by_row: set[Variable]) -> bool:
    """Tell whether the node maps the numbers of input k one to one, linearly, to its output."""
    others = [v for i, v in enumerate(node.inputs) if i != k]
    if any(v in by_row for v in others) or value in ancestors(others):
        return False
    if isinstance(node.op, _STRUCTURAL):
        return k == 0
    if not isinstance(node.op, Elemwise):
        return False
    if not isinstance(node.op.scalar_op, (*_SCALING, *_SHIFTING)):
        return False
    if isinstance(node.op.scalar_op, TrueDiv) and k != 0:
        return False
    same = node.inputs[k].type.shape == node.outputs[0].type.shape
    return same and None not in node.outputs[0].type.shape


def _layer(node: Apply, slots: dict[tuple[Apply, int], Slot]) -> Layer:
    """Describe the node as a layer."""
    op, output = node.op, node.outputs[0]
    parts = {k: slots.get((node, k), v) for k, v in enumerate(node.inputs)}
    if isinstance(op, LinearLayer):
        shared = node.inputs[0].type.ndim > 2
        return Layer(output, node.inputs[0], "dense", shared, _product, parts[1], parts.get(2))
    if isinstance(op, ConvLayer):

        def convolve(x: TensorVariable, weight: TensorVariable) -> TensorVariable:
            return op(x, weight)

        return Layer(output, node.inputs[0], "conv", True, convolve, parts[1], parts.get(2))
    if _is_product(node):

        def multiply(x: TensorVariable, weight: TensorVariable) -> TensorVariable:
            return op.make_node(x, weight).outputs[0]

        shared = node.inputs[0].type.ndim > 2
        return Layer(output, node.inputs[0], "dense", shared, multiply, parts[1], None)
    [k] = [k for k, part in parts.items() if isinstance(part, Slot)][:1]
    rest = [v for i, v in enumerate(node.inputs) if i != k]
    x = rest[0] if len(rest) == 1 else pt.add(*rest)
    return Layer(output, x, "bias", output.type.ndim > 2, lambda x, _: x, None, parts[k])


def _product(x: TensorVariable, weight: TensorVariable) -> TensorVariable:
    return x @ weight


def _descendants(nodes: Sequence[Apply], roots: Iterable[Variable]) -> set[Variable]:
    """Return the variables that depend on some of the roots, these included."""
    found = set(roots)
    for node in nodes:
        if any(v in found for v in node.inputs):
            found.update(node.outputs)
    return found


def _not_by_row(layers: Sequence[Layer], terms: ModelTerms) -> list[Layer]:
    """Return the layers whose input does not have one row per example: shapes tell."""
    shapes = row_shapes(terms, [layer.output for layer in layers])
    return [la for la, shape in zip(layers, shapes, strict=True) if shape[:1] != (None,)]
