"""From the unconstrained space of posteriors to the model's own: functions of a draw, moments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from pytensor.graph.traversal import ancestors

from pymc_bnn.graphs.to_jax import compiled_graph
from pymc_bnn.model.absent import check_there
from pymc_bnn.model.problem import Problem
from pymc_bnn.model.terms import ModelTerms
from pymc_bnn.posterior.base import Moments, Posterior
from pymc_bnn.posterior.of_members import MemberPosterior
from pymc_bnn.runtime.precision import precision

__all__ = ["constrain", "constrained_moments"]

_QUADRATURE_NODES = 32


def constrain(terms: ModelTerms, outputs: Sequence[Any], dtype: str) -> Callable[..., Any]:
    """Compile expressions of values and data to a function of ``{variable: unconstrained value}``.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", 0, pm.HalfNormal("scale"), observed=np.zeros(9))
    >>> terms = decompose(model)
    >>> function = constrain(terms, [terms.free[0].constrained], "float64")
    >>> float(function({"scale": np.log(2.0)})[0])
    2.0
    """
    function = compiled_graph([*terms.values, *terms.inputs], list(outputs), dtype)
    names = [f.name for f in terms.free]
    arrays = list(terms.arrays().values())
    return lambda values: function(*(values[name] for name in names), *arrays)


def constrained_moments(problem: Problem, posterior: Posterior) -> Moments:
    """Return mean and standard deviation of each free variable in the model's own space.

    Those of the posterior without a transform, by Gauss–Hermite quadrature with one that works
    element by element, and from draws otherwise. Points have a standard deviation of 0.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
    >>> means, stds = constrained_moments(fitted.problem, fitted.posterior)
    >>> bool(abs(stds["mu"] - 1 / np.sqrt(10)) < 0.03)
    True
    """
    if isinstance(posterior, MemberPosterior):
        return posterior.pooled([constrained_moments(problem, m) for m in posterior.members])
    means, stds = {}, {}
    nodes, weights = np.polynomial.hermite_e.hermegauss(_QUADRATURE_NODES)
    weights = weights / weights.sum()
    terms, dtype = problem.terms, problem.dtype
    check_there(terms, "mean", [f.constrained for f in terms.free])
    with precision(dtype):
        locs, scales = posterior.moments()
        for f in terms.free:
            loc, scale = locs[f.name], scales[f.name]
            if f.constrained is f.value:
                means[f.name], stds[f.name] = loc, scale
                continue
            function = constrain(terms, [f.constrained], dtype)
            if f.name in posterior.points:
                means[f.name] = np.asarray(function(locs)[0])
                stds[f.name] = np.zeros_like(means[f.name])
                continue
            alone = not (set(terms.values) - {f.value}) & set(ancestors([f.constrained]))
            if posterior.normal and alone and _elementwise(function, f, locs):
                z = [np.asarray(loc + scale * node, dtype) for node in nodes]
                at = np.stack([function({**locs, f.name: v})[0] for v in z])
                mean = np.tensordot(weights, at, 1)
                var = np.tensordot(weights, (at - mean) ** 2, 1)
            else:
                at = np.stack([function(drawn)[0] for drawn in posterior.typical()])
                mean, var = at.mean(axis=0), at.var(axis=0)
            means[f.name], stds[f.name] = mean, np.sqrt(var)
    return means, stds


def _elementwise(function: Any, f: Any, locs: Mapping[str, np.ndarray]) -> bool:
    """Tell whether a transform works element by element: its shapes agree, as does one element."""
    loc = np.array(locs[f.name], float)
    before = np.asarray(function(locs)[0])
    if before.shape != loc.shape:
        return False
    if loc.size < 2:
        return True
    moved = loc.copy()
    moved.flat[0] += 0.5
    after = np.asarray(function({**locs, f.name: moved.astype(locs[f.name].dtype)})[0])
    return bool(np.allclose(before.flat[1:], after.flat[1:]))
