"""What an iterable yields, taken by a thread before it is needed."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from pymc_bnn._checks import first_line, invalid
from pymc_bnn.errors import StreamError

__all__ = ["STALL_S", "Prefetcher", "one_shot"]

STALL_S = 300.0  # how long an iterator may take for a batch
_AHEAD = 2  # batches that wait on the device
_POLL_S = 0.1  # how often Ctrl-C is looked for while nothing comes


class Prefetcher:
    """What an iterable yields, prepared by a thread up to two items ahead.

    Each pass over the iterable is a visit. An error of the iterable, or of `prepare`, is raised
    where the item would have been taken, once those before it are.

    Parameters
    ----------
    data : iterable
        Of batches.
    prepare : callable
        Maps what was yielded, its number from 1, and the visit from 0, to an item.
    passes : int, optional
        Visits; by default there is no end to them.
    stall_timeout : float, optional
        Seconds to wait for an item.
    argument : str, optional
        What errors call the iterable.

    Examples
    --------
    >>> with Prefetcher([10, 20], lambda raw, number, visit: (raw, visit), passes=2) as stream:
    ...     list(stream)
    [(10, 0), (20, 0), (10, 1), (20, 1)]
    """

    def __init__(
        self,
        data: Any,
        prepare: Callable[[Any, int, int], Any],
        *,
        passes: int | None = None,
        stall_timeout: float = STALL_S,
        argument: str = "data",
    ):
        self._data, self._prepare, self._passes = data, prepare, passes
        self._timeout, self._argument = stall_timeout, argument
        self._queue: queue.Queue[tuple[str, Any]] = queue.Queue(_AHEAD)
        self._closed = threading.Event()
        self._held: list[Any] = []
        self._taken = 0
        self._thread = threading.Thread(target=self._fill, name="pymc_bnn stream", daemon=True)
        self._thread.start()

    def __enter__(self) -> Prefetcher:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __iter__(self) -> Iterator[Any]:
        """Yield the items of all passes."""
        while (item := self.take()) is not None:
            yield item

    def peek(self) -> Any:
        """Return the next item without taking it."""
        if not self._held:
            self._held.append(self.take())
        return self._held[0]

    def take(self, interrupted: Callable[[], bool] = lambda: False) -> Any:
        """Return the next item; None at the end, or if `interrupted` becomes true before."""
        if self._held:
            return self._held.pop()
        began = time.monotonic()
        while not interrupted():
            try:
                kind, item = self._queue.get(timeout=min(_POLL_S, self._timeout))
            except queue.Empty:
                if time.monotonic() - began > self._timeout:
                    raise StreamError(
                        f"`{self._argument}` yielded nothing for {self._timeout:g} s, after "
                        f"{self._taken:,} batches; pass a larger stall_timeout= if that may happen"
                    ) from None
                continue
            if kind == "error":
                raise item
            self._taken += kind == "item"
            return item
        return None

    def close(self) -> None:
        """Stop the thread; one that is stuck in the iterable is left behind, as a daemon."""
        self._closed.set()
        while True:
            try:
                self._queue.get_nowait()
            except queue.Empty:
                break
        self._thread.join(timeout=1.0)

    def _fill(self) -> None:
        number = 0
        try:
            for visit in count() if self._passes is None else range(self._passes):
                before = number
                for raw in self._pass(number):
                    number += 1
                    if not self._put("item", self._prepare(raw, number, visit)):
                        return
                last = self._passes is not None and visit + 1 == self._passes
                if number == 0:
                    repair = "pass an iterable that yields some"
                    raise invalid(self._argument, "yield at least one batch", "none", repair)
                if number == before or (not last and one_shot(self._data)):
                    raise StreamError(
                        f"`{self._argument}` ended after {number:,} batches and cannot be gone "
                        "over again; pass an iterable that can (a list, a DataLoader, an object "
                        "with __iter__), or fewer steps"
                    )
            self._put("end", None)
        except BaseException as error:  # whatever it is, it belongs to who waits for the item
            self._put("error", error)

    def _pass(self, number: int) -> Iterator[Any]:
        """Yield what one pass over the data yields; its errors become one kind."""
        iterator = None
        while True:
            try:
                iterator = iter(self._data) if iterator is None else iterator
                raw = next(iterator)
            except StopIteration:
                return
            except BaseException as error:
                raise StreamError(
                    f"`{self._argument}` failed at batch {number + 1:,}: {type(error).__name__}: "
                    f"{first_line(error)}"
                ) from error
            number += 1
            yield raw

    def _put(self, kind: str, item: Any) -> bool:
        """Hand an item over; false once nobody waits for it."""
        while not self._closed.is_set():
            try:
                self._queue.put((kind, item), timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False


def one_shot(data: Any) -> bool:
    """Tell whether an iterable is an iterator, which can be gone over only once.

    Examples
    --------
    >>> one_shot([1]), one_shot(iter([1]))
    (False, True)
    """
    return hasattr(data, "__next__")
