"""What of a model is the same whichever of its data are taken by rows."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pymc as pm
from pymc.data import MinibatchOp
from pymc.variational.minibatch_rv import MinibatchRandomVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from pymc_bnn.graphs.interpreted import without_c
from pymc_bnn.graphs.substitute import substitute
from pymc_bnn.model.breadths import check_breadths
from pymc_bnn.model.checks import check_model, indices_must_fit
from pymc_bnn.model.graphs import ModelGraphs
from pymc_bnn.model.numbers import starting
from pymc_bnn.model.roots import numbers_of, unbatched_root
from pymc_bnn.model.rows import find_likelihood_data
from pymc_bnn.model.unchanged import kept_with

__all__ = ["Undivided", "without_minibatches"]


class Undivided:
    """A model before it is taken apart: kept between attempts to do so.

    Parameters
    ----------
    model : pymc.Model
        A model with observed variables and continuous free variables.
    random_seed : int, optional
        Seed of random initial values, where the model asks for such.
    start : dict from str to numpy.ndarray, optional
        Initial values, where they are known.

    Raises
    ------
    ValueError, TypeError
        As of :func:`pymc_bnn.model.checks.check_model`.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4), total_size=12)
    >>> Undivided(model).shares
    [[3.0]]
    """

    def __init__(
        self,
        model: pm.Model,
        random_seed: int | None = None,
        start: dict[str, np.ndarray] | None = None,
    ):
        check_model(model)
        if start is not None:
            self.start = start
        self.model, self.random_seed = model, random_seed
        self.kept = kept_with(model)
        self.likelihood_data, self.n_found = find_likelihood_data(model)
        self.graphs, totals = without_minibatches(model)
        # The data behind each observed value, before casts.
        self.roots = [unbatched_root(model.rvs_to_values[rv]) for rv in model.observed_RVs]
        names = [rv.name for rv in model.observed_RVs]
        check_breadths(names, self.graphs.observed, self.roots)
        # How many rows of all one row stands for, by axes of each observed variable.
        self.shares = [
            [
                _share(size, length)
                for size, length in zip(own, numbers_of(root).shape, strict=False)
            ]
            for own, root in zip(totals, self.roots, strict=True)
        ]

    @cached_property
    def start(self) -> dict[str, np.ndarray]:
        """Initial values by name, unconstrained."""
        with indices_must_fit():
            if "start" not in self.kept:
                self.kept["start"] = starting(self.model)
            with without_c():
                return self.kept["start"](self.random_seed)


def without_minibatches(model: pm.Model) -> tuple[ModelGraphs, list[list[Variable]]]:
    """Return a model's graphs with whole data in place of the batches of `pm.Minibatch`.

    Returns
    -------
    graphs : ModelGraphs
        The graphs.
    totals : list of list of Variable
        `total_size` of each observed variable, by axes; empty where it was not given.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     y = pm.Minibatch(np.arange(30.0), batch_size=5)
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=y, total_size=30)
    >>> graphs, totals = without_minibatches(model)
    >>> graphs.values[0].type.shape, len(totals[0])
    ((30,), 1)
    """
    graphs = ModelGraphs.of(model)
    observed, totals = [], []
    for rv in graphs.observed:
        scaled = rv.owner is not None and isinstance(rv.owner.op, MinibatchRandomVariable)
        observed.append(rv.owner.inputs[0] if scaled else rv)
        totals.append(rv.owner.inputs[1:] if scaled else [])
    roots = [*model.basic_RVs, *model.potentials, *model.rvs_to_values.values()]
    nodes = dict.fromkeys(v.owner for v in ancestors(roots) if v.owner is not None)
    whole = {
        batch: tensor
        for node in nodes
        if isinstance(node.op, MinibatchOp)
        for batch, tensor in zip(node.outputs, node.inputs, strict=False)
        if isinstance(tensor, TensorVariable)
    }
    return graphs._replace(observed=observed).map(lambda flat: substitute(flat, whole)), totals


def _share(total: Variable, length: int) -> float:
    """Return how many rows of all that `total_size` names one row of an axis stands for."""
    known = isinstance(total, Constant) and total.data is not None
    return float(total.data) / length if known else 1.0
