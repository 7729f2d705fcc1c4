"""The Normal guide with a full covariance matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import invalid
from pymc_bnn.guides.base import LOG_2PI, Graphs, Guide, GuideDraw, Start
from pymc_bnn.model.terms import FreeVariable

__all__ = ["FullRank", "join", "split"]

_LARGEST = 4096  # numbers; the matrix then holds 17 million


@dataclass(frozen=True)
class FullRank(Guide):
    r"""One Normal distribution with a full covariance over all variables of its pattern.

    :math:`q(z) = \mathcal N(z \mid m, LL^\top)` with :math:`L = \mathrm{diag}(s)(I + R)`, R
    strictly lower triangular: the numbers of R have no unit, so that one learning rate suits them
    all. For hierarchical scales beside mean-field weights, ``guide={"*_sigma": FullRank()}``.

    Parameters
    ----------
    init_scale, relative_to
        See :class:`pymc_bnn.guides.Guide`.

    Raises
    ------
    ValueError
        In a fit, for more than 4,096 numbers.

    Notes
    -----
    Memory and time per step grow with the square of the count of numbers.

    References
    ----------
    Kucukelbir et al., *Automatic differentiation variational inference*, JMLR 18 (2017), eq. 6.

    Examples
    --------
    >>> FullRank()
    FullRank(init_scale=0.1, relative_to='start')
    """

    normal: ClassVar[bool] = True
    contains_mean_field: ClassVar[bool] = True

    @property
    def joint(self) -> bool:
        """True: one distribution covers all variables of the pattern."""
        return True

    def init(self, starts: Sequence[Start], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return loc (d,), log_scale (d,), the diagonal of log L, and lower (d, d), R."""
        loc = np.concatenate([s.loc.ravel() for s in starts])
        if loc.size > _LARGEST:
            names = [s.free.name for s in starts]
            raise invalid(
                "guide",
                f"be FullRank for at most {_LARGEST:,} numbers",
                f"it for {loc.size:,} numbers of {names}",
                "use LowRank(rank) or MeanField() there",
            )
        log_scale = np.log(np.concatenate([s.scale.ravel() for s in starts]))
        return {
            "loc": loc,
            "log_scale": log_scale,
            "lower": np.zeros((loc.size, loc.size)),
        }

    def independent(self, params: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return them with R = 0 and the scales of the rows of L."""
        loc, log_scale, lower = (np.asarray(params[k]) for k in ("loc", "log_scale", "lower"))
        widened = log_scale + 0.5 * np.log1p((np.tril(lower, -1) ** 2).sum(axis=1))
        return {"loc": loc, "log_scale": widened, "lower": np.zeros_like(lower)}

    def noise(self, variables: Sequence[FreeVariable]) -> dict[str, tuple[int, ...]]:
        """Return one number per number."""
        return {"joint": (size(variables),)}

    def draw(
        self, variables: Sequence[FreeVariable], params: Graphs, noise: Graphs
    ) -> dict[str, GuideDraw]:
        """Write m + L · noise."""
        factor = _factor(params)
        draw = params["loc"] + factor @ noise["joint"]
        scale = pt.sqrt((factor**2).sum(axis=1))
        parts = zip(*(split(variables, v) for v in (draw, params["loc"], scale)), strict=True)
        return {v.name: GuideDraw(*part, None) for v, part in zip(variables, parts, strict=True)}

    def entropy(self, variables: Sequence[FreeVariable], params: Graphs) -> TensorVariable:
        """Write the sum of the log-diagonal plus d/2 log 2πe."""
        return params["log_scale"].sum() + 0.5 * size(variables) * (LOG_2PI + 1)

    def log_density(
        self, variables: Sequence[FreeVariable], values: Graphs, params: Graphs
    ) -> TensorVariable:
        """Write the Normal log-density by a triangular solve."""
        d = size(variables)
        factor = _factor(params)
        residual = join(variables, values) - params["loc"]
        z = pt.linalg.solve_triangular(factor, residual, lower=True)
        return -0.5 * (z**2).sum() - params["log_scale"].sum() - 0.5 * d * LOG_2PI


def _factor(params: Graphs) -> TensorVariable:
    """Write L (d, d)."""
    lower = params["lower"]
    (d, _), dtype = lower.type.shape, lower.type.dtype
    below = np.tril(np.ones((d, d), dtype), -1)  # a product: XLA is slow to scatter on CPUs
    return pt.exp(params["log_scale"])[:, None] * (lower * below + pt.eye(d, dtype=dtype))


def size(variables: Sequence[FreeVariable]) -> int:
    """Count the numbers of the variables."""
    return sum(int(np.prod(v.start.shape)) for v in variables)


def join(variables: Sequence[FreeVariable], values: Graphs) -> TensorVariable:
    """Write the values of the variables as one vector (d,)."""
    return pt.concatenate([values[v.name].reshape((-1,)) for v in variables])


def split(variables: Sequence[FreeVariable], vector: TensorVariable) -> list[TensorVariable]:
    """Write the parts of a vector (d,) in the shapes of the variables."""
    parts, first = [], 0
    for v in variables:
        count = int(np.prod(v.start.shape))
        parts.append(vector[first : first + count].reshape(v.start.shape))
        first += count
    return parts
