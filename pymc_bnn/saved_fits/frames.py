"""Small tables of numbers and texts as JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["frame_from_json", "frame_to_json"]


def frame_to_json(frame: pd.DataFrame) -> dict[str, Any]:
    """Describe a table whose columns are of numbers, texts or truths.

    Examples
    --------
    >>> frame_to_json(pd.DataFrame({"a": [1.5]}, index=["x"]))["columns"]
    [['a', 'float64', [1.5]]]
    """
    return {
        "index": [frame.index.name, frame.index.dtype.name, _plain(frame.index)],
        "columns": [[str(k), v.dtype.name, _plain(v)] for k, v in frame.items()],
    }


def frame_from_json(written: dict[str, Any]) -> pd.DataFrame:
    """Return a table that was described.

    Examples
    --------
    >>> frame = pd.DataFrame({"a": [1.5, np.inf], "b": ["u", "v"]}, pd.Index([2, 1], name="n"))
    >>> frame_from_json(frame_to_json(frame)).equals(frame)
    True
    """
    name, dtype, labels = written["index"]
    index = pd.Index(_values(dtype, labels), name=name)
    columns = {str(k): pd.Series(_values(own, v), index) for k, own, v in written["columns"]}
    return pd.DataFrame(columns, index)


def _plain(values: Any) -> list[Any]:
    found = np.asarray(values).tolist()
    odd = (isinstance(v, float) and not np.isfinite(v) for v in found)
    return [repr(v) if is_odd else v for v, is_odd in zip(found, odd, strict=True)]


def _values(dtype: str, values: list[Any]) -> Any:
    if dtype.startswith("float"):
        return np.array([float(v) for v in values])
    if dtype.startswith("int"):
        return np.array([int(v) for v in values])
    if dtype == "bool":
        return np.array([bool(v) for v in values])
    return [str(v) for v in values]
