"""Names of what has none: arrays that a model was given as they are, parameters of laws."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import pymc as pm
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.op import RandomVariable

from pymc_bnn.model.conditions import law_of

__all__ = ["array_names", "parameter_names"]


def array_names(model: pm.Model) -> Callable[[Variable], str]:
    """Return what names constant arrays of a model: after the observed variable, or its argument.

    The model is looked through only once.

    Examples
    --------
    >>> import numpy as np
    >>> from pytensor.graph.basic import Constant
    >>> x = np.arange(4.0)
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("b") * x, 1.0, observed=x + 1)
    >>> [c] = [v for v in ancestors([y]) if isinstance(v, Constant) and np.array_equal(v.data, x)]
    >>> array_names(model)(c)
    'y_mu'
    """

    @cache
    def behind(variable: Variable, blocked: bool) -> set[Variable]:
        return set(ancestors([variable], blockers=model.basic_RVs if blocked else None))

    def name(root: Variable) -> str:
        for rv in model.observed_RVs:
            if root in behind(model.rvs_to_values[rv], False):
                return rv.name
        for rv in (*model.observed_RVs, *model.free_RVs):
            parts = [behind(p, True) for p in _parameters(rv)]
            of = [position for position, own in enumerate(parts) if root in own]
            if of:  # of several the simplest: a location may be broadcast to a covariance's shape
                return f"{rv.name}_{_argument(rv, min(of, key=lambda i: len(parts[i])))}"
        for potential in model.potentials:
            if root in behind(potential, False):
                return f"{potential.name}_data"
        return "data"

    return name


def parameter_names(op: Any) -> tuple[str, ...]:
    """Return what the parameters of a law are called in PyMC; nothing where that is not known.

    Examples
    --------
    >>> parameter_names(pm.Gamma.dist(alpha=2, beta=3).owner.op)  # that of its log-density
    ('alpha', 'scale')
    >>> parameter_names(pm.Weibull.dist(2, 3).owner.op)
    ()
    """
    dist = getattr(pm, law_of(op), None)
    if not isinstance(op, RandomVariable) or not isinstance(
        op, getattr(dist, "rv_type", None) or ()
    ):
        return ()
    return tuple(inspect.signature(dist.logp).parameters)[1:]


def _parameters(rv: Variable) -> list[Variable]:
    """Return what a random variable was made of; its inputs where the op has no parameters."""
    if rv.owner is None:
        return []
    found = getattr(rv.owner.op, "dist_params", None)
    return list(found(rv.owner)) if found is not None else list(rv.owner.inputs)


def _argument(rv: Variable, position: int) -> str:
    """Return the name of an argument of a distribution, by its place."""
    dist = getattr(pm, type(rv.owner.op).__name__.removesuffix("RV"), None)
    if dist is None or not hasattr(dist, "dist"):
        return "data"
    known = inspect.signature(dist.dist).parameters.values()
    names = [p.name for p in known if p.kind is p.POSITIONAL_OR_KEYWORD]
    return names[position] if position < len(names) else "data"
