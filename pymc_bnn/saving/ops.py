"""Operations of a graph as JSON and back, those on a list and no others.

As pytensor-ml's codec, whose way of writing types, values and scalar operations this keeps; it
rebuilds any class that a file names, and lacks operations that hold exceptions, other operations or
start values.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from pymc.data import MinibatchOp
from pymc.distributions.custom import CustomDistRV, CustomSymbolicDistRV
from pymc.distributions.distribution import SymbolicRandomVariable
from pymc.logprob.utils import CheckParameterValue
from pytensor.compile.builders import OpFromGraph, SymbolicOp
from pytensor.graph.op import Op
from pytensor.raise_op import CheckAndRaise
from pytensor.scalar.basic import ScalarOp
from pytensor.scan.op import Scan, ScanInfo
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.einsum import Einsum
from pytensor.tensor.elemwise import Elemwise
from pytensor_ml import json_serialize as codec

from pymc_bnn.graphs.start_values import start_of, with_start, without_start
from pymc_bnn.saving.allowed import EXCEPTIONS, allowed_class, is_allowed, plain_text, tamed

__all__ = ["CannotWriteError", "Graphs", "op_from_json", "op_to_json"]

Json = dict[str, Any]
_SCAN = tuple(ScanInfo.__annotations__)
# What operations of a symbolic distribution know beside their inner graph.
_OF_DISTRIBUTIONS = {
    "TruncatedRV": ("base_rv_op", "max_n_steps"),
    "AutoRegressiveRV": ("ar_order", "constant_term"),
    "SymbolicMVNormalUsedInternally": ("method",),
}
# Graphs of a kind of their own, and what these know beside the graph.
_OF_GRAPHS: dict[type[Op], tuple[str, ...]] = {
    OpFromGraph: (),
    Einsum: ("subscripts", "path", "optimized"),
    MinibatchOp: (),
}


class CannotWriteError(ValueError):
    """A part of a graph that cannot be written; its message says which and why."""


class Graphs:
    """How graphs inside operations, and arrays, are written and read; of :mod:`.graphs`.

    Examples
    --------
    >>> Graphs.__name__
    'Graphs'
    """

    write: Callable[[list[Any], list[Any]], Json]
    read: Callable[[Json], tuple[list[Any], list[Any]]]
    put: Callable[[np.ndarray], Json]
    get: Callable[[Json], np.ndarray]


def op_to_json(op: Op, graphs: Graphs) -> Json:
    """Describe an operation.

    Raises
    ------
    CannotWriteError
        For one that is not on the list, or of which JSON does not say all.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> op_to_json(pt.exp(pt.vector()).owner.op, Graphs())
    {'kind': 'elemwise', 'scalar': {'family': 'scalar', 'type': 'Exp'}}
    """
    start, plain = start_of(op), without_start(op)
    if start is None:
        op = plain
    else:
        return {"kind": "started", "op": op_to_json(plain, graphs), "start": graphs.put(start)}
    kind = type(op)
    if isinstance(op, CustomDistRV | CustomSymbolicDistRV):
        raise CannotWriteError(f"{kind.__name__} is a pm.CustomDist, made of Python functions")
    if not (is_allowed(kind) or isinstance(op, ScalarOp)):
        raise CannotWriteError(
            f"the operation {op} is one of {kind.__module__}, which is not known"
        )
    try:
        written = _write(op, graphs)
    except (TypeError, NotImplementedError) as error:
        raise CannotWriteError(f"the operation {op}: {error}") from error
    return written


def op_from_json(written: Json, graphs: Graphs) -> Op:
    """Build an operation that was described.

    Raises
    ------
    ValueError, TypeError, KeyError
        For what is none, or is not on the list.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> written = {"kind": "elemwise", "scalar": {"family": "scalar", "type": "Exp"}}
    >>> op_from_json(written, Graphs()) == pt.exp
    True
    """
    kind = written["kind"]
    if kind == "started":
        return with_start(op_from_json(written["op"], graphs), graphs.get(written["start"]))
    if kind == "scalar":
        return _scalar(written["scalar"])
    if kind == "elemwise":
        return Elemwise(_scalar(written["scalar"]))
    cls = allowed_class(written["op"])
    return _READERS[kind](cls, written, graphs)


def _write(op: Op, graphs: Graphs) -> Json:
    """Describe an operation of an allowed class."""
    named = {"op": codec.qualname(op)}
    if isinstance(op, ScalarOp):
        return {"kind": "scalar", "scalar": _scalar_to_json(op)}
    if type(op) is Elemwise:
        return {"kind": "elemwise", "scalar": _scalar_to_json(op.scalar_op)}
    if isinstance(op, Blockwise):
        core = op_to_json(op.core_op, graphs)
        return {"kind": "blockwise", **named, "core": core, "signature": op.signature}
    if isinstance(op, CheckAndRaise):
        if EXCEPTIONS.get(op.exc_type.__name__) is not op.exc_type:
            raise CannotWriteError(f"{op} raises {op.exc_type.__name__}, which is not known")
        rest = {"msg": tamed(op.msg), "exception": op.exc_type.__name__}
        if isinstance(op, CheckParameterValue):
            rest["ninf"] = bool(op.can_be_replaced_by_ninf)
        return {"kind": "check", **named, **rest}
    if isinstance(op, SymbolicOp):
        name = getattr(op, "name", None)
        return {
            "kind": "symbolic",
            **named,
            "name": name and tamed(name),
            "props": _props(op, graphs),
        }
    if isinstance(op, Scan):
        info = {field: codec.prop_to_json(getattr(op.info, field)) for field in _SCAN}
        rest = {"truncate": op.truncate_gradient, "name": op.name and tamed(op.name)}
        inner = graphs.write(list(op.inner_inputs), list(op.inner_outputs))
        return {"kind": "scan", **named, "inner": inner, "info": info, **rest}
    if isinstance(op, OpFromGraph):
        return _graph_to_json(op, named, graphs)
    return {"kind": "leaf", **named, "props": _checked(op, _props(op, graphs), graphs)}


def _graph_to_json(op: OpFromGraph, named: Json, graphs: Graphs) -> Json:
    """Describe an operation that is a graph."""
    if op.pullback_overrides is not None or op.pushforward_overrides is not None:
        raise CannotWriteError(f"{op} has a gradient of its own, a Python function")
    if op.destroy_map:
        raise CannotWriteError(f"{op} changes its inputs")
    name = op.name and tamed(op.name)
    inner = graphs.write(list(op.inner_inputs), list(op.inner_outputs))
    rest: Json = {"inner": inner, "inline": bool(op.is_inline), "name": name}
    if not isinstance(op, SymbolicRandomVariable):
        if type(op) not in _OF_GRAPHS:
            raise CannotWriteError(f"{op} is a graph of a kind of its own")
        own = {k: _prop_to_json(getattr(op, k), graphs) for k in _OF_GRAPHS[type(op)]}
        return {"kind": "graph", **named, **rest, "own": own}
    attributes = _own_attributes(type(op))
    own = {name: _prop_to_json(getattr(op, name), graphs) for name in attributes}
    signature = op.extended_signature
    if signature is None:
        own["ndim_supp"] = op.ndim_supp
    return {"kind": "distribution", **named, **rest, "signature": signature, "own": own}


def _own_attributes(kind: type[Op]) -> tuple[str, ...]:
    """Return what a distribution's operation knows beside its graph, by its class or one above."""
    return next(
        (_OF_DISTRIBUTIONS[k.__name__] for k in kind.__mro__ if k.__name__ in _OF_DISTRIBUTIONS), ()
    )


