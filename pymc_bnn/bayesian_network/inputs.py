"""What a network reads: checked, as a tensor whose sizes but the first are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor import config
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import graph_inputs
from pytensor.tensor.basic import Join
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.shape import SpecifyShape
from pytensor.tensor.variable import TensorConstant, TensorVariable
from pytensor_ml.params import NonTrainableParameter, TrainableParameter

from pymc_bnn._checks import check_finite, invalid
from pymc_bnn._frames import as_numbers
from pymc_bnn.graphs.interpreted import Interpreted
from pymc_bnn.model.columns import columns_of, remember

__all__ = ["as_source", "data_of", "features_of", "fix_shape", "value_of"]


def as_source(x: Any) -> TensorVariable:
    """Return x as a tensor, after checking the data it is or is computed from.

    Examples
    --------
    >>> as_source(np.zeros((5, 2))).type.shape
    (None, 2)
    """
    if not isinstance(x, Variable):
        table, value = x, as_numbers("x", x)
        value = value.astype(config.floatX) if value.dtype.kind == "f" else value
        if value.ndim == 0:
            raise invalid("x", "have one row per example", "a scalar", "pass shape (n, features)")
        # Shared, not constant: the number of rows must not be built into the graph.
        x = pytensor.shared(value, name="x", shape=(None, *value.shape[1:]))
        remember(x, table)
    if not isinstance(x, TensorVariable) or x.type.dtype.startswith("complex"):
        rule, repair = "be a tensor of real numbers", "pass pm.Data, a tensor or an array"
        raise invalid("x", rule, f"a variable of {x.type}", repair, TypeError)
    if x.type.ndim == 0:
        raise invalid("x", "have one row per example", "a scalar", "pass shape (n, features)")
    for data in data_of(x):
        value = value_of(data)
        label = data.name or "x"
        if data is x and value.shape[0] == 0:
            raise invalid(label, "hold at least one row", f"shape {value.shape}", "pass more data")
        check_finite(label, value)
    return x


def data_of(x: TensorVariable) -> list[TensorVariable]:
    """Return the shared variables that hold the data of x, or x itself where it is a constant.

    Examples
    --------
    >>> [variable.name for variable in data_of(as_source(np.zeros((5, 2))) + 1)]
    ['x']
    """
    if isinstance(x, TensorConstant):
        return [x]
    return [
        variable
        for variable in graph_inputs([x])
        if isinstance(variable, SharedVariable)
        and isinstance(variable, TensorVariable)
        and not isinstance(variable, (TrainableParameter, NonTrainableParameter))
        and variable.type.ndim
    ]


def value_of(data: Any) -> np.ndarray:
    """Return what a shared variable or a constant holds.

    Examples
    --------
    >>> value_of(pt.constant([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    return np.asarray(data.data if isinstance(data, TensorConstant) else data.get_value(True))


def fix_shape(x: TensorVariable) -> TensorVariable:
    """Fix every axis but the first to its current size, where that is not known already.

    Examples
    --------
    >>> fix_shape(pytensor.shared(np.zeros((5, 2)))).type.shape
    (None, 2)
    """
    if None not in x.type.shape[1:]:
        return x
    if isinstance(x, SharedVariable):
        shape = x.get_value(borrow=True).shape
    elif all(isinstance(v, (SharedVariable, TensorConstant)) for v in graph_inputs([x])):
        shape = tuple(Interpreted([], list(x.shape))())
    else:
        return x
    fixed = pt.specify_shape(x, (None, *(int(n) for n in shape[1:])))
    fixed.name = x.name
    return fixed


def features_of(x: TensorVariable, model: pm.Model) -> tuple[str | int, ...] | None:
    """Return the names of the columns of x, where all are known.

    Of data, of what numbers make of them one by one, of several such side by side; data of one
    dimension that were made a column have their own name.

    Examples
    --------
    >>> import pandas as pd
    >>> x = as_source(pd.DataFrame({"age": [30.0, 50.0], "height": [1.7, 1.6]}))
    >>> features_of((x - [40.0, 1.65]) / 2, pm.Model())
    ('age', 'height')
    """
    names = _names(x, model)
    named = names is not None and all(isinstance(name, str | int) for name in names)
    return tuple(names) if named and len(set(names)) == len(names) else None


def _names(x: TensorVariable, model: pm.Model) -> tuple[Any, ...] | None:
    """Return what is known of the names of columns, whatever they are."""
    while x.owner is not None and isinstance(x.owner.op, Elemwise | SpecifyShape):
        parts = [v for v in x.owner.inputs if not isinstance(v, TensorConstant) and data_of(v)]
        if len(parts) != 1 or parts[0].type.ndim != x.type.ndim:
            return None
        [x] = parts
    if x.type.ndim == 1:
        return (x.name,) if x.name in model.named_vars else None
    op = None if x.owner is None else x.owner.op
    if isinstance(op, Join) and op.axis == 1:
        parts = [_names(part, model) for part in x.owner.inputs]
        return None if None in parts else tuple(name for part in parts for name in part)
    if isinstance(op, DimShuffle) and op.new_order == (0, "x"):
        return _names(x.owner.inputs[0], model)
    return columns_of(x, model) if x.type.ndim == 2 else None
