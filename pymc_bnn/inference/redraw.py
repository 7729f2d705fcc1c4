"""Other starts for a model: network weights are drawn again, other variables are moved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pymc_bnn.graphs.start_values import started
from pymc_bnn.model.terms import FreeVariable, ModelTerms

__all__ = ["redraw"]


def redraw(terms: ModelTerms, seed: int) -> ModelTerms:
    """Return the terms with other first values.

    Weights of networks come from the same law again, and all else of such a model stays: their
    starts tell fits apart. Variables of a model without networks move by U(−1, 1) in the
    unconstrained space, as the chains of ``pm.sample`` do.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> bool(redraw(decompose(model), 1).free[0].start != 0)
    True
    """
    rng = np.random.default_rng(seed)
    of_networks = [f.name for f in terms.free if _is_drawn(terms, f)]

    def other(f: FreeVariable) -> np.ndarray:
        if f.name in of_networks:
            return rng.normal(0, np.sqrt(np.mean(f.start**2)), f.start.shape)
        return f.start if of_networks else f.start + rng.uniform(-1, 1, f.start.shape)

    return replace(terms, free=tuple(replace(f, start=other(f)) for f in terms.free))


def _is_drawn(terms: ModelTerms, f: FreeVariable) -> bool:
    return f.spread > 0 and started(terms.model[f.name])
