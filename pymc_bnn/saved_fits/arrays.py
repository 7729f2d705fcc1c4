"""Arrays of a fit by name: each is kept once, and of equal numbers one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["Store", "stored"]

_FEW = 256  # numbers that are kept as they are
_MOST = 2**40  # numbers of one array


class Store:
    """Collects arrays, large ones only once.

    Examples
    --------
    >>> store = Store()
    >>> store.add("w", np.arange(1000.0)), store.add("same", np.arange(1000.0))
    (None, None)
    >>> list(store.arrays), store.others
    (['w'], {'same': {'as': 'w'}})
    """

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.others: dict[str, Any] = {}

    def add(self, name: str, array: Any) -> None:
        """Keep an array under a name."""
        array = np.asarray(array)
        if array.size > _FEW:
            bits = _bits(array)
            if bits[-1] == bits[0] and (bits == bits[0]).all():
                self.others[name] = {"all": name, "shape": list(array.shape)}
                array = np.asarray(array.flat[0])
            else:
                for other, known in self.arrays.items():
                    if _equal(array, known):
                        self.others[name] = {"as": other}
                        return
        self.arrays[name] = array

    def update(self, arrays: Mapping[str, Any]) -> None:
        """Keep several."""
        for name, array in arrays.items():
            self.add(name, array)


def stored(arrays: Mapping[str, np.ndarray], others: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return all arrays by name, as they were given to a store; some share their memory.

    Examples
    --------
    >>> store = Store()
    >>> store.add("w", np.zeros(1000))
    >>> stored(store.arrays, store.others)["w"].shape
    (1000,)
    """
    found = dict(arrays)
    for name, own in others.items():
        if "as" in own:
            found[name] = arrays[own["as"]]
            continue
        shape = tuple(int(n) for n in own["shape"])
        if any(n < 0 for n in shape) or np.prod(shape, dtype=float) > _MOST:
            raise ValueError(f"an array of shape {shape}")
        found[name] = np.broadcast_to(arrays[own["all"]].reshape(()), shape)
    return found


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    a, b = _bits(a), _bits(b)
    return bool((a[:16] == b[:16]).all() and (a == b).all())


def _bits(array: np.ndarray) -> np.ndarray:
    """Return numbers whose equality is that of bits: 0 is not −0, and NaN is NaN."""
    flat = np.ascontiguousarray(array).reshape(-1)
    size = flat.dtype.itemsize
    return flat.view(f"u{size}") if size in (1, 2, 4, 8) else flat.view("u8").reshape(len(flat), -1)
