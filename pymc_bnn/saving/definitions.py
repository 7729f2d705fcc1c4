"""What each variable of a model is, in words that can be compared with another model's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Set
from itertools import zip_longest
from typing import Any

import numpy as np
import pymc as pm
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import toposort
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.random.type import RandomGeneratorType
from pytensor.tensor.type_other import NoneTypeT

from pymc_bnn.graphs.start_values import without_start
from pymc_bnn.saving.arrays import digest_of
from pymc_bnn.saving.graphs import GraphWriter
from pymc_bnn.saving.ops import CannotWriteError, op_to_json
from pymc_bnn.saving.transforms import transform_to_json

__all__ = ["definitions", "differences", "words"]

_FEW = 8  # numbers that are shown
_SHOWN = 60  # letters of one


def definitions(
    model: pm.Model, shapes: Mapping[str, tuple[int, ...]], data: Set[Variable] = frozenset()
) -> dict[str, dict[str, Any]]:
    """Describe the variables of a model.

    Parameters
    ----------
    model : pymc.Model
        The model.
    shapes : mapping from str to tuple of int
        Of variables that have a known one.
    data : set of Variable
        Roots whose numbers do not matter, only their types and shapes.

    Returns
    -------
    dict
        By name: kind, shape, dims, transform, and `definition`, a word for each operation and
        number between the variable and other named ones.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu", 0, 2), observed=[0.0, 1.0])
    >>> definitions(model, {"mu": ()})["mu"]["definition"]
    ['Normal', '0', '2']
    """
    kinds = {"free": model.free_RVs, "observed": model.observed_RVs, "data": model.data_vars}
    kinds |= {"potential": model.potentials, "deterministic": model.deterministics}
    named = {v: name for name, v in model.named_vars.items()}
    found: dict[str, dict[str, Any]] = {}
    for kind, variables in kinds.items():
        for variable in variables:
            own: dict[str, Any] = {"kind": kind, "dtype": variable.type.dtype}
            if variable.name in shapes:
                own["shape"] = list(shapes[variable.name])
            dims = model.named_vars_to_dims.get(variable.name)
            own["dims"] = None if dims is None else list(dims)
            if kind == "free":
                own["transform"] = _transform(model, variable)
            others = {v: name for v, name in named.items() if v is not variable}
            if not (kind == "data" and variable.owner is None):
                own["definition"] = words(variable, others, data)
            elif variable not in data:
                own["definition"] = [_numbers(np.asarray(variable.get_value(borrow=True)))]
            found[variable.name] = own
    return found


def differences(
    saved: Mapping[str, Mapping[str, Any]], given: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Say in what two descriptions differ, variable by variable.

    Examples
    --------
    >>> one = {"mu": {"shape": [3]}, "s": {"definition": ["HalfNormal", "0", "1"]}}
    >>> other = {"mu": {"shape": [2]}, "s": {"definition": ["HalfCauchy", "0", "1"]}}
    >>> for difference in differences(one, other):
    ...     print(difference)
    'mu' has shape (3,) there and (2,) here
    's' is made of HalfNormal there and HalfCauchy here
    """
    wrong = [f"'{name}' is not in the model" for name in saved if name not in given]
    wrong += [f"'{name}' is not in the fit" for name in given if name not in saved]
    texts = {"kind": "is {} there and {} here", "dtype": "is {} there and {} here"}
    texts |= {key: f"has {key} {{}} there and {{}} here" for key in ("shape", "dims", "transform")}
    for name, own in saved.items():
        other = given.get(name)
        if other is None:
            continue
        for key, text in texts.items():
            if own.get(key) != other.get(key):
                there, here = _shown(own.get(key)), _shown(other.get(key))
                wrong.append(f"'{name}' " + text.format(there, here))
        a, b = own.get("definition") or [], other.get("definition") or []
        pairs = [pair for pair in zip_longest(a, b, fillvalue="nothing") if not _same(*pair)]
        if pairs and own.get("shape") == other.get("shape"):  # numbers of rows are among them
            wrong.append(f"'{name}' is made of {pairs[0][0]} there and {pairs[0][1]} here")
    return wrong


