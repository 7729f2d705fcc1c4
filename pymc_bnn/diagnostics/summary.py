"""How far a fit got: what each variable of a posterior learned, lost or never tried."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pymc_bnn.approximation import Approximation

__all__ = ["history_frame", "summary"]

_COLLAPSED = 0.01  # posterior/prior scale below which a number is a point in all but name
_PRUNED = 0.1  # relative distance from the prior within which a number has gone back to it
_UNMOVED = 0.01  # relative distance from its start within which a number has not moved


def history_frame(
    trace: np.ndarray,
    objective: str,
    kl_weights: Callable[[Any], np.ndarray],
    per_epoch: int,
    *,
    points: bool,
    dropout: bool,
) -> pd.DataFrame:
    """Return estimates per step; see :attr:`Approximation.history`.

    Examples
    --------
    >>> ones = lambda step: np.ones(len(step))
    >>> trace = np.array([[5.0, 1.0, 0.0], [4.0, 2.0, 0.0]])  # NLL, KL, −log prior of points
    >>> history_frame(trace, "elbo", ones, 2, points=False, dropout=False)["elbo"].tolist()
    [-6.0, -6.0]
    """
    nll, kl, negative_log_prior = trace.astype(float).T
    step = np.arange(1, len(nll) + 1)
    columns = {
        "epoch": step / per_epoch,
        objective: -nll - kl - negative_log_prior,
        "nll": nll,
        "kl": kl,
    }
    if points:
        columns["log_prior"] = 0.0 - negative_log_prior
    weights = kl_weights(step - 1)
    if len(np.unique(weights)) > 1:
        columns["kl_weight"] = weights
    frame = pd.DataFrame(columns, index=pd.Index(step, name="step"))
    if dropout:
        frame.attrs["note"] = "with dropout, which is no part of the model: not its ELBO"
    elif points:
        frame.attrs["note"] = "with points: no bound on the evidence"
    return frame


def summary(fitted: Approximation) -> pd.DataFrame:
    """Return what each variable got and how far it moved; see :meth:`Approximation.summary`.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(99))
    >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
    >>> float(summary(fitted).loc["mu", "unmoved"])
    0.0
    """
    kl, prior = fitted.kl(), fitted.prior_scales
    (means, stds), (first_means, first_stds) = fitted.unconstrained, fitted.unconstrained_start
    rows = {}
    for block in fitted.posterior.blocks:
        for i, f in enumerate(block.variables):
            mean, std = means[f.name].astype(float), stds[f.name].astype(float)
            first = first_stds[f.name].astype(float)
            ratio = std / prior[f.name]
            same = np.abs(std - first) <= _UNMOVED * first
            unit = first if not block.guide.point else np.std(first_means[f.name]) or 1.0
            near = np.abs(mean - first_means[f.name]) <= _UNMOVED * unit
            back = (np.abs(ratio - 1) < _PRUNED) & (np.abs(mean) < _PRUNED * prior[f.name])
            choice = fitted.elbo_parts.choices[f.name]
            point = block.guide.point
            spread = not point and f.transform is None  # a scale may well be known that precisely
            rows[f.name] = {
                "size": f.start.size,
                "guide": type(block.guide).__name__,
                "estimator": choice.estimator.name,
                "why": choice.reason,
                "kl": kl[block.name] if i == 0 and not point else np.nan,
                "kl_method": fitted.elbo_parts.kl_methods[block.name],
                "scale_ratio": np.nan if point else float(np.median(ratio)),
                "collapsed": float(np.mean(ratio < _COLLAPSED)) if spread else np.nan,
                "pruned": float(np.mean(back)) if f.normal is not None else np.nan,
                "unmoved": float(np.mean(near if point else same & near)),
            }
    order = [f.name for f in fitted.terms.free]
    return pd.DataFrame.from_dict(rows, orient="index").loc[order].rename_axis("variable")
