"""New values of the data, which callbacks evaluate and predict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymc_bnn._checks import invalid

__all__ = ["check_data"]


def check_data(data: Any) -> dict[str, Any]:
    """Return new values of the data by name.

    Examples
    --------
    >>> check_data([1.0])
    Traceback (most recent call last):
        ...
    TypeError: `data` must map names to arrays, got a list; pass {'x': images}, say
    """
    if not isinstance(data, Mapping):
        got = f"a {type(data).__name__}"
        raise invalid("data", "map names to arrays", got, "pass {'x': images}, say", TypeError)
    return dict(data)
