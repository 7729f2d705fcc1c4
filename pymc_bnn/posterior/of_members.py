"""The mixture of several posteriors: fits of one model from different starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from scipy.special import logsumexp

from pymc_bnn.posterior.base import Moments, Posterior
from pymc_bnn.posterior.turns import Turns

__all__ = ["MemberPosterior"]


@dataclass(frozen=True, eq=False)
class MemberPosterior(Posterior):
    r"""The mixture :math:`q(z) = \sum_m w_m\, q_m(z)`.

    Attributes
    ----------
    members : tuple of Posterior
        Of the same variables.
    weights : tuple of float
        Their shares, which sum to 1.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> one = bnn.fit(model, steps=900, random_seed=1, progressbar=False).posterior
    >>> both = MemberPosterior((one, one), (0.3, 0.7))
    >>> means, _ = one.moments()
    >>> bool(np.isclose(both.log_density(means), one.log_density(means)))
    True
    """

    members: tuple[Posterior, ...]
    weights: tuple[float, ...]

    def draw(self, key: jax.Array) -> dict[str, Any]:
        """Return one draw of every free variable, of a member drawn by its weight."""
        of_member, of_draw = jax.random.split(key)
        chosen = np.searchsorted(np.cumsum(self.weights), float(jax.random.uniform(of_member)))
        return self.members[min(int(chosen), len(self.members) - 1)].draw(of_draw)

    def draw_number(self, key: jax.Array, i: int) -> dict[str, Any]:
        """Return the i-th of many draws: members take turns, each as often as its weight says."""
        return self.members[self._turns[i][0]].draw(jax.random.fold_in(key, i))

    def draw_numbers(self, key: jax.Array, numbers: Sequence[int]) -> dict[str, np.ndarray]:
        """Return some of the same draws, (numbers, …) each, those of each member at once."""
        turns = np.array([self._turns[int(i)][0] for i in numbers])
        drawn = {
            m: self.members[m].draw_numbers(key, np.asarray(numbers)[turns == m])
            for m in np.unique(turns)
        }
        order = np.argsort(np.argsort(turns, kind="stable"))
        first = drawn[turns[0]]
        return {n: np.concatenate([d[n] for d in drawn.values()])[order] for n in first}

    @cached_property
    def _turns(self) -> Turns:
        return Turns(self.weights)

    def moments(self) -> Moments:
        """Return means and standard deviations of the mixture."""
        return self._moments

    @cached_property
    def _moments(self) -> Moments:
        return self.pooled([member.moments() for member in self.members])

    def pooled(self, moments: Sequence[Moments]) -> Moments:
        """Return the moments of the mixture, of those of its members: the law of total variance."""
        means, stds = {}, {}
        for name in moments[0][0]:
            mean, std = (np.stack([np.asarray(m[i][name], float) for m in moments]) for i in (0, 1))
            means[name] = np.average(mean, axis=0, weights=self.weights)
            variance = std**2 + (mean - means[name]) ** 2
            stds[name] = np.sqrt(np.average(variance, axis=0, weights=self.weights))
        return means, stds

    @property
    def points(self) -> tuple[str, ...]:
        """Free variables that are points in each member."""
        return self.members[0].points

    @property
    def chains(self) -> tuple[Posterior, ...]:
        """The members, where they have equal weights; else draws of one alone tell too much."""
        return self.members if len(set(self.weights)) == 1 else (self,)

    @property
    def fixed(self) -> bool:
        """Whether all draws are the same."""
        return len(self.members) == 1 and self.members[0].fixed

    def center(self) -> dict[str, np.ndarray]:
        """Raise: between the members of a mixture there may be nothing.

        Raises
        ------
        TypeError
            Always.
        """
        raise self.lacks("a mean that stands for it", 'use at="draws", or one of its members')

    def log_density(self, values: Mapping[str, Any]) -> float:
        """Return the log-density of unconstrained values, in nats; TypeError with points."""
        return float(logsumexp(self._each(values), b=np.asarray(self.weights)))

    def log_densities(self, values: Mapping[str, Any]) -> np.ndarray:
        """Return the log-density (draws,) of each of some draws; TypeError with points."""
        each = np.stack([member.log_densities(values) for member in self.members], axis=1)
        return logsumexp(each, axis=1, b=np.asarray(self.weights))

    def log_ratio(self, member: int, values: Mapping[str, Any]) -> float:
        """Return log q_m/q at unconstrained values, in nats; TypeError with points."""
        each = self._each(values)
        return each[member] - float(logsumexp(each, b=np.asarray(self.weights)))

    def _each(self, values: Mapping[str, Any]) -> list[float]:
        return [member.log_density(values) for member in self.members]
