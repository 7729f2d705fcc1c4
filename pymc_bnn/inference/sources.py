"""Where a loop's batches come from: arrays on the device, or a stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import jax
import numpy as np

from pymc_bnn.data.epochs import EpochPlan, StreamPlan
from pymc_bnn.data.passes import Passes
from pymc_bnn.data.prefetcher import Prefetcher

__all__ = ["Held", "Source", "Streamed"]


class Held:
    """All data on the device; each step takes its batch from them by itself.

    Parameters
    ----------
    data : dict from str to jax.Array
        All data.
    batches : EpochPlan, optional
        How steps go over them; None: all in every step, not row by row.

    Examples
    --------
    >>> Held({"y": np.zeros(3)}).take()[0]["y"].shape
    (3,)
    """

    def __init__(self, data: Mapping[str, jax.Array], batches: EpochPlan | None = None):
        self.data, self.batches = dict(data), batches

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: Any) -> None:
        """Nothing has to be closed."""

    def take(self, interrupted: Callable[[], bool] = lambda: False) -> tuple[Any, ...]:
        """Return what the next step is given beside its state."""
        return (self.data,)

    def on(self, device: jax.Device) -> Held:
        """Return the same data on another device."""
        return Held(jax.device_put(self.data, device), self.batches)

    def where(self) -> Any:
        """Return what it takes to go on from here: nothing, steps choose their batches."""
        return None

    @property
    def shown(self) -> dict[str, Any]:
        """Data to look at in place of the model's own: none."""
        return {}


class Streamed:
    """Batches that a thread hands over, and what each of their rows counts for.

    Parameters
    ----------
    stream : Prefetcher
        Of batches on the device.
    rest : dict from str to jax.Array
        Data that do not vary per example, on the device.
    batches : StreamPlan
        How many examples there are, and how they come.
    dtype : {"float32", "float64"}
        Precision.
    at : mapping, optional
        What :meth:`where` returned, where it goes on from there, as the stream does.
    """

    def __init__(
        self,
        stream: Prefetcher,
        rest: Mapping[str, jax.Array],
        batches: StreamPlan,
        dtype: str,
        at: Mapping[str, Any] | None = None,
    ):
        self._stream, self._rest, self._dtype = stream, dict(rest), dtype
        self.batches, self._passes = batches, Passes(batches)
        self._first, self._used = stream.peek(), 0
        if at is not None and at["number"]:
            stream.take()
            self._used = at["number"]
            self._passes.recall(at["passes"])

    def __enter__(self) -> Streamed:
        return self

    def __exit__(self, *_: Any) -> None:
        """Stop the thread that reads."""
        self._stream.close()

    def take(self, interrupted: Callable[[], bool] = lambda: False) -> tuple[Any, ...] | None:
        """Return the next batch, its size and the weight of its rows; None where interrupted."""
        batch = self._stream.take(interrupted)
        if batch is None:
            return None
        self._used += 1
        weight = np.asarray(self._passes.weight(batch.size, batch.visit), self._dtype)
        return {**self._rest, **batch.rows}, np.int32(batch.size), weight

    def where(self) -> dict[str, Any]:
        """Return what it takes to go on from here, of plain values."""
        return {**asdict(self._stream.where(self._used)), "passes": self._passes.memory()}

    @property
    def shown(self) -> dict[str, Any]:
        """The first batch's rows, of which the model holds a sample only."""
        # Kept: later there may be no other, as of a generator that yields one for each step.
        return {name: value[: self._first.size] for name, value in self._first.rows.items()}


Source = Held | Streamed
