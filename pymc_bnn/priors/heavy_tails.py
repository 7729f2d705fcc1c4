"""Priors of weights with heavier tails than the normal: most are small, a few large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pymc as pm

from pymc_bnn.priors.checks import Per
from pymc_bnn.priors.distribution import Argument, Distribution

__all__ = ["Laplace", "StudentT"]


@dataclass(frozen=True, eq=False)
class Laplace(Distribution):
    r"""Laplace distribution of a parameter: density exp(−\|w − μ\|/s)/(2s).

    Its mode under a likelihood is the lasso; the posterior itself has no exact zeros.

    Parameters
    ----------
    mu : float, array, FanIn or Prior, optional
        Mean. Default 0.0.
    scale : float, array, FanIn or Prior, optional
        Mean distance :math:`s` from `mu`, positive; the standard deviation is √2 times it.
        Default 1.0.
    per : {None, "tensor", "layer", "network", "unit", "weight"}, optional
        Where this is the prior of another prior's argument: as for :class:`HalfNormal`.

    Raises
    ------
    ValueError, TypeError
        If an argument is of another kind, not finite, or `scale` is not positive.

    References
    ----------
    Williams, *Bayesian regularization and pruning using a Laplace prior*, Neural Computation 7
    (1995).

    Examples
    --------
    >>> from pymc_bnn.priors import HalfNormal
    >>> Laplace(scale=HalfNormal(1.0, per="layer"))
    Laplace(mu=0.0, scale=HalfNormal(sigma=1.0, per='layer'), per=None)
    """

    distribution = pm.Laplace
    arguments = (Argument("mu"), Argument("scale", positive=True, keyword="b"))
    mu: Any = 0.0
    scale: Any = 1.0
    per: Per | None = None


@dataclass(frozen=True, eq=False)
class StudentT(Distribution):
    r"""Student's t distribution of a parameter, :math:`w \sim t_\nu(\mu, \sigma)`.

    Parameters
    ----------
    nu : float, array, FanIn or Prior, optional
        Degrees of freedom, positive: 1 is Cauchy, 30 nearly normal. Default 4.0.
    mu : float, array, FanIn or Prior, optional
        Centre. Default 0.0.
    sigma : float, array, FanIn or Prior, optional
        Scale, positive; the standard deviation is σ√(ν/(ν − 2)) for ν > 2. Default 1.0.
    per : {None, "tensor", "layer", "network", "unit", "weight"}, optional
        Where this is the prior of another prior's argument: as for :class:`HalfNormal`.

    Raises
    ------
    ValueError, TypeError
        If an argument is of another kind, not finite, or `nu` or `sigma` is not positive.

    References
    ----------
    Fortuin, Garriga-Alonso, Ober, Wenzel, Rätsch, Turner, van der Wilk and Aitchison, *Bayesian
    neural network priors revisited*, ICLR 2022, section 3: trained weights of dense layers have
    such tails.

    Examples
    --------
    >>> from pymc_bnn.priors import FanIn
    >>> StudentT(nu=4.0, sigma=FanIn(1.0))
    StudentT(nu=4.0, mu=0.0, sigma=FanIn(scale=1.0, decay=0.0, units=1.0), per=None)
    """

    distribution = pm.StudentT
    arguments = (
        Argument("nu", positive=True, start=None),
        Argument("mu"),
        Argument("sigma", positive=True),
    )
    nu: Any = 4.0
    mu: Any = 0.0
    sigma: Any = 1.0
    per: Per | None = None
