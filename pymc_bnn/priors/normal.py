"""Normal priors of weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pymc as pm

from pymc_bnn.priors.checks import Per
from pymc_bnn.priors.distribution import Argument, Distribution
from pymc_bnn.priors.fan_in import FanIn

__all__ = ["Normal", "fan_in_normal"]


@dataclass(frozen=True, eq=False)
class Normal(Distribution):
    r"""Normal distribution of a parameter, :math:`w \sim \mathcal N(\mu, \sigma^2)`.

    Parameters
    ----------
    mu : float, array, FanIn or Prior, optional
        Mean. A prior makes it a learned variable. Default 0.0.
    sigma : float, array, FanIn or Prior, optional
        Standard deviation, positive, and a prior of positive numbers if it is one. Default 1.0.
    per : {None, "tensor", "layer", "network", "unit", "weight"}, optional
        Where this is the prior of another prior's argument: as for :class:`HalfNormal`.

    Raises
    ------
    ValueError, TypeError
        If an argument is of another kind, not finite, or a `sigma` is not positive.

    References
    ----------
    Neal, *Bayesian Learning for Neural Networks* (1996), section 2.1. For a learned mean, Robbins,
    *An empirical Bayes approach to statistics*, Proc. Third Berkeley Symposium 1 (1956).

    Examples
    --------
    >>> Normal(0.0, 0.1)
    Normal(mu=0.0, sigma=0.1, per=None)

    One learned mean for all weights, and a learned scale per tensor:

    >>> from pymc_bnn.priors import HalfNormal
    >>> prior = Normal(mu=Normal(0.0, 1.0, per="network"), sigma=HalfNormal(1.0))
    """

    distribution = pm.Normal
    arguments = (Argument("mu"), Argument("sigma", positive=True))
    mu: Any = 0.0
    sigma: Any = 1.0
    per: Per | None = None


def fan_in_normal(scale: float = 1.0, decay: float = 0.0, units: float = 1.0) -> Normal:
    """Return Normal(0, scale/√fan_in), under which signals keep their size from layer to layer.

    Parameters
    ----------
    scale : float, optional
        Positive; 1 to 3 is usual. Default 1.0.
    decay : float, optional
        How fast it falls from unit to unit, 0 or more; see :class:`FanIn`. Default 0.0: not at all.
    units : float, optional
        How many units are nearly alike before it falls, positive. Default 1.0.

    Returns
    -------
    Normal

    Raises
    ------
    ValueError, TypeError
        If `scale` or `units` is not one positive number, or `decay` not one that is 0 or more.

    Examples
    --------
    >>> fan_in_normal(2.0)
    Normal(mu=0.0, sigma=FanIn(scale=2.0, decay=0.0, units=1.0), per=None)
    """
    return Normal(0.0, FanIn(scale, decay, units))
