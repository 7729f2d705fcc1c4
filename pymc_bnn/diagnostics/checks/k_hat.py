"""How far the posterior is from the model's own: the tail of its importance weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import arviz_stats  # noqa: F401  (which makes `azstats` known to xarray)
import numpy as np
import xarray as xr

from pymc_bnn.diagnostics.checks.case import BAD, GOOD, LOOK, Case, Finding
from pymc_bnn.diagnostics.log_densities import LogDensities, in_batches
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.runtime.noise import key_of

__all__ = [
    "FIRST",
    "LEAST_DRAWS",
    "PLAIN",
    "USABLE",
    "judged_weights",
    "k_hat",
    "log_weights",
    "pareto_k",
]

_EXACT = 0.01  # nats, standard deviation of log-weights that are constant but for rounding
USABLE = 0.7  # k-hat above which weights tell nothing
LEAST_DRAWS = 100  # that a tail needs
FIRST, PLAIN = 128, 1.5  # a k-hat of so few draws above that is no accident


def k_hat(case: Case) -> Iterator[Finding]:
    """Yield the Pareto k-hat of the whole posterior, where it has a density and all data are there.

    Where the first 128 draws leave no doubt that it is bad, it is that of these: of 1,500 samples
    with k = 0.7 none had a k-hat above 1.5, and networks have some 10.

    References
    ----------
    Yao, Vehtari, Simpson and Gelman, *Yes, but did it work? Evaluating variational inference*, ICML
    2018. Vehtari, Simpson, Gelman, Yao and Gabry, *Pareto smoothed importance sampling*, JMLR 25
    (2024), for the thresholds.

    Examples
    --------
    >>> k_hat.__name__
    'k_hat'
    """
    problem, posterior = case.problem, case.posterior
    partly = problem.streamed or problem.terms.incomplete
    if posterior.points or partly or case.program.dropout or case.draws < LEAST_DRAWS:
        return
    weigh = log_weights(problem, posterior, case.seed)
    weights = weigh(range(min(FIRST, case.draws)))
    if case.draws > FIRST and not pareto_k(weights) > PLAIN:
        weights = np.concatenate([weights, weigh(range(FIRST, case.draws))])
    yield judged_weights(weights)


def pareto_k(weights: np.ndarray) -> float:
    """Return the k-hat of log-weights; NaN where all are the same but for rounding.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=4000)
    >>> bool(0.6 < pareto_k(0.375 * z**2) < 0.9)  # of N(0, 1) at draws of half its width: 3/4
    True
    """
    log = np.asarray(weights, float)
    if not np.isfinite(log).all() or log.std() < _EXACT:
        return np.nan
    _, found = (-xr.DataArray(log, dims="draw")).azstats.psislw(dim="draw")
    return float(found)


def judged_weights(weights: np.ndarray) -> Finding:
    """Return the verdict on log-weights log p − log q at draws of q.

    Examples
    --------
    >>> judged_weights(np.full(1000, -3.0)).says
    'the weights of draws vary by 0 nats: the posterior is exact'
    """
    log = np.asarray(weights, float)
    if not np.isfinite(log).all():
        says = (
            f"{1 - np.isfinite(log).mean():.1%} of draws have no finite density under the model; "
            "look at its support"
        )
        return Finding("k_hat", np.inf, BAD, says)
    if log.std() < _EXACT:
        says = f"the weights of draws vary by {log.std():.2g} nats: the posterior is exact"
        return Finding("k_hat", np.nan, GOOD, says)
    k, reliable = pareto_k(log), min(1 - 1 / np.log10(len(log)), USABLE)
    says = f"Pareto k-hat of {len(log):,} draws {k:.2f}, log-weights vary by {log.std():.3g} nats"
    if k < reliable:
        says += ": close enough to the model's posterior to be mended by importance weights"
        return Finding("k_hat", k, GOOD, says)
    if k < USABLE:
        return Finding("k_hat", k, LOOK, f"{says}: for so few draws too near {USABLE}; take more")
    says += (
        f", above {USABLE}: not the model's posterior as a whole; of networks of more than a few "
        "weights that is so with every guide, and says that draws cannot be reweighted, not that "
        "predictions are bad: judge these on held-out data; nearer come guide=FullRank(), members="
    )
    return Finding("k_hat", k, BAD, says)


def log_weights(problem: Problem, posterior: Posterior, seed: int) -> Callable[[range], np.ndarray]:
    """Return a function from numbers of draws of q to their log p(z, data) − log q(z), in nats.

    They are not normalised. All data are gone over for each draw
    (:class:`pymc_bnn.diagnostics.log_densities.LogDensities`).

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
    >>> bool(log_weights(fitted.problem, fitted.posterior, 0)(range(100)).std() < 0.1)
    True
    """
    densities, key = LogDensities(problem), key_of(seed, "k_hat")

    def weigh(draws: range) -> np.ndarray:
        batches = in_batches(problem, posterior, key, draws, densities.rows)
        found = [
            (densities(values).joint - posterior.log_densities(values))[:count]
            for count, values in batches
        ]
        return np.concatenate(found)

    return weigh
