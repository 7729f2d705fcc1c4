"""The posterior that guides and their parameters stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
import pytensor.tensor as pt

from pymc_bnn.elbo import Elbo
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.guides import JointGuide
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Moments, Posterior
from pymc_bnn.runtime.compilation import Compiled
from pymc_bnn.runtime.precision import precision

__all__ = ["GuidePosterior"]


@dataclass(frozen=True, eq=False)
class GuidePosterior(Posterior):
    """Guides at some parameters: draws, exact moments, a density, and the ELBO they were made for.

    Attributes
    ----------
    guide : JointGuide
        The guides of all free variables.
    params : dict
        Their parameters, ``{block: {role: array}}``.
    elbo : Elbo, optional
        The ELBO as a function of such parameters.
    problem : Problem, optional
        Whose ELBO it is.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> posterior = bnn.fit(model, steps=900, random_seed=1, progressbar=False).posterior
    >>> means, stds = posterior.moments()
    >>> exact = -0.5 * np.log(2 * np.pi * stds["mu"] ** 2)
    >>> bool(abs(posterior.log_density(means) - exact) < 1e-5)
    True
    """

    guide: JointGuide
    params: dict[str, dict[str, Any]]
    elbo: Elbo | None = None
    problem: Problem | None = None

    def draw(self, key: jax.Array) -> dict[str, Any]:
        """Return one draw of every free variable, by name, unconstrained."""
        return self.guide.draw_from(self.params, key)

    def draw_numbers(self, key: jax.Array, numbers: Sequence[int]) -> dict[str, np.ndarray]:
        """Return some of many draws that are made with one key, (numbers, …) each, at once."""
        drawn = self.guide.draw_many_from(self.params, key, np.asarray(numbers, "uint32"))
        return jax.device_get(drawn)

    def moments(self) -> Moments:
        """Return exact means and standard deviations; those of points are 0."""
        return self._moments

    @cached_property
    def _moments(self) -> Moments:
        with precision(self.guide.dtype):
            return self.guide.moments(self.params)

    @property
    def points(self) -> tuple[str, ...]:
        """Free variables that have a point instead of a distribution."""
        return self.guide.points

    @property
    def fixed(self) -> bool:
        """Whether all draws are the same: of points only."""
        return len(self.points) == sum(len(block.variables) for block in self.guide.blocks)

    @property
    def normal(self) -> bool:
        """Whether every guide is Normal in each of its numbers."""
        return all(block.guide.normal for block in self.guide.blocks)

    def log_density(self, values: Mapping[str, Any]) -> float:
        """Return the log-density of unconstrained values, in nats; TypeError with points."""
        return float(self.log_densities({k: np.asarray(v)[None] for k, v in values.items()})[0])

    def log_densities(self, values: Mapping[str, Any]) -> np.ndarray:
        """Return the log-density (draws,) of each of some draws; TypeError with points."""
        if self.points:
            raise self.lacks("a density", f"{list(self.points)} are points, which have none")
        params = [self.params[b][role] for b, roles in self.guide.roots.items() for role in roles]
        names = [f.name for b in self.guide.blocks for f in b.variables]
        with precision(self.guide.dtype):
            found = self._densities(params, [np.asarray(values[name]) for name in names])
            return np.asarray(found, float)

    @cached_property
    def _densities(self) -> Compiled:
        """The compiled log-density of parameters and draws, in the order of the blocks."""
        blocks, roots = self.guide.blocks, self.guide.roots
        values = {b.name: {f.name: f.value for f in b.variables} for b in blocks}
        parts = [b.guide.log_density(b.variables, values[b.name], roots[b.name]) for b in blocks]
        inputs = [root for by_role in roots.values() for root in by_role.values()]
        inputs += [value for by_name in values.values() for value in by_name.values()]
        lifted = jaxify(inputs, [pt.add(pt.constant(0.0), *parts)], self.guide.dtype)
        return Compiled(jax.vmap(lambda params, one: lifted(*params, *one)[0], (None, 0)))

    def elbo_terms(self, problem: Problem) -> tuple[Elbo, Any]:
        """Return the ELBO that the guides were fitted by, and their parameters.

        Raises
        ------
        TypeError
            For another problem than the one it was fitted to.
        """
        if self.elbo is None or problem is not self.problem:
            raise self.lacks("an ELBO of this problem", "fit it")
        return self.elbo, self.params
