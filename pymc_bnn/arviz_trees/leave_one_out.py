"""Leave-one-out cross-validation by importance weights of draws: PSIS-LOO."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from arviz_stats import loo, loo_approximate_posterior
from arviz_stats.utils import ELPDDataLOO, ELPDDataLOOSubsample
from scipy.special import logsumexp

from pymc_bnn._checks import check_int, invalid
from pymc_bnn._warnings import unheard, warn
from pymc_bnn.arviz_trees.drawn import Drawn, check_size
from pymc_bnn.arviz_trees.tree import why_no_densities
from pymc_bnn.diagnostics.checks.k_hat import FIRST, LEAST_DRAWS, PLAIN, USABLE, pareto_k
from pymc_bnn.diagnostics.log_densities import LogDensities, in_batches
from pymc_bnn.inference.visit_progress import VisitProgress
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.sampling import labels

__all__ = ["leave_one_out", "warn_of_rows"]

_INSTEAD = "score rows that it has not seen: fitted.elpd(new_data), or bnn.k_fold(model, …)"


@dataclass(eq=False)
class _Seen:
    """What draws say of rows."""

    rows: list[list[np.ndarray]] = field(default_factory=list)  # by chain: (draws, kept)
    log_p: list[np.ndarray] = field(default_factory=list)
    log_q: list[np.ndarray] = field(default_factory=list)
    total: Any = -np.inf  # (n,) logarithm of the sum over draws


def leave_one_out(drawn: Drawn, observations: Any = None, progressbar: bool = False) -> ELPDDataLOO:
    """Weigh draws so that they are of the posterior without a row, for each of some rows.

    Parameters
    ----------
    drawn : Drawn
        Draws; of an approximation in a single chain.
    observations : int or sequence of int, optional
        Rows; see :meth:`pymc_bnn.Approximation.loo`.
    progressbar : bool, optional
        Show how many draws are done.

    Examples
    --------
    >>> leave_one_out.__name__
    'leave_one_out'
    """
    problem = drawn.problem
    _check(drawn)
    n = problem.terms.observed[0].n
    index = None if observations is None else _chosen(observations, n, drawn.seed)
    check_size(drawn.total, n if index is None else len(index), "rows")
    with VisitProgress(drawn.total, "leave-one-out", enabled=progressbar) as bar:
        seen = _evaluate(drawn, n, slice(None) if index is None else index, bar.advance)

    name, dim, coords = _row_labels(problem, n)
    each = np.stack([np.concatenate(chain) for chain in seen.rows])
    own = coords if index is None else np.asarray(coords)[index]
    group = xr.Dataset({name: (("chain", "draw", dim), each)}, coords={dim: own})
    group = group.assign_coords(chain=range(each.shape[0]), draw=range(each.shape[1]))
    tree = xr.DataTree.from_dict({"log_likelihood": group})
    with unheard(category=UserWarning):  # in our own words below
        if drawn.dense:
            log_p, log_q = np.concatenate(seen.log_p), np.concatenate(seen.log_q)
            found = loo_approximate_posterior(tree, log_p, log_q, pointwise=True)
        else:
            found = loo(tree, pointwise=True, reff=_efficiency(group[name]))
    warn_of_rows(found)
    if index is None:
        return found
    lpd = seen.total - np.log(drawn.total)
    return _of_part(found, xr.DataArray(lpd, {dim: coords}, dims=dim), index)


def _check(drawn: Drawn) -> None:
    """Raise where rows cannot be left out."""
    terms, posterior = drawn.problem.terms, drawn.posterior
    why = why_no_densities(drawn.problem)
    if why:
        raise invalid("fitted", "hold all data for rows to be left out", why, _INSTEAD)
    if posterior.points:
        rule = "have a density for its draws to be reweighted"
        got = f"points of {list(posterior.points)}"
        raise invalid("fitted", rule, got, f"fit it with another guide, or {_INSTEAD}", TypeError)
    lengths = {o.n for o in terms.observed}
    whole = [o.name for o in terms.observed if not o.logp.type.ndim]
    if len(lengths) > 1 or whole:
        rule = "have observed variables whose log-likelihood has one value for each row"
        got = f"{whole or {o.name: o.n for o in terms.observed}}"
        raise invalid("model", rule, got, "call az.loo with var_name= on fitted.to_datatree()")
    if drawn.total < LEAST_DRAWS:
        raise invalid("draws", f"be at least {LEAST_DRAWS}", drawn.draws, "pass draws=1000")


def _chosen(observations: Any, n: int, seed: int) -> np.ndarray:
    """Return the numbers of the rows that draws are weighed for, in order."""
    if np.ndim(observations) == 0:
        repair = "leave it out for all rows"
        count = check_int("observations", observations, 2, n, repair)
        return np.sort(np.random.default_rng(seed).choice(n, count, replace=False))
    index = np.unique(observations)
    if index.dtype.kind not in "iu" or len(index) < 2 or index[0] < 0 or index[-1] >= n:
        rule, got = f"be two or more numbers of rows in 0…{n - 1}", repr(observations)
        raise invalid("observations", rule, got, "pass observations=500, say")
    return index


def _evaluate(drawn: Drawn, n: int, kept: Any, advance: Callable[[int], None]) -> _Seen:
    """Evaluate all rows at all draws, of which some rows are kept; stop where k-hat is hopeless."""
    densities, seen = LogDensities(drawn.problem, pointwise=True), _Seen()
    posterior = drawn.posterior
    for chain in drawn.chains:
        seen.rows.append([])
        batches = in_batches(drawn.problem, chain, None, range(drawn.draws), densities.rows)
        for count, values in batches:
            found = densities(values)
            parts = (v.reshape(len(v), n, -1).sum(axis=2) for v in found.likelihood.values())
            rows = sum(parts)[:count]
            seen.total = np.logaddexp(seen.total, logsumexp(rows, axis=0))
            seen.rows[-1].append(rows[:, kept])
            if drawn.dense:
                before = sum(map(len, seen.log_p))
                seen.log_p.append(found.joint[:count])
                seen.log_q.append(posterior.log_densities(values)[:count])
                if before < FIRST <= before + count < drawn.draws:
                    _refuse(seen, PLAIN)
            advance(count)
    if drawn.dense:
        _refuse(seen, USABLE)
    return seen


def _refuse(seen: _Seen, highest: float) -> None:
    """Raise where the k-hat of draws, no row left out, is too high."""
    weights = np.concatenate(seen.log_p) - np.concatenate(seen.log_q)
    k = pareto_k(weights) if np.isfinite(weights).all() else np.inf
    if k > highest:
        rule = "be near enough to its model's posterior for draws to be reweighted, with a Pareto "
        rule += f"k-hat up to {USABLE}"
        got = f"{k:.2f} of {len(weights):,} draws"
        repair = f"take exact draws: fitted.refine().loo(); or {_INSTEAD}"
        raise invalid("fitted", rule, got, repair)


def warn_of_rows(found: ELPDDataLOO) -> None:
    """Warn of rows whose k-hat is too high.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> warn_of_rows(SimpleNamespace(pareto_k=np.zeros(9), good_k=0.7))
    """
    high = np.asarray(found.pareto_k) > found.good_k
    if high.any():
        warn(
            f"k-hat of {high.sum():,} of {high.size:,} rows is above {found.good_k:.2f}, up to "
            f"{np.max(found.pareto_k):.2f}: what loo says of them is not to be trusted; {_INSTEAD}"
        )


def _row_labels(problem: Problem, n: int) -> tuple[str, str, Any]:
    """Return the name of what is left out, its dimension, and the rows' labels."""
    terms = problem.terms
    names = [o.name for o in terms.observed]
    name = names[0] if len(names) == 1 else "rows"
    known = labels(terms, names)
    dims = known["dims"].get(names[0]) or [f"{name}_dim_0"]
    return name, dims[0], known["coords"].get(dims[0], range(n))


