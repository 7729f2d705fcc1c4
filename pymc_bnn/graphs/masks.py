"""Dropout made random again: where a graph has a marker, its input times a mask."""

from __future__ import annotations

from collections.abc import Sequence

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import invalid
from pymc_bnn.graphs.dropout import markers
from pymc_bnn.graphs.substitute import substitute
from pymc_bnn.runtime.noise import Noise

__all__ = ["mask_of", "random_masks"]


def mask_of(node: Apply, number: int) -> tuple[Noise, TensorVariable]:
    """Return the random mask of a marker, and the input of a graph that stands for it.

    Examples
    --------
    >>> from pymc_bnn.graphs.dropout import DropoutMarker
    >>> node = DropoutMarker(p=0.25)(pt.tensor("x", shape=(None, 3))).owner
    >>> mask_of(node, 0)[0]
    Noise(name='dropout0', shape=(None, 3), law='keep', keep=0.75)
    """
    shape = node.outputs[0].type.shape[1:]
    if None in shape:
        rule, repair = "give dropout an input of known shape", "use pt.specify_shape in front of it"
        raise invalid("model", rule, f"shape (rows, {shape})", repair)
    mask = Noise(f"dropout{number}", (None, *shape), "keep", 1.0 - float(node.op.p))
    return mask, pt.TensorType(node.outputs[0].type.dtype, mask.shape)(mask.name)


def random_masks(
    outputs: Sequence[Variable],
) -> tuple[list[Variable], list[tuple[TensorVariable, Noise]]]:
    """Put masks in place of all markers of some graphs.

    Returns
    -------
    outputs : list of Variable
        The graphs with masks.
    masks : list of (TensorVariable, Noise)
        The inputs that stand for the masks, and what they are drawn from.

    Examples
    --------
    >>> from pymc_bnn.graphs.dropout import DropoutMarker
    >>> x = pt.tensor("x", shape=(None, 3))
    >>> outputs, masks = random_masks([DropoutMarker(p=0.5)(x).sum()])
    >>> len(masks)
    1
    """
    done: dict[Variable, Variable] = {}
    masks = []
    for number, node in enumerate(markers(outputs)):  # from the data onwards
        mask, root = mask_of(node, number)
        done[node.outputs[0]] = substitute([node.inputs[0]], done)[0] * root
        masks.append((root, mask))
    return substitute(outputs, done), masks
