"""What a graph is but for which objects it is made of: equal for models that are built twice."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import chain

import numpy as np
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import toposort

__all__ = ["structure"]

_LARGEST = 1 << 20  # bytes of all constants, above which they are not worth a copy


def structure(
    inputs: Sequence[Variable | tuple[Variable, ...]], outputs: Sequence[Variable]
) -> Hashable | None:
    """Return a key that is the same for graphs that compute the same in the same way.

    Operations count as PyTensor compares them, constants by their numbers; names do not count.

    Parameters
    ----------
    inputs, outputs : sequence of Variable
        Where the graph begins, and ends; inputs also in groups.

    Returns
    -------
    hashable or None
        None where large constants are among it, or what is no constant and no input.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x, y = pt.vectors(2)
    >>> structure([x], [x + 1]) == structure([y], [y + 1])
    True
    >>> structure([x], [x + 1]) == structure([x], [x + 2])
    False
    """
    groups = [own if isinstance(own, tuple) else (own,) for own in inputs]
    inputs = list(chain.from_iterable(groups))
    places: dict[Variable, int] = {v: i for i, v in enumerate(inputs)}
    found: list[Hashable] = [tuple(map(len, groups)), tuple(v.type for v in inputs)]
    held = 0

    def place(v: Variable) -> int:
        nonlocal held
        if v not in places:
            if not isinstance(v, Constant):
                raise LookupError
            data = v.data
            held += getattr(data, "nbytes", 0)
            if held > _LARGEST:
                raise LookupError
            places[v] = len(places)
            found.append((v.type, _numbers(data)))
        return places[v]

    try:
        for node in toposort(outputs, blockers=inputs):
            at = tuple(map(place, node.inputs))
            found.append((node.op, at))
            places |= {v: len(places) + i for i, v in enumerate(node.outputs)}
        found.append(tuple(map(place, outputs)))
        key = tuple(found)
        hash(key)
    except (LookupError, TypeError):  # a foreign root; an operation without a hash
        return None
    return key


def _numbers(data: object) -> Hashable:
    """Return an array's numbers, bit by bit, or another constant as it is."""
    if isinstance(data, np.ndarray | np.generic):
        if data.dtype == object:
            raise LookupError
        return data.dtype.str, data.shape, data.tobytes()
    return data
