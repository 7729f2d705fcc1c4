"""Graphs as JSON and back: nodes in order, by what each is applied to; large arrays go beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import io_toposort
from pytensor.scalar.basic import ScalarConstant, ScalarType
from pytensor.tensor.random.type import RandomGeneratorType
from pytensor.tensor.type import TensorType
from pytensor.tensor.type_other import NoneConst, NoneTypeT
from pytensor.tensor.variable import TensorConstant
from pytensor_ml import json_serialize as codec

from pymc_bnn.saving.allowed import plain_text
from pymc_bnn.saving.ops import CannotWriteError, Graphs, op_from_json, op_to_json

__all__ = ["FEW", "GraphReader", "GraphWriter", "type_from_json", "type_to_json"]

Json = dict[str, Any]
FEW = 64  # numbers that JSON holds itself
_KINDS = "biuf"


def type_to_json(variable: Variable) -> Json:
    """Describe the type of a variable.

    Raises
    ------
    CannotWriteError
        For other types than tensors, scalars, random generators and None.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> type_to_json(pt.matrix())
    {'kind': 'tensor', 'dtype': 'float64', 'shape': [None, None]}
    """
    if type(variable.type) not in (TensorType, ScalarType, RandomGeneratorType, NoneTypeT):
        raise CannotWriteError(f"{variable} is of type {variable.type}, which is not known")
    return codec.type_to_json(variable.type)


def type_from_json(written: Json) -> Any:
    """Return the type that was described.

    Examples
    --------
    >>> type_from_json({"kind": "tensor", "dtype": "float64", "shape": [None]})
    TensorType(float64, shape=(None,))
    """
    if written["kind"] not in ("tensor", "scalar", "random_generator", "none"):
        raise ValueError(f"a type of kind {written['kind']!r:.80}")
    if written["kind"] == "tensor":
        for length in written["shape"]:
            if not (length is None or (type(length) is int and length >= 0)):
                raise ValueError(f"a length {length!r:.80}")
    if written["kind"] in ("tensor", "scalar"):
        plain_text(written["dtype"])
    return codec.type_from_json(written)


class GraphWriter(Graphs):
    """Write graphs, and collect the arrays in them.

    Attributes
    ----------
    arrays : dict from str to numpy.ndarray
        Those that are too large for JSON.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x = pt.vector("x")
    >>> len(GraphWriter().write([x], [2 * x.sum()])["nodes"])
    2
    """

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.node: Apply | None = None  # that is being written, for errors

    def write(self, inputs: Sequence[Variable], outputs: Sequence[Variable]) -> Json:
        """Describe a graph."""
        nodes = io_toposort(list(inputs), list(outputs))
        known: dict[Variable, Any] = {v: ["input", i] for i, v in enumerate(inputs)}
        written = []
        for number, node in enumerate(nodes):
            self.node = node
            own: Json = {
                "op": op_to_json(node.op, self),
                "inputs": [self._reference(v, known) for v in node.inputs],
                "types": [type_to_json(v) for v in node.outputs],
            }
            names = [v.name for v in node.outputs]
            if any(names):
                own["names"] = names
            written.append(own)
            known |= {v: ["node", number, i] for i, v in enumerate(node.outputs)}
        return {
            "inputs": [type_to_json(v) for v in inputs],
            "nodes": written,
            "outputs": [self._reference(v, known) for v in outputs],
        }

    def _reference(self, variable: Variable, known: dict[Variable, Any]) -> Any:
        if variable in known:
            return known[variable]
        if isinstance(variable, Constant):
            return ["constant", self.constant(variable)]
        raise CannotWriteError(f"{variable} is no part of the model")

    def constant(self, variable: Constant) -> Json:
        """Describe a constant."""
        written = type_to_json(variable)
        if written["kind"] == "none":
            return {"type": written}
        if written["kind"] == "random_generator":
            raise CannotWriteError(f"{variable} is a random generator that is a constant")
        return {"type": written, "value": self.put(variable.data), "name": variable.name}

    def put(self, array: Any) -> Json:
        """Describe an array: its numbers, or where they are."""
        array = np.asarray(array)
        if array.dtype.kind not in _KINDS:
            raise CannotWriteError(f"an array of {array.dtype}")
        if array.size <= FEW and array.dtype.kind != "f":
            return {
                "dtype": array.dtype.name,
                "shape": list(array.shape),
                "int": array.ravel().tolist(),
            }
        if array.size <= FEW:
            numbers = [x if np.isfinite(x) else repr(float(x)) for x in array.ravel().tolist()]
            return {"dtype": array.dtype.name, "shape": list(array.shape), "float": numbers}
        name = f"model/{len(self.arrays)}"
        self.arrays[name] = array
        return {"array": name}


class GraphReader(Graphs):
    """Build graphs that were written.

    Parameters
    ----------
    arrays : mapping from str to numpy.ndarray
        That were too large for JSON.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x = pt.vector("x")
    >>> [y], [z] = GraphReader({}).read(GraphWriter().write([x], [2 * x.sum()]))
    >>> float(z.eval({y: [1.0, 2.0]}))
    6.0
    """

    def __init__(self, arrays: Any) -> None:
        self.arrays = arrays

    def read(self, written: Json, inputs: Sequence[Variable] | None = None) -> Any:
        """Return inputs and outputs of a graph, built on given inputs, or on new ones."""
        if inputs is None:
            inputs = [type_from_json(own)() for own in written["inputs"]]
        built: list[list[Variable]] = []
        for node in written["nodes"]:
            op = op_from_json(node["op"], self)
            own = [self._resolve(reference, inputs, built) for reference in node["inputs"]]
            found = _apply(op, own, [type_from_json(t) for t in node["types"]])
            for variable, name in zip(found, node.get("names", [None] * len(found)), strict=True):
                variable.name = None if name is None else str(name)
            built.append(found)
        return list(inputs), [self._resolve(r, inputs, built) for r in written["outputs"]]

    def _resolve(self, reference: Any, inputs: Any, built: Any) -> Variable:
        kind, *place = reference
        if kind == "constant":
            return self.constant(*place)
        if any(type(i) is not int or i < 0 for i in place):
            raise ValueError(f"a reference to {place!r:.80}")
        if kind == "input":
            return inputs[place[0]]
        if kind == "node":
            return built[place[0]][place[1]]
        raise ValueError(f"a reference of kind {kind!r:.80}")

    def constant(self, written: Json) -> Constant:
        """Return a constant that was described."""
        own = type_from_json(written["type"])
        if isinstance(own, NoneTypeT):
            return NoneConst
        name = written["name"] if written["name"] is None else str(written["name"])
        value = self.get(written["value"])
        if isinstance(own, ScalarType):
            if value.ndim:
                raise ValueError(f"a scalar of shape {value.shape}")
            return ScalarConstant(own, own.filter(value.astype(own.dtype)[()]), name=name)
        if value.dtype != own.dtype:
            raise ValueError(f"a constant of {own} from numbers of {value.dtype}")
        return TensorConstant(own, own.filter(value), name=name)

    def get(self, written: Json) -> np.ndarray:
        """Return an array that was described."""
        if "array" in written:
            name = written["array"]
            if not str(name).startswith("model/"):
                raise ValueError(f"an array of a model called {name!r:.80}")
            return self.arrays[name]
        dtype = np.dtype(plain_text(written["dtype"]))
        if dtype.kind not in _KINDS:
            raise ValueError(f"an array of {dtype}")
        numbers = written["int"] if "int" in written else [float(x) for x in written["float"]]
        return np.array(numbers, dtype).reshape([int(n) for n in written["shape"]])


def _apply(op: Any, inputs: list[Variable], types: list[Any]) -> list[Variable]:
    """Apply an operation; its outputs are of these types, of which it may know less."""
    if hasattr(op, "build_inner_graph"):  # which its inputs' types decide
        found = op(*inputs)
        node = (found[0] if isinstance(found, list | tuple) else found).owner
    else:
        node = op.make_node(*inputs)
    if [v.type for v in node.outputs] != types:
        known = len(node.outputs) == len(types) and all(
            type(v.type) is type(own) and v.type.is_super(own)
            for v, own in zip(node.outputs, types, strict=True)
        )
        if not known:
            got = ", ".join(str(v.type) for v in node.outputs)
            raise ValueError(f"{op} gives {got}, not {', '.join(map(str, types))}")
        node = Apply(node.op, node.inputs, [own() for own in types])
    return list(node.outputs)
