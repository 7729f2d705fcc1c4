"""The Normal guide whose covariance is diagonal plus low rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import set_int
from pymc_bnn.guides.base import LOG_2PI, Graphs, Guide, GuideDraw, Start
from pymc_bnn.guides.full_rank import join, size, split
from pymc_bnn.model.terms import FreeVariable

__all__ = ["LowRank"]


@dataclass(frozen=True)
class LowRank(Guide):
    r"""One Normal distribution over all variables of its pattern, of diagonal plus low rank.

    :math:`q(z) = \mathcal N(z \mid m, S(I + FF^\top)S)` with S = diag(scale) and F (d, rank), whose
    numbers have no unit. It follows the `rank` strongest correlations of the posterior, at a cost
    that grows with d · rank.

    Parameters
    ----------
    rank : int, optional
        Columns of F, at least 1. Default 5.
    init_scale, relative_to
        See :class:`pymc_bnn.guides.Guide`.

    References
    ----------
    Ong, Nott and Smith, *Gaussian variational approximation with a factor covariance structure*,
    JCGS 27 (2018), eq. 4.

    Examples
    --------
    >>> LowRank(2).rank
    2
    """

    normal: ClassVar[bool] = True
    contains_mean_field: ClassVar[bool] = True

    rank: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        set_int(self, "rank", 1, None, "pass LowRank(5), say")

    @property
    def joint(self) -> bool:
        """True: one distribution covers all variables of the pattern."""
        return True

    def init(self, starts: Sequence[Start], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return loc (d,), log_scale (d,) and factor (d, rank), small random numbers."""
        loc = np.concatenate([s.loc.ravel() for s in starts])
        log_scale = np.log(np.concatenate([s.scale.ravel() for s in starts]))
        # Not zero: there the factor's expected gradient vanishes.
        factor = 0.1 * rng.standard_normal((loc.size, self.rank))
        log_scale -= 0.5 * np.log1p((factor**2).sum(axis=1))
        return {"loc": loc, "log_scale": log_scale, "factor": factor}

    def independent(self, params: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return them with F = 0 and the scales that the numbers have."""
        loc, log_scale, factor = (np.asarray(params[k]) for k in ("loc", "log_scale", "factor"))
        widened = log_scale + 0.5 * np.log1p((factor.astype(float) ** 2).sum(axis=1))
        return {"loc": loc, "log_scale": widened, "factor": np.zeros_like(factor)}

    def noise(self, variables: Sequence[FreeVariable]) -> dict[str, tuple[int, ...]]:
        """Return one number per number, and one per column of F."""
        return {"diagonal": (size(variables),), "factor": (self.rank,)}

    def draw(
        self, variables: Sequence[FreeVariable], params: Graphs, noise: Graphs
    ) -> dict[str, GuideDraw]:
        """Write m + S (ε + F η)."""
        scale, factor = pt.exp(params["log_scale"]), params["factor"]
        draw = params["loc"] + scale * (noise["diagonal"] + factor @ noise["factor"])
        marginal = scale * pt.sqrt(1 + (factor**2).sum(axis=1))
        parts = zip(*(split(variables, v) for v in (draw, params["loc"], marginal)), strict=True)
        return {v.name: GuideDraw(*part, None) for v, part in zip(variables, parts, strict=True)}

    def entropy(self, variables: Sequence[FreeVariable], params: Graphs) -> TensorVariable:
        """Write it by the determinant lemma: Σ log scale + ½ log det(I + FᵀF) + d/2 log 2πe."""
        half_logdet = pt.log(pt.diagonal(pt.linalg.cholesky(self._inner(params)))).sum()
        return params["log_scale"].sum() + half_logdet + 0.5 * size(variables) * (LOG_2PI + 1)

    def log_density(
        self, variables: Sequence[FreeVariable], values: Graphs, params: Graphs
    ) -> TensorVariable:
        """Write the Normal log-density by Woodbury's identity."""
        z = (join(variables, values) - params["loc"]) / pt.exp(params["log_scale"])  # (d,)
        inner = pt.linalg.cholesky(self._inner(params))
        u = pt.linalg.solve_triangular(inner, params["factor"].T @ z, lower=True)
        quadratic = (z**2).sum() - (u**2).sum()
        half_logdet = params["log_scale"].sum() + pt.log(pt.diagonal(inner)).sum()
        return -0.5 * quadratic - half_logdet - 0.5 * size(variables) * LOG_2PI

    def _inner(self, params: Graphs) -> TensorVariable:
        """Write I + FᵀF (rank, rank)."""
        factor = params["factor"]
        return pt.eye(self.rank, dtype=factor.type.dtype) + factor.T @ factor
