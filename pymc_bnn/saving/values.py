"""Nested plain values and arrays as JSON and arrays by name."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from pymc_bnn._checks import invalid

__all__ = ["join", "split"]

_KINDS = "array", "bytes", "pairs", "tuple"  # of what JSON has no word for: {"": kind, "of": …}


def split(value: Any, name: str, argument: str) -> tuple[Any, dict[str, np.ndarray]]:
    """Return what JSON can hold of a value, and copies of its arrays by names.

    Parameters
    ----------
    value : object
        Numbers, strings, None, bytes, arrays, and lists, tuples and dicts of these.
    name : str
        What names of arrays begin with.
    argument : str
        What the error calls the value.

    Returns
    -------
    plain : object
        For ``json.dumps``.
    arrays : dict from str to numpy.ndarray
        NumPy's own, and what becomes one of numbers (tensors).

    Raises
    ------
    TypeError
        For anything else.

    Examples
    --------
    >>> plain, arrays = split({"best": (1.5, None), 3: np.zeros(2)}, "a", "callbacks")
    >>> join(plain, arrays)
    {'best': (1.5, None), 3: array([0., 0.])}
    """
    arrays: dict[str, np.ndarray] = {}

    def plain(value: Any) -> Any:
        if isinstance(value, np.bool_):
            return bool(value)
        if isinstance(value, np.integer | np.floating):
            return plain(np.asarray(value))
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, bytes | bytearray):
            return {"": "bytes", "of": base64.b64encode(value).decode()}
        if isinstance(value, tuple):
            return {"": "tuple", "of": [plain(v) for v in value]}
        if isinstance(value, list):
            return [plain(v) for v in value]
        if isinstance(value, Mapping):
            if all(isinstance(key, str) for key in value) and "" not in value:
                return {key: plain(v) for key, v in value.items()}
            return {"": "pairs", "of": [[plain(key), plain(v)] for key, v in value.items()]}
        array = np.array(value) if hasattr(value, "__array__") else None
        if array is None or array.dtype.kind not in "biufc":
            rule, got = "have a state of numbers, strings and arrays", f"a {type(value).__name__}"
            raise invalid(argument, rule, got, "leave it out of state_dict()", TypeError)
        key = f"{name}/{len(arrays)}"
        arrays[key] = array
        return {"": "array", "of": key}

    return plain(value), arrays


def join(plain: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return the value that was split.

    Examples
    --------
    >>> join({"": "tuple", "of": [1, {"": "bytes", "of": "aGk="}]}, {})
    (1, b'hi')
    """
    if isinstance(plain, list):
        return [join(v, arrays) for v in plain]
    if not isinstance(plain, dict):
        return plain
    if "" not in plain:
        return {key: join(v, arrays) for key, v in plain.items()}
    kind, of = plain[""], plain["of"]
    if kind not in _KINDS:
        raise ValueError(f"unknown kind {kind!r}")
    if kind == "array":
        return arrays[of]
    if kind == "bytes":
        return base64.b64decode(of, validate=True)
    if kind == "tuple":
        return tuple(join(v, arrays) for v in of)
    return {join(key, arrays): join(v, arrays) for key, v in of}
