"""Columns of a table as what a network gets: numbers of mean 0 and deviation 1, and categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pymc_bnn._checks import invalid
from pymc_bnn._frames import as_numbers, is_frame

__all__ = ["Columns", "as_pandas", "has_categories"]


def has_categories(table: Any) -> bool:
    """Return whether something is a DataFrame with columns that hold no numbers.

    Objects count as what they are: a column of objects that are all numbers holds numbers.

    Examples
    --------
    >>> has_categories(pd.DataFrame({"age": [30, 40], "town": ["Ulm", "Jena"]}))
    True
    >>> has_categories(np.zeros((2, 2)))
    False
    """
    return isinstance(table, pd.DataFrame) and not all(_numbers(table))


def as_pandas(table: Any) -> Any:
    """Return a table of another library, such as polars, as a DataFrame; anything else as it is.

    Examples
    --------
    >>> as_pandas([[1.0, 2.0]])
    [[1.0, 2.0]]
    """
    if hasattr(table, "collect_schema") and not hasattr(table, "to_numpy"):
        rule, got = "be a table whose rows are there", f"a {type(table).__name__}"
        raise invalid("X", rule, got, "pass X.collect()", TypeError)
    if isinstance(table, pd.DataFrame) or not is_frame(table):
        return table
    return pd.DataFrame({name: table[name].to_numpy() for name in table.columns})


@dataclass(frozen=True, eq=False)
class Columns:
    """What a table's columns were at the fit, and what is made of new ones.

    Numbers are standardised, as weighted rows have them; each category becomes a column of 0 and 1,
    one that the fit did not see 0 in all of them. Missing is a category like others.

    Examples
    --------
    >>> table = pd.DataFrame({"age": [30.0, 40.0, 50.0], "town": ["Ulm", "Jena", None]})
    >>> columns = Columns.of(table)
    >>> columns.encoded(table.assign(town="Bonn")).round(2).tolist()
    [[-1.22, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.22, 0.0, 0.0, 0.0]]
    """

    numbers: np.ndarray  # (columns,) bool
    scaler: StandardScaler | None
    categories: OneHotEncoder | None

    @classmethod
    def of(cls, table: Any, weights: np.ndarray | None = None) -> Columns:
        """Learn them from an array of numbers, or a DataFrame."""
        if not isinstance(table, pd.DataFrame):
            known = np.ones(np.shape(table)[1], bool)
            return cls(known, StandardScaler().fit(table, sample_weight=weights), None)
        known = np.array(_numbers(table))
        wrong = [n for n, k in zip(table.columns, known, strict=True) if not k and _time(table[n])]
        if wrong:
            repair = "turn dates into numbers, as in (dates - dates.min()).dt.days"
            raise invalid("X", "hold numbers or categories", f"times in columns {wrong}", repair)
        scaler = categories = None
        if known.any():
            numeric = as_numbers("X", table.loc[:, known].infer_objects()).astype(float)
            scaler = StandardScaler().fit(numeric, sample_weight=weights)
        if not known.all():
            categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
            categories.fit(_objects(table.loc[:, ~known]))
        return cls(known, scaler, categories)

    def names(self, features: Sequence[str]) -> list[str]:
        """Return what these numbers are called: as the columns are, or ``column_category``."""
        features = np.asarray(features, object)
        own = features[self.numbers].tolist()
        if self.categories is not None:
            own += self.categories.get_feature_names_out(features[~self.numbers]).tolist()
        return own

    def encoded(self, table: Any) -> np.ndarray:
        """Return (n, columns) numbers of scale 1, float64."""
        if not isinstance(table, pd.DataFrame):
            if self.categories is not None:
                table = pd.DataFrame(table)
            else:
                return self.scaler.transform(table)
        parts = []
        if self.scaler is not None:
            numeric = as_numbers("X", table.loc[:, self.numbers].infer_objects()).astype(float)
            parts.append(self.scaler.transform(numeric))
        if self.categories is not None:
            parts.append(self.categories.transform(_objects(table.loc[:, ~self.numbers])))
        return np.concatenate(parts, axis=1)


def _numbers(table: pd.DataFrame) -> list[bool]:
    """Return which columns hold numbers."""
    types = table.infer_objects().dtypes
    return [getattr(dtype, "kind", "O") in "biufc" for dtype in types]


def _time(column: pd.Series) -> bool:
    return getattr(column.dtype, "kind", "O") in "mM"


def _objects(table: pd.DataFrame) -> np.ndarray:
    """Return categories as an array, None where one is missing: those of one column of one type."""
    array = table.astype(object).to_numpy()
    return np.where(pd.isna(array), None, array)
