"""What an array in place of one of the model's own must be, wherever it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pymc_bnn._checks import check_finite, invalid
from pymc_bnn._frames import as_numbers, check_aligned, reordered
from pymc_bnn.model.terms import Data
from pymc_bnn.runtime.precision import held_as

__all__ = ["ArraySpec", "Origin", "read_arrays"]


@dataclass(frozen=True)
class Origin:
    """Where arrays come from, as errors call it: an argument as the user wrote it, or a batch.

    Examples
    --------
    >>> Origin("new_data")["x"], Origin("data", batch=3)["x"], str(Origin("data", batch=3))
    ("new_data['x']", "data['x'] of batch 3", 'batch 3 of data')
    """

    argument: str
    batch: int | None = None  # counted from 1

    def __str__(self) -> str:
        return self.argument if self.batch is None else f"batch {self.batch} of {self.argument}"

    def __getitem__(self, name: str) -> str:
        """Return what errors call an array."""
        where = "" if self.batch is None else f" of batch {self.batch}"
        return f"{self.argument}['{name}']{where}"


@dataclass(frozen=True)
class ArraySpec:
    """Shape, type and columns of an array of the model's.

    Parameters
    ----------
    name : str
        Of the model's data.
    shape : tuple of int or None
        None where any length will do: the first axis runs over examples, or entries of a table.
    dtype : numpy.dtype
        As the device holds it.
    columns : tuple, optional
        Names of a table's columns, where they are known.

    Examples
    --------
    >>> spec = ArraySpec("age", (None,), np.dtype("int32"))
    >>> spec.read([30, 40], "new_data['age']")
    array([30, 40], dtype=int32)
    >>> spec.read([30.5, 40], "new_data['age']")
    Traceback (most recent call last):
    ...
    ValueError: `new_data['age']` must hold integers, got float64; convert it by .astype(int)
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype
    columns: tuple[Any, ...] | None = None

    @classmethod
    def of(cls, data: Data, precision: str) -> ArraySpec:
        """Return that of a model's data, in the precision of a fit.

        Examples
        --------
        >>> import pymc as pm
        >>> from pymc_bnn.model.decompose import decompose
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros((4, 2)))
        >>> ArraySpec.of(decompose(model).data[0], "float32")
        ArraySpec(name='y', shape=(None, 2), dtype=dtype('float32'), columns=None)
        """
        value = data.value
        shape = (None, *value.shape[1:]) if value.ndim else ()
        return cls(data.name, shape, held_as(value.dtype, precision), data.columns)

    def read(self, raw: Any, label: str) -> np.ndarray:
        """Return what a user passed as an array of its own, after all checks.

        Parameters
        ----------
        raw : array_like or table
            Whatever NumPy can read; a table's columns are put in order.
        label : str
            What errors call it, as the user wrote it.

        Returns
        -------
        numpy.ndarray
            A copy, as iterators reuse their buffers, of this shape and type.

        Raises
        ------
        TypeError
            If it holds no real numbers.
        ValueError
            For another shape, other columns, or numbers that the type does not hold.
        """
        value = as_numbers(label, reordered(label, raw, self.columns))
        self._check_shape(value, label)
        whole = self.dtype.kind in "biu"
        if whole and value.dtype.kind not in "biu":
            raise invalid(label, "hold integers", value.dtype, "convert it by .astype(int)")
        safe = np.can_cast(value.dtype, self.dtype)
        with np.errstate(over="ignore"):
            array = value.astype(self.dtype, order="C")
        if whole:
            fits = safe or (array == value).all()
        else:
            fits = np.isfinite(value if safe else array).all()
        if not fits:
            check_finite(label, value)
            rule = f"fit {self.dtype}, in which the model's data are held"
            got = f"{value.dtype} in {value.min()}…{value.max()}"
            raise invalid(label, rule, got, "recode or scale it")
        return array

    def _check_shape(self, value: np.ndarray, label: str) -> None:
        """Raise unless all lengths agree that are known."""
        known = zip(self.shape, value.shape, strict=False)
        if value.ndim != len(self.shape) or any(n not in (None, m) for n, m in known):
            expected = str(self.shape).replace("None", "n")
            repair = "reshape it as the model's own data are"
            raise invalid(label, f"have the shape {expected}", value.shape, repair)


def read_arrays(
    specs: Mapping[str, ArraySpec], items: Mapping[str, Any], origin: Origin
) -> dict[str, np.ndarray]:
    """Return arrays by name, after all checks of each, and of the order of tables' rows.

    Examples
    --------
    >>> specs = {"x": ArraySpec("x", (None,), np.dtype("float32"))}
    >>> read_arrays(specs, {"x": [1, 2]}, Origin("new_data"))
    {'x': array([1., 2.], dtype=float32)}
    """
    check_aligned(str(origin), items)
    return {name: specs[name].read(item, origin[name]) for name, item in items.items()}
