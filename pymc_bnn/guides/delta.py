"""The guide without spread: one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from pymc_bnn.guides.base import Graphs, Guide, GuideDraw, Start
from pymc_bnn.model.terms import FreeVariable

__all__ = ["Delta"]


@dataclass(frozen=True)
class Delta(Guide):
    r"""A point: the value that maximises the objective.

    With a prior it is the maximum a posteriori (MAP) of the variable given the others, in the
    model's own space (as ``pm.find_MAP``: no Jacobian of a transform enters); of a hyperparameter
    it is empirical Bayes; with a flat prior it is maximum likelihood, the deterministic network.
    The fit's ``kl_weight`` multiplies the log prior, too.

    With points the objective is no bound on the evidence: a point has no KL, its log prior density
    is reported apart, and no ELBO of such a fit may be ranked against a real one.

    Parameters
    ----------
    init_scale, relative_to
        Without effect here.

    References
    ----------
    Bishop, *Pattern Recognition and Machine Learning* (2006), sections 3.5 and 5.7.2.

    Examples
    --------
    A partly Bayesian network has points in some layers: ``guide={"conv*": Delta()}``.

    >>> Delta().point
    True
    """

    point: ClassVar[bool] = True
    normal: ClassVar[bool] = True

    def init(self, starts: Sequence[Start], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return loc, of the variable's shape."""
        [start] = starts
        return {"loc": start.loc}

    def noise(self, variables: Sequence[FreeVariable]) -> dict[str, tuple[int, ...]]:
        """Return nothing: there is no noise."""
        return {}

    def draw(
        self, variables: Sequence[FreeVariable], params: Graphs, noise: Graphs
    ) -> dict[str, GuideDraw]:
        """Write the point itself."""
        [variable] = variables
        loc = params["loc"]
        return {variable.name: GuideDraw(loc, loc, pt.zeros_like(loc), None)}

    def entropy(self, variables: Sequence[FreeVariable], params: Graphs) -> TensorVariable:
        """Return 0: a point is counted by its log prior density alone."""
        return pt.constant(0.0)

    def log_density(
        self, variables: Sequence[FreeVariable], values: Graphs, params: Graphs
    ) -> TensorVariable:
        """Return 0, as a point has no density."""
        return pt.constant(0.0)
