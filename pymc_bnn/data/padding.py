"""Rows that fill up: programs are compiled for a few sizes, not for each number of rows."""

from __future__ import annotations

import numpy as np

__all__ = ["fill", "room_of", "round_up", "storage_of"]

_STEP = 8


def round_up(rows: int, step: int) -> int:
    """Return the least multiple of a step that is not less.

    Examples
    --------
    >>> round_up(121, 8), round_up(128, 8)
    (128, 128)
    """
    return -(-rows // step) * step


def room_of(rows: int, devices: int = 1) -> int:
    """Return for how many rows of a batch a program is compiled: a multiple of 8 and of devices.

    Rows beyond those of the batch are masked. Batches of the folds of a cross-validation, say, are
    so of one size.

    Examples
    --------
    >>> room_of(121), room_of(128), room_of(121, devices=3)
    (128, 128, 129)
    """
    return round_up(round_up(rows, _STEP), devices)


def storage_of(rows: int, devices: int = 1) -> int:
    """Return to how many rows all data are filled up, which batches are taken from.

    At most 1/16 more, with which nothing is computed.

    Examples
    --------
    >>> storage_of(1000), storage_of(1001), storage_of(50_000)
    (1024, 1024, 51200)
    """
    step = max(_STEP, 2 ** (max(rows - 1, 1).bit_length() - 5))
    return round_up(round_up(rows, step), devices)


def fill(array: np.ndarray, rows: int) -> np.ndarray:
    """Return an array with so many rows, the last one repeated: its likelihood is finite.

    Examples
    --------
    >>> fill(np.arange(3), 5).tolist()
    [0, 1, 2, 2, 2]
    """
    more = np.broadcast_to(array[-1:], (rows - len(array), *array.shape[1:]))
    return np.concatenate([array, more]) if len(more) else array
