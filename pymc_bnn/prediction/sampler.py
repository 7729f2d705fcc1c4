"""Draws of an observed variable given its parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pymc.distributions.discrete import Bernoulli, Categorical
from pymc.distributions.shape_utils import change_dist_size
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors, toposort
from pytensor.tensor.random.type import RandomType, random_generator_type
from pytensor.tensor.shape import Shape, Shape_i

from pymc_bnn.decompose import Observed
from pymc_bnn.to_jax import INTERPRETED, substitute

__all__ = ["Sampler", "is_class", "probabilities"]


class Sampler:
    """Draws an observed variable given its parameters, by PyTensor's own NumPy code."""

    def __init__(self, observed: Observed):
        rv, n = observed.rv, pt.lscalar("n")
        batch_ndim = rv.ndim - rv.owner.op.ndim_supp
        # A variable that does not go by the examples keeps the number of rows observed.
        self.rows = None if observed.per_example else observed.n
        if batch_ndim:
            rv = change_dist_size(rv, [n, *observed.value.type.shape[1:batch_ndim]])
        # Parameters are where the part of the graph that is not random enters the part that is.
        drawn: set[Variable] = {n, *(v for v in ancestors([rv]) if isinstance(v.type, RandomType))}
        frontier: dict[Variable, Variable] = {}
        for node in toposort([rv]):
            if drawn.isdisjoint(node.inputs):
                continue
            drawn.update(node.outputs)
            fixed = (i for i in node.inputs if i not in drawn and not isinstance(i, Constant))
            frontier |= {i: i.type() for i in fixed}
        # A shape is not a parameter: what it is the shape of is.
        for v in [v for v in frontier if v.type.dtype == "int64"]:
            measured = [
                node.inputs[0] for node in toposort([v]) if isinstance(node.op, Shape | Shape_i)
            ]
            if measured and _only_through(v, measured):
                del frontier[v]
                frontier |= {m: m.type() for m in measured}
        rngs = {v: random_generator_type() for v in drawn if v.owner is None and v is not n}
        self.n_rngs, self.parameters = len(rngs), list(frontier)
        [sample] = substitute([rv], {**frontier, **rngs})
        self.function = pytensor.function(
            [n, *rngs.values(), *frontier.values()],
            sample,
            mode=INTERPRETED,
            on_unused_input="ignore",
        )

    def __call__(self, rng: np.random.Generator, parameters: list[Any], n: int) -> np.ndarray:
        """Draw once, for `n` rows."""
        rngs = rng.spawn(self.n_rngs)  # children of their own for each variable
        types = (p.type.dtype for p in self.parameters)
        values = (np.asarray(p, t) for p, t in zip(parameters, types, strict=True))
        return self.function(self.rows or n, *rngs, *values)


def _only_through(v: Variable, measured: list[Variable]) -> bool:
    """Tell whether an expression depends on data only through the shapes of some variables."""
    free = (a for a in ancestors([v], blockers=measured) if a.owner is None)
    return all(isinstance(a, Constant) or a in measured for a in free)


def is_class(observed: Observed) -> bool:
    """Tell whether an observed variable is predicted by class probabilities."""
    op = observed.rv.owner.op
    if isinstance(op, Categorical.rv_type):
        return observed.rv.ndim == 1
    return isinstance(op, Bernoulli.rv_type) and observed.rv.ndim == 1


def probabilities(observed: Observed) -> Variable:
    """Write the class probabilities of a categorical or Bernoulli variable, class axis last."""
    node = observed.rv.owner
    [p] = node.op.dist_params(node)
    return pt.stack([1 - p, p], axis=-1) if isinstance(node.op, Bernoulli.rv_type) else p