def _efficiency(rows: xr.DataArray) -> float:
    """Return how many independent draws a draw is worth: of the likelihoods' mean over rows."""
    if rows.sizes["chain"] == 1:
        return 1.0
    density = np.exp(rows - rows.max(("chain", "draw")))
    ess = density.azstats.ess(method="mean", relative=True)
    return float(np.clip(ess.mean(), 1e-3, 1.0))


def _of_part(found: ELPDDataLOO, lpd: xr.DataArray, index: np.ndarray) -> ELPDDataLOOSubsample:
    """Return what some rows tell of the sum of all: by their difference to plain densities.

    Magnusson et al. (2019), eq. 5 to 7, as ``arviz_stats.loo_subsample`` does with the whole matrix
    of draws and rows.
    """
    [dim], n = lpd.dims, lpd.size
    part = lpd.isel({dim: index})
    elpd, own_se, se = found.elpd_i.azstats.diff_srs_estimator(
        lpd_approx_sample=part, lpd_approx_all=lpd, n_data_points=n
    )
    p, *_ = (part - found.elpd_i).azstats.srs_estimator(n_data_points=n)
    whole = {name: xr.full_like(lpd, np.nan).rename(name) for name in ("elpd_i", "pareto_k")}
    for name, array in whole.items():
        array[{dim: index}] = found[name].values
    return ELPDDataLOOSubsample(
        **whole,
        elpd=float(elpd),
        se=float(se),
        p=float(p),
        n_samples=found.n_samples,
        n_data_points=n,
        scale="log",
        warning=found.warning,
        good_k=found.good_k,
        approx_posterior=found.approx_posterior,
        subsampling_se=float(own_se),
        subsample_size=len(index),
        loo_subsample_observations=index,
        elpd_loo_approx=lpd,
    )
