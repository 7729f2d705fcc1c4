"""Several arrays under a name of their own: what steps have as one, along a new first axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

__all__ = ["FEW", "LARGEST", "stack_of", "stacked"]

FEW = 8  # arrays or operations of a kind, below which each stays by itself
LARGEST = 64  # numbers of an array, up to which a copy of it is cheap


def stack_of(names: Sequence[str]) -> str:
    """Return the name of what several names stand for together.

    Examples
    --------
    >>> stack_of(["a", "b", "c"])
    'a and 2 more'
    """
    return f"{names[0]} and {len(names) - 1} more"


def stacked(arrays: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Return an array, or several as one along a new first axis, if they are not that already.

    Examples
    --------
    >>> import numpy as np
    >>> stacked({"a": np.zeros(2), "b": np.ones(2)}, ["a", "b"]).shape
    (2, 2)
    """
    if len(names) == 1:
        return arrays[names[0]]
    whole = arrays.get(stack_of(names))
    if whole is not None:
        return whole
    parts = [arrays[name] for name in names]
    on_host = all(isinstance(part, np.ndarray | np.generic | float) for part in parts)
    return np.stack(parts) if on_host else jax.numpy.stack(parts)
