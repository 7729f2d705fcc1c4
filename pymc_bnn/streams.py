"""Batches from outside: checked, padded to one shape, and on the device before they are needed."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from pymc_bnn._checks import check_finite, check_int, check_positive, invalid
from pymc_bnn.batches import Streamed
from pymc_bnn.decompose import Terms
from pymc_bnn.model.labels import check_labels, label_classes
from pymc_bnn.rows import narrow

if TYPE_CHECKING:
    from pymc_bnn.approximation import Approximation

__all__ = [
    "STALL_S",
    "Batch",
    "Form",
    "Loader",
    "Stream",
    "StreamError",
    "check_stream",
    "named",
    "one_shot",
    "open_stream",
]

STALL_S = 300.0  # how long an iterator may take for a batch
_AHEAD = 2  # batches that wait on the device
_POLL_S = 0.1  # how often Ctrl-C is looked for while nothing comes


class StreamError(RuntimeError):
    """An iterable of batches failed, stalled or ended too early.

    Attributes
    ----------
    approximation : Approximation or None
        In a fit: what was learned before, once a step was done.
    written : int or None
        In :meth:`Approximation.predict_to`: the number of examples in the store.

    Examples
    --------
    >>> issubclass(StreamError, RuntimeError)
    True
    """

    approximation: Approximation | None = None
    written: int | None = None


@dataclass(frozen=True)
class Batch:
    """A batch on the device, padded to the capacity."""

    rows: dict[str, jax.Array]  # (capacity, …) each
    size: int  # how many rows count
    visit: int  # the pass over the data that it belongs to, from 0


@dataclass(frozen=True)
class Form:
    """What each batch must look like, as the model's own small sample of the data does.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.decompose import decompose, find_rows
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Data("x", np.zeros(4)) * pm.Normal("b"), observed=np.zeros(4))
    >>> Form.of(decompose(model, find_rows(model)[0]), "float32").names
    ('x', 'y')
    """

    names: tuple[str, ...]  # in the order of the model
    shapes: Mapping[str, tuple[int, ...]]  # without the axis of the examples
    dtypes: Mapping[str, np.dtype]
    classes: Mapping[str, int]  # of labels
    dtype: str  # of the fit

    @classmethod
    def of(cls, terms: Terms, dtype: str) -> Form:
        """Read it off a model that was taken apart by rows."""
        order = list(terms.model.named_vars)
        rows = [d for d in terms.data if d.per_example]
        unnamed = [f"'{d.name}' {d.value.shape}" for d in rows if d.name not in order]
        if unnamed:
            raise invalid(
                "model",
                "have names for all data that vary per example",
                ", ".join(unnamed),
                'wrap the sample, as in pm.Data("x", sample), so that batches can name it',
            )
        if any(o.multiplier != 1 for o in terms.observed):
            raise invalid(
                "model",
                "observe plain arrays where batches come from `data`",
                "pm.Minibatch",
                "observe a small sample of the data, without total_size",
            )
        rows.sort(key=lambda d: order.index(d.name))
        return cls(
            tuple(d.name for d in rows),
            {d.name: d.value.shape[1:] for d in rows},
            {d.name: narrow(np.zeros(0, d.value.dtype), dtype).dtype for d in rows},
            {d.name: k for _, d, k in label_classes(terms)},
            dtype,
        )

    def arrays(self, raw: Any, number: int) -> dict[str, np.ndarray]:
        """Return the arrays of a batch by name, after all checks; `number` counts batches from 1.

        Examples
        --------
        >>> form = Form(("x",), {"x": ()}, {"x": np.dtype("float32")}, {}, "float32")
        >>> form.arrays({"x": [1, 2]}, 1)["x"].tolist()
        [1, 2]
        """
        items = named(raw, self.names, number)
        if len(items) < len(self.names):
            rule = f"yield batches of {list(self.names)}, by name or in this order"
            got = f"{list(items)} in batch {number}"
            missing = [name for name in self.names if name not in items]
            raise invalid("data", rule, got, f"add {missing}")
        arrays = {name: self._array(name, items[name], number) for name in self.names}
        lengths = {name: len(value) for name, value in arrays.items()}
        if len(set(lengths.values())) > 1:
            got = f"{lengths} in batch {number}"
            raise invalid("data", "yield as many rows of each", got, "check how batches are cut")
        if not next(iter(lengths.values())):
            repair = "leave empty batches out"
            raise invalid("data", "yield batches with rows", f"none in batch {number}", repair)
        for name, value in arrays.items():
            check_finite(f"data['{name}'] of batch {number}", value)
            if name in self.classes:
                check_labels(f"data['{name}'] of batch {number}", value, self.classes[name])
        return arrays

    def _array(self, name: str, item: Any, number: int) -> np.ndarray:
        argument, where = f"data['{name}']", f"in batch {number}"
        try:
            value = np.asarray(item)
        except Exception as error:
            got = f"a {type(item).__name__} {where} ({_first_line(error)})"
            repair = "convert it, as in tensor.detach().cpu().numpy()"
            raise invalid(
                argument, "be something NumPy can read", got, repair, TypeError
            ) from error
        shape, dtype = self.shapes[name], self.dtypes[name]
        if value.ndim != len(shape) + 1 or value.shape[1:] != shape:
            expected = str(("n", *shape)).replace("'", "")
            repair = "cut batches as the model's sample was, examples first"
            raise invalid(argument, f"have the shape {expected}", f"{value.shape} {where}", repair)
        if not (np.issubdtype(value.dtype, np.number) or value.dtype == bool):
            raise invalid(argument, "hold numbers", f"{value.dtype} {where}", "convert it")
        if np.issubdtype(dtype, np.inexact):
            return value
        if not (np.issubdtype(value.dtype, np.integer) or value.dtype == bool):
            repair = "convert it by .astype(int)"
            raise invalid(argument, "hold integers", f"{value.dtype} {where}", repair)
        if not np.can_cast(value.dtype, dtype) and (value.astype(dtype) != value).any():
            got = f"{value.dtype} in {value.min()}…{value.max()} {where}"
            raise invalid(
                argument, f"fit {dtype}, the type of the model's sample", got, "recode it"
            )
        return value


class Loader:
    """Makes of what an iterable yields a :class:`Batch`; runs in the stream's thread.

    Parameters
    ----------
    form : Form
        What batches look like.
    total_size : int
        The number of all examples.
    capacity : int, optional
        Rows that all batches are padded to; by default those of the first.
    """

    def __init__(self, form: Form, total_size: int, capacity: int | None = None):
        self.form, self.total_size, self.capacity = form, total_size, capacity
        self._given = capacity is not None

    def __call__(self, raw: Any, number: int, visit: int) -> Batch:
        """Check, pad and send one batch."""
        arrays = self.form.arrays(raw, number)
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
        rows = {}
        with jax.enable_x64(self.form.dtype == "float64"):  # a thread has its own setting
            for name, value in arrays.items():
                # Always a copy: iterators reuse their buffers. Rows that do not count repeat a
                # real one, as their likelihood must be finite.
                padded = np.empty((self.capacity, *value.shape[1:]), self.form.dtypes[name])
                padded[:size], padded[size:] = value, value[-1]
                rows[name] = jax.device_put(padded)
        return Batch(rows, size, visit)


class Stream:
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
    >>> with Stream([10, 20], lambda raw, number, visit: (raw, visit), passes=2) as stream:
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

    def __enter__(self) -> Stream:
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
                    f"{_first_line(error)}"
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


def named(raw: Any, names: Sequence[str], number: int, argument: str = "data") -> dict[str, Any]:
    """Return the parts of a batch by name: a mapping's own, or a tuple's in the order of `names`.

    Examples
    --------
    >>> named((1, 2), ["x", "y"], 1)
    {'x': 1, 'y': 2}
    """
    rule = f"yield batches of {list(names)}, by name or in this order"
    if isinstance(raw, Mapping):
        unknown = [name for name in raw if name not in names]
        if unknown:
            got = f"{list(raw)} in batch {number}"
            raise invalid(argument, rule, got, f"leave {unknown} out")
        return dict(raw)
    if isinstance(raw, tuple | list) and 0 < len(raw) <= len(names):
        return dict(zip(names, raw, strict=False))
    got = f"a {type(raw).__name__}"
    got += f" of {len(raw)}" if isinstance(raw, tuple | list) else ""
    example = ", ".join(f"{name!r}: …" for name in names)
    raise invalid(argument, rule, f"{got} in batch {number}", f"yield {{{example}}}", TypeError)


def open_stream(
    data: Any,
    form: Form,
    *,
    total_size: int | None,
    batch_size: int | str | None,
    epochs: int | None,
    stall_timeout: float,
) -> tuple[Stream, Streamed]:
    """Start to read batches for a fit; return the stream, and how its batches go over the data.

    Parameters
    ----------
    data : iterable
        Of batches.
    form : Form
        What they look like.
    total_size, batch_size, epochs, stall_timeout
        As in :func:`pymc_bnn.fit`.

    Returns
    -------
    stream : Stream
        To be closed.
    batches : Streamed
        Sizes.

    Raises
    ------
    ValueError, TypeError
        For a bad argument, before anything is read, or a bad first batch.
    StreamError
        If the first batch does not come.

    Examples
    --------
    >>> form = Form(("x",), {"x": ()}, {"x": np.dtype("float32")}, {}, "float32")
    >>> batches = [{"x": np.zeros(4)}, {"x": np.zeros(2)}]
    >>> stream, sizes = open_stream(
    ...     batches, form, total_size=6, batch_size="auto", epochs=None, stall_timeout=9
    ... )
    >>> stream.close()
    >>> sizes
    Streamed(n=6, capacity=4, per_epoch=2, length=2)
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
    stream = Stream(data, loader, stall_timeout=stall_timeout)
    try:
        stream.peek()
    except BaseException:
        stream.close()
        raise
    return stream, Streamed(total, k := loader.capacity, length or -(-total // k), length)


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


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "no message")
