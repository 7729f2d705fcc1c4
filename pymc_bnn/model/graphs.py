"""The graphs of a model by what they are of, and rewrites of them all together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from itertools import islice
from typing import NamedTuple

import pymc as pm
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from pymc_bnn.graphs.sizes import resize
from pymc_bnn.graphs.substitute import substitute

__all__ = ["ModelGraphs", "of_any_length", "rewrite_together"]

Rewrite = Callable[[list[Variable]], list[Variable]]


class ModelGraphs(NamedTuple):
    """What a model consists of, each list in the model's order.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     mu = pm.Normal("mu")
    ...     y = pm.Normal("y", mu, observed=[0.0, 1.0])
    >>> ModelGraphs.of(model).free
    [mu]
    """

    free: list[TensorVariable]  # random variables
    observed: list[TensorVariable]  # random variables
    potentials: list[TensorVariable]
    deterministics: list[TensorVariable]
    values: list[TensorVariable]  # what was observed, one for each of `observed`

    @classmethod
    def of(cls, model: pm.Model) -> ModelGraphs:
        """Return a model's own graphs."""
        values = [model.rvs_to_values[rv] for rv in model.observed_RVs]
        return cls(
            list(model.free_RVs),
            list(model.observed_RVs),
            list(model.potentials),
            list(model.deterministics),
            values,
        )

    def map(self, rewrite: Rewrite) -> ModelGraphs:
        """Rewrite all graphs as one, so that what they share stays shared."""
        return ModelGraphs(*rewrite_together(rewrite, *self))


def rewrite_together(rewrite: Rewrite, *lists: Sequence[Variable]) -> list[list[Variable]]:
    """Apply a function of one list of graphs to several lists at once.

    Examples
    --------
    >>> rewrite_together(lambda flat: [2 * x for x in flat], [1, 2], [], [3])
    [[2, 4], [], [6]]
    """
    rewritten = iter(rewrite([graph for own in lists for graph in own]))
    return [list(islice(rewritten, len(own))) for own in lists]


def of_any_length(
    graphs: ModelGraphs, sampled: Set[Variable], latents: Mapping[Variable, Variable] | None = None
) -> ModelGraphs:
    """Rebuild random variables whose size PyMC fixed to the number of rows observed.

    Parameters
    ----------
    graphs : ModelGraphs
        Of the model.
    sampled : set of Variable
        Data of which any number of rows may be given; what is observed as one of them, or depends
        on it, is rebuilt.
    latents : mapping from Variable to Variable, optional
        Free variables with an entry for each of these rows, and their unconstrained values.

    Returns
    -------
    ModelGraphs
        What depends on a rebuilt variable depends on the new one.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=[0.0, 1.0])
    >>> graphs = ModelGraphs.of(model)
    >>> rows = graphs.values[0].type.clone(shape=(None,))("rows")
    >>> of_any_length(graphs._replace(values=[rows]), {rows}).observed[0].type.shape
    (None,)
    """
    rebuilt: dict[Variable, Variable] = {}
    observed = zip(graphs.observed, graphs.values, strict=True)
    pairs = [*(latents or {}).items(), *((r, v) for r, v in observed if sampled & _behind(v))]
    for rv, value in pairs:
        # In the model's order, as a later one may depend on an earlier one.
        [own] = substitute([rv], rebuilt)
        size = [value.shape[i] for i in range(own.ndim - own.owner.op.ndim_supp)]
        rebuilt[rv] = resize(own, size) if size else own
    free, potentials, deterministics = rewrite_together(
        lambda flat: substitute(flat, rebuilt),
        graphs.free,
        graphs.potentials,
        graphs.deterministics,
    )
    again = [rebuilt.get(rv, rv) for rv in graphs.observed]
    return ModelGraphs(free, again, potentials, deterministics, graphs.values)


def _behind(value: Variable) -> set[Variable]:
    return set(ancestors([value]))
