"""Log-densities of draws: of each value that was observed, of each variable, of all together."""

from __future__ import annotations

import jax
import numpy as np
import xarray as xr

from pymc_bnn.arviz_trees.drawn import Drawn, check_size, to_group
from pymc_bnn.diagnostics.log_densities import Densities, LogDensities, in_batches
from pymc_bnn.inference.visit_progress import VisitProgress

__all__ = ["densities"]


def densities(drawn: Drawn, progressbar: bool = False) -> dict[str, xr.Dataset]:
    """Return the groups of log-densities, in nats.

    Parameters
    ----------
    drawn : Drawn
        The draws.
    progressbar : bool, optional
        Show how many of them are done.

    Returns
    -------
    dict from str to xarray.Dataset
        ``log_likelihood`` (chain, draw, *dims) of each value that was observed, once, whatever its
        `total_size`; ``log_prior`` (chain, draw) of each free variable, the sum of its numbers;
        where the posterior has a density ``sample_stats`` (chain, draw): `lp` of parameters and
        data, `log_q` of the approximation, both in the unconstrained space.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
    >>> from pymc_bnn.posterior.runs import runs
    >>> chains = runs(fitted.posterior, jax.random.key(0))
    >>> found = densities(Drawn(fitted.problem, fitted.posterior, chains, 50, 0))
    >>> {name: dict(group.sizes) for name, group in found.items()}["log_likelihood"]
    {'chain': 1, 'draw': 50, 'y_dim_0': 9}
    """
    problem, posterior = drawn.problem, drawn.posterior
    evaluate = LogDensities(problem, pointwise=True)
    found, log_q = [], []
    with VisitProgress(drawn.total, "log-densities", enabled=progressbar) as bar:
        for chain in drawn.chains:
            each = []
            batches = in_batches(problem, chain, None, range(drawn.draws), evaluate.rows)
            for count, values in batches:
                part = evaluate(values)
                if not found and not each:
                    numbers = sum(v[0].size for v in part.likelihood.values())
                    check_size(drawn.total, numbers, "log-likelihoods")
                each.append(jax.tree.map(lambda v, n=count: v[:n], part))
                if drawn.dense:
                    log_q.append(posterior.log_densities(values)[:count])
                bar.advance(count)
            found.append(jax.tree.map(lambda *parts: np.concatenate(parts), *each))
    whole: Densities = jax.tree.map(lambda *parts: np.stack(parts), *found)
    groups = {"log_likelihood": to_group(problem, whole.likelihood)}
    groups["log_prior"] = to_group(problem, whole.prior)
    if drawn.dense:
        stats = {"lp": whole.joint, "log_q": np.concatenate(log_q).reshape(whole.joint.shape)}
        groups["sample_stats"] = to_group(problem, stats)
    return groups