def _checked(op: Op, props: Json, graphs: Graphs) -> Json:
    """Return properties, if the operation is all that they say."""
    again = _leaf(type(op), {"props": props}, graphs)
    if again != op:
        raise CannotWriteError(f"the operation {op} is more than its properties say")
    return props


def _props(op: Op, graphs: Graphs) -> Json:
    """Describe what an operation's class was called with."""
    names = getattr(op, "__props__", ())
    if not isinstance(op, SymbolicOp):
        known = inspect.signature(type(op).__init__).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in known.values()):
            names = [name for name in names if name in known]
    return {name: _prop_to_json(getattr(op, name), graphs) for name in names}


def _prop_to_json(value: Any, graphs: Graphs) -> Any:
    if isinstance(value, ScalarOp):
        return {"scalar": _scalar_to_json(value)}
    if isinstance(value, Op):
        return {"op": op_to_json(value, graphs)}
    if isinstance(value, tuple | list):
        key = "tuple" if isinstance(value, tuple) else "list"
        return {key: [_prop_to_json(v, graphs) for v in value]}
    if isinstance(value, slice):
        parts = (value.start, value.stop, value.step)
        return {"slice": [_prop_to_json(v, graphs) for v in parts]}
    if isinstance(value, np.dtype):
        return {"dtype": value.name}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return {"float": repr(value)}
    if isinstance(value, str):
        return plain_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict) and all(isinstance(k, int) for k in value):
        return {"map": [[k, _prop_to_json(v, graphs)] for k, v in value.items()]}
    raise CannotWriteError(f"it is made of {value!r:.80}, a {type(value).__name__}")


