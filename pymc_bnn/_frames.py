"""Tables: those that users pass, their columns, rows and numbers; and those that notebooks show.

pandas and polars are known by what they look like; neither is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from pymc_bnn._checks import first_line, invalid

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "as_html",
    "as_numbers",
    "check_aligned",
    "column_names",
    "is_frame",
    "listed",
    "refuse_missing",
    "reordered",
]

_SHOWN = 20  # rows of a table in a notebook
_ENCODE = "encode it: pandas.get_dummies(…), or .astype('category').cat.codes as an index"
_REPAIRS = {
    "M": "turn it into a number, as in (dates - dates.min()).dt.days",
    "m": "turn it into a number: .dt.total_seconds()",
    "c": "pass real and imaginary parts as columns of their own",
}


def column_names(value: Any) -> tuple[Any, ...] | None:
    """Return the names of a table's columns; None for an array, or columns just counted from 0.

    Examples
    --------
    >>> import pandas as pd
    >>> column_names(pd.DataFrame({"age": [30], "height": [1.7]}))
    ('age', 'height')
    >>> column_names(np.zeros((1, 2)))
    """
    if not is_frame(value):
        return None
    names = tuple(value.columns)
    return None if names == tuple(range(len(names))) else names


def reordered(argument: str, value: Any, names: Sequence[Any] | None) -> Any:
    """Return a table with its columns as `names` say; an array stays as it is.

    Raises ValueError where columns lack, are renamed or come on top.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"height": [1.7], "age": [30]})
    >>> list(reordered("x", frame, ["age", "height"]))
    ['age', 'height']
    """
    given = column_names(value)
    if names is None or given is None or given == tuple(names):
        return value
    lacking = [name for name in names if name not in given]
    extra = [name for name in given if name not in names]
    twice = sorted({str(name) for name in given if given.count(name) > 1})
    parts = {"no": lacking, "the unknown": extra, "twice": twice}
    got = " and ".join(f"{word} {listed(found)}" for word, found in parts.items() if found)
    if got:
        rule, repair = f"have the columns {listed(names)}", "add, rename or drop columns"
        raise invalid(argument, rule, got, f"{repair}; an array is taken by position")
    return value[list(names)]


def as_numbers(argument: str, value: Any) -> np.ndarray:
    """Return real numbers as an array; an error names the columns that hold none.

    Of tables missing values are refused as well. Columns of several types become one that holds
    them all: booleans count as 0 and 1.

    Examples
    --------
    >>> import pandas as pd
    >>> as_numbers("x", pd.DataFrame({"age": [30, 40], "smokes": [True, False]})).tolist()
    [[30, 1], [40, 0]]
    >>> as_numbers("x", pd.DataFrame({"age": [30, None]}))
    Traceback (most recent call last):
    ...
    ValueError: `x` must hold finite numbers only, got 1 missing or infinite in column 'age', \
