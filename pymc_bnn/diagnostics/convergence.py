"""Whether chains agree on what they predict, in numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats
from pymc.distributions.moments import mean as mean_of
from pymc.exceptions import UndefinedMomentException

from pymc_bnn.graphs.interpreted import without_c
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.model.absent import check_there
from pymc_bnn.model.problem import Problem
from pymc_bnn.model.terms import Observed
from pymc_bnn.posterior.of_draws import KeptDraws
from pymc_bnn.prediction.requests import Request, terms_for
from pymc_bnn.prediction.sampler import is_class, probabilities
from pymc_bnn.runtime.compilation import Compiled
from pymc_bnn.runtime.precision import narrow, precision
from pymc_bnn.runtime.sharding import replicate

__all__ = ["LEAST_ESS", "MOST_RHAT", "complaint", "convergence", "of_chains", "predicted"]

_NUMBERS = 100  # of a variable that are looked at, evenly spaced
MOST_RHAT, _FAIR_RHAT = 1.05, 1.2  # up to which chains agree, and nearly do
LEAST_ESS = 100  # draws that independent ones are worth: a mean to within a tenth of the spread
_DIVERGENT = 0.01  # share of draws
_LEAST_DRAWS = 4  # of a chain, that ArviZ needs


def predicted(
    problem: Problem, posterior: KeptDraws, request: Request | None = None
) -> dict[str, np.ndarray]:
    """Return (chains, draws, numbers) what each draw predicts for some rows of the fit's data.

    With a `request` for some of its rows, which then have to have a density.

    Of each observed variable its mean, of classes probabilities, given what else was observed;
    where PyMC knows no mean, or it is the same for all draws, the log-density of what was observed.
    Without observed variables: the free ones.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> posterior = KeptDraws({"mu": np.ones((2, 9)).cumsum(axis=1)}, (0.5, 0.5))
    >>> predicted(Problem.of(decompose(model), None, "float32"), posterior)["mean of y"].shape
    (2, 9, 4)
    """
    terms, given = problem.for_predictions, {}
    if request is not None:
        terms, given = terms_for(terms, request), request.values
    check_there(terms, "convergence", but=given)
    graphs: dict[str, Any] = {}
    for o in terms.observed:
        graphs |= {f"log-density of {o.name}": o.logp, **_expected(o)}
    if not graphs:
        each = posterior.values.items()
        return {
            name: _some(v.reshape(-1, *v.shape[2:])).reshape(*v.shape[:2], -1) for name, v in each
        }
    with precision(problem.dtype):
        lifted = jaxify([*terms.values, *terms.inputs], list(graphs.values()), problem.dtype)
        arrays = [given.get(d.name, d.value) for d in terms.data]
        arrays = replicate([narrow(value, problem.dtype) for value in arrays], None)
        function = Compiled(lambda *inputs: [_some(part[None])[0] for part in lifted(*inputs)])
        names, found = [f.name for f in terms.free], []
        for place in np.ndindex(posterior.shape):
            values = (posterior.values[name][place] for name in names)
            found.append([np.asarray(part) for part in function(*values, *arrays)])
    stacked = (np.stack(parts) for parts in zip(*found, strict=True))
    parts = {
        name: part.reshape(*posterior.shape, -1) for name, part in zip(graphs, stacked, strict=True)
    }
    for o in terms.observed:
        density = f"log-density of {o.name}"
        for name in _expected(o):
            del parts[density if _moves(parts[name]) or not _moves(parts[density]) else name]
    return parts


def _expected(o: Observed) -> dict[str, Any]:
    """Return the mean of an observed variable by what it is called; nothing where none is known."""
    if is_class(o):
        return {f"probabilities of {o.name}": probabilities(o.rv)}
    try:
        with without_c():
            return {f"mean of {o.name}": mean_of(o.rv)}
    except (NotImplementedError, UndefinedMomentException):
        return {}


def _moves(values: np.ndarray) -> bool:
    """Tell whether any number (chains, draws, numbers) varies over draws."""
    return bool((np.ptp(values, axis=(0, 1)) > 0).any())


def _some(arrays: Any) -> Any:
    """Return (n, numbers) of arrays (n, …): all numbers of evenly spaced rows, a hundred or so."""
    if arrays.ndim == 1:
        return arrays[:, None]
    n, rows = arrays.shape[:2]
    each = max(int(np.prod(arrays.shape[2:])), 1)
    kept = min(rows, max(_NUMBERS // each, 1))
    index = np.linspace(0, max(rows - 1, 0), kept).round().astype(int)
    return arrays[:, index].reshape(n, -1)[:, : 4 * _NUMBERS]


def convergence(
    problem: Problem, posterior: KeptDraws, stats: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Return what tells whether draws are to be trusted; see ``refined.convergence``.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> draws = np.random.default_rng(0).normal(size=(4, 200))
    >>> draws[0] += 5
    >>> stats = {"diverging": np.zeros((4, 200)), "reached_max_treedepth": np.zeros((4, 200))}
    >>> problem = Problem.of(decompose(model), None, "float32")
    >>> found = convergence(problem, KeptDraws({"mu": draws}, (0.25,) * 4), stats)
    >>> found.loc["R-hat, mean of y", "verdict"]
    'bad: chains predict different things'
    """
    rows: dict[str, tuple[float, str]] = {}
    for name, values in predicted(problem, posterior).items():
        r_hat, ess, why = of_chains(values.astype(float))
        rows[f"R-hat, {name}"] = r_hat, why or _of_rhat(r_hat)
        rows[f"bulk ESS, {name}"] = ess, why or _of_ess(ess)
    divergent = float(np.mean(stats["diverging"]))
    rows["share of divergent draws"] = divergent, _of_divergent(divergent)
    cut = float(np.mean(stats["reached_max_treedepth"]))
    rows["share of draws at the largest tree"] = cut, _of_cut(cut)
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "verdict"])
    return frame.rename_axis("check")


