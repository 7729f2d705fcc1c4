"""A number that depends on the layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pymc_bnn._checks import invalid
from pymc_bnn.priors.checks import check_number

__all__ = ["FanIn"]


@dataclass(frozen=True)
class FanIn:
    r"""A number that depends on the layer, scale/√fan_in, or on the unit as well.

    `fan_in` counts the inputs that one unit of the layer sums: the rows of a matrix, or height ×
    width × input channels of a kernel; a layer's bias has the fan-in of its weights. It is 1 for a
    table of embeddings, of which each input picks one row, and in a layer without weights, such as
    LayerNorm. A weighted sum of inputs of size 1 then has a standard deviation of about `scale`,
    whatever the width.

    With a `decay` :math:`p` the same variance is shared out unequally among the input units, or
    channels of a kernel, :math:`i = 1, …, n`:

    .. math:: s_i = \mathrm{scale} \cdot d_i \Big/ \sqrt{k \sum_{j=1}^n d_j^2},
       \qquad d_i = (1 + (i - 1) / m)^{-p}

    (:math:`k` is height × width of a kernel, and 1 of a matrix; :math:`m` is `units`, and with 1 of
    them :math:`d_i = i^{-p}`). Above ½ the sum converges: the first few units do the work and
    further ones change little, so that a wide layer is a narrow one with a tail that may help.
    Hidden units have no order of their own, so nothing is lost by giving them one; the inputs of a
    network have, so leave its first layer without. Vectors, such as biases, sum nothing and ignore
    the decay.

    Parameters
    ----------
    scale : float, optional
        Positive. Default 1.0.
    decay : float, optional
        The exponent :math:`p`, 0 or more. Default 0.0: all units alike.
    units : float, optional
        How many units in turn :math:`m` are nearly alike, positive. Default 1.0.

    Raises
    ------
    ValueError, TypeError
        If `scale` or `units` is not one positive number, or `decay` not one that is 0 or more.

    References
    ----------
    Neal, *Bayesian Learning for Neural Networks* (1996), section 2.1: weights whose variance is
    inversely proportional to the number of inputs give a limit for wide networks. Sell and Singh,
    *Trace-class Gaussian priors for Bayesian learning of neural networks with MCMC*, JRSS B 85
    (2023), for variances that decay with the unit's number.

    Examples
    --------
    >>> from pymc_bnn.priors import Normal
    >>> Normal(sigma=FanIn(2.0))
    Normal(mu=0.0, sigma=FanIn(scale=2.0, decay=0.0, units=1.0), per=None)

    Of the variance of a sum over 100 units, the first three have 97 %:

    >>> sizes = FanIn(1.0, decay=1.5).of_units(100, fan_in=100)
    >>> (sizes[:3] ** 2).cumsum().round(2).tolist()
    [0.83, 0.94, 0.97]

    Three are not enough to tell ten classes apart:

    >>> sizes = FanIn(1.0, decay=1.5, units=10).of_units(100, fan_in=100)
    >>> (sizes**2).cumsum()[[2, 9, 29]].round(2).tolist()
    [0.42, 0.77, 0.95]
    """

    scale: float = 1.0
    decay: float = 0.0
    units: float = 1.0

    def __post_init__(self) -> None:
        if np.ndim(self.scale) or not isinstance(self.scale, (int, float, np.number)):
            raise invalid("scale", "be a number", repr(self.scale), "pass FanIn(1.0)", TypeError)
        check_number("scale", self.scale, positive=True)
        if np.ndim(self.decay) or not isinstance(self.decay, (int, float, np.number)):
            raise invalid("decay", "be a number", repr(self.decay), "pass 1.5, say", TypeError)
        check_number("decay", self.decay)
        if self.decay < 0:
            raise invalid("decay", "be 0 or more", self.decay, "pass 1.5, say")
        if np.ndim(self.units) or not isinstance(self.units, (int, float, np.number)):
            raise invalid("units", "be a number", repr(self.units), "pass 10, say", TypeError)
        if not 0 < self.units < np.inf:
            raise invalid("units", "be positive and finite", self.units, "pass 10, say")

    def of_units(self, n: int, fan_in: int) -> np.ndarray:
        """Return the numbers of a layer's `n` input units, of shape (n,).

        Examples
        --------
        >>> FanIn(2.0).of_units(4, fan_in=4)
        array([1., 1., 1., 1.])
        """
        sizes = (1.0 + np.arange(n) / self.units) ** -float(self.decay)
        return self.scale * sizes * np.sqrt(n / fan_in / np.sum(sizes**2))
