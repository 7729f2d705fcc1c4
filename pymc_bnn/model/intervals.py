"""Interval analysis: between which numbers every element of a graph lies, whatever its inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable, equal_computations
from pytensor.tensor.basic import Alloc, Join, MakeVector, ScalarFromTensor, TensorFromScalar
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.math import All, Max, Min, Sum
from pytensor.tensor.math import Any as AnyOf
from pytensor.tensor.reshape import JoinDims, SplitDims
from pytensor.tensor.shape import Reshape, SpecifyShape
from pytensor.tensor.special import Softmax
from pytensor.tensor.subtensor import AdvancedSubtensor, IncSubtensor, Subtensor

from pymc_bnn.model.interval_rules import ANYTHING, YES, Interval, carry, union

__all__ = ["Intervals"]

_INF = math.inf

_SAME = (DimShuffle, Reshape, JoinDims, SplitDims, SpecifyShape, Subtensor, AdvancedSubtensor)
_SAME += (Alloc, ScalarFromTensor, TensorFromScalar, All, AnyOf, Max, Min)


class Intervals:
    """Intervals of the variables of a graph, each found once.

    Numbers are those of mathematics: exp(x) is above 0 although it may underflow. Where an
    operation has no rule the interval is the whole line, so that what is found holds.

    Parameters
    ----------
    known : mapping from Variable to numpy.ndarray
        Values of some roots, data say; others may be any number.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x = pt.vector("x")
    >>> Intervals({})[1 - pt.sigmoid(x)]
    Interval(low=0.0, high=1.0, open_low=True, open_high=True, defined=True)
    >>> bool(Intervals({})[pt.all(pt.exp(x) > 0)].low)
    True
    """

    def __init__(self, known: Mapping[Variable, np.ndarray]):
        self._values = known
        self._found: dict[Variable, Interval] = {}

    def __getitem__(self, variable: Variable) -> Interval:
        """Return the interval of a variable, without recursion: networks are deep."""
        stack = [variable]
        while stack:
            node = stack[-1].owner
            missing = [i for i in _inputs(node) if i not in self._found]
            if missing:
                stack += missing
                continue
            top = stack.pop()
            if top not in self._found:
                self._found[top] = self._of(top)
        return self._found[variable]

    def _of(self, variable: Variable) -> Interval:
        if isinstance(variable, Constant) or variable in self._values:
            value = variable.data if isinstance(variable, Constant) else self._values[variable]
            return _of_numbers(value)
        if variable.owner is None:
            return ANYTHING
        node, op = variable.owner, variable.owner.op
        own = [self._found[i] for i in _inputs(node)]
        defined = all(x.defined for x in own)
        if isinstance(op, Softmax):
            return Interval(0.0, 1.0, defined=defined)
        if isinstance(op, _SAME):
            return own[0]
        if isinstance(op, Join | MakeVector | IncSubtensor):
            added = isinstance(op, IncSubtensor) and not op.set_instead_of_inc
            return ANYTHING if added or not own else union(own)
        if isinstance(op, Sum):
            if self._adds_up(node.inputs[0], op.axis):
                return YES._replace(defined=defined)
            x = own[0]
            low, high = (0.0 if x.low >= 0 else -_INF), (0.0 if x.high <= 0 else _INF)
            return Interval(low, high, x.positive or x.low < 0, x.high < 0 or x.open_high, defined)
        if isinstance(op, Elemwise):
            if self._share(node) is not None:
                return Interval(0.0, 1.0, open_high=False, defined=defined)
            return carry(node, *own)
        return ANYTHING

    def _share(self, node: Apply) -> tuple[int, ...] | None:
        """Return the axes over which x / x.sum(axis) adds up to 1; x is above 0."""
        if type(node.op.scalar_op).__name__ != "TrueDiv":
            return None
        x, total = node.inputs
        while total.owner is not None and isinstance(total.owner.op, DimShuffle):
            total = total.owner.inputs[0]
        if total.owner is None or not isinstance(total.owner.op, Sum) or not self[x].positive:
            return None
        axis = total.owner.op.axis
        same = total.owner.inputs[0] is x and (total.ndim == 0 or total.ndim < x.ndim)
        kept = node.inputs[1].type.ndim == x.type.ndim
        if not (same and kept):
            return None
        axes = tuple(range(x.type.ndim)) if axis is None else axis
        # Divided by its own sum only if the axis that is gone is where a 1 was put back.
        return axes if all(node.inputs[1].type.broadcastable[a] for a in axes) else None

    def _adds_up(self, x: Variable, axis: tuple[int, ...] | None) -> bool:
        """Tell whether the sum of x over an axis is 1 everywhere."""
        if axis is None:
            axis = tuple(range(x.type.ndim))
        if isinstance(x, Constant) or x in self._values:
            value = x.data if isinstance(x, Constant) else self._values[x]
            return bool(np.allclose(np.sum(value, axis=axis, dtype=float), 1, rtol=1e-6))
        if x.owner is None:
            return False
        op = x.owner.op
        if isinstance(op, Softmax):
            return op.axis is not None and tuple(np.atleast_1d(op.axis)) == axis
        if isinstance(op, DimShuffle):
            if any(op.new_order[a] == "x" for a in axis):
                return False
            return self._adds_up(x.owner.inputs[0], tuple(op.new_order[a] for a in axis))
        if isinstance(op, Elemwise):
            if type(op.scalar_op).__name__ in ("Cast", "Identity"):
                return self._adds_up(x.owner.inputs[0], axis)
            return self._share(x.owner) == axis
        if isinstance(op, Join | MakeVector):
            return self._complements(x.owner, axis)
        return False

    def _complements(self, node: Apply, axis: tuple[int, ...]) -> bool:
        """Tell whether what is joined is p and 1 − p, as in stack([p, 1 - p], axis=-1)."""
        if isinstance(node.op, Join) and node.op.axis % node.outputs[0].type.ndim not in axis:
            return False
        parts = [_plain(i) for i in _inputs(node)]
        if len(axis) != 1 or len(parts) != 2:
            return False
        if any(i.type.ndim and i.type.shape[axis[0]] != 1 for i in _inputs(node)):
            return False
        for one, other in (parts, parts[::-1]):
            minus = other.owner is not None and isinstance(other.owner.op, Elemwise)
            if minus and type(other.owner.op.scalar_op).__name__ == "Sub":
                first, second = (_plain(i) for i in other.owner.inputs)
                if equal_computations([second], [one]) and self[first] == YES:
                    return True
        return False


def _plain(x: Variable) -> Variable:
    """Return what a variable was before axes were added."""
    while x.owner is not None and isinstance(
        x.owner.op, DimShuffle | TensorFromScalar | ScalarFromTensor
    ):
        x = x.owner.inputs[0]
    return x


def _inputs(node: Apply | None) -> list[Variable]:
    """Return the inputs whose intervals decide a node's."""
    if node is None:
        return []
    if isinstance(node.op, Elemwise | Join | MakeVector):
        return list(node.inputs)
    if isinstance(node.op, IncSubtensor):
        return node.inputs[:2]
    return node.inputs[:1] if isinstance(node.op, (*_SAME, CAReduce, Softmax)) else []


def _of_numbers(value: Any) -> Interval:
    value = np.asarray(value)
    if not value.size or value.dtype.kind not in "biuf":
        return ANYTHING
    low, high = float(value.min()), float(value.max())
    return ANYTHING if math.isnan(low) else Interval(low, high, False, False)
