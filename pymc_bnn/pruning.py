"""Pruning: how many weights can be set to zero, the least sure ones first, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from pymc_bnn import uncertainty
from pymc_bnn._checks import as_names, check_int, check_seed, invalid
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.posterior.of_members import MemberPosterior
from pymc_bnn.posterior.pruned import PrunedPosterior
from pymc_bnn.posterior.sampling import to_dataset
from pymc_bnn.prediction.predicts import Predicts
from pymc_bnn.result import Result
from pymc_bnn.runtime.noise import seed_of
from pymc_bnn.uncertainty.arrays import check_share, rank

__all__ = ["Pruned", "prune", "pruning_table", "signal_to_noise"]

_SHARES = (1.0, 0.75, 0.5, 0.25, 0.1, 0.05, 0.02, 0.01)


@dataclass(frozen=True, eq=False, repr=False)
class Pruned(Predicts):
    """A fit of which some weights are zero; it predicts. Made by :func:`prune`.

    Examples
    --------
    >>> Pruned.__name__
    'Pruned'
    """

    problem: Problem
    posterior: Posterior
    kl_weight: float
    kept: float
    """Share of the weights that are kept, in (0, 1]."""

    def __repr__(self) -> str:
        """Say what it is in a line."""
        return f"<Pruned: {self.kept:.3g} of the weights kept, kl_weight={self.kl_weight:g}>"


def signal_to_noise(fitted: Result, var_names: Sequence[str] | None = None) -> xr.Dataset:
    r"""Return :math:`|\mu|/\sigma` of each weight: posterior mean over standard deviation.

    Parameters
    ----------
    fitted : Approximation, Mixture or Refined
        What `fit` or `refine` returned. Of a mixture look at a member: means over several modes
        say nothing of a weight.
    var_names : sequence of str, optional
        Free variables on the whole real line. By default those with two axes or more, the weights
        of networks; if there are none, all.

    Returns
    -------
    xarray.Dataset
        Of each variable its numbers, at least 0, without a unit; infinite of points.

    Raises
    ------
    ValueError, TypeError
        If there is no such variable, a name is unknown, or a variable is transformed.

    References
    ----------
    Blundell, C. et al. (2015). Weight uncertainty in neural networks. ICML: section 5.1.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> with pm.Model() as model:
    ...     w = pm.Normal("w", shape=2)
    ...     y = pm.Normal("y", pm.Data("x", x) @ w, 1, observed=3 * x[:, 0])
    >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
    >>> (signal_to_noise(fitted)["w"] > 5).values.tolist()
    [True, False]
    """
    names = _names(fitted, var_names)
    return to_dataset(fitted.problem.terms, _ratios(fitted.posterior, names))


def prune(fitted: Result, kept: float, var_names: Sequence[str] | None = None) -> Pruned:
    """Set the weights of the smallest signal-to-noise ratio to zero.

    All weights are ranked together. Of a mixture each member is pruned by ratios of its own.

    Parameters
    ----------
    fitted : Approximation, Mixture or Refined
        What `fit` or `refine` returned; it stays as it is.
    kept : float
        Share of the weights that are kept, in (0, 1]; at least one is.
    var_names : sequence of str, optional
        Which variables are weights; see `signal_to_noise`.

    Returns
    -------
    Pruned
        With `predict`, `predict_to` and `nll`.

    Raises
    ------
    ValueError, TypeError
        As `signal_to_noise`, or if `kept` is outside (0, 1], or all weights are points.

    References
    ----------
    Blundell, C. et al. (2015). Weight uncertainty in neural networks. ICML: section 5.1, table 2.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> with pm.Model() as model:
    ...     w = pm.Normal("w", shape=2)
    ...     y = pm.Normal("y", pm.Data("x", x) @ w, 1, observed=3 * x[:, 0])
    >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
    >>> pruned = prune(fitted, kept=0.5)
    >>> pruned
    <Pruned: 0.5 of the weights kept, kl_weight=1>
    >>> pruned.posterior.moments()[0]["w"].round(1).tolist()
    [3.0, 0.0]
    """
    kept = check_share("kept", kept, "pass kept=0.1, say", "(]")
    names = _names(fitted, var_names)
    return _prune(fitted, kept, names)


def pruning_table(
    fitted: Result,
    new_data: Mapping[str, Any],
    y: Any,
    kept: Sequence[float] = _SHARES,
    *,
    draws: int = 100,
    var_names: Sequence[str] | None = None,
    random_seed: Any = 0,
) -> pd.DataFrame:
    """Tabulate how good predictions are against the share of the weights that is kept.

    Parameters
    ----------
    fitted : Approximation, Mixture or Refined
        What `fit` or `refine` returned.
    new_data : mapping from str to array_like
        Data that the fit has not seen, as in `predict`.
    y : array_like
        Their labels (n,), or values (n,).
    kept : sequence of float, optional
        Shares of the weights that are kept, in (0, 1]. Default 1, 0.75, …, 0.01.
    draws : int, optional
        Posterior draws of each prediction. Default 100.
    var_names : sequence of str, optional
        Which variables are weights; see `signal_to_noise`.
    random_seed : int or numpy.random.Generator, optional
        A non-negative seed of the draws, the same of each share, or a generator.

    Returns
    -------
    pandas.DataFrame
        Index "kept"; columns weights, their number, and of classes accuracy, nll (mean of
        `uncertainty.nlpd`, nats) and ece (`uncertainty.calibration_error`); of values rmse, crps
        (mean, in the unit of y) and coverage of 90 % intervals.

    Raises
    ------
    ValueError, TypeError
        As `prune` and `predict`, or if `y` do not belong to the predictions.

    References
    ----------
    Blundell, C. et al. (2015). Weight uncertainty in neural networks. ICML: table 2, which has the
    error of one network; a smaller ECE says nothing good beside a larger NLL.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> with pm.Model() as model:
    ...     w = pm.Normal("w", shape=2)
    ...     y = pm.Normal("y", pm.Data("x", x) @ w, 1, observed=3 * x[:, 0])
    >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
    >>> table = pruning_table(fitted, {"x": x}, 3 * x[:, 0], [1, 0.5])
    >>> table[["weights", "rmse"]].round(1)
          weights  rmse
    kept
    1.0         2   0.1
    0.5         1   0.1
    """
    shares = list(kept) if hasattr(kept, "__iter__") else [kept]
    shares = [check_share("kept", share, "pass kept=[1, 0.1], say", "(]") for share in shares]
    if not shares:
        raise invalid("kept", "hold a share at least", "none", "pass kept=[1, 0.1], say")
    draws = check_int("draws", draws, 2, None, "pass draws=100")
    seed, names = seed_of(check_seed(random_seed)), _names(fitted, var_names)
    total = sum(f.start.size for f in fitted.problem.terms.free if f.name in names)
    rows = {}
    for share in shares:
        pruned = _prune(fitted, share, names)
        scores = _scores(pruned.predict(new_data, draws, random_seed=seed), y)
        rows[share] = {"weights": rank(share, total), **scores}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("kept")


def _scores(prediction: Any, y: Any) -> dict[str, float]:
    """Return how good a prediction of classes or of values is."""
    if hasattr(prediction, "mean_probs"):
        nll, ece = uncertainty.nlpd(prediction, y), uncertainty.calibration_error(prediction, y)
        right = prediction.mean_probs.argmax(-1) == np.asarray(y)
        return {"accuracy": float(right.mean()), "nll": float(np.mean(nll)), "ece": float(ece)}
    crps = uncertainty.crps(prediction, y)
    square = (prediction.mean - np.asarray(y)) ** 2
    covered = uncertainty.interval_coverage(prediction, y, 0.9).value
    scores = {"rmse": np.sqrt(square.mean()), "crps": crps.mean(), "coverage": np.mean(covered)}
    return {name: float(value) for name, value in scores.items()}


def _names(fitted: Any, var_names: Sequence[str] | None) -> list[str]:
    """Return which free variables are weights."""
    if not isinstance(fitted, Result):
        rule, got = "be what fit or refine returned", f"a {type(fitted).__name__}"
        raise invalid("fitted", rule, got, "pass fitted = bnn.fit(…)", TypeError)
    free = fitted.problem.terms.free
    real = {f.name: f.start.ndim for f in free if f.transform is None and not f.per_example}
    if var_names is None:
        names = [name for name, axes in real.items() if axes > 1] or list(real)
    else:
        names = as_names("var_names", var_names)
    unknown = [name for name in names if name not in real]
    if unknown or not names:
        rule = f"name free variables on the whole real line, of {list(real)}"
        raise invalid("var_names", rule, unknown or "none", "leave transformed ones out")
    return names


def _ratios(posterior: Posterior, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return |mean|/standard deviation of each number of the variables."""
    means, stds = posterior.moments()
    found = {}
    for name in names:
        mean, std = np.abs(np.asarray(means[name], float)), np.asarray(stds[name], float)
        found[name] = np.divide(mean, std, out=np.full(mean.shape, np.inf), where=std > 0)
    return found


