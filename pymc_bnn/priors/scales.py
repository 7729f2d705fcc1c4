"""Priors of positive numbers, such as the scales of other priors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pymc as pm

from pymc_bnn.priors.checks import Per
from pymc_bnn.priors.distribution import Argument, Distribution

__all__ = ["Exponential", "HalfCauchy", "HalfNormal", "InverseGamma", "LogNormal"]


@dataclass(frozen=True, eq=False)
class HalfNormal(Distribution):
    r"""Half-normal distribution, of a scale: :math:`\sigma \sim |\mathcal N(0, s^2)|`.

    Parameters
    ----------
    sigma : float, array, FanIn or Prior, optional
        The scale :math:`s`, positive; the mean is 0.80 of it. Default 1.0.
    per : {None, "tensor", "layer", "network", "unit", "weight"}, optional
        Which weights share one number, where this is the prior of another prior's argument:

        - "tensor": one for each weight matrix, kernel or bias, named ``<layer>_W_sigma``;
        - "layer": one for all tensors of a layer, ``<layer>_sigma``;
        - "network": one for all tensors that have this prior, ``sigma``;
        - "unit": one per input of a layer, ``<layer>_W_sigma`` with dims ``(<layer>_in,)``, which
          lets the fit switch off inputs; one per element for a bias;
        - "weight": one for each weight, with the weights' dims.

        The names end in the name of the argument, here "sigma". None, the default, means "tensor",
        or the level of the prior whose argument this is where that is wider.

    Raises
    ------
    ValueError, TypeError
        If `sigma` is not positive or of another kind, or `per` is unknown.

    References
    ----------
    Gelman, *Prior distributions for variance parameters in hierarchical models*, Bayesian Analysis
    1 (2006), section 3. MacKay, *Probable networks and plausible predictions*, Network 6 (1995),
    for a scale per input ("automatic relevance determination").

    Examples
    --------
    >>> from pymc_bnn.priors import Normal
    >>> Normal(sigma=HalfNormal(1.0, per="layer"))
    Normal(mu=0.0, sigma=HalfNormal(sigma=1.0, per='layer'), per=None)

    Hyperpriors nest to any depth; here the layers' scales learn their own scale:

    >>> prior = Normal(sigma=HalfNormal(HalfNormal(1.0, per="network"), per="layer"))
    """

    distribution = pm.HalfNormal
    arguments = (Argument("sigma", positive=True),)
    positive = True
    sigma: Any = 1.0
    per: Per | None = None


@dataclass(frozen=True, eq=False)
class HalfCauchy(Distribution):
    r"""Half-Cauchy distribution, of a scale that may be very large: density ∝ 1/(1 + (x/s)²).

    Half of it lies below :math:`s`, and it has no mean.

    Parameters
    ----------
    scale : float, array, FanIn or Prior, optional
        The scale :math:`s`, positive, the median. Default 1.0.
    per : {None, "tensor", "layer", "network", "unit", "weight"}, optional
        Which weights share one number: as for :class:`HalfNormal`.

    Raises
    ------
    ValueError, TypeError
        If `scale` is not positive or of another kind, or `per` is unknown.

    References
    ----------
    Polson and Scott, *On the half-Cauchy prior for a global scale parameter*, Bayesian Analysis 7
    (2012).

    Examples
    --------
    >>> from pymc_bnn.priors import Normal
    >>> Normal(sigma=HalfCauchy(0.5))
    Normal(mu=0.0, sigma=HalfCauchy(scale=0.5, per=None), per=None)
    """

    distribution = pm.HalfCauchy
    arguments = (Argument("scale", positive=True, keyword="beta"),)
    positive = True
    scale: Any = 1.0
    per: Per | None = None


@dataclass(frozen=True, eq=False)
class Exponential(Distribution):
    r"""Exponential distribution, of a scale: density exp(−x/s)/s.

    Parameters
    ----------
    scale : float, array, FanIn or Prior, optional
        The mean :math:`s`, positive. Default 1.0.
    per : {None, "tensor", "layer", "network", "unit", "weight"}, optional
        Which weights share one number: as for :class:`HalfNormal`.

    Raises
    ------
    ValueError, TypeError
        If `scale` is not positive or of another kind, or `per` is unknown.

    References
    ----------
    Simpson, Rue, Riebler, Martins and Sørbye, *Penalising model component complexity*, Statistical
    Science 32 (2017), section 3.3: the prior of a standard deviation that penalises the distance
    from zero at a constant rate.

    Examples
    --------
    >>> from pymc_bnn.priors import Normal
    >>> Normal(sigma=Exponential(0.5, per="layer"))
    Normal(mu=0.0, sigma=Exponential(scale=0.5, per='layer'), per=None)
    """

    distribution = pm.Exponential
    arguments = (Argument("scale", positive=True),)
    positive = True
    scale: Any = 1.0
    per: Per | None = None


@dataclass(frozen=True, eq=False)
class LogNormal(Distribution):
    r"""Log-normal distribution, of a scale known to an order of magnitude.

    :math:`\log x \sim \mathcal N(\mu, \sigma^2)`: the median is :math:`e^\mu`, and 68 % lies within
    a factor of :math:`e^\sigma` of it.

    Parameters
    ----------
    mu : float, array, FanIn or Prior, optional
        Mean of the logarithm. Default 0.0.
    sigma : float, array, FanIn or Prior, optional
        Standard deviation of the logarithm, positive. Default 1.0.
    per : {None, "tensor", "layer", "network", "unit", "weight"}, optional
        Which weights share one number: as for :class:`HalfNormal`.

    Raises
    ------
    ValueError, TypeError
        If an argument is of another kind, not finite, or `sigma` is not positive.

    References
    ----------
    Crow and Shimizu, *Lognormal Distributions: Theory and Applications* (1988), chapter 1.

    Examples
    --------
    >>> from pymc_bnn.priors import Normal
    >>> Normal(sigma=LogNormal(-2.0, 1.0))
    Normal(mu=0.0, sigma=LogNormal(mu=-2.0, sigma=1.0, per=None), per=None)
    """

    distribution = pm.LogNormal
    arguments = (Argument("mu"), Argument("sigma", positive=True, start=None))
    positive = True
    mu: Any = 0.0
    sigma: Any = 1.0
    per: Per | None = None


@dataclass(frozen=True, eq=False)
class InverseGamma(Distribution):
    r"""Inverse-gamma distribution, of a variance: density ∝ x^(−α−1) exp(−β/x).

    Values near zero are all but excluded, so a scale with this prior cannot vanish. As the prior
    of a variance, :math:`\alpha = \nu/2, \beta = \nu s^2/2` makes what has that variance Student's
    t with :math:`\nu` degrees of freedom and scale :math:`s`.

    Parameters
    ----------
    alpha : float, array, FanIn or Prior, optional
        Shape, positive; the mean is finite above 1, the variance above 2. Default 3.0.
    beta : float, array, FanIn or Prior, optional
        Scale, positive; the mode is β/(α + 1). Default 1.0.
    per : {None, "tensor", "layer", "network", "unit", "weight"}, optional
        Which weights share one number: as for :class:`HalfNormal`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not positive or of another kind, or `per` is unknown.

    References
    ----------
    Gelman, *Prior distributions for variance parameters in hierarchical models*, Bayesian Analysis
    1 (2006), which also warns of small α and β.

    Examples
    --------
    >>> from pymc_bnn.priors import Normal
    >>> Normal(sigma=InverseGamma(3.0, 0.5))
    Normal(mu=0.0, sigma=InverseGamma(alpha=3.0, beta=0.5, per=None), per=None)
    """

    distribution = pm.InverseGamma
    arguments = (
        Argument("alpha", positive=True, start=None),
        Argument("beta", positive=True),
    )
    positive = True
    alpha: Any = 3.0
    beta: Any = 1.0
    per: Per | None = None
