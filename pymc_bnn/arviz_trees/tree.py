"""A result as a tree of groups, all of the same draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr
from pytensor.graph.traversal import ancestors

from pymc_bnn._checks import as_names, first_line, invalid
from pymc_bnn.arviz_trees.data import constant_data, observed_data
from pymc_bnn.arviz_trees.densities import densities
from pymc_bnn.arviz_trees.drawn import Drawn
from pymc_bnn.arviz_trees.predictive import FIT, predictive
from pymc_bnn.inference.simulating import draw_prior
from pymc_bnn.model.absent import absent
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.posterior.sampling import choose_names, sample
from pymc_bnn.prediction.requests import Request

__all__ = ["GROUPS", "check_groups", "draw_groups", "prior_groups", "why_no_densities"]

_DENSITIES = ("log_likelihood", "log_prior")
_PRIOR = ("prior", "prior_predictive")
GROUPS = (
    *("posterior", "posterior_predictive", *_DENSITIES, *_PRIOR),
    *("observed_data", "constant_data"),
)


def check_groups(groups: Any) -> tuple[str, ...]:
    """Return the groups asked for, after all checks; None stands for all that there can be.

    Examples
    --------
    >>> check_groups("log_likelihood")
    ('log_likelihood',)
    """
    asked = GROUPS if groups is None else tuple(as_names("groups", groups))
    unknown = [name for name in asked if name not in GROUPS]
    if unknown or not asked:
        repair = f"choose from {list(GROUPS)}"
        raise invalid("groups", "name groups of a tree", unknown or "none", repair)
    return asked


def why_no_densities(problem: Problem) -> str:
    """Return why the log-densities of all data cannot be evaluated; empty where they can.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(3))
    >>> why_no_densities(Problem.of(decompose(model), None, "float32", 100))
    'the model holds 3 of 100 examples: the others came in batches'
    """
    terms = problem.terms
    if problem.streamed:
        n = max((o.n for o in terms.observed), default=0)
        return f"the model holds {n:,} of {problem.n:,} examples: the others came in batches"
    if absent(terms):
        return f"{absent(terms)} were not saved with the fit"
    return "" if terms.observed else "the model has no observed variables"


def draw_groups(
    drawn: Drawn,
    asked: Sequence[str],
    strict: bool,
    new: Request | None,
    names: Sequence[str],
    batch_size: int,
    progressbar: bool = False,
) -> tuple[dict[str, xr.Dataset], dict[str, str]]:
    """Return the groups beside the posterior, and why some are left out.

    Parameters
    ----------
    drawn : Drawn
        The draws.
    asked : sequence of str
        Of :data:`GROUPS`.
    strict : bool
        Whether it is an error that one cannot be.
    new : Request or None
        Rows to predict.
    names : sequence of str
        Deterministics that depend on rows, to be predicted as well.
    batch_size : int
        Rows at once.
    progressbar : bool, optional
        Show how many draws are done.

    Examples
    --------
    >>> draw_groups.__name__
    'draw_groups'
    """
    problem, groups, why = drawn.problem, {}, {}
    options = batch_size, progressbar
    known = not absent(problem.terms)
    if any(name in asked for name in _DENSITIES):
        reason = why_no_densities(problem)
        if reason and strict:
            repair = "leave log_likelihood and log_prior out of groups="
            raise invalid("fitted", "hold all data for their log-densities", reason, repair)
        if reason:
            why |= dict.fromkeys(_DENSITIES, reason)
        else:
            found = densities(drawn, progressbar)
            groups |= {k: v for k, v in found.items() if k in asked or k == "sample_stats"}
    if "posterior_predictive" in asked:
        try:
            groups["posterior_predictive"] = predictive(drawn, FIT, names, *options)
        except (NotImplementedError, ValueError) as error:
            if strict or "2 GiB" in str(error):
                raise
            why["posterior_predictive"] = first_line(error)
    if new is not None:
        groups["predictions"] = predictive(drawn, new, names, *options)
        groups["predictions_constant_data"] = constant_data(problem, new.values)
    if any(name in asked for name in _PRIOR):
        try:
            found = prior_groups(problem, drawn.draws, drawn.seed, *options)
            groups |= {k: v for k, v in found.items() if k in asked}
        except (NotImplementedError, ValueError) as error:
            if strict or "2 GiB" in str(error):
                raise
            why |= dict.fromkeys([name for name in _PRIOR if name in asked], first_line(error))
    for name, group in (("observed_data", observed_data), ("constant_data", constant_data)):
        if name in asked and known and problem.terms.observed:
            groups[name] = group(problem)
    return {k: v for k, v in groups.items() if v.data_vars}, why


def prior_groups(
    problem: Problem, draws: int, seed: int, batch_size: int = 256, progressbar: bool = False
) -> Mapping[str, xr.Dataset]:
    """Return the groups "prior" and "prior_predictive", of one chain.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu", 9.0), observed=np.zeros(3))
    >>> found = prior_groups(Problem.of(decompose(model), None, "float32"), 200, 0)
    >>> found["prior_predictive"]["y"].shape, bool(8 < found["prior"]["mu"].mean() < 10)
    ((1, 200, 3), True)
    """
    prior: Posterior = draw_prior(problem, draws, seed)
    drawn = Drawn(problem, prior, prior.chains, draws, seed + 1)
    graphs = choose_names(problem.terms, None, None)
    own = sample(problem, prior, graphs, draws, None, {})
    return {
        "prior": own["posterior"].to_dataset(),
        "prior_predictive": predictive(drawn, FIT, (), batch_size, progressbar),
    }


def of_rows(problem: Problem, graphs: Mapping[str, Any]) -> list[str]:
    """Return which of some variables depend on data of the rows.

    Examples
    --------
    >>> of_rows.__name__
    'of_rows'
    """
    rows = {d.variable for d in problem.terms.data if d.per_example}
    return [name for name, graph in graphs.items() if rows & set(ancestors([graph]))]
