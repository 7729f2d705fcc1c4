"""What an iterable yields, taken by a thread before it is needed."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

from pymc_bnn._checks import first_line, invalid
from pymc_bnn.data.resuming import Where, one_shot, reader_of, resumed
from pymc_bnn.errors import StreamError

__all__ = ["STALL_S", "Prefetcher"]

STALL_S = 300.0  # how long an iterator may take for a batch
_AHEAD = 2  # batches that wait on the device
_POLL_S = 0.1  # how often Ctrl-C is looked for while nothing comes
_NOTE_S = 0.5  # between notes of where the iterable is, which may take it long
_NOTES = 8  # more than there are batches on their way


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
    keeps : bool, optional
        Whether to be able to tell :meth:`where` it is.
    at : Where, optional
        Go on from there: what comes is the first item, and then those that were not used yet.

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
        keeps: bool = False,
        at: Where | None = None,
    ):
        self._keeps, self._at = keeps, at
        self._notes: deque[Where] = deque(maxlen=_NOTES)
        self._noted = -_NOTE_S
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

    def where(self, number: int) -> Where:
        """Return where the iterable is after so many batches that were used."""
        known = [note for note in list(self._notes) if note.of <= number]
        return replace(known[-1], number=number) if known else Where(number)

    def _fill(self) -> None:
        number, visit, used, state = 0, 0, 0, None
        try:
            if self._at is not None:
                used, state = self._at.number, self._at.state
            if state is not None:  # the first one tells sizes and columns of all
                if not self._put("item", self._prepare(next(self._pass(0, 0)), 1, 0)):
                    return
                number, visit = self._at.of, self._at.visit
            while self._passes is None or visit < self._passes:
                before = number
                for raw in self._pass(number, visit, state):
                    number += 1
                    if 1 < number <= used or (number == 1 and state is not None):
                        continue
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
                visit, state = visit + 1, None
            self._put("end", None)
        except BaseException as error:  # whatever it is, it belongs to who waits for the item
            self._put("error", error)

    def _pass(self, number: int, visit: int, state: Any = None) -> Iterator[Any]:
        """Yield what one pass over the data yields; its errors become one kind."""
        iterator, note = None, None
        while True:
            try:
                if iterator is None:
                    iterator = iter(self._data) if state is None else resumed(self._data, state)
                raw = next(iterator)
                if note is not None:  # the pass did not end there: some cannot go on from an end
                    self._notes.append(note)
                note = self._note(iterator, number + 1, visit)
            except StopIteration:
                return
            except BaseException as error:
                raise StreamError(
                    f"`{self._argument}` failed at batch {number + 1:,}: {type(error).__name__}: "
                    f"{first_line(error)}"
                ) from error
            number += 1
            yield raw

    def _note(self, iterator: Any, number: int, visit: int) -> Where | None:
        """Return where the iterable is, from time to time, if it can tell."""
        now = time.monotonic()
        if not self._keeps or now - self._noted < _NOTE_S:
            return None
        read = reader_of(self._data) or reader_of(iterator)
        if read is None:
            return None
        self._noted = now
        return Where(0, number, visit, deepcopy(read()))

    def _put(self, kind: str, item: Any) -> bool:
        """Hand an item over; false once nobody waits for it."""
        while not self._closed.is_set():
            try:
                self._queue.put((kind, item), timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False
