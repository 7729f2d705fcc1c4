"""An iterable of batches, opened for a fit: its arguments checked, its first batch read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymc_bnn._checks import check_int, check_positive, invalid
from pymc_bnn.data.epochs import StreamPlan
from pymc_bnn.data.loader import Loader
from pymc_bnn.data.prefetcher import Prefetcher
from pymc_bnn.data.resuming import Where
from pymc_bnn.data.spec import BatchSpec

__all__ = ["check_stream", "open_stream"]


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


def open_stream(
    data: Any,
    spec: BatchSpec,
    *,
    total_size: int | None,
    batch_size: int | str | None,
    epochs: int | None,
    stall_timeout: float,
    keeps: bool = False,
    at: Where | None = None,
) -> tuple[Prefetcher, StreamPlan]:
    """Start to read batches for a fit; return the stream, and how its batches go over the data.

    Parameters
    ----------
    data : iterable
        Of batches.
    spec : BatchSpec
        What they look like.
    total_size, batch_size, epochs, stall_timeout
        As in :func:`pymc_bnn.fit`.
    keeps, at : optional
        As of :class:`pymc_bnn.data.prefetcher.Prefetcher`.

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
    >>> from pymc_bnn.data.arrays import ArraySpec
    >>> spec = BatchSpec({"x": ArraySpec("x", (None,), np.dtype("float32"))}, "float32")
    >>> batches = [{"x": np.zeros(4)}, {"x": np.zeros(2)}]
    >>> stream, sizes = open_stream(
    ...     batches, spec, total_size=6, batch_size="auto", epochs=None, stall_timeout=9
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
        repair = f'pass a number in 1…{total}, or "auto"'
        capacity = check_int("batch_size", capacity, 1, total, repair)
    length = _length(data)
    if length is None and capacity is None and epochs is not None:
        raise invalid(
            "epochs",
            "come with a `data` that has a length, or with `batch_size`",
            f"epochs={epochs} of a {type(data).__name__}",
            "pass steps= instead, or batch_size=",
        )
    loader = Loader(spec, total, capacity)
    stream = Prefetcher(data, loader, stall_timeout=stall_timeout, keeps=keeps, at=at)
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
