"""What a callback learns of a fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pymc_bnn.inference.metrics import Metrics

__all__ = ["Info"]


@dataclass(frozen=True)
class Info:
    """What a callback learns of the fit, beside its state.

    Examples
    --------
    >>> metrics = Metrics(np.array([5.0, 4.0]), np.array([1.0, 2.0]), np.zeros(2))
    >>> Info(2, 10, 1.0, 0.1, 1.0, metrics, lambda: None).elbo.tolist()
    [-6.0, -6.0]
    """

    step: int  # steps done
    steps: int  # steps asked for; of a fit that ends where it has converged, the most there can be
    epoch: float  # epochs done
    elapsed_s: float  # since the first step
    kl_weight: float
    metrics: Metrics  # (steps of the chunk,) each; full data, nats
    approximation: Callable[[], Any]  # the Approximation as it stands
    member: int = 0  # of several, the number of the one that is being fitted
    members: int = 1
    n: int = 1  # examples in all
    rate: float = 1.0  # what all updates are multiplied by since the last recovery

    @property
    def elbo(self) -> np.ndarray:
        """Estimates of the unweighted ELBO (with points: of the objective), (steps,) nats."""
        return Metrics(*(np.asarray(part, float) for part in self.metrics)).elbo