the first in row 1; drop these rows or fill them in: .fillna(…)
    """
    frame = is_frame(value)
    if not (frame or _is_series(value)):
        return _numeric(argument, value)
    whole = np.asarray(value.to_numpy())
    if whole.dtype.kind in "biuf" and np.isfinite(whole).all():
        return whole
    if frame:
        by_place = hasattr(value, "iloc")  # names may repeat
        columns = [
            value.iloc[:, i] if by_place else value[name] for i, name in enumerate(value.columns)
        ]
        names = [repr(name) for name in value.columns]
    else:
        own = getattr(value, "name", None)
        columns, names = [value], [repr(argument if own is None else own)]
    _check_columns(argument, names, columns)
    arrays = [
        np.asarray(column.to_numpy(), getattr(column.dtype, "numpy_dtype", None))
        for column in columns
    ]
    refuse_missing(argument, names, [~np.isfinite(array) for array in arrays])
    return np.stack(arrays, axis=1) if frame else arrays[0]


def check_aligned(argument: str, items: Mapping[str, Any]) -> None:
    """Raise if pandas objects have the same rows in another order.

    Examples
    --------
    >>> import pandas as pd
    >>> x = pd.Series([1.0, 2.0], index=["anna", "ben"])
    >>> check_aligned("new_data", {"x": x, "y": x + 1, "z": np.zeros(2)})
    """
    indexes = {k: v.index for k, v in items.items() if hasattr(getattr(v, "index", None), "equals")}
    for name, index in indexes.items():
        first, other = next(iter(indexes.items()))
        if len(index) == len(other) and not index.equals(other) and set(index) == set(other):
            rule = f"have its rows in one order, as the index of {first!r} says"
            repair = f"pass {name}.loc[{first}.index], or .to_numpy() of both if they do agree"
            raise invalid(argument, rule, f"another order of the same rows in {name!r}", repair)


def listed(names: Sequence[Any]) -> str:
    """Write a list of names, shortened.

    Examples
    --------
    >>> listed(range(12))
    '[0, 1, 2, 3, 4, 5, 6, 7] and 4 more'
    """
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"{list(names)[:8]}{more}"


def as_html(title: str, table: pd.DataFrame) -> str:
    """Return a title and the first rows of a table as HTML, for notebooks.

    Examples
    --------
    >>> import pandas as pd
    >>> as_html("a < b", pd.DataFrame({"a": [0.123456789]}))[:15]
    '<p>a &lt; b</p>'
    """
    shown = table.head(_SHOWN).to_html(float_format="{:.4g}".format)
    more = f"<p>and {len(table) - _SHOWN:,} more</p>" if len(table) > _SHOWN else ""
    return f"<p>{escape(title)}</p>\n{shown}{more}"


def refuse_missing(argument: str, names: Sequence[str], missing: Sequence[np.ndarray]) -> None:
    """Raise if some values of the columns are missing.

    Examples
    --------
    >>> refuse_missing("x", ["'age'"], [np.array([False, False])])
    """
    bad = [(name, flags) for name, flags in zip(names, missing, strict=True) if flags.any()]
    if not bad:
        return
    parts = [
        f"{flags.sum()} missing or infinite in column {name}, the first in row {np.argmax(flags)}"
        for name, flags in bad[:4]
    ]
    got = "; ".join(parts) + (f"; and {len(bad) - 4} more columns" if len(bad) > 4 else "")
    repair = "drop these rows or fill them in: .fillna(…)"
    raise invalid(argument, "hold finite numbers only", got, repair)


def is_frame(value: Any) -> bool:
    """Return whether something is a table with named columns: of pandas, polars or alike.

    Examples
    --------
    >>> is_frame(np.zeros((2, 2)))
    False
    """
    return hasattr(value, "to_numpy") and hasattr(value, "columns")


def _is_series(value: Any) -> bool:
    nulls = hasattr(value, "isna") or hasattr(value, "is_null")
    return nulls and hasattr(value, "to_numpy") and hasattr(value, "dtype")


def _numeric(argument: str, value: Any) -> np.ndarray:
    """Return what is no table as an array."""
    if np.ma.is_masked(value):
        got = f"{int(np.ma.getmaskarray(value).sum()):,} masked ones"
        raise invalid(argument, "hold no masked numbers", got, "drop them or fill them: .filled(…)")
    try:
        array = np.asarray(value)
    except ValueError:
        rule, repair = "hold numbers, in rows of one length", "pad or cut the rows"
        raise invalid(argument, rule, f"a ragged {type(value).__name__}", repair) from None
    except Exception as error:  # of a tensor that is on another device, say
        rule, repair = "be something NumPy can read", "convert it, as in x.detach().cpu().numpy()"
        got = f"a {type(value).__name__} ({first_line(error)})"
        raise invalid(argument, rule, got, repair, TypeError) from error
    if array.dtype.kind not in "biuf":
        got = type(value).__name__ + ("" if value is None else f" of dtype {array.dtype}")
        repair = _REPAIRS.get(array.dtype.kind, _ENCODE)
        if array.dtype.kind == "O":
            repair = "pass an array of numbers: .astype(float) where they are"
        rule = "hold real numbers" if array.dtype.kind == "c" else "hold numbers"
        raise invalid(argument, rule, got, repair, TypeError)
    return array


def _check_columns(argument: str, names: Sequence[str], columns: Sequence[Any]) -> None:
    """Refuse columns that hold no numbers, and missing values of those that would."""
    kinds = [
        getattr(column.dtype, "kind", None) or column.to_numpy().dtype.kind for column in columns
    ]
    wrong = [i for i, kind in enumerate(kinds) if kind not in "biuf"]
    if wrong:
        shown = ", ".join(f"{names[i]} ({columns[i].dtype})" for i in wrong[:8])
        more = f" and {len(wrong) - 8} more" if len(wrong) > 8 else ""
        repair = _REPAIRS.get(kinds[wrong[0]], _ENCODE)
        if kinds[wrong[0]] == "O" and _converts(columns[wrong[0]]):
            repair = "convert it by .astype(float)"
        rule, noun = "hold numbers", "column" if len(wrong) == 1 else "columns"
        raise invalid(argument, rule, f"{noun} {shown}{more}", repair, TypeError)
    nulls = [c.isna() if hasattr(c, "isna") else c.is_null() for c in columns]
    refuse_missing(argument, names, [np.asarray(null, bool) for null in nulls])


def _converts(column: Any) -> bool:
    """Tell whether objects are numbers."""
    try:
        np.asarray(column.to_numpy(), float)
    except (TypeError, ValueError):
        return False
    return str(column.dtype) == "object"
