"""What was observed, and the other data of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from pytensor.compile.sharedvalue import SharedVariable

from pymc_bnn.arviz_trees.drawn import to_group
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.model.problem import Problem
from pymc_bnn.runtime.precision import precision

__all__ = ["constant_data", "observed_data"]


def observed_data(problem: Problem) -> xr.Dataset:
    """Return the values of each observed variable, as the fit saw them.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Poisson("y", pm.Exponential("rate"), observed=[3, 5])
    >>> observed_data(Problem.of(decompose(model), None, "float32"))["y"].values.tolist()
    [3, 5]
    """
    terms = problem.terms
    values = jaxify(terms.inputs, [o.value for o in terms.observed], "float64", gradient=False)
    with precision("float64"):
        found = [np.asarray(value) for value in values(*terms.arrays().values())]
    names = [o.name for o in terms.observed]
    return to_group(problem, dict(zip(names, found, strict=True)), sample_dims=())


def constant_data(problem: Problem, given: Mapping[str, Any] | None = None) -> xr.Dataset:
    """Return the data that no variable is observed in, features by name where they are known.

    Of new rows pass those that take their place.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model(coords={"feature": ["age", "height"]}) as model:
    ...     x = pm.Data("x", [[30.0, 1.7]], dims=("person", "feature"))
    ...     y = pm.Normal("y", x @ pm.Normal("b", dims="feature"), observed=[0.0])
    >>> constant_data(Problem.of(decompose(model), None, "float32"))["feature"].values.tolist()
    ['age', 'height']
    """
    terms, new = problem.terms, given is not None
    observed = {o.root for o in terms.observed}
    values, dims, coords = {}, {}, {}
    for d in terms.data:
        if d.root in observed or not isinstance(d.root, SharedVariable):
            continue
        values[d.name] = value = (given or {}).get(d.name, d.value)
        own = terms.model.named_vars_to_dims.get(d.name) or ()
        own = [*own, *[None] * (np.ndim(value) - len(own))]
        dims[d.name] = [dim or f"{d.name}_dim_{i}" for i, dim in enumerate(own)]
        coords |= {dim: terms.coords[dim] for dim in dims[d.name] if dim in terms.coords}
        if d.columns is not None and np.ndim(value) == 2:
            coords[dims[d.name][1]] = list(d.columns)
    return to_group(problem, values, (), new, dims, coords)
