"""The data of a PyMC model: shared variables and constants in its graphs, and their numbers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from pymc.data import MinibatchOp
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.sharedvar import TensorSharedVariable
from pytensor.tensor.variable import TensorConstant

__all__ = ["data_roots", "length_of", "numbers_of", "unbatched_root"]


def data_roots(graphs: Iterable[Variable], blockers: Iterable[Variable] = ()) -> list[Variable]:
    """Return shared tensors, and constants with at least one axis, in a stable order.

    Examples
    --------
    >>> import pytensor
    >>> x = pytensor.shared(np.zeros(2), "x")
    >>> data_roots([x + 1])
    [x]
    """
    found: dict[Variable, None] = {}
    for v in ancestors(list(graphs), blockers=list(blockers)):
        shared = isinstance(v, TensorSharedVariable)
        constant = isinstance(v, TensorConstant) and v.ndim > 0
        if shared or constant:
            found[v] = None
    return list(found)


def unbatched_root(value: Variable) -> Variable:
    """Find the data behind an observed value: itself, or what casts and minibatches come from.

    Examples
    --------
    >>> import pytensor
    >>> y = pytensor.shared(np.zeros(2), "y")
    >>> unbatched_root(y.astype("int32")) is y
    True
    """
    while value.owner is not None:
        node = value.owner
        if isinstance(node.op, MinibatchOp):
            value = node.inputs[node.outputs.index(value)]
        else:
            value = node.inputs[0]
    return value


def numbers_of(root: Variable) -> np.ndarray:
    """Return the numbers of a shared variable or constant.

    Examples
    --------
    >>> import pytensor
    >>> numbers_of(pytensor.shared(np.zeros(2)))
    array([0., 0.])
    """
    value = root.get_value(borrow=True) if isinstance(root, SharedVariable) else root.data
    return np.asarray(value)


def length_of(root: Variable) -> int | None:
    """Return the length of the first axis of data; None for a scalar.

    Examples
    --------
    >>> import pytensor
    >>> length_of(pytensor.shared(np.zeros(2)))
    2
    """
    value = numbers_of(root)
    return value.shape[0] if value.ndim else None
