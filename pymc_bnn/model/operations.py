"""Which operation of a network each variable belongs to, and what that operation hands on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import jax
import numpy as np
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import toposort
from pytensor.scalar import Add
from pytensor.scan.op import Scan
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Dot
from pytensor.tensor.subtensor import Subtensor
from pytensor_ml.base import LayerOp

from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.model.checks import shapes_must_agree
from pymc_bnn.model.terms import ModelTerms
from pymc_bnn.runtime.precision import precision

__all__ = ["Operation", "kinds_of", "operations", "row_shapes"]

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Operation:
    """Where variables meet the examples.

    Attributes
    ----------
    kind : str
        "dense", "conv", "bias" (added by itself), "scan", or what pytensor-ml calls its layer.
    place : int
        The variable's rank on the way from the data to the likelihood.
    shape : tuple of int or None
        Of its output; None in place of the number of rows.
    """

    kind: str
    place: int
    shape: Shape


def operations(terms: ModelTerms) -> dict[str, list[Operation]]:
    """Return the operations of a network that each variable enters, by its name.

    Parameters
    ----------
    terms : ModelTerms
        A model, by rows where it can be.

    Returns
    -------
    dict from str to list of Operation
        Of free variables, and of data by name that no example belongs to, as those that ``pm.do``
        makes of free variables. What enters none (a noise scale, a prior's scale) is left out.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> from pymc_bnn.model.rows import find_rows
    >>> with pm.Model() as model:
    ...     mu = pm.Data("x", np.ones((4, 3))) @ pm.Normal("w", shape=(3, 2))
    ...     y = pm.Normal("y", mu, pm.HalfNormal("noise"), observed=np.zeros((4, 2)))
    >>> operations(decompose(model, find_rows(model)[0]))
    {'w': [Operation(kind='dense', place=0, shape=(None, 2))]}
    """
    nodes, entered = _entered(terms)
    shapes = row_shapes(terms, [_handed_on(node, nodes) for node in entered])
    found: dict[str, list[Operation]] = {}
    ranks = count()
    for (node, own), shape in zip(entered.items(), shapes, strict=True):
        for name in own:
            found.setdefault(name, []).append(Operation(_kind(node), next(ranks), shape))
    return found


def kinds_of(terms: ModelTerms) -> dict[str, list[str]]:
    """Return the kinds of the operations that each variable enters; see :class:`Operation`.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> from pymc_bnn.model.rows import find_rows
    >>> with pm.Model() as model:
    ...     mu = pm.Data("x", np.ones((4, 3))) @ pm.Normal("w", shape=(3, 2))
    ...     y = pm.Normal("y", mu, pm.HalfNormal("noise"), observed=np.zeros((4, 2)))
    >>> kinds_of(decompose(model, find_rows(model)[0]))
    {'w': ['dense']}
    """
    found: dict[str, list[str]] = {}
    for node, own in _entered(terms)[1].items():
        for name in own:
            found.setdefault(name, []).append(_kind(node))
    return found


def _entered(terms: ModelTerms) -> tuple[list[Apply], dict[Apply, tuple[str, ...]]]:
    """Return the nodes of a model's log-density, and which variables enter those of a network."""
    graph = terms.rest_logp if terms.row_logp is None else terms.row_logp
    nodes = list(toposort([graph]))
    by_row = {d.variable for d in terms.data if d.per_example or terms.row_logp is None}
    by_row |= {f.value for f in terms.free if f.per_example}
    names = {f.value: (f.name,) for f in terms.free if not f.per_example}
    for d in terms.data:
        if d.variable not in by_row and d.name in terms.model.named_vars:
            names[d.variable] = (d.name,)
    entered: dict[Apply, tuple[str, ...]] = {}
    for node in nodes:
        own = tuple(dict.fromkeys(name for v in node.inputs for name in names.get(v, ())))
        if not any(v in by_row for v in node.inputs):
            names.update(dict.fromkeys(node.outputs, own))
            continue
        by_row.update(node.outputs)
        if own and _kind(node) is not None:
            entered[node] = own
    return nodes, entered


def row_shapes(terms: ModelTerms, outputs: Sequence[Variable]) -> list[Shape]:
    """Return the shapes of expressions of a model's values and data, with None for its rows.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> from pymc_bnn.model.rows import find_rows
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> terms = decompose(model, find_rows(model)[0])
    >>> row_shapes(terms, [terms.row_logp, terms.values[0]])
    [(None,), ()]
    """
    if not outputs:
        return []
    n = terms.n_rows or 1
    found = []
    with precision("float32"):
        function = jaxify([*terms.values, *terms.inputs], list(outputs))
        for rows in (n, n + 1):
            arrays = [
                jax.ShapeDtypeStruct(
                    (rows, *d.value.shape[1:]) if d.per_example else d.value.shape, d.value.dtype
                )
                for d in terms.data
            ]
            values = [
                jax.ShapeDtypeStruct(
                    (rows, *f.start.shape[1:]) if f.per_example else f.start.shape, np.float32
                )
                for f in terms.free
            ]
            with shapes_must_agree(terms.data):
                found.append([s.shape for s in jax.eval_shape(function, *values, *arrays)])
    return [
        tuple(None if (a, b) == (n, n + 1) else a for a, b in zip(*pair, strict=True))
        for pair in zip(*found, strict=True)
    ]


def _kind(node: Apply) -> str | None:
    """Return what kind of layer a node is; None of what is no layer."""
    op = node.op
    if isinstance(op, LayerOp):
        name = type(op).__name__.removesuffix("Layer")
        return {"Linear": "dense", "Conv": "conv"}.get(name, name)
    if isinstance(op, Dot) or (isinstance(op, Blockwise) and isinstance(op.core_op, Dot)):
        return "dense"
    if isinstance(op, Scan):
        return "scan"
    return "bias" if isinstance(op, Elemwise) and isinstance(op.scalar_op, Add) else None


def _handed_on(node: Apply, nodes: Sequence[Apply]) -> Variable:
    """Return a node's first output; of a scan, which keeps all states, the part that is used."""
    output = node.outputs[0]
    while isinstance(node.op, Scan):
        users = [other for other in nodes if output in other.inputs]
        if len(users) != 1 or not isinstance(users[0].op, Subtensor | DimShuffle):
            break
        output = users[0].outputs[0]
    return output
