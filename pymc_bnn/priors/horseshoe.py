"""The horseshoe: a scale for each weight or input, most of them near zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pymc as pm
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from pymc_bnn.priors.base import Place, Prior, check_argument
from pymc_bnn.priors.checks import Per, check_per
from pymc_bnn.priors.normal import Normal
from pymc_bnn.priors.scales import HalfCauchy

__all__ = ["Horseshoe"]


@dataclass(frozen=True, eq=False)
class Horseshoe(Prior):
    r"""Horseshoe prior: w = z·λ·τ, with z normal, λ a local and τ a global scale.

    .. math:: z \sim \mathcal N(0, 1), \quad \lambda \sim \mathcal C^+(0, 1), \quad
       \tau \sim \mathcal C^+(0, 1)

    The global scale pulls all weights to zero, and the heavy tail of the local ones lets some
    escape. With local scales per unit it switches off whole inputs of a layer. In large networks
    prefer these, or a slab: under mean-field guides the logarithms of many local scales reach far
    into the tail, and one scale per weight may overflow.

    With `slab_variance` :math:`c^2` this is the *regularised* horseshoe, whose large weights are
    those of :math:`\mathcal N(0, c^2)` instead of unbounded: λ is replaced by

    .. math:: \tilde\lambda = \lambda \sqrt{\frac{c^2}{c^2 + \tau^2 \lambda^2}}

    Parameters
    ----------
    global_scale : float, array, FanIn or Prior, optional
        :math:`\tau`, positive; a number fixes it, ``FanIn(…)`` by layer. As a prior it may be
        shared more widely by its `per`. Default ``HalfCauchy(1.0)``: one for each tensor.
    local_scale : float, array, FanIn or Prior, optional
        :math:`\lambda`, positive. Default ``HalfCauchy(1.0, per="weight")``; per="unit" for one per
        input of a layer.
    slab_variance : None, float, array, FanIn or Prior, optional
        :math:`c^2`, positive. ``InverseGamma(nu/2, nu * s**2 / 2)`` makes the slab Student's t with
        `nu` degrees of freedom and scale `s`. Default None, for no slab.
    per : {None, "tensor", "layer", "network", "unit", "weight"}, optional
        Where this is the prior of another prior's argument: as for :class:`HalfNormal`.

    Raises
    ------
    ValueError, TypeError
        If an argument is of another kind, or not positive.

    Notes
    -----
    The free variables are not the weights but ``<parameter>_raw`` (z), and, where they are learned,
    ``…_local``, ``…_global`` and ``…_slab_variance``; the weight is a ``pm.Deterministic`` of them
    with the parameter's name and dims. So guides and approximations are of these. z starts where
    weights start, in units of the fan-in scale, local scales at 1, global ones at 1/√fan_in.

    References
    ----------
    Carvalho, Polson and Scott, *The horseshoe estimator for sparse signals*, Biometrika 97 (2010),
    section 1. Piironen and Vehtari, *Sparsity information and regularization in the horseshoe and
    other shrinkage priors*, Electronic Journal of Statistics 11 (2017), equation 2.8 for the
    regularised one; their section 3 says how to choose the global scale. Ghosh, Yao and
    Doshi-Velez, *Structured variational learning of Bayesian neural networks with horseshoe
    priors*, ICML 2018, for local scales per unit.

    Examples
    --------
    >>> Horseshoe(global_scale=0.1)
    Horseshoe(global_scale=0.1, local_scale=HalfCauchy(scale=1.0, per='weight'),
    slab_variance=None, per=None)

    One local scale per input, one global scale per layer, and a Student's t slab:

    >>> from pymc_bnn.priors import FanIn, InverseGamma
    >>> prior = Horseshoe(
    ...     global_scale=HalfCauchy(FanIn(1.0), per="layer"),
    ...     local_scale=HalfCauchy(1.0, per="unit"),
    ...     slab_variance=InverseGamma(2.0, 8.0),
    ... )
    """

    global_scale: Any = HalfCauchy(1.0)  # noqa: RUF009 - frozen
    local_scale: Any = HalfCauchy(1.0, per="weight")  # noqa: RUF009
    slab_variance: Any = None
    per: Per | None = None

    def __post_init__(self) -> None:
        check_argument("global_scale", self.global_scale, positive=True)
        check_argument("local_scale", self.local_scale, positive=True)
        if self.slab_variance is not None:
            check_argument("slab_variance", self.slab_variance, positive=True)
        check_per(self.per)

    def build(self, name: str, place: Place) -> TensorVariable:
        """Register the variables; see :meth:`Prior.build`."""
        slab = self.slab_variance
        if slab is not None:
            slab = place.argument("slab_variance", slab, positive=True, start=None)
        tau = place.argument("global", self.global_scale, positive=True)
        local = place.argument("local", self.local_scale, positive=True, start=1.0)
        start = self.start(place)
        if start is not None:
            start = start / place.fan_in_scale
        raw = place.argument("raw", Normal(0.0, 1.0, per=place.per), start=start)
        weight = raw * local * tau  # a chain of products: estimators look for it
        if slab is not None:
            weight = weight * pt.sqrt(slab / (slab + (local * tau) ** 2))
        return pm.Deterministic(name, weight, dims=place.dims)
