"""A number that depends on the layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pymc_bnn._checks import invalid
from pymc_bnn.priors.checks import check_number

__all__ = ["FanIn"]


@dataclass(frozen=True)
class FanIn:
    """A number that depends on the layer: scale/√fan_in.

    `fan_in` counts the inputs that one unit of the layer sums: the rows of a matrix, or height ×
    width × input channels of a kernel; a layer's bias has the fan-in of its weights. It is 1 for a
    table of embeddings, of which each input picks one row, and in a layer without weights, such as
    LayerNorm. A weighted sum of inputs of size 1 then has a standard deviation of about `scale`,
    whatever the width.

    Parameters
    ----------
    scale : float, optional
        Positive. Default 1.0.

    Raises
    ------
    ValueError, TypeError
        If `scale` is not one positive number.

    References
    ----------
    Neal, *Bayesian Learning for Neural Networks* (1996), section 2.1: weights whose variance is
    inversely proportional to the number of inputs give a limit for wide networks.

    Examples
    --------
    >>> from pymc_bnn.priors import Normal
    >>> Normal(sigma=FanIn(2.0))
    Normal(mu=0.0, sigma=FanIn(scale=2.0), per=None)
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        if np.ndim(self.scale) or not isinstance(self.scale, (int, float, np.number)):
            raise invalid("scale", "be a number", repr(self.scale), "pass FanIn(1.0)", TypeError)
        check_number("scale", self.scale, positive=True)
