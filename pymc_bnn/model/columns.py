"""Names of columns and classes, where the model or the user's table says them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pymc as pm
from pytensor.graph.basic import Variable
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Dot
from pytensor.tensor.shape import SpecifyShape
from pytensor.tensor.special import Softmax
from pytensor_ml.layers import LinearLayer

from pymc_bnn._frames import check_aligned, column_names
from pymc_bnn.model.conditions import node_of
from pymc_bnn.model.terms import ModelTerms

__all__ = [
    "check_rows_aligned",
    "class_names",
    "columns_of",
    "coords_of",
    "remember",
    "with_columns",
]


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


def coords_of(model: pm.Model) -> dict[str, list[Any]]:
    """Return a copy of the labels along the dimensions that have some.

    Examples
    --------
    >>> coords_of(pm.Model(coords={"feature": ["age", "height"]}))
    {'feature': ['age', 'height']}
    """
    return {name: list(own) for name, own in model.coords.items() if own is not None}


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


def class_names(terms: ModelTerms, name: str, k: int) -> list[Any]:
    """Return what the k classes of an observed variable are called; 0, 1, … where nobody says.

    They are the coords of a dimension ``<name>_class``, or else of the last dimension of what its
    probabilities are made of: a deterministic, the weights of the last layer.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model(coords={"kind": ["cat", "dog"]}) as model:
    ...     p = pm.math.softmax(pm.Normal("a", dims="kind"))
    ...     y = pm.Categorical("y", p=p, observed=[0, 1, 1])
    >>> class_names(decompose(model), "y", 2)
    ['cat', 'dog']
    """
    model = terms.model
    names = terms.coords.get(f"{name}_class")
    if names is None:
        node = node_of(model[name])
        names = _last_axis(node.op.dist_params(node)[0], model)
    return list(names if names is not None and len(names) == k else range(k))


def _last_axis(v: Variable, model: pm.Model) -> tuple[Any, ...] | None:
    """Return the names along the last axis of a variable, or of what that axis comes from."""
    names, node = None, v.owner
    if model.named_vars.get(v.name) is v and (dims := model.named_vars_to_dims.get(v.name)):
        names = model.coords.get(dims[-1])
    if names is not None and tuple(names) != tuple(range(len(names))):
        return tuple(names)
    op = None if node is None else getattr(node.op, "core_op", node.op)
    if isinstance(op, LinearLayer | Dot):
        parts = node.inputs[1:]
    elif isinstance(op, Elemwise):
        parts = [part for part in node.inputs if part.type.broadcastable[-1:] == (False,)]
    elif isinstance(op, Softmax | SpecifyShape) or (
        isinstance(op, DimShuffle) and op.new_order[-1:] == (op.input_ndim - 1,)
    ):
        parts = node.inputs[:1]
    else:
        parts = []
    found = (_last_axis(part, model) for part in parts)
    return next((own for own in found if own is not None), None)


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
