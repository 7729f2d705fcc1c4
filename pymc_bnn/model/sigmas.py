"""Standard deviations of Normal priors, as numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pymc_bnn.graphs.to_jax import jaxify
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
    function = jaxify([*terms.values, *terms.inputs], list(normal.values()), dtype)
    sigmas = function(*(values[f.name] for f in terms.free), *terms.arrays().values())
    return {name: np.asarray(s) for name, s in zip(normal, sigmas, strict=True)}
