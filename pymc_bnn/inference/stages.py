"""Fits of guides that contain mean-field ones start where a mean-field fit has converged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pymc_bnn.guides import Guide, MeanField

__all__ = ["DRAWS", "Gain", "within"]

DRAWS = 8  # in a step of the second stage, at least: correlations are seen in several only
_LAST = 15  # a stage's last steps are a 15th of it: learning rates are then below a tenth
_ERRORS = 2  # standard errors that a loss must have to be one


def within(guide: Guide | Mapping[str, Guide] | None) -> dict[str, Guide] | None:
    """Return the guides with independent Normals for those that contain them; None without any.

    Examples
    --------
    >>> from pymc_bnn.guides import Delta, FullRank
    >>> within({"w": FullRank(init_scale=0.2), "b": Delta()})
    {'w': MeanField(init_scale=0.2, relative_to='start'), 'b': Delta(init_scale=0.1, \
relative_to='start')}
    """
    if guide is None:
        return None
    spec = guide if isinstance(guide, Mapping) else {"*": guide}
    if not any(g.contains_mean_field for g in spec.values()):
        return None
    return {
        pattern: MeanField(init_scale=g.init_scale, relative_to=g.relative_to)
        if g.contains_mean_field
        else g
        for pattern, g in spec.items()
    }


@dataclass(frozen=True)
class Gain:
    """How much higher the ELBO ended than that of the independent Normals it started from.

    By −∞ where a step was not finite.

    Examples
    --------
    >>> Gain.of(np.zeros(1500), np.ones(1500))
    Gain(nats=1.0, error=0.0)
    """

    nats: float
    error: float  # standard error

    @classmethod
    def of(cls, before: np.ndarray, after: np.ndarray) -> Gain:
        """Return that between the ends of two stages (steps,), where parameters hardly move."""
        ends = [stage[-max(len(stage) // _LAST, 2) :] for stage in (before, after)]
        variance = sum(end.var(ddof=1) / len(end) for end in ends)
        return cls(float(ends[1].mean() - ends[0].mean()), float(np.sqrt(variance)))

    @property
    def lost(self) -> bool:
        """Whether it is lower, beyond what noise does."""
        return self.nats < -_ERRORS * self.error
