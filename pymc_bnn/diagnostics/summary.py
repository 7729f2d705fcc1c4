"""How far a fit got: what each variable of a posterior learned, lost or never tried."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pymc_bnn.diagnostics.full_elbo import evaluate_kl
from pymc_bnn.inference.prior_scales import prior_scales
from pymc_bnn.model.absent import check_there
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.posterior.of_guides import GuidePosterior
from pymc_bnn.posterior.of_members import MemberPosterior
from pymc_bnn.runtime.precision import precision

__all__ = ["prior_stds", "scale_ratio", "summary"]

Scales = Mapping[str, np.ndarray]

_KL_DRAWS = 20
_COLLAPSED = 0.01  # posterior/prior scale below which a number is a point in all but name
_PRUNED = 0.1  # relative distance from the prior within which a number has gone back to it
_UNMOVED = 0.01  # relative distance from its start within which a number has not moved


def prior_stds(problem: Problem, posterior: Posterior) -> Scales:
    """Return prior standard deviations at the posterior's means, in the unconstrained space.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu", 0, 3), observed=np.zeros(9))
    >>> fitted = bnn.fit(model, steps=1, progressbar=False)
    >>> float(prior_stds(fitted.problem, fitted.posterior)["mu"])
    3.0
    """
    check_there(problem.terms, "scale_ratio", [f.logp for f in problem.terms.free])
    with precision(problem.dtype):
        return prior_scales(problem.terms, posterior.moments()[0], problem.dtype)


def scale_ratio(problem: Problem, posterior: Posterior, prior: Scales | None = None) -> pd.Series:
    """Return median posterior/prior scales; see :meth:`pymc_bnn.Approximation.scale_ratio`.

    `prior` are those of :func:`prior_stds`, where they are known already.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(99))
    >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
    >>> bool(0.09 < scale_ratio(fitted.problem, fitted.posterior)["mu"] < 0.11)
    True
    """
    if isinstance(posterior, MemberPosterior):
        raise posterior.lacks("guides to sum up", "use fitted.members[0].scale_ratio()")
    prior, (_, stds) = prior or prior_stds(problem, posterior), posterior.moments()
    ratios = {
        name: np.nan if name in posterior.points else float(np.median(std / prior[name]))
        for name, std in stds.items()
    }
    return pd.Series(ratios, name="scale_ratio").rename_axis("variable")


def summary(problem: Problem, posterior: Posterior, prior: Scales | None = None) -> pd.DataFrame:
    """Return what each variable got and how far it moved; see :meth:`Approximation.summary`.

    `prior` are those of :func:`prior_stds`, where they are known already.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(99))
    >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
    >>> float(summary(fitted.problem, fitted.posterior).loc["mu", "unmoved"])
    0.0
    """
    if not isinstance(posterior, GuidePosterior):
        raise posterior.lacks("guides to sum up", "use scale_ratio() and sample()")
    elbo, guide = posterior.elbo, posterior.guide
    kl = evaluate_kl(problem, posterior, _KL_DRAWS, 0)
    prior = prior or prior_stds(problem, posterior)
    start = GuidePosterior(guide, guide.first)
    (means, stds), (first_means, first_stds) = posterior.moments(), start.moments()
    rows = {}
    for block in guide.blocks:
        for i, f in enumerate(block.variables):
            mean, std = means[f.name].astype(float), stds[f.name].astype(float)
            first = first_stds[f.name].astype(float)
            ratio = std / prior[f.name]
            same = np.abs(std - first) <= _UNMOVED * first
            unit = first if not block.guide.point else np.std(first_means[f.name]) or 1.0
            near = np.abs(mean - first_means[f.name]) <= _UNMOVED * unit
            back = (np.abs(ratio - 1) < _PRUNED) & (np.abs(mean) < _PRUNED * prior[f.name])
            choice = elbo.choices[f.name]
            point = block.guide.point
            spread = not point and f.transform is None  # a scale may well be known that precisely
            rows[f.name] = {
                "size": f.start.size,
                "guide": type(block.guide).__name__,
                "estimator": choice.estimator.name,
                "why": choice.reason,
                "kl": kl[block.name] if i == 0 and not point else np.nan,
                "kl_method": elbo.kl_methods[block.name],
                "scale_ratio": np.nan if point else float(np.median(ratio)),
                "collapsed": float(np.mean(ratio < _COLLAPSED)) if spread else np.nan,
                "pruned": float(np.mean(back)) if f.normal is not None else np.nan,
                "unmoved": float(np.mean(near if point else same & near)),
            }
    order = [f.name for f in problem.terms.free]
    return pd.DataFrame.from_dict(rows, orient="index").loc[order].rename_axis("variable")
