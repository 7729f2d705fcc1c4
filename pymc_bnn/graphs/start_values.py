"""Random variables that bring their start values with them, in place of PyMC's `initval`.

A model with explicit initial values is one that PyMC can neither copy nor change: ``pm.do``,
``pm.observe``, ``model.copy``, ``pm.compute_log_likelihood``, … refuse it. So a start value becomes
the support point of the variable's own op, which goes where the variable goes. The op's class is a
subclass of the distribution's, so that all else is dispatched as before.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.distribution import SymbolicRandomVariable, _support_point
from pytensor.compile import optdb
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import copy_stack_trace, dfs_rewriter, node_rewriter
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.variable import TensorVariable

__all__ = [
    "family",
    "move_initial_values",
    "start_of",
    "started",
    "with_start",
    "without_start",
]


class _Started(Op):
    """First among the bases of an op's class: the op of a distribution, and where to start it."""

    _start: np.ndarray | None = None  # None of an op that a rewrite made from its properties
    _start_digest: bytes = b""  # which numbers these are: millions are compared often

    def __eq__(self, other: object) -> bool:
        return self is other or (
            type(self) is type(other)
            and super().__eq__(other)
            and self._start_digest == other._start_digest
        )

    def __hash__(self) -> int:
        return hash((super().__hash__(), self._start_digest))

    def __reduce__(self) -> tuple[Any, ...]:
        return with_start, (without_start(self), self._start)


def move_initial_values(model: pm.Model, variables: list[TensorVariable]) -> None:
    """Turn the arrays that the model has as initial values into support points.

    Strategies ("prior") and symbolic values stay.

    Parameters
    ----------
    model : pm.Model
        The model.
    variables : list of TensorVariable
        Free variables of it, of which nothing has been computed or compiled yet.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     x = pm.Normal("x", initval=2.0)
    >>> move_initial_values(model, [x])
    >>> model.rvs_to_initial_values[x], float(pm.do(model, {}).initial_point()["x"])
    (None, 2.0)
    """
    for variable in variables:
        start, node = model.rvs_to_initial_values[variable], variable.owner
        random = isinstance(node.op, (RandomVariable, SymbolicRandomVariable))
        if random and isinstance(start, np.ndarray):
            node.op = with_start(without_start(node.op), start.copy())
            model.rvs_to_initial_values[variable] = None


def family(op: Op) -> type[Op]:
    """Return the class of a distribution's op, of those that carry a start value, too.

    Examples
    --------
    >>> from pytensor.tensor.random.basic import NormalRV
    >>> with pm.Model() as model:
    ...     x = pm.Normal("x", initval=2.0)
    >>> move_initial_values(model, [x])
    >>> type(x.owner.op) is NormalRV, family(x.owner.op) is NormalRV
    (False, True)
    """
    return type(op).__bases__[1] if isinstance(op, _Started) else type(op)


def started(variable: TensorVariable) -> bool:
    """Tell whether a random variable brings its start value with it.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     x = pm.Normal("x", initval=2.0)
    >>> move_initial_values(model, [x])
    >>> started(x)
    True
    """
    return variable.owner is not None and isinstance(variable.owner.op, _Started)


@cache
def _started(base: type[Op]) -> type[Op]:
    return type(base.__name__, (_Started, base), {"__module__": __name__})


def start_of(op: Op) -> np.ndarray | None:
    """Return the start value that a distribution's op carries; None of others.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     x = pm.Normal("x", initval=2.0)
    >>> move_initial_values(model, [x])
    >>> float(start_of(x.owner.op))
    2.0
    """
    return op._start if isinstance(op, _Started) else None


def with_start(op: Op, start: np.ndarray | None) -> Op:
    """Return the op of a distribution with a start value.

    Examples
    --------
    >>> op = pm.Normal.dist().owner.op
    >>> float(start_of(with_start(op, np.array(2.0))))
    2.0
    """
    return _like(op, _started(type(op)), _start=start, _start_digest=_digest(start))


def without_start(op: Op) -> Op:
    """Return the op of the distribution itself.

    Examples
    --------
    >>> op = pm.Normal.dist().owner.op
    >>> without_start(with_start(op, np.array(2.0))) == op
    True
    """
    if not isinstance(op, _Started):
        return op
    plain = _like(op, family(op))
    for name in ("_start", "_start_digest"):
        plain.__dict__.pop(name, None)
    return plain


def _like(op: Op, kind: type[Op], **more: Any) -> Op:
    """Return a shallow copy of an op that is of another class."""
    new = object.__new__(kind)
    new.__dict__.update(op.__dict__, **more)
    return new


def _digest(start: np.ndarray | None) -> bytes:
    if start is None:
        return b""
    digest = hashlib.sha256(repr((start.shape, start.dtype.str)).encode())
    digest.update(np.ascontiguousarray(start).reshape(-1).view(np.uint8))
    return digest.digest()


@_support_point.register(_Started)
def _start_of(op: Any, variable: TensorVariable, *inputs: Any) -> TensorVariable:
    """Return the start value; of a variable of another shape, its distribution's support point."""
    start, shape = op._start, variable.type.shape
    sizes = () if start is None else start.shape
    fits = len(shape) == len(sizes) and all(
        a in (None, b) for a, b in zip(shape, sizes, strict=True)
    )
    if start is None or not fits:
        return _support_point.dispatch(family(op))(op, variable, *inputs)
    return pt.constant(start, dtype=variable.type.dtype)


@node_rewriter([_Started])
def _forget_starts(fgraph: Any, node: Apply) -> list[Any]:
    """Draw from the distribution itself: backends look at exact types in places."""
    outputs = without_start(node.op).make_node(*node.inputs).outputs
    copy_stack_trace(node.outputs, outputs)
    return outputs


optdb.register(
    "forget_starts", dfs_rewriter(_forget_starts), "fast_run", "fast_compile", position=-1
)
