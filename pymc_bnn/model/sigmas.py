"""Standard deviations of Normal priors, as numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pytensor.graph.traversal import ancestors

from pymc_bnn.graphs.to_jax import compiled_graph
from pymc_bnn.model.terms import ModelTerms

__all__ = ["normal_sigmas"]


def normal_sigmas(
    terms: ModelTerms, values: Mapping[str, np.ndarray], dtype: str
) -> dict[str, np.ndarray]:
    """Evaluate the prior σ of every free variable with an untransformed Normal prior.

    Parameters
    ----------
    terms : ModelTerms
        The model.
    values : mapping from str to numpy.ndarray
        Unconstrained value of each free variable, at which its descendants' σ are taken.
    dtype : {"float32", "float64"}
        Precision; call it inside :func:`pymc_bnn.runtime.precision.precision`.

    Returns
    -------
    dict from str to numpy.ndarray
        σ by variable, broadcastable to it.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu", 0, 3), observed=np.zeros(4))
    >>> float(normal_sigmas(decompose(model), {"mu": np.array(0.0)}, "float32")["mu"])
    3.0
    """
    normal = {f.name: f.normal[1] for f in terms.free if f.normal is not None}
    if not normal:
        return {}
    # Of data only what it takes: others of other lengths would compile it again.
    roots, arrays = set(ancestors(list(normal.values()))), terms.arrays()
    given = {f.value: values[f.name] for f in terms.free if f.value in roots}
    given |= {d.variable: arrays[d.name] for d in terms.data if d.variable in roots}
    function = compiled_graph(list(given), list(normal.values()), dtype, gradient=False)
    sigmas = function(*given.values())
    return {name: np.asarray(s) for name, s in zip(normal, sigmas, strict=True)}
