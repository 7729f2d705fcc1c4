"""Posteriors that draws by NUTS began at, as they are saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from pymc_bnn._checks import invalid
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.posterior.of_guides import GuidePosterior
from pymc_bnn.posterior.of_members import MemberPosterior
from pymc_bnn.saved_fits.arrays import Store
from pymc_bnn.saved_fits.programs import guide_from_json, guide_to_json, params_of
from pymc_bnn.saving.arrays import flat_of

__all__ = ["posterior_from_json", "posterior_to_json"]


def posterior_to_json(posterior: Posterior, store: Store) -> dict[str, Any]:
    """Describe a posterior of guides, or a mixture of such; parameters go to the store.

    Raises
    ------
    TypeError
        For another one.

    Examples
    --------
    >>> posterior_to_json.__name__
    'posterior_to_json'
    """
    mixture = isinstance(posterior, MemberPosterior)
    members = posterior.members if mixture else (posterior,)
    if not all(isinstance(m, GuidePosterior) for m in members):
        rule, repair = "have started at a fit by guides to be saved", "use cloudpickle"
        raise invalid("refined", rule, f"a {type(posterior).__name__}", repair, TypeError)
    stacked = jax.tree.map(
        lambda *a: np.stack([np.asarray(x) for x in a]), *(m.params for m in members)
    )
    store.update(flat_of(stacked, "params"))
    weights = list(posterior.weights) if mixture else None
    blocks = guide_to_json(members[0].guide, store)
    return {"blocks": blocks, "members": len(members), "weights": weights}


def posterior_from_json(
    written: dict[str, Any], arrays: Mapping[str, np.ndarray], problem: Problem
) -> Posterior:
    """Return the posterior that was described.

    Examples
    --------
    >>> posterior_from_json.__name__
    'posterior_from_json'
    """
    guide = guide_from_json(written["blocks"], arrays, problem)
    stacked = params_of(guide, arrays, int(written["members"]))
    each = [
        GuidePosterior(guide, jax.tree.map(lambda a, i=i: a[i], stacked), None, problem)
        for i in range(int(written["members"]))
    ]
    if written["weights"] is None:
        return each[0]
    return MemberPosterior(tuple(each), tuple(float(w) for w in written["weights"]))
