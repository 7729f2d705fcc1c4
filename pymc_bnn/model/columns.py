"""Names of the columns of a model's data, where the model or the user's table says them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pymc as pm
from pytensor.graph.basic import Variable

from pymc_bnn._frames import check_aligned, column_names
from pymc_bnn.model.terms import ModelTerms

__all__ = ["check_rows_aligned", "columns_of", "remember", "with_columns"]


def remember(variable: Variable, table: Any) -> None:
    """Note on a shared variable what the table was called that it was made of.

    Examples
    --------
    >>> import pandas as pd, pytensor
    >>> x = pytensor.shared([[30.0]], name="x")
    >>> remember(x, pd.DataFrame({"age": [30.0]}))
    >>> columns_of(x, pm.Model())
    ('age',)
    """
    variable.tag.columns = column_names(table)
    variable.tag.index = getattr(table, "index", None)


def columns_of(root: Variable, model: pm.Model) -> tuple[Any, ...] | None:
    """Return the names of the columns of data: of its table, or its second dimension's coords.

    Of a table that PyMC has made an array of, without dims, nobody knows them any more.

    Examples
    --------
    >>> with pm.Model(coords={"feature": ["age", "height"]}) as model:
    ...     x = pm.Data("x", [[30.0, 1.7]], dims=("person", "feature"))
    >>> columns_of(x, model)
    ('age', 'height')
    """
    names = getattr(root.tag, "columns", None)
    dims = model.named_vars_to_dims.get(root.name) or ()
    if names is None and len(dims) == 2:
        coords = model.coords.get(dims[1])
        names = None if coords is None else tuple(coords)
    counted = names is not None and names == tuple(range(len(names)))
    return None if counted else names


def with_columns(terms: ModelTerms, columns: Mapping[str, tuple[Any, ...]]) -> ModelTerms:
    """Return a model taken apart whose data have the columns that batches were seen to have.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu", shape=2), observed=[[1.0, 2.0]])
    >>> with_columns(decompose(model), {"y": ("left", "right")}).data[0].columns
    ('left', 'right')
    """
    data = (replace(d, columns=columns.get(d.name, d.columns)) for d in terms.data)
    return replace(terms, data=tuple(data))


def check_rows_aligned(terms: ModelTerms) -> None:
    """Raise where data of the examples are known to have the same rows in another order.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=[1.0, 2.0])
    >>> check_rows_aligned(decompose(model))
    """
    known = {}
    for d in terms.data:
        dims = terms.model.named_vars_to_dims.get(d.root.name) or (None,)
        coords = terms.model.coords.get(dims[0])
        index = getattr(d.root.tag, "index", None)
        if index is not None or coords is not None:
            known[d.name] = _Rows(index if index is not None else coords)
    check_aligned("model", known)


class _Rows:
    """What :func:`check_aligned` looks at."""

    def __init__(self, labels: Any):
        import pandas as pd

        self.index = pd.Index(labels)