def _prop_from_json(value: Any, graphs: Graphs) -> Any:
    if not isinstance(value, dict):
        if isinstance(value, str):
            return plain_text(value)
        if value is None or isinstance(value, bool | int | float):
            return value
        raise ValueError(f"a property that is a {type(value).__name__}")
    [(key, inner)] = value.items()
    if key == "scalar":
        return _scalar(inner)
    if key == "op":
        return op_from_json(inner, graphs)
    if key == "dtype":
        return np.dtype(plain_text(inner))
    if key == "float":
        return float(inner)
    if key == "map":
        return {int(k): _prop_from_json(v, graphs) for k, v in inner}
    parts = [_prop_from_json(v, graphs) for v in inner]
    return {"tuple": tuple, "list": list, "slice": lambda p: slice(*p)}[key](parts)


def _scalar_to_json(op: ScalarOp) -> Json:
    written = codec.op_to_json(op)
    if _scalar(written) != op:
        raise CannotWriteError(f"the operation {op} is more than its class says")
    return written


def _scalar(written: Json) -> ScalarOp:
    if written["family"] not in ("scalar", "scalar_cast"):
        raise ValueError(f"a scalar operation of family {written['family']!r:.80}")
    return codec.op_from_json(written)


def _leaf(cls: type[Op], written: Json, graphs: Graphs) -> Op:
    return cls(**{k: _prop_from_json(v, graphs) for k, v in written["props"].items()})


def _symbolic(cls: type[Op], written: Json, graphs: Graphs) -> Op:
    if not issubclass(cls, SymbolicOp) or set(written["props"]) - set(
        getattr(cls, "__props__", ())
    ):
        raise ValueError(f"{cls.__name__} with {list(written['props'])}")
    name = {} if written["name"] is None else {"name": plain_text(written["name"])}
    return cls(**name, **{k: _prop_from_json(v, graphs) for k, v in written["props"].items()})


def _blockwise(cls: type[Op], written: Json, graphs: Graphs) -> Op:
    if cls is not Blockwise:
        raise ValueError(f"{cls.__name__} is no Blockwise")
    return cls(op_from_json(written["core"], graphs), signature=plain_text(written["signature"]))


def _check(cls: type[Op], written: Json, graphs: Graphs) -> Op:
    if not issubclass(cls, CheckAndRaise):
        raise ValueError(f"{cls.__name__} is no check")
    message, kind = plain_text(written["msg"]), EXCEPTIONS[written["exception"]]
    if cls is CheckParameterValue:
        return cls(message, bool(written["ninf"]))
    return cls(message) if cls is not CheckAndRaise else cls(kind, message)


def _scan(cls: type[Op], written: Json, graphs: Graphs) -> Op:
    inputs, outputs = graphs.read(written["inner"])
    info = ScanInfo(**{k: codec.prop_from_json(written["info"][k]) for k in _SCAN})
    name = written["name"] if written["name"] is None else plain_text(written["name"])
    return Scan(inputs, outputs, info, truncate_gradient=int(written["truncate"]), name=name)


def _of_graph(cls: type[Op], written: Json, graphs: Graphs) -> Op:
    if set(written["own"]) != set(_OF_GRAPHS.get(cls, ("none",))):
        raise ValueError(f"{cls.__name__} is no graph with {list(written['own'])}")
    inputs, outputs = graphs.read(written["inner"])
    own = {k: _prop_from_json(v, graphs) for k, v in written["own"].items()}
    if cls is MinibatchOp:
        return cls(inputs, outputs)
    name = written["name"] if written["name"] is None else plain_text(written["name"])
    return cls(inputs, outputs, inline=bool(written["inline"]), name=name, **own)


def _distribution(cls: type[Op], written: Json, graphs: Graphs) -> Op:
    if not issubclass(cls, SymbolicRandomVariable):
        raise ValueError(f"{cls.__name__} is no distribution")
    inputs, outputs = graphs.read(written["inner"])
    own = {k: _prop_from_json(v, graphs) for k, v in written["own"].items()}
    if set(own) - {"ndim_supp", *_own_attributes(cls)}:
        raise ValueError(f"{cls.__name__} with {list(own)}")
    if written["signature"] is not None and written["signature"] != cls.extended_signature:
        own["extended_signature"] = plain_text(written["signature"])
    name = {} if written["name"] is None else {"name": plain_text(written["name"])}
    return cls(inputs, outputs, inline=bool(written["inline"]), **name, **own)


_READERS: dict[str, Callable[[type[Op], Json, Graphs], Op]] = {
    "leaf": _leaf,
    "symbolic": _symbolic,
    "blockwise": _blockwise,
    "check": _check,
    "scan": _scan,
    "graph": _of_graph,
    "distribution": _distribution,
}
