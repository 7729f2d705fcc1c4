"""A PyMC model as JSON and back, in a process that never saw the code that wrote it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Set
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.type import RandomGeneratorType
from pytensor.tensor.sharedvar import TensorSharedVariable
from pytensor.tensor.variable import TensorConstant, TensorVariable

from pymc_bnn.saving.graphs import GraphReader, GraphWriter, type_from_json, type_to_json
from pymc_bnn.saving.ops import CannotWriteError
from pymc_bnn.saving.transforms import transform_from_json, transform_to_json

__all__ = [
    "is_absent",
    "label_from_json",
    "label_to_json",
    "model_from_json",
    "model_to_json",
]

Json = dict[str, Any]
_OUTPUTS = ("variables", "values", "symbolic_starts", "lengths")
_LISTS = ("free_RVs", "observed_RVs", "potentials", "deterministics", "data_vars")
_MOST = 2**34  # numbers of data that are not there; those that are there are as many as files hold
_MOST_LABELS = 10**7  # of a dimension that are numbers in a row


def model_to_json(
    model: pm.Model, absent: Set[Variable] = frozenset()
) -> tuple[Json, dict[str, np.ndarray]]:
    """Describe a model: its graph, names, dims, coords, transforms and initial values.

    Parameters
    ----------
    model : pymc.Model
        The model.
    absent : set of Variable, optional
        Data, shared variables or constants, of which type, shape and name are written alone.

    Returns
    -------
    written : dict
        For JSON.
    arrays : dict from str to numpy.ndarray
        Large arrays, which it refers to.

    Raises
    ------
    CannotWriteError
        Where it has a part that no file may hold, such as a Python function; names the variable.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=[0.0, 1.0])
    >>> written, arrays = model_to_json(model)
    >>> sorted(written["variables"]), arrays
    (['mu', 'y'], {})
    """
    if model.parent is not None:
        raise CannotWriteError("it is a part of another model; fit that one")
    writer = GraphWriter()
    variables = dict(model.named_vars.items())
    values = {rv.name: model.rvs_to_values[rv] for rv in model.basic_RVs}
    starts = {rv.name: model.rvs_to_initial_values.get(rv) for rv in model.free_RVs}
    symbolic = {name: start for name, start in starts.items() if isinstance(start, Variable)}
    lengths = dict(model.dim_lengths)
    outputs = [*variables.values(), *values.values(), *symbolic.values(), *lengths.values()]
    inputs = _roots(outputs)
    try:
        graph = writer.write(inputs, outputs)
    except CannotWriteError as error:
        raise CannotWriteError(f"{_whose(model, writer)}{error}") from error
    written: Json = {
        "inputs": [_input_to_json(v, writer, absent) for v in inputs],
        "graph": graph,
        "variables": list(variables),
        "values": list(values),
        "symbolic_starts": list(symbolic),
        "lengths": list(lengths),
        **{kind: [v.name for v in getattr(model, kind)] for kind in _LISTS},
        "starts": {k: _start_to_json(v, writer) for k, v in starts.items() if k not in symbolic},
        "dims": {k: list(v) for k, v in model.named_vars_to_dims.items() if v is not None},
        "coords": {k: _coord_to_json(k, v) for k, v in model.coords.items()},
        "check_bounds": bool(model.check_bounds),
    }
    transforms = {}
    for rv in model.free_RVs:
        try:
            transforms[rv.name] = transform_to_json(model.rvs_to_transforms[rv], rv, writer)
        except CannotWriteError as error:
            raise CannotWriteError(f"of '{rv.name}' {error}") from error
    return {**written, "transforms": transforms}, writer.arrays


def model_from_json(written: Json, arrays: Mapping[str, np.ndarray]) -> pm.Model:
    """Build a model that was described; see :func:`model_to_json`.

    Raises
    ------
    ValueError, TypeError, KeyError, IndexError
        For what describes none.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.HalfNormal("mu"), observed=[0.0, 1.0])
    >>> model_from_json(*model_to_json(model)).initial_point()
    {'mu_log__': array(0.)}
    """
    reader = GraphReader(arrays)
    inputs = [_input_from_json(own, reader) for own in written["inputs"]]
    if len(inputs) != len(written["graph"]["inputs"]):
        raise ValueError("inputs that are not those of its graph")
    outputs = reader.read(written["graph"], inputs)[1]
    if len(outputs) != sum(len(written[kind]) for kind in _OUTPUTS):
        raise ValueError(f"a graph with {len(outputs)} outputs")
    found = iter(outputs)
    variables = {name: next(found) for name in written["variables"]}
    values = {name: next(found) for name in written["values"]}
    symbolic = {name: next(found) for name in written["symbolic_starts"]}
    lengths = {name: next(found) for name in written["lengths"]}
    for name, variable in variables.items():
        variable.name = name

    model = pm.Model(model=None, check_bounds=bool(written["check_bounds"]))
    model._coords = {name: _coord_from_json(own) for name, own in written["coords"].items()}
    model._dim_lengths = lengths
    for kind in _LISTS:
        getattr(model, kind).extend(variables[name] for name in written[kind])
    for name in written["values"]:
        rv, value = variables[name], values[name]
        transform = None
        if name in written["transforms"]:
            transform = transform_from_json(written["transforms"][name], rv, reader)
        model.create_value_var(rv, transform=transform, default_transform=None, value_var=value)
        if transform is not None:
            value.tag.transform = transform
    for name in written["free_RVs"]:
        start = symbolic.get(name)
        if start is None:
            start = _start_from_json(written["starts"][name], reader)
        model.set_initval(variables[name], start)
    for name, variable in variables.items():
        dims = written["dims"].get(name)
        model.add_named_variable(variable, dims=None if dims is None else tuple(dims))
    return model


def is_absent(variable: Variable) -> bool:
    """Tell whether data are known by name, type and shape only.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     x = pm.Data("x", [1.0, 2.0])
    ...     y = pm.Normal("y", pm.Normal("mu") * x, observed=[0.0, 1.0])
    >>> read = model_from_json(*model_to_json(model, {x}))
    >>> is_absent(x), is_absent(read["x"]), read["x"].get_value()
    (False, True, array([nan, nan]))
    """
    return bool(getattr(variable.tag, "absent", False))


def _roots(outputs: list[Variable]) -> list[Variable]:
    """Return what a graph is made of, constants with axes included, each once."""
    roots = dict.fromkeys(v for v in ancestors(outputs) if v.owner is None)
    return [v for v in roots if not isinstance(v, Constant) or _has_axes(v)]


def _has_axes(constant: Constant) -> bool:
    return isinstance(constant, TensorConstant) and constant.type.ndim > 0


def _whose(model: pm.Model, writer: GraphWriter) -> str:
    """Say of which variable the node is that cannot be written."""
    node = writer.node
    for name, variable in model.named_vars.items():
        if node is not None and any(v.owner is node for v in ancestors([variable])):
            return f"in '{name}' "
    return ""


def _input_to_json(variable: Variable, writer: GraphWriter, absent: Set[Variable]) -> Json:
    """Describe a root of the graph."""
    if isinstance(variable.type, RandomGeneratorType):
        return {"kind": "generator", "name": variable.name}
    written: Json = {"type": type_to_json(variable), "name": variable.name}
    columns = getattr(variable.tag, "columns", None)
    if columns is not None:
        written["columns"] = [label_to_json(c) for c in columns]
    if isinstance(variable, SharedVariable):
        kind, value = "shared", variable.get_value(borrow=True)
    elif isinstance(variable, Constant):
        kind, value = "constant", variable.data
    elif isinstance(variable, TensorVariable):
        return {"kind": "value", **written}
    else:
        raise CannotWriteError(f"{variable} is a {type(variable).__name__}")
    if variable in absent:
        return {"kind": kind, **written, "absent": list(np.shape(value))}
    return {"kind": kind, **written, "value": writer.put(value)}


def _input_from_json(written: Json, reader: GraphReader) -> Variable:
    """Return a root of the graph."""
    name = written["name"] if written["name"] is None else str(written["name"])
    if written["kind"] == "generator":
        return pytensor.shared(np.random.default_rng(), name=name)
    own = type_from_json(written["type"])
    if written["kind"] == "value":
        return own(name)
    absent = "absent" in written
    value = _placeholder(own, written["absent"]) if absent else reader.get(written["value"])
    if value.dtype != own.dtype:
        raise ValueError(f"'{name}' of {own} from numbers of {value.dtype}")
    if written["kind"] == "constant":
        found: Variable = TensorConstant(own, own.filter(value), name=name)
    elif written["kind"] == "shared":
        found = TensorSharedVariable(type=own, value=own.filter(value), strict=False, name=name)
    else:
        raise ValueError(f"an input of kind {written['kind']!r:.80}")
    if absent:
        found.tag.absent = True
    if "columns" in written:
        found.tag.columns = tuple(label_from_json(c) for c in written["columns"])
    return found


def _placeholder(own: Any, shape: Any) -> np.ndarray:
    """Return what stands for data that are not there: no numbers, in next to no memory."""
    shape = tuple(int(n) for n in shape)
    if any(n < 0 for n in shape) or np.prod(shape, dtype=float) > _MOST:
        raise ValueError(f"data of shape {shape}")
    dtype = np.dtype(own.dtype)
    return np.broadcast_to(np.array(np.nan if dtype.kind == "f" else 0, dtype), shape)


def _start_to_json(start: Any, writer: GraphWriter) -> Any:
    return start if start is None or isinstance(start, str) else writer.put(start)


def _start_from_json(written: Any, reader: GraphReader) -> Any:
    return written if written is None or isinstance(written, str) else reader.get(written)


def _coord_to_json(name: str, labels: Any) -> Any:
    if labels is None:
        return None
    whole = len(labels) and all(isinstance(v, int | np.integer) for v in labels)
    if len(labels) > _MOST_LABELS:
        raise CannotWriteError(f"the coords of '{name}' hold more than {_MOST_LABELS:,} labels")
    if whole and list(labels) == list(range(len(labels))):
        return {"range": len(labels)}
    try:
        return [label_to_json(label) for label in labels]
    except CannotWriteError as error:
        raise CannotWriteError(f"the coords of '{name}' hold {error}") from error


def _coord_from_json(written: Any) -> Any:
    if isinstance(written, dict):
        if not 0 <= int(written["range"]) <= _MOST_LABELS:
            raise ValueError(f"coords of {written['range']!r:.80} labels")
        return tuple(range(int(written["range"])))
    return None if written is None else tuple(label_from_json(label) for label in written)


def label_to_json(label: Any) -> Any:
    """Describe a label of a coordinate, or a column's name.

    Examples
    --------
    >>> label_to_json(np.datetime64("2026-01-01"))
    {'datetime64': '2026-01-01', 'unit': 'D'}
    """
    if isinstance(label, np.generic) and not isinstance(label, np.datetime64 | np.timedelta64):
        label = label.item()
    if label is None or isinstance(label, bool | int | str):
        return label
    if isinstance(label, float):
        return label if np.isfinite(label) else {"float": repr(label)}
    if isinstance(label, tuple):
        return {"tuple": [label_to_json(part) for part in label]}
    if isinstance(label, np.datetime64):
        return {"datetime64": str(label), "unit": np.datetime_data(label)[0]}
    if isinstance(label, pd.Timestamp) and label.tz is None:
        return {"timestamp": label.isoformat()}
    if isinstance(label, datetime.date) and not isinstance(label, datetime.datetime):
        return {"date": label.isoformat()}
    raise CannotWriteError(f"{label!r:.80}, a {type(label).__name__}")


def label_from_json(written: Any) -> Any:
    """Return a label that was described.

    Examples
    --------
    >>> label_from_json({"tuple": ["a", 1]})
    ('a', 1)
    """
    if not isinstance(written, dict):
        if written is None or isinstance(written, bool | int | float | str):
            return written
        raise ValueError(f"a label that is a {type(written).__name__}")
    kind = next(iter(written))
    if kind == "tuple":
        return tuple(label_from_json(part) for part in written["tuple"])
    readers = {
        "float": float,
        "timestamp": pd.Timestamp,
        "date": datetime.date.fromisoformat,
        "datetime64": lambda text: np.datetime64(text, written["unit"]),
    }
    return readers[kind](written[kind])
