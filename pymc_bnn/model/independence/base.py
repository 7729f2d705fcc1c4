"""How a variable depends on rows, and how that is found from a graph: one rule per operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from pytensor.compile.builders import OpFromGraph
from pytensor.compile.ops import DeepCopyOp, ViewOp
from pytensor.conditional.op import IfElse
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import toposort
from pytensor.raise_op import CheckAndRaise
from pytensor.tensor.basic import MakeVector
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.math import Dot
from pytensor.tensor.reshape import JoinDims, SplitDims
from pytensor.tensor.shape import Reshape, Shape, Shape_i

__all__ = [
    "LENGTH",
    "NONE",
    "RowUse",
    "aligned",
    "first_unknown",
    "interpret",
    "mixes",
    "name_of",
    "propagate",
    "row_use",
    "unsaid",
]


@dataclass(frozen=True)
class RowUse:
    """How a variable of a graph depends on the rows of the data.

    Attributes
    ----------
    kind : {"none", "rows", "mixed", "unknown", "length"}
        "none": not at all. "rows": along `axis` it holds one entry for each row, which depends on
        that row only. "mixed": an entry depends on several rows, on their order or on their
        number, or belongs to a place and not to a row. "length": it is the number of rows.
        "unknown": the graph does not say.
    axis : int or None
        The rows' axis.
    why : str
        Of "mixed" and "unknown": the operation at fault.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x = pt.matrix("x")
    >>> row_use([x.sum(axis=0)], [x])[0]
    RowUse(kind='mixed', axis=None, why='sum over the rows')
    """

    kind: str
    axis: int | None = None
    why: str = ""
    each: int = 1  # so many entries for each row, one after the other
    iota: bool = False  # it is the row's own number
    entries: tuple[RowUse, ...] | None = None  # of a vector of lengths

    def __repr__(self) -> str:
        return f"RowUse(kind={self.kind!r}, axis={self.axis}, why={self.why!r})"


NONE = RowUse("none")
LENGTH = RowUse("length")
# Operations whose rules know of several entries for each row.
_KEEP_ENTRIES = (
    *(Elemwise, DimShuffle, Dot, Blockwise, ViewOp, DeepCopyOp, CheckAndRaise, OpFromGraph),
    *(Shape, Shape_i, MakeVector, Reshape, JoinDims, SplitDims),
)


def row_use(
    outputs: Sequence[Variable], row_inputs: Iterable[Variable], axis: int = 0
) -> list[RowUse]:
    """Find out from a graph how its outputs depend on the rows of some of its inputs.

    Parameters
    ----------
    outputs : sequence of Variable
        Of the graph.
    row_inputs : iterable of Variable
        What holds a row for each example.
    axis : int, optional
        The rows' axis of the inputs.

    Returns
    -------
    list of RowUse
        One for each output.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x, y = pt.matrix("x"), pt.vector("y")
    >>> [use.kind for use in row_use([x @ pt.ones(3) + y, y - y.mean(), pt.exp(2)], [x, y])]
    ['rows', 'mixed', 'none']
    """
    uses = interpret(outputs, dict.fromkeys(row_inputs, RowUse("rows", axis)))
    return [mixes("an axis of several entries for each row") if u.each > 1 else u for u in uses]


def interpret(outputs: Sequence[Variable], known: Mapping[Variable, RowUse]) -> list[RowUse]:
    """Say how outputs use rows, where the uses of some variables are known."""
    uses = dict(known)
    for node in toposort(list(outputs), blockers=list(known)):
        inputs = [uses.get(v, NONE) for v in node.inputs]
        if all(use.kind == "none" for use in inputs):
            continue
        uses.update(zip(node.outputs, _uses_of(node, inputs), strict=True))
    return [uses.get(out, NONE) for out in outputs]


def _uses_of(node: Apply, inputs: list[RowUse]) -> list[RowUse]:
    if not isinstance(node.op, CheckAndRaise | OpFromGraph | IfElse | Shape | Shape_i):
        mixed = next((use for use in inputs if use.kind == "mixed"), None)
        if mixed is not None:
            return [mixed] * len(node.outputs)
    if any(use.each > 1 for use in inputs) and not isinstance(node.op, _KEEP_ENTRIES):
        return [unsaid(node)] * len(node.outputs)
    answer = propagate(node.op, node, inputs)
    return answer if isinstance(answer, list) else [answer] * len(node.outputs)


@singledispatch
def propagate(op: Any, node: Apply, inputs: list[RowUse]) -> RowUse | list[RowUse]:
    """Say what an operation makes of what its inputs hold, none of which is mixed."""
    return first_unknown(inputs) or unsaid(node)


def first_unknown(inputs: Iterable[RowUse]) -> RowUse | None:
    """Return the first use that the graph does not tell."""
    return next((use for use in inputs if use.kind == "unknown"), None)


def mixes(why: str) -> RowUse:
    """Return the use of what mixes rows."""
    return RowUse("mixed", why=why)


def unsaid(node: Apply) -> RowUse:
    """Return the use of what an unknown operation gives."""
    return RowUse("unknown", why=f"{name_of(node.op)}, of which the graph does not say")


def name_of(op: Any) -> str:
    """Return what users call an operation."""
    op = getattr(op, "core_op", op)
    scalar = getattr(op, "scalar_op", None)
    if isinstance(op, CAReduce):
        return {"add": "sum", "mul": "product"}.get(str(scalar), type(op).__name__.lower())
    return str(scalar) if scalar is not None else getattr(op, "name", None) or type(op).__name__


def aligned(
    node: Apply, uses: Sequence[RowUse], shapes: Sequence[Sequence[int | None]], ndim: int
) -> RowUse:
    """Join uses of variables that are broadcast together, `ndim` axes aligned at the right.

    `shapes` holds the lengths of each one's axes, None where the graph does not say.
    """
    if unknown := first_unknown(uses):
        return unknown
    axes = {
        (use.axis + ndim - len(shape), use.each)
        for use, shape in zip(uses, shapes, strict=True)
        if use.kind == "rows"
    }
    if any(use.kind == "length" for use in uses):
        return mixes(f"{name_of(node.op)} of the number of rows")
    if not axes:
        return NONE
    if len(axes) > 1:
        return mixes(f"{name_of(node.op)} of rows along two axes")
    axis, each = axes.pop()
    for use, shape in zip(uses, shapes, strict=True):
        place = axis - ndim + len(shape)
        if use.kind == "rows" or place < 0:
            continue
        length = shape[place]
        if length is None:
            return RowUse("unknown", why=f"{name_of(node.op)} with a variable of unknown shape")
        if length != 1:
            return mixes(f"{name_of(node.op)} with one value for each place among {length} rows")
    return RowUse("rows", axis, each=each)
