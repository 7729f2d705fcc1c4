"""Draws that several questions share: those of a posterior that one key gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from pymc_bnn.posterior.base import Posterior

__all__ = ["Run", "runs"]


@dataclass(frozen=True, eq=False)
class Run(Posterior):
    """The numbered draws that a posterior gives with one key, whichever key they are asked by.

    Attributes
    ----------
    posterior : Posterior
        What is drawn from.
    key : jax.Array
        Of all draws.

    Examples
    --------
    >>> from pymc_bnn.posterior.of_draws import Chain
    >>> run = Run(Chain({"mu": np.array([0.1, 0.2, 0.4])}), jax.random.key(0))
    >>> float(run.draw_number(jax.random.key(7), 1)["mu"])
    0.2
    """

    posterior: Posterior
    key: jax.Array

    def draw(self, key: jax.Array) -> dict[str, Any]:
        """Return one draw of the posterior."""
        return self.posterior.draw(key)

    def draw_number(self, key: jax.Array, i: int) -> dict[str, Any]:
        """Return the i-th draw."""
        return self.posterior.draw_number(self.key, i)

    def draw_numbers(self, key: jax.Array, numbers: Sequence[int]) -> dict[str, np.ndarray]:
        """Return the draws of some numbers, (numbers, …) each."""
        return self.posterior.draw_numbers(self.key, numbers)

    @property
    def points(self) -> tuple[str, ...]:
        """Free variables that have a point instead of a distribution."""
        return self.posterior.points

    @property
    def fixed(self) -> bool:
        """Whether all draws are the same."""
        return self.posterior.fixed


def runs(posterior: Posterior, key: jax.Array | None) -> tuple[Run, ...]:
    """Return a run of each of the posterior's chains, with a key of its own where there are more.

    Examples
    --------
    >>> from pymc_bnn.posterior.of_draws import KeptDraws
    >>> kept = KeptDraws({"mu": np.zeros((3, 5))}, (1 / 3,) * 3)
    >>> len(runs(kept, jax.random.key(0)))
    3
    """
    chains = posterior.chains
    alone = len(chains) == 1 or key is None  # of kept draws there is no choice
    keys = [key] * len(chains) if alone else jax.random.split(key, len(chains))
    return tuple(Run(chain, own) for chain, own in zip(chains, keys, strict=True))
