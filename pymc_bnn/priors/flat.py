"""No prior at all, for networks that are not Bayesian."""

from __future__ import annotations

from dataclasses import dataclass

import pymc as pm

from pymc_bnn.priors.checks import Per
from pymc_bnn.priors.distribution import Distribution

__all__ = ["Flat"]


@dataclass(frozen=True, eq=False)
class Flat(Distribution):
    """Density 1 everywhere: the maximum of the posterior is that of the likelihood.

    For a deterministic network, or the deterministic part of a network, fitted with point guides.
    The distribution is improper: it cannot be sampled from, so that
    ``pm.sample_prior_predictive`` raises NotImplementedError, and under an approximation with a
    spread the ELBO has no maximum where the data say nothing of a weight. A log-density that
    contains it has no normalised value, so that such models' ELBOs are no evidence for anything.

    Parameters
    ----------
    per : {None, "tensor", "layer", "network", "unit", "weight"}, optional
        Where this is the prior of another prior's argument: as for :class:`HalfNormal`.

    Raises
    ------
    ValueError
        If `per` is unknown.

    Examples
    --------
    >>> from pymc_bnn.priors import Normal
    >>> prior = {"dense2_*": Normal(0.0, 0.1), "*": Flat()}
    """

    distribution = pm.Flat
    per: Per | None = None
