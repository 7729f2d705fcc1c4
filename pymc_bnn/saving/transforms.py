"""Transforms of free variables as JSON and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pymc.distributions import transforms as of_distributions
from pymc.distributions.transforms import _default_transform
from pymc.logprob import transforms as of_logprob
from pymc.logprob.transforms import ChainedTransform, IntervalTransform, Transform
from pytensor.graph.basic import Constant, Variable

from pymc_bnn.graphs.substitute import substitute
from pymc_bnn.saving.graphs import GraphReader, GraphWriter
from pymc_bnn.saving.ops import CannotWriteError

__all__ = ["transform_from_json", "transform_to_json"]

Json = dict[str, Any]
# Classes, and what each is called with, which is what it is.
_PLAIN: dict[str, tuple[type[Transform], tuple[str, ...]]] = {
    cls.__name__: (cls, names)
    for cls, names in {
        of_logprob.LogTransform: (),
        of_logprob.ExpTransform: (),
        of_logprob.LogOddsTransform: (),
        of_logprob.SimplexTransform: (),
        of_logprob.CircularTransform: (),
        of_logprob.PowerTransform: ("power",),
        of_distributions.LogExpM1: (),
        of_distributions.SumTo1: (),
        of_distributions.Ordered: ("positive", "ascending"),
        of_distributions.CholeskyCorrTransform: ("n", "upper"),
        of_distributions.ZeroSumTransform: ("zerosum_axes",),
    }.items()
}
_INTERVALS = {cls.__name__: cls for cls in (IntervalTransform, of_distributions.Interval)}


def transform_to_json(
    transform: Transform | None, rv: Variable, writer: GraphWriter
) -> Json | None:
    """Describe the transform of a random variable.

    Raises
    ------
    CannotWriteError
        For one that is not PyMC's.

    Examples
    --------
    >>> import pymc as pm
    >>> transform_to_json(of_distributions.log, pm.HalfNormal.dist(), GraphWriter())
    {'kind': 'LogTransform', 'with': {}}
    """
    if transform is None:
        return None
    kind = type(transform)
    if kind is ChainedTransform:
        parts = [transform_to_json(t, rv, writer) for t in transform.transform_list]
        return {"kind": "chain", "parts": parts}
    if _INTERVALS.get(kind.__name__) is kind:
        return {"kind": kind.__name__, "bounds": _bounds_to_json(transform, rv, writer)}
    cls, names = _PLAIN.get(kind.__name__, (None, ()))
    if cls is kind:
        values = {name: _plain(getattr(transform, name)) for name in names}
        if None not in values.values():
            return {"kind": kind.__name__, "with": values}
    if type(_default_transform(rv.owner.op, rv)) is kind and kind.__module__.startswith("pymc."):
        return {"kind": "default", "of": kind.__name__}  # made of the parameters of its variable
    raise CannotWriteError(f"its transform, a {kind.__name__}, is not one of PyMC's")


def transform_from_json(written: Any, rv: Variable, reader: GraphReader) -> Transform | None:
    """Return the transform that was described.

    Examples
    --------
    >>> import pymc as pm
    >>> written = {"kind": "Ordered", "with": {"positive": True, "ascending": True}}
    >>> transform_from_json(written, pm.Normal.dist(shape=3), GraphReader({})).positive
    True
    """
    if written is None:
        return None
    kind = written["kind"]
    if kind == "chain":
        return ChainedTransform([transform_from_json(t, rv, reader) for t in written["parts"]])
    if kind == "default":
        found = _default_transform(rv.owner.op, rv)
        if type(found).__name__ != written["of"]:
            raise ValueError(f"the transform of '{rv.name}' is {type(found).__name__} here")
        return found
    if kind in _INTERVALS:
        bounds = _bounds_from_json(written["bounds"], reader)
        cls = _INTERVALS[kind]
        return cls(args_fn=bounds) if cls is IntervalTransform else cls(bounds_fn=bounds)
    cls, names = _PLAIN[kind]
    if set(written["with"]) != set(names):
        raise ValueError(f"a transform {kind} with {list(written['with'])}")
    return cls(**{name: _value(value) for name, value in written["with"].items()})


def _plain(value: Any) -> Any:
    """Return what JSON can hold of an argument, None where it cannot."""
    if isinstance(value, Constant):
        value = value.data
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value if isinstance(value, bool | int | float) else None


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(int(v) for v in value)
    if not isinstance(value, bool | int | float):
        raise ValueError(f"an argument of a transform that is {value!r:.80}")
    return value


def _leaves(inputs: Any) -> dict[tuple[int, ...], Variable]:
    """Return what bounds may depend on: parameters of a variable, and of its components."""
    found = {(i,): v for i, v in enumerate(inputs)}
    for i, v in enumerate(inputs):
        if v.owner is not None:
            found |= {(i, j): u for j, u in enumerate(v.owner.inputs)}
    return found


def _bounds_to_json(transform: Any, rv: Variable, writer: GraphWriter) -> list[Any]:
    """Describe the function of a variable's parameters that returns lower and upper bound."""
    inputs = rv.owner.inputs
    leaves = _leaves(inputs)
    paths = {v: path for path, v in reversed(leaves.items()) if not isinstance(v, Constant)}
    written: list[Any] = []
    for bound in transform.args_fn(*inputs):
        if bound is None:
            written.append(None)
        elif not isinstance(bound, Variable):
            written.append({"number": writer.put(bound)})
        elif bound in paths:
            written.append({"input": list(paths[bound])})
        else:
            own = writer.write(list(paths), [bound])
            written.append({"graph": own, "inputs": [list(path) for path in paths.values()]})
    return written