def complaint(table: pd.DataFrame) -> str:
    """Return one line on what is bad, empty where nothing is.

    Examples
    --------
    >>> complaint(pd.DataFrame({"value": [1.01], "verdict": ["good"]}, index=["R-hat, y"]))
    ''
    """
    bad = table[table["verdict"].str.startswith("bad")]
    said = [f"{check} {row.value:.3g} ({row.verdict[5:]})" for check, row in bad.iterrows()]
    return f"NUTS: {'; '.join(said)}; see refined.convergence" if said else ""


def of_chains(values: np.ndarray) -> tuple[float, float, str]:
    """Return the largest R-hat and the smallest bulk ESS of numbers, or why there are none.

    `values` are (chains, draws, numbers).

    Examples
    --------
    >>> r_hat, ess, why = of_chains(np.random.default_rng(0).normal(size=(4, 200, 3)))
    >>> bool(r_hat < 1.02), bool(ess > 400), why
    (True, True, '')
    """
    if not np.isfinite(values).all():
        return np.nan, np.nan, "bad: not finite"
    if values.shape[1] < _LEAST_DRAWS:
        return np.nan, np.nan, "unknown: too few draws"
    moving = values[:, :, np.ptp(values, axis=(0, 1)) > 0]  # some may not depend on any variable
    if not moving.size:
        return np.nan, np.nan, "bad: all draws predict the same"
    with np.errstate(all="ignore"):  # of chains that stand still
        columns = [moving[:, :, i] for i in range(moving.shape[2])]
        r_hat = [float(array_stats.rhat(column)) for column in columns]
        ess = [float(array_stats.ess(column)) for column in columns]
    still = np.ptp(moving, axis=1).min() == 0
    return np.inf if still else max(r_hat), 1.0 if still else min(ess), ""


def _of_rhat(r_hat: float) -> str:
    if r_hat <= MOST_RHAT:
        return "good"
    if r_hat <= _FAIR_RHAT:
        return "fair: chains differ a little; more draws bring them together, or modes are near"
    return "bad: chains predict different things"


def _of_ess(ess: float) -> str:
    return "good" if ess >= LEAST_ESS else "bad: worth few independent draws; draw more"


def _of_divergent(share: float) -> str:
    if not share:
        return "good"
    if share <= _DIVERGENT:
        return "fair: a few"
    return "bad: parts of the posterior are not reached; raise target_accept, or reparameterise"


def _of_cut(share: float) -> str:
    if share <= _DIVERGENT:
        return "good"
    return "fair: trajectories are cut short, which costs ESS, not correctness"
