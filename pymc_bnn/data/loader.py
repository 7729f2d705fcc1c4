"""A batch from outside on its way to the device: checked, filled up to one size, sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax

from pymc_bnn._checks import invalid
from pymc_bnn.data.arrays import Origin
from pymc_bnn.data.padding import fill
from pymc_bnn.data.spec import BatchSpec

__all__ = ["Batch", "Loader"]


@dataclass(frozen=True)
class Batch:
    """A batch on the device, padded to the capacity."""

    rows: dict[str, jax.Array]  # (capacity, …) each
    size: int  # how many rows count
    visit: int  # the pass over the data that it belongs to, from 0
    columns: dict[str, tuple[Any, ...]]  # names, of tables seen so far


class Loader:
    """Makes of what an iterable yields a :class:`Batch`; runs in the stream's thread.

    Parameters
    ----------
    spec : BatchSpec
        What batches look like; tables keep the columns that the first one has.
    total_size : int
        The number of all examples.
    capacity : int, optional
        Rows that all batches are padded to; by default those of the first.

    Examples
    --------
    >>> import numpy as np
    >>> from pymc_bnn.data.arrays import ArraySpec
    >>> spec = BatchSpec({"y": ArraySpec("y", (None,), np.dtype("float32"))}, "float32")
    >>> batch = Loader(spec, total_size=10, capacity=4)({"y": [1, 2]}, number=1, visit=0)
    >>> batch.rows["y"].tolist(), batch.size
    ([1.0, 2.0, 2.0, 2.0], 2)
    """

    def __init__(self, spec: BatchSpec, total_size: int, capacity: int | None = None):
        self.spec, self.total_size, self.capacity = spec, total_size, capacity
        self._given = capacity is not None

    def __call__(self, raw: Any, number: int, visit: int) -> Batch:
        """Check, pad and send one batch; `number` counts them from 1."""
        origin = Origin("data", number)
        items = self.spec.items(raw, origin)
        self.spec = self.spec.with_columns_of(items)
        arrays = self.spec.read(items, origin)
        size = len(next(iter(arrays.values())))
        if self.capacity is None:
            self.capacity = size
        if size > self.capacity:
            whose = "`batch_size`" if self._given else "the first batch"
            rule = f"yield at most {self.capacity} rows a batch, as {whose} says"
            got = f"{size} in batch {number}"
            raise invalid("data", rule, got, "pass a batch_size= that no batch exceeds")
        if size > self.total_size:
            got = f"{self.total_size} where batch {number} has {size} rows"
            raise invalid("total_size", "be the number of all examples", got, "correct it")
        with jax.enable_x64(self.spec.dtype == "float64"):  # a thread has its own setting
            rows = {k: jax.device_put(fill(v, self.capacity)) for k, v in arrays.items()}
        return Batch(rows, size, visit, self.spec.columns)
