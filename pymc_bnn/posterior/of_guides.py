"""The posterior that guides and their parameters stand for."""

from __future__ import annotations

from collections.abc import Mapping
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

    def draw(self, key: jax.Array) -> dict[str, Any]:
        """Return one draw of every free variable, by name, unconstrained."""
        return self.guide.draw_from(self.params, key)

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
    def gaussian(self) -> bool:
        """True: every guide is Normal in each of its numbers."""
        return True

    def log_density(self, values: Mapping[str, Any]) -> float:
        """Return the log-density of unconstrained values, in nats; TypeError with points."""
        if self.points:
            raise self._without("a density", f"{list(self.points)} are points, which have none")
        blocks, roots = self.guide.blocks, self.guide.roots
        graphs = {f.name: f.value for b in blocks for f in b.variables}
        own = [{f.name: f.value for f in b.variables} for b in blocks]
        density = pt.add(
            pt.constant(0.0),
            *(
                b.guide.log_density(b.variables, o, roots[b.name])
                for b, o in zip(blocks, own, strict=True)
            ),
        )
        params = [root for by_role in roots.values() for root in by_role.values()]
        given = [self.params[b][role] for b, by_role in roots.items() for role in by_role]
        with precision(self.guide.dtype):
            function = jaxify([*params, *graphs.values()], [density], self.guide.dtype)
            [found] = function(*given, *(np.asarray(values[name]) for name in graphs))
        return float(found)

    def elbo_terms(self, problem: Problem) -> tuple[Elbo, Any]:
        """Return the ELBO that the guides were fitted by, and their parameters."""
        if self.elbo is None:
            raise self._without("an ELBO", "fit it")
        return self.elbo, self.params
