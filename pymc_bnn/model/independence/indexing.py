"""Rules of operations by indices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply
from pytensor.tensor.subtensor import (
    AdvancedIncSubtensor,
    AdvancedSubtensor,
    IncSubtensor,
    Subtensor,
    indices_from_subtensor,
)

from pymc_bnn.model.independence.base import (
    RowUse,
    aligned,
    first_unknown,
    mixes,
    propagate,
    unsaid,
)
from pymc_bnn.model.independence.shapes import vector_of

__all__ = []


def _is_full(index: Any) -> bool:
    """Whether an index is a slice that takes everything in order."""
    if not isinstance(index, slice):
        return False
    start, stop, step = (getattr(v, "data", v) for v in (index.start, index.stop, index.step))
    return stop is None and start in (None, 0) and step in (None, 1)


@propagate.register(Subtensor)
def _subtensor(op: Subtensor, node: Apply, inputs: list[RowUse]) -> RowUse:
    use, x = inputs[0], node.inputs[0]
    index = indices_from_subtensor(node.inputs[1:], op.idx_list)
    if unknown := first_unknown(inputs):
        return unknown
    if any(i.kind != "none" for i in inputs[1:]):
        return mixes("an index that is the number of rows")
    if use.kind == "length":
        if use.entries is None:
            return use
        if isinstance(index[0], slice):
            bounds = [getattr(v, "data", v) for v in (index[0].start, index[0].stop, index[0].step)]
            known = all(v is None or np.ndim(v) == 0 for v in bounds)
            cut = slice(*(None if v is None else int(v) for v in bounds)) if known else None
            return vector_of(use.entries[cut]) if known else unsaid(node)
        place = getattr(index[0], "data", None)
        return unsaid(node) if place is None else use.entries[int(place)]
    at = index[use.axis] if use.axis < len(index) else slice(None)
    if not _is_full(at):
        return mixes("an index along the rows" if not isinstance(at, slice) else "a slice of rows")
    gone = sum(not isinstance(i, slice) for i in index[: use.axis])
    iota = use.iota and x.type.ndim == 1
    return replace(use, axis=use.axis - gone, iota=iota)


@propagate.register(AdvancedSubtensor)
def _advanced_subtensor(op: AdvancedSubtensor, node: Apply, inputs: list[RowUse]) -> RowUse:
    if unknown := first_unknown(inputs):
        return unknown
    use, x = inputs[0], node.inputs[0]
    of = dict(zip(node.inputs[1:], inputs[1:], strict=True))
    index = list(indices_from_subtensor(node.inputs[1:], op.idx_list))
    index += [slice(None)] * (x.type.ndim - len(index))
    arrays = [i for i in index if not isinstance(i, slice)]
    if any(i.type.dtype == "bool" for i in arrays):
        return mixes("an index by a mask")
    if any(of[i].kind == "length" for i in node.inputs[1:]) or use.kind == "length":
        return mixes("an index that is the number of rows")
    places = [axis for axis, i in enumerate(index) if not isinstance(i, slice)]
    shapes = [i.type.shape for i in arrays]
    block = max(map(len, shapes))
    together = places == list(range(places[0], places[-1] + 1))
    start = places[0] if together else 0
    plain = [i for i in arrays if not of[i].iota]
    by_place = any(of[i].iota for i in arrays)
    if use.kind == "none":
        if by_place:
            return mixes("an index by the number of a row")
        found = aligned(node, [of[i] for i in arrays], shapes, block)
    elif use.axis in places:  # each row takes something of itself
        if not of[index[use.axis]].iota:
            return mixes("an index along the rows")
        if sum(of[i].iota for i in arrays) > 1:
            return mixes("an index along the rows")
        found = aligned(node, [RowUse(of[i].kind, of[i].axis) for i in arrays], shapes, block)
    else:
        if not _is_full(index[use.axis]):
            return mixes("a slice of rows")
        if by_place or any(of[i].kind == "rows" for i in plain):
            return mixes("an index of rows by rows")
        before = sum(isinstance(i, slice) for i in index[: use.axis])
        return RowUse("rows", before + (block if start < use.axis or not together else 0))
    return replace(found, axis=found.axis + start) if found.kind == "rows" else found


@propagate.register(IncSubtensor)
@propagate.register(AdvancedIncSubtensor)
def _inc_subtensor(op: Any, node: Apply, inputs: list[RowUse]) -> RowUse:
    if unknown := first_unknown(inputs):
        return unknown
    use, part, *indices = inputs
    index = list(indices_from_subtensor(node.inputs[2:], op.idx_list))
    rows = use.kind == "rows" and all(i.kind == "none" for i in indices)
    if not rows or not _is_full(index[use.axis] if use.axis < len(index) else slice(None)):
        return mixes("rows that are written into something")
    if any(not isinstance(i, slice) and i.type.ndim for i in index):
        return unsaid(node)
    gone = sum(not isinstance(i, slice) for i in index[: use.axis])
    ndim = node.inputs[0].type.ndim - sum(not isinstance(i, slice) for i in index)
    place = use.axis - gone - ndim + node.inputs[1].type.ndim
    if part.kind == "rows" and part.axis != place:
        return mixes("rows along two axes")
    if part.kind == "none" and place >= 0 and node.inputs[1].type.shape[place] != 1:
        return mixes("one value for each place among the rows")
    return RowUse("rows", use.axis)
