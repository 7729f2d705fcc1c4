"""What each batch from outside must look like, as the model's own sample of the data does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pymc_bnn._checks import invalid
from pymc_bnn._frames import column_names
from pymc_bnn.data.arrays import ArraySpec, Origin, read_arrays
from pymc_bnn.model.rules import DataRules
from pymc_bnn.model.terms import ModelTerms

__all__ = ["BatchSpec", "named"]


@dataclass(frozen=True)
class BatchSpec:
    """The arrays of a batch, and what the model asks of their numbers.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> from pymc_bnn.model.rows import find_rows
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Data("x", np.zeros(4)) * pm.Normal("b"), observed=np.zeros(4))
    >>> list(BatchSpec.of(decompose(model, find_rows(model)[0]), "float32").arrays)
    ['x', 'y']
    """

    arrays: Mapping[str, ArraySpec]  # in the order of the model
    dtype: str  # of the fit
    rules: DataRules | None = None
    rest: Mapping[str, np.ndarray] = field(default_factory=dict)  # data that stay, for the rules

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
            {d.name: ArraySpec.of(d, dtype) for d in rows},
            dtype,
            DataRules.of(terms),
            {d.name: d.value for d in terms.data if not d.per_example},
        )

    @property
    def columns(self) -> dict[str, tuple[Any, ...]]:
        """Names of the columns of tables, where they are known."""
        return {k: spec.columns for k, spec in self.arrays.items() if spec.columns is not None}

    def items(self, raw: Any, origin: Origin) -> dict[str, Any]:
        """Return the parts of a batch by name, in the order of the model.

        Examples
        --------
        >>> spec = BatchSpec({"x": ArraySpec("x", (None,), np.dtype("float32"))}, "float32")
        >>> spec.items(([1, 2],), Origin("data", 1))
        {'x': [1, 2]}
        """
        names = list(self.arrays)
        found = named(raw, names, origin)
        missing = [name for name in names if name not in found]
        if missing:
            got = f"{list(found)} in batch {origin.batch}"
            raise invalid(origin.argument, _rule(names), got, f"add {missing}")
        return {name: found[name] for name in names}

    def with_columns_of(self, items: Mapping[str, Any]) -> BatchSpec:
        """Return what later batches must look like: with columns as those of the first tables.

        Examples
        --------
        >>> import pandas as pd
        >>> spec = BatchSpec({"x": ArraySpec("x", (None, 1), np.dtype("float32"))}, "float32")
        >>> spec.with_columns_of({"x": pd.DataFrame({"age": [30.0]})}).columns
        {'x': ('age',)}
        """
        new = {
            name: replace(spec, columns=column_names(items[name]))
            for name, spec in self.arrays.items()
            if spec.columns is None and column_names(items[name]) is not None
        }
        return replace(self, arrays={**self.arrays, **new}) if new else self

    def read(self, items: Mapping[str, Any], origin: Origin) -> dict[str, np.ndarray]:
        """Return the arrays of a batch by name, after all checks.

        Examples
        --------
        >>> spec = BatchSpec({"x": ArraySpec("x", (None,), np.dtype("float32"))}, "float32")
        >>> spec.read({"x": [1, 2]}, Origin("data", 1))["x"].tolist()
        [1.0, 2.0]
        """
        arrays = read_arrays(self.arrays, items, origin)
        lengths = {name: len(value) for name, value in arrays.items()}
        argument, where = origin.argument, f"in batch {origin.batch}"
        if len(set(lengths.values())) > 1:
            rule, repair = "yield as many rows of each", "check how batches are cut"
            raise invalid(argument, rule, f"{lengths} {where}", repair)
        if not next(iter(lengths.values())):
            rule, repair = "yield batches with rows", "leave empty batches out"
            raise invalid(argument, rule, f"none {where}", repair)
        if self.rules is not None:
            self.rules.check({**self.rest, **arrays}, origin["{name}"], only=arrays)
        return arrays


def named(raw: Any, names: Sequence[str], origin: Origin) -> dict[str, Any]:
    """Return the parts of a batch by name: a mapping's own, or a tuple's in the order of `names`.

    Examples
    --------
    >>> named((1, 2), ["x", "y"], Origin("data", 1))
    {'x': 1, 'y': 2}
    """
    rule, where = _rule(names), f"in batch {origin.batch}"
    if isinstance(raw, Mapping):
        unknown = [name for name in raw if name not in names]
        if unknown:
            raise invalid(origin.argument, rule, f"{list(raw)} {where}", f"leave {unknown} out")
        return dict(raw)
    if isinstance(raw, tuple | list) and 0 < len(raw) <= len(names):
        return dict(zip(names, raw, strict=False))
    got = f"a {type(raw).__name__}"
    got += f" of {len(raw)}" if isinstance(raw, tuple | list) else ""
    example = ", ".join(f"{name!r}: …" for name in names)
    raise invalid(origin.argument, rule, f"{got} {where}", f"yield {{{example}}}", TypeError)


def _rule(names: Sequence[str]) -> str:
    return f"yield batches of {list(names)}, by name or in this order"
