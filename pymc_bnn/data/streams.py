"""Batches from outside: checked, padded to one shape, and on the device before they are needed."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from pymc_bnn._checks import check_int, check_positive, first_line, invalid
from pymc_bnn.data.epochs import StreamPlan
from pymc_bnn.data.spec import Batch, BatchSpec, Loader, StreamError, named

if TYPE_CHECKING:
    pass

__all__ = [
    "STALL_S",
    "Batch",
    "BatchSpec",
    "Loader",
    "Prefetcher",
    "StreamError",
    "check_stream",
    "named",
    "one_shot",
    "open_stream",
]

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


def check_stream(data: Any, argument: str = "data") -> None:
    """Raise unless `data` is an iterable, and not itself a batch.

    Examples
    --------
    >>> import numpy as np
    >>> check_stream([{"x": np.zeros(3)}])
    """
    rule, repair = "be an iterable of batches", "pass a DataLoader, a list of dicts, a generator"
    if isinstance(data, str | bytes | Mapping) or hasattr(data, "__array__"):
        got = f"a {type(data).__name__}"
        raise invalid(argument, rule, got, f"{repair}; one batch is [batch]", TypeError)
    if not hasattr(data, "__iter__"):
        got = f"a {type(data).__name__}"
        if callable(data):
            repair = "call the function, or give an object __iter__"
        raise invalid(argument, rule, got, repair, TypeError)


def one_shot(data: Any) -> bool:
    """Tell whether an iterable is an iterator, which can be gone over only once.

    Examples
    --------
    >>> one_shot([1]), one_shot(iter([1]))
    (False, True)
    """
    return hasattr(data, "__next__")


def open_stream(
    data: Any,
    form: BatchSpec,
    *,
    total_size: int | None,
    batch_size: int | str | None,
    epochs: int | None,
    stall_timeout: float,
) -> tuple[Prefetcher, StreamPlan]:
    """Start to read batches for a fit; return the stream, and how its batches go over the data.

    Parameters
    ----------
    data : iterable
        Of batches.
    form : BatchSpec
        What they look like.
    total_size, batch_size, epochs, stall_timeout
        As in :func:`pymc_bnn.fit`.

    Returns
    -------
    stream : Prefetcher
        To be closed.
    batches : StreamPlan
        Sizes.

    Raises
    ------
    ValueError, TypeError
        For a bad argument, before anything is read, or a bad first batch.
    StreamError
        If the first batch does not come.

    Examples
    --------
    >>> import numpy as np
    >>> form = BatchSpec(("x",), {"x": ()}, {"x": np.dtype("float32")}, {}, "float32")
    >>> batches = [{"x": np.zeros(4)}, {"x": np.zeros(2)}]
    >>> stream, sizes = open_stream(
    ...     batches, form, total_size=6, batch_size="auto", epochs=None, stall_timeout=9
    ... )
    >>> stream.close()
    >>> sizes
    StreamPlan(n=6, capacity=4, per_epoch=2, length=2)
    """
    check_stream(data)
    check_positive("stall_timeout", stall_timeout)
    total = _total_size(data, total_size)
    if batch_size is None or (isinstance(batch_size, str) and batch_size != "auto"):
        rule, repair = 'be an integer or "auto" where batches come from `data`', "leave it out"
        raise invalid("batch_size", rule, repr(batch_size), repair)
    capacity = None if batch_size == "auto" else batch_size
    if capacity is not None:
        check_int("batch_size", capacity, 1, total, f'pass a number in 1…{total}, or "auto"')
    length = _length(data)
    if length is None and capacity is None and epochs is not None:
        raise invalid(
            "epochs",
            "come with a `data` that has a length, or with `batch_size`",
            f"epochs={epochs} of a {type(data).__name__}",
            "pass steps= instead, or batch_size=",
        )
    loader = Loader(form, total, capacity)
    stream = Prefetcher(data, loader, stall_timeout=stall_timeout)
    try:
        stream.peek()
    except BaseException:
        stream.close()
        raise
    return stream, StreamPlan(total, k := loader.capacity, length or -(-total // k), length)


def _total_size(data: Any, given: int | None) -> int:
    """Return the number of all examples, given or read."""
    repair = "pass total_size=60_000, say"
    if given is not None:
        return check_int("total_size", given, 1, None, repair)
    for read in (lambda: data.total_size, lambda: len(data.dataset)):
        try:
            return check_int("data.total_size", read(), 1, None, repair)
        except (AttributeError, TypeError, NotImplementedError):
            continue
    rule = "be given where neither data.total_size nor len(data.dataset) says it"
    got = f"None, with a {type(data).__name__}"
    raise invalid("total_size", rule, got, "pass the number of all examples")


def _length(data: Any) -> int | None:
    """Return the number of batches of a pass, if it is known."""
    try:
        return len(data) or None
    except (TypeError, NotImplementedError):
        return None
