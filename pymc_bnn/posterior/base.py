"""What a posterior is: the answer with its numbers, whatever method found it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import jax
import numpy as np

from pymc_bnn._checks import invalid
from pymc_bnn.model.problem import Problem
from pymc_bnn.runtime.noise import key_of

__all__ = ["Posterior", "moment_keys"]

_MOMENT_DRAWS = 4000

Moments = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]


def moment_keys() -> jax.Array:
    """Return the random keys of the draws that moments are taken from.

    Examples
    --------
    >>> moment_keys().shape
    (4000,)
    """
    return jax.random.split(key_of(0, "moments"), _MOMENT_DRAWS)


class Posterior(ABC):
    """An approximate posterior of all free variables, in their unconstrained space.

    Sampling, prediction, summaries and diagnostics are functions of a problem and of this, and see
    nothing else of a fit. A new one implements :meth:`draw`; the rest has defaults.

    Examples
    --------
    >>> class Kept(Posterior):
    ...     '''Draws that a sampler left, (draws, …) each.'''
    ...
    ...     def __init__(self, draws):
    ...         self.draws = draws
    ...
    ...     def draw(self, key):
    ...         n = len(next(iter(self.draws.values())))
    ...         i = int(jax.random.randint(key, (), 0, n))
    ...         return {name: value[i] for name, value in self.draws.items()}
    >>> posterior = Kept({"mu": np.random.default_rng(0).normal(size=500)})
    >>> means, stds = posterior.moments()
    >>> bool(abs(means["mu"]) < 0.2), bool(abs(stds["mu"] - 1) < 0.2)
    (True, True)
    """

    @abstractmethod
    def draw(self, key: jax.Array) -> dict[str, Any]:
        """Return one draw of every free variable, by name, unconstrained."""

    def draw_number(self, key: jax.Array, i: int) -> dict[str, Any]:
        """Return the i-th of many draws that are made with one key."""
        return self.draw(jax.random.fold_in(key, i))

    def draw_numbers(self, key: jax.Array, numbers: Sequence[int]) -> dict[str, np.ndarray]:
        """Return some of many draws that are made with one key, (numbers, …) each."""
        drawn = [self.draw_number(key, int(i)) for i in numbers]
        return {name: np.stack([np.asarray(d[name]) for d in drawn]) for name in drawn[0]}

    def draw_many(self, key: jax.Array, count: int) -> dict[str, np.ndarray]:
        """Return the first of many draws that are made with one key, (count, …) each."""
        return self.draw_numbers(key, range(count))

    def looks(self, seed: int) -> Callable[[int], dict[str, Any]]:
        """Return a function from a number to a draw, for looks at a posterior beside a fit."""
        key = key_of(seed, "look")
        return lambda i: self.draw_number(key, i)

    def moments(self) -> Moments:
        """Return means and standard deviations of each free variable, from 4,000 draws."""
        return self._drawn_moments

    @cached_property
    def _drawn_moments(self) -> Moments:
        drawn = list(self.typical())
        values = {name: np.stack([np.asarray(d[name]) for d in drawn]) for name in drawn[0]}
        return (
            {name: v.mean(axis=0) for name, v in values.items()},
            {name: v.std(axis=0) for name, v in values.items()},
        )

    def typical(self) -> Iterator[dict[str, Any]]:
        """Yield the draws that moments are taken from: 4,000, or all that there are."""
        return (self.draw(key) for key in moment_keys())

    @property
    def points(self) -> tuple[str, ...]:
        """Free variables that have a point instead of a distribution."""
        return ()

    @property
    def chains(self) -> tuple[Posterior, ...]:
        """What ArviZ is shown as chains: the posterior itself, or members of equal weight."""
        return (self,)

    @property
    def fixed(self) -> bool:
        """Whether all draws are the same."""
        return False

    def center(self) -> dict[str, np.ndarray]:
        """Return the unconstrained values that stand for all of it: the means."""
        return self.moments()[0]

    @property
    def normal(self) -> bool:
        """Whether each number alone is Normal, so that its moments tell its distribution."""
        return False

    def log_density(self, values: Mapping[str, Any]) -> float:
        """Return the log-density of unconstrained values, in nats.

        Raises
        ------
        TypeError
            Where there is none: of kept draws, and of points.
        """
        raise self.lacks("a density", "draw from it instead")

    def log_densities(self, values: Mapping[str, Any]) -> np.ndarray:
        """Return the log-density (draws,) of each of some draws, (draws, …) by variable, in nats.

        Raises
        ------
        TypeError
            As :meth:`log_density`.
        """
        count = len(next(iter(values.values())))
        each = ({name: value[i] for name, value in values.items()} for i in range(count))
        return np.array([self.log_density(one) for one in each])

    def elbo_terms(self, problem: Problem) -> tuple[Any, Any]:
        """Return the ELBO of a problem as :class:`pymc_bnn.elbo.Elbo`, and its parameters.

        Raises
        ------
        TypeError
            Where there is no ELBO: of kept draws.
        """
        raise self.lacks("an ELBO", "compare held-out densities instead: nll(new_data)")

    def lacks(self, what: str, repair: str) -> Exception:
        """Build the error for what this posterior cannot give."""
        return invalid("posterior", f"have {what}", f"a {type(self).__name__}", repair, TypeError)
