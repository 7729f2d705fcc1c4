"""Random variables of another size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytensor.tensor as pt
from pymc.distributions.custom import CustomSymbolicDistRV
from pymc.distributions.shape_utils import change_dist_size
from pytensor.graph.basic import Variable
from pytensor.tensor.type import TensorType

from pymc_bnn.graphs.substitute import rebuild

__all__ = ["resize"]


def resize(rv: Variable, size: Sequence[Any]) -> Variable:
    """Return a random variable of the same law and parameters, and of another size.

    Of a ``pm.CustomDist`` with ``dist=`` PyMC's own function would put back the parameters that the
    variable was first made with, in place of those that it has now.

    Parameters
    ----------
    rv : Variable
        The output of a random variable's node.
    size : sequence of int or TensorVariable
        Its batch shape, without the axes that belong to one draw.

    Returns
    -------
    Variable

    Examples
    --------
    >>> import pymc as pm
    >>> resize(pm.Normal.dist(0.0, 1.0, size=3), (5,)).type.shape
    (5,)
    """
    node = rv.owner
    if isinstance(node.op, CustomSymbolicDistRV) and isinstance(node.inputs[0].type, TensorType):
        inputs = [pt.as_tensor(size, dtype="int64", ndim=1), *node.inputs[1:]]
        return rebuild(node, inputs).outputs[node.outputs.index(rv)]
    return change_dist_size(rv, size)
