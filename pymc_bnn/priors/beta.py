"""The prior of probabilities, such as the weights of mixtures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm

from pymc_bnn.priors.base import Place
from pymc_bnn.priors.checks import Per
from pymc_bnn.priors.distribution import Argument, Distribution

__all__ = ["Beta"]


@dataclass(frozen=True, eq=False)
class Beta(Distribution):
    r"""Beta distribution, of a number between 0 and 1: density ∝ x^(α−1) (1 − x)^(β−1).

    A parameter with this prior starts at the prior's mean, α/(α + β).

    Parameters
    ----------
    alpha : float, array, FanIn or Prior, optional
        Positive. Default 1.0, which with ``beta=1.0`` is the uniform distribution.
    beta : float, array, FanIn or Prior, optional
        Positive. Default 1.0.
    per : {None, "tensor", "layer", "network", "unit", "weight"}, optional
        Which weights share one number: as for :class:`HalfNormal`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not positive or of another kind, or `per` is unknown.

    References
    ----------
    Ishwaran and Rao, *Spike and slab variable selection: frequentist and Bayesian strategies*,
    Annals of Statistics 33 (2005), for a uniform prior of the share of large coefficients.

    Examples
    --------
    >>> from pymc_bnn.priors import ScaleMixture
    >>> prior = ScaleMixture(weight=Beta(1.0, 9.0, per="network"), sigmas=(1.0, 0.01))
    """

    distribution = pm.Beta
    arguments = (
        Argument("alpha", positive=True, start=None),
        Argument("beta", positive=True, start=None),
    )
    positive = True
    unit = True
    alpha: Any = 1.0
    beta: Any = 1.0
    per: Per | None = None

    def start(self, place: Place) -> np.ndarray | None:
        """Return None: the start values of other parameters may lie outside (0, 1)."""
        return None
