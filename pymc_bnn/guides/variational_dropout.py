"""Multiplicative Gaussian noise on weights: variational dropout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import check_positive, invalid
from pymc_bnn.guides.base import Factorised, Graphs, Start
from pymc_bnn.model.terms import FreeVariable

__all__ = ["VariationalDropout"]


@dataclass(frozen=True)
class VariationalDropout(Factorised):
    r"""Normal posteriors whose scales are tied by one noise-to-signal ratio α per variable.

    - ``form="loc"``: :math:`q(w) = \mathcal N(\theta, \alpha\theta^2)`, that is scale
      :math:`\max(\sqrt\alpha\,|\theta|, \mathrm{floor})`: Gaussian dropout with
      :math:`\alpha = p/(1-p)`, drop rate p.
    - ``form="scale"``: :math:`q(w) = \mathcal N(\theta, (\alpha s)^2)`, with a scale s of its own
      for each weight, at least the floor, and α a multiplier that a whole variable shares.

    Parameters
    ----------
    alpha : float, optional
        First α, within `bounds`. Default 0.5.
    learn : bool, optional
        Whether α is learned. Default True.
    bounds : (float, float), optional
        Range of α, 0 ≤ low < high; above 1 the noise drowns the signal. Default (0, 1).
    form : {"loc", "scale"}, optional
        What α multiplies. Default "loc".
    floor : float, optional
        Smallest scale (before α in the second form), above 0, so that weights near 0 keep a
        density. Default 1e-4.
    shared : bool, optional
        One α for all variables of the pattern (the weights and biases of a layer, say) instead of
        one for each. Default False.
    init_scale, relative_to
        See :class:`pymc_bnn.guides.Guide`; used by ``form="scale"``.

    Notes
    -----
    In the first form a weight's scale vanishes at 0, so that weights seldom change their sign.

    References
    ----------
    Kingma, Salimans and Welling, *Variational dropout and the local reparameterization trick*,
    NeurIPS 2015, section 3. The prior there is log-uniform; here it is the model's.

    Examples
    --------
    >>> VariationalDropout(alpha=0.25, bounds=(0.1, 1.0)).alpha
    0.25
    """

    alpha: float = 0.5
    learn: bool = True
    bounds: tuple[float, float] = (0.0, 1.0)
    form: Literal["loc", "scale"] = "loc"
    floor: float = 1e-4
    shared: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            low, high = (float(b) for b in self.bounds)
            good = 0 <= low < high < np.inf
        except (TypeError, ValueError):
            good = False
        if not good:
            rule = "be two finite numbers, 0 ≤ low < high"
            raise invalid("bounds", rule, repr(self.bounds), "pass bounds=(0.1, 1.0), say")
        check_positive("alpha", self.alpha)
        inside = low < self.alpha < high if self.learn else low <= self.alpha <= high
        if not inside:
            rule = f"lie inside bounds={self.bounds}"
            raise invalid("alpha", rule, repr(self.alpha), "choose it between them")
        for name in ("learn", "shared"):
            if not isinstance(getattr(self, name), bool):
                rule, got = "be True or False", repr(getattr(self, name))
                raise invalid(name, rule, got, f"pass {name}=True, say", TypeError)
        if self.form not in ("loc", "scale"):
            raise invalid("form", 'be "loc" or "scale"', repr(self.form), "choose one of them")
        check_positive("floor", self.floor)

    @property
    def joint(self) -> bool:
        """Whether the variables of a pattern share their α."""
        return self.shared

    def init(self, starts: Sequence[Start], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return loc and, as they are needed, alpha () on the logit scale, and log_scale."""
        several = self.shared
        low, high = self.bounds
        share = (self.alpha - low) / (high - low)
        params = {"alpha": np.log(share) - np.log1p(-share)} if self.learn else {}
        for start in starts:
            suffix = f" {start.free.name}" if several else ""
            params[f"loc{suffix}"] = start.loc
            if self.form == "scale":
                scale = np.maximum(start.scale / self.alpha, self.floor)
                params[f"log_scale{suffix}"] = np.log(scale)
        return {role: np.asarray(value, float) for role, value in params.items()}

    def alpha_of(self, params: Graphs) -> TensorVariable | float:
        """Write α () as a graph of its parameter."""
        if not self.learn:
            return self.alpha
        low, high = self.bounds
        return low + (high - low) * pt.sigmoid(params["alpha"])

    def mean_and_scale(
        self, variable: FreeVariable, params: Graphs
    ) -> tuple[TensorVariable, TensorVariable]:
        """Return θ and its scale in either form."""
        suffix = f" {variable.name}" if self.shared else ""
        loc, alpha = params[f"loc{suffix}"], self.alpha_of(params)
        if self.form == "loc":
            return loc, pt.maximum(pt.sqrt(alpha) * pt.abs(loc), self.floor)
        return loc, alpha * pt.maximum(pt.exp(params[f"log_scale{suffix}"]), self.floor)
