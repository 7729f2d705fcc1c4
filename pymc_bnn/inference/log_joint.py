"""The log-density of a whole model in the unconstrained space, as a function for JAX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.model.counts import exact_rest, exact_rows
from pymc_bnn.model.terms import ModelTerms

__all__ = ["log_joint", "log_parts"]


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
    parts = log_parts(terms, dtype)
    return lambda values, data: sum(part.sum() for part in parts(values, data)).astype(dtype)


def log_parts(
    terms: ModelTerms, dtype: str, gradient: bool = True, also: Sequence[Variable] = ()
) -> Callable[[Any, Any], tuple[Any, ...]]:
    """Lift the same sum in two parts: what is there once, and what each row adds.

    Parameters
    ----------
    terms : ModelTerms
        The model.
    dtype : {"float32", "float64"}
        Precision.
    gradient : bool, optional
        Whether it is to be fast together with its gradient, or by itself.
    also : sequence of Variable, optional
        Other graphs of values and data, which the function returns after these.

    Returns
    -------
    callable
        ``f(values, data) -> ((), (rows,), …)``, the second part only where the likelihood comes by
        rows; `data` may then be of any rows.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> from pymc_bnn.model.rows import find_rows
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.ones(9))
    >>> terms = decompose(model, find_rows(model)[0])
    >>> prior, rows = log_parts(terms, "float32")({"mu": np.float32(1.0)}, terms.arrays())
    >>> rows.shape
    (9,)
    """
    priors = [f.logp.sum() for f in terms.free]
    outputs = [pt.add(pt.constant(0.0), *priors, exact_rest(terms), terms.potential_logp)]
    if terms.row_logp is not None:
        outputs.append(exact_rows(terms, terms.row_logp))
    lifted = jaxify([*terms.values, *terms.inputs], [*outputs, *also], dtype, gradient)
    names, data_names = [f.name for f in terms.free], [d.name for d in terms.data]

    def function(values: Any, data: Any) -> tuple[Any, ...]:
        inputs = (*(values[name] for name in names), *(data[name] for name in data_names))
        return lifted(*inputs)

    return function