def _shown(value: Any) -> str:
    return str(tuple(value)) if isinstance(value, list | tuple) else str(value)


def _transform(model: pm.Model, rv: Variable) -> str:
    """Return a word for a transform, in which its bounds show."""
    transform = model.rvs_to_transforms[rv]
    if transform is None:
        return "none"
    try:
        written = json.dumps(transform_to_json(transform, rv, GraphWriter()), sort_keys=True)
    except CannotWriteError:
        written = ""
    return f"{transform.name} {_digest(written.encode())}"


def words(
    variable: Variable, others: Mapping[Variable, str], data: Set[Variable] = frozenset()
) -> list[str]:
    """Return a word for each operation behind a variable, and for each number, in a fixed order.

    Parameters
    ----------
    variable : Variable
        The variable.
    others : mapping from Variable to str
        What it is made of that has a name, at which it ends.
    data : set of Variable, optional
        Roots whose numbers do not matter.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x = pt.scalar()
    >>> words(pt.exp(2 * x), {x: "x"})
    ['Exp', '#0', 'Mul', '2', "'x'"]
    """
    found: list[str] = []
    numbers: dict[Variable, str] = {}
    nodes = list(toposort([variable], blockers=list(others)))
    for count, node in enumerate(nodes):
        numbers |= {v: f"#{count}" + (f".{i}" if i else "") for i, v in enumerate(node.outputs)}
    for node in reversed(nodes):  # from the variable on
        found.append(_operation(node.op))
        for v in node.inputs:
            if isinstance(v.type, RandomGeneratorType | NoneTypeT):
                continue
            if v in others:
                found.append(f"'{others[v]}'")
            elif v in numbers:
                found.append(numbers[v])
            elif v in data:
                shape = np.shape(v.get_value(borrow=True) if _shared(v) else v.data)
                found.append(f"data {v.type.dtype} {shape}")
            elif isinstance(v, Constant):
                found.append(_numbers(np.asarray(v.data)))
            elif _shared(v):
                found.append(_numbers(np.asarray(v.get_value(borrow=True))))
            else:
                found.append(str(v.type))
    return found or [f"'{others.get(variable, variable.name)}'"]


def _shared(variable: Variable) -> bool:
    return isinstance(variable, SharedVariable)


def _operation(op: Any) -> str:
    """Return the name of an operation, with a few letters of a hash of what else it is."""
    op = without_start(op)  # where a variable starts is no part of what it is
    name = type(op).__name__.removesuffix("RV")
    if isinstance(op, RandomVariable):
        return name
    if type(op) is Elemwise:
        name = type(op.scalar_op).__name__
        return f"{name} {op.scalar_op.o_type.dtype}" if name == "Cast" else name
    writer = GraphWriter()
    try:
        written = _unnamed(op_to_json(op, writer))
    except CannotWriteError:
        return name
    if written["kind"] == "leaf" and not written["props"]:
        return name
    arrays = b"".join(a.tobytes() for a in writer.arrays.values())
    return f"{name} {_digest(json.dumps(written, sort_keys=True).encode() + arrays)}"


def _unnamed(written: Any) -> Any:
    """Leave out names that say nothing of what is computed."""
    if isinstance(written, dict):
        drop = ("name", "names") if "kind" in written or "op" in written else ()
        return {k: _unnamed(v) for k, v in written.items() if k not in drop}
    return [_unnamed(v) for v in written] if isinstance(written, list) else written


def _numbers(array: np.ndarray) -> str:
    """Return small arrays as they are, of large ones the shape and a hash."""
    if array.size > _FEW:
        return f"numbers {array.dtype.name} {array.shape} {digest_of(array)[:8]}"
    text = str(array.tolist())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… {_digest(text.encode())}"


def _same(there: str, here: str) -> bool:
    """Tell whether words agree; those of the first files end where a word is cut."""
    return there == here or (len(there) == _SHOWN and here.startswith(f"{there}…"))


def _digest(written: bytes) -> str:
    return hashlib.sha256(written).hexdigest()[:8]
