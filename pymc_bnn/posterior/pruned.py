"""A posterior of which some numbers are set to zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pymc_bnn.posterior.base import Moments, Posterior

__all__ = ["PrunedPosterior"]


@dataclass(frozen=True, eq=False)
class PrunedPosterior(Posterior):
    """The draws of another posterior, with zeros in the place of some unconstrained numbers.

    It has no density and no ELBO.

    Attributes
    ----------
    full : Posterior
        Whose draws.
    kept : mapping from str to numpy.ndarray of bool
        Which numbers of a variable are kept; variables without a name here are kept whole.

    Examples
    --------
    >>> from pymc_bnn.posterior.of_draws import Chain
    >>> pruned = PrunedPosterior(Chain({"w": np.ones((5, 2))}), {"w": np.array([True, False])})
    >>> pruned.draw(jax.random.key(0))["w"].tolist()
    [1.0, 0.0]
    """

    full: Posterior
    kept: Mapping[str, np.ndarray]

    def draw(self, key: jax.Array) -> dict[str, Any]:
        """Return one draw of every free variable, by name, unconstrained."""
        return self._pruned(self.full.draw(key))

    def draw_number(self, key: jax.Array, i: int) -> dict[str, Any]:
        """Return the i-th of many draws that are made with one key."""
        return self._pruned(self.full.draw_number(key, i))

    def moments(self) -> Moments:
        """Return means and standard deviations; those of pruned numbers are 0."""
        means, stds = self.full.moments()
        return self._pruned(means), self._pruned(stds)

    def center(self) -> dict[str, np.ndarray]:
        """Return the unconstrained values that stand for all of it."""
        return self._pruned(self.full.center())

    @property
    def points(self) -> tuple[str, ...]:
        """Free variables that have a point instead of a distribution."""
        return self.full.points

    @property
    def fixed(self) -> bool:
        """Whether all draws are the same."""
        return self.full.fixed

    def _pruned(self, values: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(values)
        for name, mask in self.kept.items():
            xp = np if isinstance(found[name], np.ndarray) else jnp
            found[name] = xp.where(mask, found[name], 0)
        return found
