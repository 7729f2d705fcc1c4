"""The log-density of a whole model in the unconstrained space, as a function for JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytensor.tensor as pt

from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.model.counts import exact_rest, exact_rows
from pymc_bnn.model.terms import ModelTerms

__all__ = ["log_joint"]


def log_joint(terms: ModelTerms, dtype: str) -> Callable[[Any, Any], Any]:
    """Lift the sum of a model's log-densities, with the Jacobians of transforms and potentials.

    Parameters
    ----------
    terms : ModelTerms
        The model.
    dtype : {"float32", "float64"}
        Precision.

    Returns
    -------
    callable
        ``f(values, data) -> ()`` of unconstrained values and data by name, in nats: what
        ``model.compile_logp()`` computes. Dropout is absent.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", 0, pm.HalfNormal("s"), observed=np.ones(9))
    >>> terms = decompose(model)
    >>> found = log_joint(terms, "float32")({"s": np.float32(0.5)}, terms.arrays())
    >>> bool(np.isclose(found, model.compile_logp()({"s_log__": 0.5})))
    True
    """
    parts = [f.logp.sum() for f in terms.free]
    if terms.row_logp is not None:
        parts.append(exact_rows(terms, terms.row_logp).sum())
    parts += [exact_rest(terms), terms.potential_logp]
    lifted = jaxify([*terms.values, *terms.inputs], [pt.add(pt.constant(0.0), *parts)], dtype)
    names, data_names = [f.name for f in terms.free], [d.name for d in terms.data]

    def function(values: Any, data: Any) -> Any:
        inputs = (*(values[name] for name in names), *(data[name] for name in data_names))
        return lifted(*inputs)[0].astype(dtype)

    return function
