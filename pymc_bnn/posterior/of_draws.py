"""Posteriors that a sampler left: draws that are kept, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np

from pymc_bnn.posterior.base import Moments, Posterior
from pymc_bnn.posterior.turns import Turns

__all__ = ["Chain", "KeptDraws"]


@dataclass(frozen=True, eq=False)
class Chain(Posterior):
    """The draws of one chain, in the order in which they were made.

    Attributes
    ----------
    values : dict from str to numpy.ndarray
        (draws, …) of each free variable, unconstrained.

    Examples
    --------
    >>> chain = Chain({"mu": np.array([0.1, 0.2, 0.4])})
    >>> float(chain.draw_number(jax.random.key(0), 1)["mu"])
    0.2
    """

    values: Mapping[str, np.ndarray]

    def draw(self, key: jax.Array) -> dict[str, Any]:
        """Return one of the draws, all equally probable."""
        draws = len(next(iter(self.values.values())))
        return self.draw_number(key, int(jax.random.randint(key, (), 0, draws)))

    def draw_number(self, key: jax.Array, i: int) -> dict[str, Any]:
        """Return the i-th draw."""
        return {name: value[i] for name, value in self.values.items()}

    def draw_numbers(self, key: jax.Array, numbers: Sequence[int]) -> dict[str, np.ndarray]:
        """Return the draws of some numbers."""
        return {name: value[np.asarray(numbers)] for name, value in self.values.items()}


@dataclass(frozen=True, eq=False)
class KeptDraws(Posterior):
    """The draws of several chains, each with its share of the posterior.

    It has no density and no ELBO.

    Attributes
    ----------
    values : dict from str to numpy.ndarray
        (chains, draws, …) of each free variable, unconstrained.
    weights : tuple of float
        Shares of the chains, which sum to 1.
    modes : int
        From how many fits the chains started; of several there is no mean that stands for all.

    Examples
    --------
    >>> posterior = KeptDraws({"mu": np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])}, (0.5, 0.5))
    >>> key = jax.random.key(0)
    >>> sorted(float(posterior.draw_number(key, i)["mu"]) for i in range(6))
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    >>> float(posterior.moments()[0]["mu"])
    2.5
    """

    values: Mapping[str, np.ndarray]
    weights: tuple[float, ...]
    modes: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of chains and of draws of each."""
        return next(iter(self.values.values())).shape[:2]

    def draw(self, key: jax.Array) -> dict[str, Any]:
        """Return one of the draws, of a chain drawn by its weight."""
        of_chain, of_draw = jax.random.split(key)
        uniform = float(jax.random.uniform(of_chain))
        chain = min(int(np.searchsorted(np.cumsum(self.weights), uniform)), self.shape[0] - 1)
        return self._at(chain, int(jax.random.randint(of_draw, (), 0, self.shape[1])))

    def draw_number(self, key: jax.Array, i: int) -> dict[str, Any]:
        """Return the i-th draw: chains take turns, and the first few are spread over a chain."""
        return self._at(*self.place(i))

    def draw_numbers(self, key: jax.Array, numbers: Sequence[int]) -> dict[str, np.ndarray]:
        """Return the draws of some numbers, in the same order."""
        at = tuple(np.array([self.place(int(i)) for i in numbers]).T)
        return {name: value[at] for name, value in self.values.items()}

    def place(self, i: int) -> tuple[int, int]:
        """Return the chain of the i-th draw, and its number there; each before one comes twice."""
        chain, before = self._turns[i]
        return chain, int(self._order[before % self.shape[1]])

    def _at(self, chain: int, i: int) -> dict[str, Any]:
        return {name: value[chain, i] for name, value in self.values.items()}

    @cached_property
    def _turns(self) -> Turns:
        return Turns(self.weights)

    @cached_property
    def _order(self) -> np.ndarray:
        """Numbers of draws such that any first few are evenly spread: their bits reversed."""
        draws = self.shape[1]
        bits = max(draws - 1, 1).bit_length()
        reverse = [int(f"{i:0{bits}b}"[::-1], 2) for i in range(2**bits)]
        return np.array([i for i in reverse if i < draws])

    def typical(self) -> Iterator[dict[str, Any]]:
        """Yield all draws; where chains have unequal weights 4,000, of each as its weight says."""
        if len(set(self.weights)) > 1:
            return super().typical()
        return (self._at(c, i) for c, i in np.ndindex(self.shape))

    def moments(self) -> Moments:
        """Return means and standard deviations of all draws."""
        return self._moments

    @cached_property
    def _moments(self) -> Moments:
        means, stds = {}, {}
        for name, value in self.values.items():
            each, spread = value.mean(axis=1, dtype=float), value.var(axis=1, dtype=float)
            means[name] = np.average(each, axis=0, weights=self.weights)
            variance = spread + (each - means[name]) ** 2
            stds[name] = np.sqrt(np.average(variance, axis=0, weights=self.weights))
        return means, stds

    @property
    def chains(self) -> tuple[Posterior, ...]:
        """The chains, where they have equal weights; else draws of one alone tell too much."""
        if len(set(self.weights)) > 1:
            return (self,)
        chains = range(self.shape[0])
        return tuple(Chain({name: v[c] for name, v in self.values.items()}) for c in chains)

    def center(self) -> dict[str, np.ndarray]:
        """Return the means.

        Raises
        ------
        TypeError
            Where chains started at several fits: between their modes there may be nothing.
        """
        if self.modes > 1:
            raise self.lacks("a mean that stands for it", 'use at="draws"')
        return self.moments()[0]

    def thinned(self, draws: int) -> KeptDraws:
        """Return fewer draws of each chain, evenly spread and in their order."""
        index = self.thinning(draws)
        values = {name: value[:, index] for name, value in self.values.items()}
        return KeptDraws(values, self.weights, self.modes)

    def thinning(self, draws: int) -> np.ndarray:
        """Return which draws of a chain are evenly spread, the last one included."""
        return np.linspace(self.shape[1] - 1, 0, draws).round().astype(int)[::-1]
