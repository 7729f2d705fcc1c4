"""Batches from outside, one by one: checked against the model, padded to one shape, uploaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from pymc_bnn._checks import check_finite, first_line, invalid
from pymc_bnn._frames import as_numbers, check_aligned, column_names, reordered
from pymc_bnn.model.rules import DataRules
from pymc_bnn.model.terms import ModelTerms
from pymc_bnn.runtime.precision import narrow

__all__ = ["Batch", "BatchSpec", "Loader", "StreamError", "named"]


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

    approximation: Any = None
    written: int | None = None


@dataclass(frozen=True)
class Batch:
    """A batch on the device, padded to the capacity."""

    rows: dict[str, jax.Array]  # (capacity, …) each
    size: int  # how many rows count
    visit: int  # the pass over the data that it belongs to, from 0


@dataclass(frozen=True)
class BatchSpec:
    """What each batch must look like, as the model's own small sample of the data does.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> from pymc_bnn.model.rows import find_rows
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Data("x", np.zeros(4)) * pm.Normal("b"), observed=np.zeros(4))
    >>> BatchSpec.of(decompose(model, find_rows(model)[0]), "float32").names
    ('x', 'y')
    """

    names: tuple[str, ...]  # in the order of the model
    shapes: Mapping[str, tuple[int, ...]]  # without the axis of the examples
    dtypes: Mapping[str, np.dtype]
    rest: Mapping[str, np.ndarray]  # data that do not vary per example
    dtype: str  # of the fit
    rules: DataRules | None = None
    columns: dict[str, tuple] = field(default_factory=dict)  # names, of tables seen so far

    @classmethod
    def of(cls, terms: ModelTerms, dtype: str) -> BatchSpec:
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
            {d.name: d.value for d in terms.data if not d.per_example},
            dtype,
            DataRules.of(terms),
            {d.name: d.columns for d in rows if d.columns is not None},
        )

    def arrays(self, raw: Any, number: int) -> dict[str, np.ndarray]:
        """Return the arrays of a batch by name, after all checks; `number` counts batches from 1.

        Examples
        --------
        >>> form = BatchSpec(("x",), {"x": ()}, {"x": np.dtype("float32")}, {}, "float32")
        >>> form.arrays({"x": [1, 2]}, 1)["x"].tolist()
        [1, 2]
        """
        items = named(raw, self.names, number)
        if len(items) < len(self.names):
            rule = f"yield batches of {list(self.names)}, by name or in this order"
            got = f"{list(items)} in batch {number}"
            missing = [name for name in self.names if name not in items]
            raise invalid("data", rule, got, f"add {missing}")
        check_aligned(f"batch {number} of data", items)
        for name, item in items.items():
            if column_names(item) is not None:
                self.columns.setdefault(name, column_names(item))
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
        if self.rules is not None:
            label = f"data['{{name}}'] of batch {number}"
            self.rules.check({**self.rest, **arrays}, label, only=arrays)
        return arrays

    def _array(self, name: str, item: Any, number: int) -> np.ndarray:
        argument, where = f"data['{name}']", f"in batch {number}"
        if hasattr(item, "to_numpy"):
            label = f"{argument} of batch {number}"
            item = as_numbers(label, reordered(label, item, self.columns.get(name)))
        try:
            value = np.asarray(item)
        except Exception as error:
            got = f"a {type(item).__name__} {where} ({first_line(error)})"
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
    form : BatchSpec
        What batches look like.
    total_size : int
        The number of all examples.
    capacity : int, optional
        Rows that all batches are padded to; by default those of the first.
    """

    def __init__(self, form: BatchSpec, total_size: int, capacity: int | None = None):
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
