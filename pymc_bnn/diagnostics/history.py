"""What every step of a fit said of the objective."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pymc_bnn.elbo.objective import objective_name
from pymc_bnn.inference.metrics import Metrics
from pymc_bnn.inference.recovery import Recovery

__all__ = ["history_frame"]


def history_frame(
    metrics: Metrics,
    kl_weights: Callable[[Any], np.ndarray],
    per_epoch: int,
    *,
    points: bool,
    dropout: bool,
    recoveries: Sequence[Recovery] = (),
) -> pd.DataFrame:
    """Return estimates per step; see :attr:`pymc_bnn.Approximation.history`.

    Examples
    --------
    >>> ones = lambda step: np.ones(len(step))
    >>> metrics = Metrics(np.array([5.0, 4.0]), np.array([1.0, 2.0]), np.zeros(2))
    >>> history_frame(metrics, ones, 2, points=False, dropout=False)["elbo"].tolist()
    [-6.0, -6.0]
    """
    nll, kl, log_prior = (np.asarray(part, float) for part in metrics)
    step = np.arange(1, len(nll) + 1)
    columns = {
        "epoch": step / per_epoch,
        objective_name(points=points, dropout=dropout): Metrics(nll, kl, log_prior).elbo,
        "nll": nll,
        "kl": kl,
    }
    if points:
        columns["log_prior"] = log_prior
    weights = kl_weights(step - 1)
    if len(np.unique(weights)) > 1:
        columns["kl_weight"] = weights
    if recoveries:
        rate = np.ones(len(step))
        for recovery in recoveries:
            rate[recovery.back_to :] = recovery.rate
        columns["rate"] = rate
    frame = pd.DataFrame(columns, index=pd.Index(step, name="step"))
    if dropout:
        frame.attrs["note"] = "with dropout, which is no part of the model: not its ELBO"
    elif points:
        frame.attrs["note"] = "with points: no bound on the evidence"
    return frame
