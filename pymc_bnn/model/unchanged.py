"""What was made of a model's graphs, kept for as long as these stay as they are."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pymc as pm
from pytensor import config
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.sharedvar import TensorSharedVariable

from pymc_bnn.model.roots import numbers_of
from pymc_bnn.saving.arrays import digest_of
from pymc_bnn.saving.models import is_absent

__all__ = ["kept_with"]


@dataclass(frozen=True, eq=False)
class _Parts:
    """What a model's graphs are made of, beside the numbers of its data."""

    same: list[Any]  # by identity
    equal: list[Hashable]

    @classmethod
    def of(cls, model: pm.Model) -> _Parts:
        lists = model.free_RVs, model.observed_RVs, model.potentials, model.deterministics
        rvs, lengths = model.basic_RVs, model.dim_lengths
        same = [v for own in lists for v in own]
        same += [*(model.rvs_to_values[rv] for rv in rvs), *lengths.values()]
        found = list(ancestors(same))
        same += [model.rvs_to_transforms.get(rv) for rv in rvs]
        starts = [model.rvs_to_initial_values.get(rv) for rv in rvs]
        same += starts
        equal: list[Hashable] = [config.floatX, *map(len, lists), *lengths]
        equal += [(name, tuple(dims or ())) for name, dims in model.named_vars_to_dims.items()]
        equal += [_digest_of(own) for own in starts]
        for v in found:
            same.append(v)
            equal.append(v.name)
            if v.owner is not None:
                same += [v.owner.op, *v.owner.inputs]
            elif isinstance(v, TensorSharedVariable):
                numbers = numbers_of(v)
                equal.append((numbers.shape, numbers.dtype, is_absent(v)))
        equal += [int(v.get_value()) for v in lengths.values() if isinstance(v, SharedVariable)]
        return cls(same, equal)

    def are(self, other: _Parts) -> bool:
        """Tell whether both are of one model, which was not changed in between."""
        same = list(map(id, self.same)) == list(map(id, other.same))
        return same and self.equal == other.equal


def _digest_of(start: Any) -> str:
    """Return what tells an initial value from another: numbers may be written over in place."""
    symbolic = start is None or isinstance(start, str | Variable)
    return "" if symbolic else digest_of(np.asarray(start))


_KEPT: WeakKeyDictionary[pm.Model, tuple[_Parts, dict[Hashable, Any]]] = WeakKeyDictionary()


def kept_with(model: pm.Model) -> dict[Hashable, Any]:
    """Return a place for what is made of a model's graphs: forgotten with it, or when they change.

    What is put there must neither hold the model nor depend on the numbers of its data, which may
    be others the next time; their shapes and types are the same.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     mu = pm.Normal("mu")
    >>> kept_with(model)["mean"] = 0.0
    >>> kept_with(model)
    {'mean': 0.0}
    >>> with model:
    ...     y = pm.Normal("y", mu, observed=[1.0, 2.0])
    >>> kept_with(model)
    {}
    """
    parts = _Parts.of(model)
    known = _KEPT.get(model)
    if known is None or not known[0].are(parts):
        known = _KEPT[model] = parts, {}
    return known[1]
