"""Data that serve as indices, and the lengths of what they index."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.builders import OpFromGraph
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors, toposort
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.subtensor import (
    AdvancedIncSubtensor,
    AdvancedSubtensor,
    IncSubtensor,
    Subtensor,
    indices_from_subtensor,
)

from pymc_bnn._checks import invalid
from pymc_bnn.graphs.interpreted import Interpreted
from pymc_bnn.graphs.substitute import substitute
from pymc_bnn.model.terms import ModelTerms

__all__ = ["IndexUse", "Indices"]

_INCREMENTS = IncSubtensor, AdvancedIncSubtensor  # their second input is what is written


@dataclass(frozen=True)
class IndexUse:
    """Numbers computed from data, by which the model looks something up."""

    names: tuple[str, ...]  # of the data that they are computed from; of constants there is none
    indexed: str  # what they index, in words
    direct: bool  # they are the data themselves, but for casts and new axes
    from_end: bool  # negative ones are the author's, as in mu[-1]
    evaluate: Callable[..., tuple[np.ndarray, np.ndarray]]  # of all data: indices and length


@dataclass(frozen=True)
class Indices:
    """All indices of a model, to be checked whenever its data change.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     mu = pm.Normal("mu", shape=3)
    ...     y = pm.Normal("y", mu[pm.Data("g", [0, 1, 2])], observed=np.zeros(3))
    >>> indices = Indices.of(decompose(model))
    >>> indices.check({"g": np.array([0, 1, 7])})
    Traceback (most recent call last):
    ...
    ValueError: `g` must hold indices in 0…2, as 'mu' has 3 entries there, got 1 other of 3, \
the first 7 at index 2; recode it, or give 'mu' more entries
    """

    uses: tuple[IndexUse, ...]

    @classmethod
    def of(cls, terms: ModelTerms) -> Indices:
        """Find them in the graphs of a model."""
        outputs = [f.logp for f in terms.free] + list(terms.deterministics.values())
        outputs += [terms.rest_logp, terms.potential_logp]
        outputs += [] if terms.row_logp is None else [terms.row_logp]
        values = {f.value: np.asarray(f.start) for f in terms.free}
        data = {d.variable: d.name for d in terms.data}
        lengths = {o.n for o in terms.observed}
        found: dict[Any, IndexUse] = {}
        for index, indexed, axis in _lookups(outputs):
            behind = set(ancestors([index]))
            sources = [v for v in data if v in behind]
            tables = [v for v in behind if isinstance(v, Constant) and v.type.ndim]
            if not behind.isdisjoint(values) or not (sources or tables):
                continue  # of parameters, or the author's own number
            # Constants may be the author's, unless there is one for each observation.
            own = all(v.type.ndim == 0 for v in sources) and not any(
                v.data.shape[0] in lengths for v in tables
            )
            core = index
            while core.owner is not None and len(core.owner.inputs) == 1:
                core = core.owner.inputs[0]
            use = IndexUse(
                tuple(data[v] for v in sources),
                _called(indexed, terms),
                core in data or isinstance(core, Constant),
                own,
                _Evaluation(index, indexed, axis, values, data),
            )
            found.setdefault((index, indexed, axis), use)
        return cls(tuple(found.values()))

    def check(
        self,
        arrays: Mapping[str, np.ndarray],
        argument: str = "{name}",
        only: Collection[str] | None = None,
    ) -> None:
        """Raise unless all indices lie inside, with all data given.

        `argument` is what errors call an array, a pattern with {name}; of `only` those data.
        """
        for use in self.uses:
            if only is not None and set(only).isdisjoint(use.names):
                continue
            index, length = use.evaluate(arrays)
            low = -length if use.from_end else 0
            bad = (index < low) | (index >= length)
            if not bad.any():
                continue
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            where = f" at index {at[0] if len(at) == 1 else at}" if at else ""
            label = " and ".join(use.names) or f"index of {use.indexed}"
            rule = f"hold indices in 0…{length - 1}, as {use.indexed} has {length} entries there"
            if not use.direct:
                rule = rule.replace("hold", "give", 1)
            repair = f"recode it, or give {use.indexed} more entries"
            if (index[bad] < 0).any():
                repair = "negative numbers would count from the end, and pandas writes -1 for a "
                repair += "missing category: drop these rows or give them a category of their own"
            got = f"{int(bad.sum())} other of {bad.size}, the first {index[at]}{where}"
            label = label if not use.names else argument.format(name=label)
            raise invalid(label, rule, got, repair)


class _Evaluation:
    """Computes indices and the length of what they index; compiled when first used."""

    def __init__(
        self,
        index: Variable,
        indexed: Variable,
        axis: int,
        values: Mapping[Variable, np.ndarray],
        data: Mapping[Variable, str],
    ):
        behind = set(ancestors([index, indexed]))
        used = {v: name for v, name in data.items() if v in behind}
        # Of any length: new data may have more rows, or more entries in a table.
        fresh = {v: v.type.clone(shape=(None, *v.type.shape[1:]))() for v in used if v.type.ndim}
        index, indexed = substitute([pt.as_tensor(index), indexed], fresh)
        static = indexed.type.shape[axis]
        self.outputs = [index, pt.shape(indexed)[axis] if static is None else pt.constant(static)]
        self.data = {fresh.get(v, v): name for v, name in used.items()}
        self.values = {v: value for v, value in values.items() if v in behind}
        self.function: Any = None

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        if self.function is None:
            self.function = Interpreted(
                [*self.data, *self.values],
                self.outputs,
                on_unused_input="ignore",
                allow_input_downcast=True,
            )
        return self.function(*(arrays[name] for name in self.data.values()), *self.values.values())


def _lookups(
    outputs: Sequence[Variable], inputs: Sequence[Variable] = ()
) -> Iterator[tuple[Variable, Variable, int]]:
    """Yield all integer indices, inner ones first: the numbers, the indexed tensor, its axis."""
    for node in toposort(outputs, blockers=inputs):
        op, axis = node.op, 0
        if isinstance(op, Blockwise):
            op, axis = op.core_op, op.batch_ndim(node)
        if isinstance(op, OpFromGraph):  # a layer
            graph = op.fgraph.unfreeze()
            inside = substitute(graph.outputs, dict(zip(graph.inputs, node.inputs, strict=True)))
            yield from _lookups(inside, node.inputs)
        if not isinstance(op, Subtensor | AdvancedSubtensor | IncSubtensor | AdvancedIncSubtensor):
            continue
        first = 2 if isinstance(op, _INCREMENTS) else 1
        for index in indices_from_subtensor(node.inputs[first:], op.idx_list):
            number = isinstance(index, Variable) and index.type.dtype != "bool"
            if number:
                yield index, node.inputs[0], axis
            # A slice takes what there is, and so does a mask, of all the axes that it has.
            axis += index.type.ndim if isinstance(index, Variable) and not number else 1


def _called(indexed: Variable, terms: ModelTerms) -> str:
    """Name what is indexed: a variable, or what it is computed from."""
    behind = set(ancestors([indexed]))
    names = [f.name for f in terms.free if f.value in behind]
    names = names or [d.name for d in terms.data if d.variable in behind]
    if len(names) > 3:
        names = [*names[:2], f"{len(names) - 2} more"]
    return " and ".join(f"'{n}'" for n in names) if names else "a constant"
