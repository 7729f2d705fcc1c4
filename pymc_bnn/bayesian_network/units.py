"""What each dense layer sums: things that have an order, or hidden units, which have none."""

from __future__ import annotations

from collections.abc import Sequence

from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.shape import SpecifyShape
from pytensor.tensor.variable import TensorVariable
from pytensor_ml.layers import LinearLayer
from pytensor_ml.params import TrainableParameter

from pymc_bnn.bayesian_network.forward import nodes_of
from pymc_bnn.graphs.dropout import DropoutMarker
from pymc_bnn.priors.site import Kind

__all__ = ["first_layers", "kinds"]


def kinds(parameters: Sequence[TrainableParameter], output: TensorVariable) -> list[Kind]:
    """Return of each parameter whether it belongs to a dense layer, and what that layer sums.

    A layer sums units if all that it gets are outputs of other dense layers, changed number by
    number: by activations, dropout, sums of several, as in a residual block. Behind anything else
    (a convolution, a normalisation, a reshape) or where the network's own input is among them, it
    sums inputs. So does a layer that is applied twice, once to each.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> from pymc_bnn import networks
    >>> output = networks.mlp((2, 5, 1))(pt.matrix("x"))
    >>> last = output.owner  # its inputs: hidden units, a matrix, a bias
    >>> kinds(last.inputs[1:], output)
    ['units', 'units']
    """
    known: dict[TensorVariable, bool] = {}
    found: dict[TensorVariable, bool] = {}
    for node in nodes_of(output):
        if isinstance(node.op, LinearLayer):
            x, *own = node.inputs
            for variable in own:
                found[variable] = found.get(variable, True) and _of_units(x, node.op.n_in, known)
    return ["other" if p not in found else "units" if found[p] else "inputs" for p in parameters]


def _of_units(x: TensorVariable, n: int, known: dict[TensorVariable, bool]) -> bool:
    """Return whether x is made of the outputs of dense layers, number by number."""
    if x in known:
        return known[x]
    node = x.owner
    if node is None:
        known[x] = False
    elif isinstance(node.op, LinearLayer):
        known[x] = node.op.n_out == n
    elif isinstance(node.op, SpecifyShape | DropoutMarker):
        known[x] = _of_units(node.inputs[0], n, known)
    elif isinstance(node.op, Elemwise):
        parts = [v for v in node.inputs if not all(v.type.broadcastable)]
        known[x] = bool(parts) and all(_of_units(v, n, known) for v in parts)
    else:
        known[x] = False
    return known[x]


def first_layers(output: TensorVariable, x: TensorVariable) -> set[TensorVariable]:
    """Return the weights of the dense layers that sum the network's own input.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> from pymc_bnn import networks
    >>> x = pt.matrix("x", shape=(None, 2))
    >>> [weight.name for weight in first_layers(networks.mlp((2, 5, 1))(x), x)]
    ['dense1_W']
    """
    found = set()
    for node in nodes_of(output):
        if isinstance(node.op, LinearLayer):
            v = node.inputs[0]
            while v is not x and v.owner is not None and isinstance(v.owner.op, SpecifyShape):
                v = v.owner.inputs[0]
            found |= {node.inputs[1]} if v is x else set()
    return found
