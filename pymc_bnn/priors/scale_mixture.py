"""Mixtures of a wide and a narrow normal distribution: spike and slab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor import config
from pytensor.tensor.random.basic import CategoricalRV
from pytensor.tensor.type_other import NoneTypeT
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import invalid
from pymc_bnn.priors.base import Place, Prior, check_argument
from pymc_bnn.priors.checks import Per, check_per
from pymc_bnn.priors.fan_in import FanIn

__all__ = ["ScaleMixture", "spike_and_slab"]


@dataclass(frozen=True, eq=False)
class ScaleMixture(Prior):
    r"""A wide and a narrow normal distribution, mixed.

    .. math:: w \sim \pi\,\mathcal N(\mu, \sigma_1^2) + (1 - \pi)\,\mathcal N(\mu, \sigma_2^2),
       \qquad \sigma_1 > \sigma_2

    Most weights are pulled to `mu` (the spike), and some are left free (the slab). Which component
    a weight belongs to is summed out.

    Parameters
    ----------
    weight : float, array or Prior, optional
        Share :math:`\pi` of the first, the wide component, between 0 and 1; :class:`Beta` makes it
        a learned variable, named ``…weight``. Default 0.5.
    sigmas : (float, array, FanIn or Prior, float, array, FanIn or Prior), optional
        :math:`(\sigma_1, \sigma_2)`, the larger first. A prior makes one a learned variable, named
        ``…sigma_1`` or ``…sigma_2``. Default (1.0, 0.1).
    mu : float, array, FanIn or Prior, optional
        Mean of both components. Default 0.0.
    per : {None, "tensor", "layer", "network", "unit", "weight"}, optional
        Where this is the prior of another prior's argument: as for :class:`HalfNormal`. Which
        tensors share a hyperparameter is said by the `per` of its own prior.

    Raises
    ------
    ValueError, TypeError
        If an argument is of another kind or outside its range, or :math:`\sigma_1 > \sigma_2` does
        not hold; the latter for :class:`FanIn` and arrays when the network is known.

    Notes
    -----
    Learned components cannot swap: where both sigmas have priors, that of :math:`\sigma_2` is its
    own, conditional on lying below :math:`\sigma_1` (truncated there, and normalised); where one is
    fixed, the other's prior is truncated at it. A learned :math:`\sigma_2` must be shared as widely
    as :math:`\sigma_1`, or more narrowly. Learned sigmas start at 2/√fan_in and 0.2/√fan_in, a
    uniform weight at 0.5. As with every scale mixture the posterior of a fit may depend on the
    start, which PyMC's ``model.set_initval`` changes.

    References
    ----------
    Blundell, Cornebise, Kavukcuoglu and Wierstra, *Weight uncertainty in neural networks*, ICML
    2015, equation 7. There π and the sigmas are fixed and shared by all weights, and the authors
    report that learning them did not help.

    Examples
    --------
    >>> ScaleMixture(0.25, (1.0, 0.01))
    ScaleMixture(weight=0.25, sigmas=(1.0, 0.01), mu=0.0, per=None)

    Learned, and shared by all layers:

    >>> from pymc_bnn.priors import Beta, HalfNormal
    >>> prior = ScaleMixture(
    ...     Beta(1.0, 1.0, "network"), (HalfNormal(1.0, "network"), HalfNormal(0.1, "network"))
    ... )
    """

    weight: Any = 0.5
    sigmas: Any = (1.0, 0.1)
    mu: Any = 0.0
    per: Per | None = None

    def __post_init__(self) -> None:
        if isinstance(self.weight, FanIn):
            rule, repair = "be a number, an array or a prior", "pass 0.5 or Beta(1, 1), say"
            raise invalid("weight", rule, self.weight, repair, TypeError)
        check_argument("weight", self.weight, unit=True)
        if not isinstance(self.sigmas, (tuple, list)) or len(self.sigmas) != 2:
            rule, repair = "be a pair, the larger first", "pass (1.0, 0.1), say"
            raise invalid("sigmas", rule, repr(self.sigmas), repair, TypeError)
        for number, sigma in enumerate(self.sigmas):
            check_argument(f"sigmas[{number}]", sigma, positive=True)
        first, second = self.sigmas
        if isinstance(first, FanIn) and isinstance(second, FanIn):
            first, second = first.scale, second.scale
        if not any(isinstance(sigma, (Prior, FanIn)) for sigma in (first, second)):
            _check_order(first, second)
        check_argument("mu", self.mu)
        check_per(self.per)

    def build(self, name: str, place: Place) -> TensorVariable:
        """Register the variable; see :meth:`Prior.build`."""
        first, second = self.sigmas
        learned = [isinstance(sigma, Prior) for sigma in self.sigmas]
        weight = place.argument("weight", self.weight, unit=True, start=None)
        mu = place.argument("mu", self.mu)
        sigma_1 = place.argument(
            "sigma_1",
            first,
            positive=True,
            start=FanIn(2.0),
            above=None if learned[1] else ("sigma_2", second),
        )
        sigma_2 = place.argument(
            "sigma_2", second, positive=True, start=FanIn(0.2), below=("sigma_1", first)
        )
        if not any(learned):
            _check_order(sigma_1, sigma_2)
        weight = pt.as_tensor_variable(weight).astype(config.floatX)
        components = [pm.Normal.dist(mu, sigma, shape=place.shape) for sigma in (sigma_1, sigma_2)]
        weights = pt.stack([weight, 1 - weight], axis=-1)  # (..., 2)
        return place.variable(name, self, _Mixture, w=weights, comp_dists=components)


def spike_and_slab(slab: Any = 1.0, spike: Any = 0.0025, weight: Any = 0.5) -> ScaleMixture:
    """Return a mixture of a slab, for the weights that matter, and a spike near zero.

    Parameters
    ----------
    slab : float, array, FanIn or Prior, optional
        Standard deviation of the wide component. Default 1.0.
    spike : float, array, FanIn or Prior, optional
        Standard deviation of the narrow component, below that of the slab. Default 0.0025, about
        exp(−6).
    weight : float, array or Prior, optional
        Share of the slab, between 0 and 1. Default 0.5.

    Returns
    -------
    ScaleMixture

    Raises
    ------
    ValueError, TypeError
        As :class:`ScaleMixture`.

    References
    ----------
    Blundell et al. (2015), section 5.1, who search the weight in {1/4, 1/2, 3/4}, the slab in
    {1, exp(−1), exp(−2)} and the spike in {exp(−6), exp(−7), exp(−8)}.

    Examples
    --------
    >>> spike_and_slab()
    ScaleMixture(weight=0.5, sigmas=(1.0, 0.0025), mu=0.0, per=None)

    Half N(0, 1) and half N(0, 10²), a wide prior that some probabilistic classifiers of MNIST have:

    >>> prior = spike_and_slab(slab=10.0, spike=1.0)
    """
    return ScaleMixture(weight, (slab, spike))


class _Mixture(pm.Mixture):
    """PyMC's mixture, of known shape and drawn at once.

    PyMC's loses the static length of axes of length 1, which kernels must have, and draws the
    component of one weight after the other, in a loop of Python.
    """

    @classmethod
    def dist(cls, *args: Any, shape: tuple[int, ...], **kwargs: Any) -> TensorVariable:
        node = pm.Mixture.dist(*args, shape=shape, **kwargs).owner
        inner = node.op.fgraph.unfreeze()
        for drawn in [n for n in inner.apply_nodes if isinstance(n.op, CategoricalRV)]:
            rng, size, shares = drawn.inputs
            size = shares.shape[:-1] if isinstance(size.type, NoneTypeT) else size
            next_rng, uniform = pt.random.uniform(size=size, rng=rng, return_next_rng=True)
            component = (uniform[..., None] >= pt.cumsum(shares, axis=-1)).sum(axis=-1)
            inner.replace_all(zip(drawn.outputs, (next_rng, component), strict=True))
        next_rng, draw = inner.outputs
        op = type(node.op)(
            inputs=inner.inputs,
            outputs=[next_rng, pt.specify_shape(draw, shape)],
            extended_signature=node.op.extended_signature,
        )
        return op(*node.inputs)


def _check_order(first: Any, second: Any) -> None:
    if not (np.asarray(first) > np.asarray(second)).all():
        rule, repair = "hold the larger one first", "swap them, or use Normal if they are equal"
        raise invalid("sigmas", rule, (first, second), repair)