def _bounds_from_json(written: list[Any], reader: GraphReader) -> _Bounds:
    found: list[Callable[..., Any] | None] = []
    for bound in written:
        if bound is None:
            found.append(None)
        elif "number" in bound:
            found.append(_Number(reader.get(bound["number"])))
        elif "input" in bound:
            found.append(_Input(tuple(bound["input"])))
        else:
            inputs, [output] = reader.read(bound["graph"])
            paths = tuple(tuple(path) for path in bound["inputs"])
            if len(paths) != len(inputs):
                raise ValueError("bounds of other inputs than they are given")
            found.append(_Graph(paths, tuple(inputs), output))
    lower, upper = found
    return _Bounds(lower, upper)


def _at(path: tuple[int, ...], inputs: Any) -> Variable:
    first, *rest = path
    found = inputs[first]
    for place in rest:
        found = found.owner.inputs[place]
    return found


@dataclass(frozen=True)
class _Number:
    """A bound that is known."""

    value: np.ndarray

    def __call__(self, *inputs: Any) -> Any:
        return self.value


@dataclass(frozen=True)
class _Input:
    """A bound that is a parameter of the variable, or of a component of it."""

    path: tuple[int, ...]

    def __call__(self, *inputs: Any) -> Any:
        return _at(self.path, inputs)


@dataclass(frozen=True)
class _Graph:
    """A bound that is an expression of such parameters."""

    paths: tuple[tuple[int, ...], ...]
    inputs: tuple[Variable, ...]
    output: Variable

    def __call__(self, *inputs: Any) -> Any:
        given = {}
        for path, leaf in zip(self.paths, self.inputs, strict=True):
            try:
                given[leaf] = _at(path, inputs)
            except (AttributeError, IndexError):  # which it then does not depend on
                continue
        return substitute([self.output], given)[0]


@dataclass(frozen=True)
class _Bounds:
    """Lower and upper bound as a function of a variable's parameters, as PyMC's transforms have."""

    lower: Callable[..., Any] | None
    upper: Callable[..., Any] | None

    def __call__(self, *inputs: Any) -> tuple[Any, Any]:
        own = (self.lower, self.upper)
        return tuple(None if bound is None else bound(*inputs) for bound in own)