def _prune(fitted: Result, kept: float, names: Sequence[str]) -> Pruned:
    posterior = fitted.posterior
    if isinstance(posterior, MemberPosterior):
        members = tuple(_pruned(member, kept, names) for member in posterior.members)
        posterior = MemberPosterior(members, posterior.weights)
    else:
        posterior = _pruned(posterior, kept, names)
    return Pruned(fitted.problem, posterior, fitted.kl_weight, kept)


def _pruned(posterior: Posterior, kept: float, names: Sequence[str]) -> PrunedPosterior:
    ratios = _ratios(posterior, names)
    flat = np.concatenate([ratio.ravel() for ratio in ratios.values()])
    if np.isinf(flat).all():
        rule, got = "have weights with a distribution", f"points of {list(names)}"
        raise invalid("fitted", rule, got, "fit it with another guide than Delta")
    keep = np.zeros(flat.size, bool)
    keep[np.argsort(-flat, kind="stable")[: rank(kept, flat.size)]] = True
    ends = np.cumsum([ratio.size for ratio in ratios.values()])[:-1]
    masks = zip(ratios.items(), np.split(keep, ends), strict=True)
    return PrunedPosterior(posterior, {name: mask.reshape(r.shape) for (name, r), mask in masks})


def __dir__() -> list[str]:  # what tab completion shows
    return sorted(__all__)
