"""A prior-predictive check: where the data at hand lie among those that priors give rise to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr

from pymc_bnn._checks import check_int
from pymc_bnn.arviz_trees.data import observed_data
from pymc_bnn.arviz_trees.tree import prior_groups
from pymc_bnn.diagnostics.checks.case import BAD, GOOD, LOOK
from pymc_bnn.inference.prepare import DataOptions, prepare
from pymc_bnn.model.checks import check_model, current_model
from pymc_bnn.prediction.sampler import is_class
from pymc_bnn.runtime.noise import seed_of
from pymc_bnn.runtime.precision import precision

__all__ = ["PriorPredictiveCheck", "judged", "prior_predictive_check"]

_LOOK, _BAD = 0.05, 0.005  # share of prior data sets further out than the data
_WIDE, _FAR_TOO_WIDE = 10, 100  # times as widely spread as the data
_ONE_CLASS = 0.99  # of the rows of a data set

Statistic = Callable[[np.ndarray], np.ndarray]  # of (draws, numbers), by draw
VALUES: dict[str, Statistic] = {
    "mean": lambda y: y.mean(axis=1),
    "std": lambda y: y.std(axis=1),
    "min": lambda y: y.min(axis=1),
    "max": lambda y: y.max(axis=1),
}


def _top_share(y: np.ndarray) -> np.ndarray:
    return np.array([np.unique(row, return_counts=True)[1].max() / len(row) for row in y])


CLASSES: dict[str, Statistic] = {
    "top_share": _top_share,
    "n_classes": lambda y: np.array([len(np.unique(row)) for row in y]),
}


@dataclass(frozen=True, eq=False, repr=False)
class PriorPredictiveCheck:
    """Draws of the prior, of data that it gives rise to, and what was observed.

    Attributes
    ----------
    tree : xarray.DataTree
        Groups "prior", "prior_predictive" and "observed_data", for ArviZ:
        ``az.plot_ppc_dist(check.tree, group="prior_predictive")``.
    classes : tuple of str
        Variables whose values are classes.

    Examples
    --------
    >>> y = np.random.default_rng(0).normal(size=(1, 200, 30))
    >>> drawn = xr.Dataset({"y": (["chain", "draw", "row"], y)})
    >>> groups = {"prior_predictive": drawn, "observed_data": drawn.isel(chain=0, draw=0)}
    >>> PriorPredictiveCheck(xr.DataTree.from_dict(groups))
    <PriorPredictiveCheck: 200 draws; y good>
    """

    tree: xr.DataTree
    classes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Say what it found in a line."""
        order = [GOOD, LOOK, BAD]
        worst = (
            self.table["verdict"]
            .groupby(level=0, sort=False)
            .agg(lambda v: max(v, key=order.index))
        )
        said = ", ".join(f"{name} {verdict}" for name, verdict in worst.items())
        return f"<PriorPredictiveCheck: {self.tree.prior_predictive.sizes['draw']} draws; {said}>"

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row for each observed variable and statistic of a whole data set.

        Of values mean, std, min and max; of classes the share of the most frequent one, and how
        many occur. Columns:

        - observed: the statistic of the data at hand;
        - low, median, high: of data sets drawn from the prior, the central 90 %;
        - below: share of these whose statistic is lower, ties as a half;
        - verdict: "look" where fewer than 5 % of the prior's data sets are as far out (two-sided),
          or where they are ten times as widely spread as the data, or half of them are of nearly
          one class; "bad" at 0.5 % and a hundred times; else "good";
        - says: in words.
        """
        rows = {}
        for name, observed in self.tree.observed_data.data_vars.items():
            drawn = self.tree.prior_predictive[name].to_numpy()[0]
            drawn = drawn.reshape(len(drawn), -1)
            own = np.asarray(observed).reshape(1, -1)
            for what, statistic in (CLASSES if name in self.classes else VALUES).items():
                rows[name, what] = judged(what, float(statistic(own)[0]), statistic(drawn))
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["variable", "statistic"])


def judged(what: str, observed: float, drawn: np.ndarray) -> dict[str, object]:
    """Return a row of the table: a statistic of the data beside those of the prior's data sets.

    Examples
    --------
    >>> judged("mean", 7.0, np.linspace(-1, 1, 99))["verdict"]
    'bad'
    """
    low, median, high = np.quantile(drawn, [0.05, 0.5, 0.95])
    below = float((drawn < observed).mean() + (drawn == observed).mean() / 2)
    out = 2 * min(below, 1 - below)
    verdict = BAD if out <= _BAD else LOOK if out <= _LOOK else GOOD
    says = f"{below:.1%} of the prior's data sets have a lower one"
    if what == "std" and median > _WIDE * observed:
        verdict = BAD if verdict == BAD or median > _FAR_TOO_WIDE * observed else LOOK
        times = f"{median / observed:.3g} times as widely" if observed else "and these do not"
        says = f"the prior's data vary {times}: narrow the priors, or standardise the data"
    elif what == "top_share" and median > _ONE_CLASS:
        verdict = LOOK if verdict == GOOD else verdict
        says = f"half of the prior's data sets have {median:.1%} of one class: narrow the priors"
    elif verdict != GOOD:
        says += ": the data would surprise it; widen or move the priors"
    stats = {"observed": observed, "low": low, "median": median, "high": high, "below": below}
    return {**stats, "verdict": verdict, "says": says}


def prior_predictive_check(
    model: pm.Model | None = None,
    draws: int = 500,
    *,
    rows: str | Sequence[str] | None = None,
    batch_size: int = 256,
    random_seed: int | np.random.Generator | None = None,
    dtype: str = "float32",
) -> PriorPredictiveCheck:
    """Draw data sets from the prior, and say where the data at hand lie among them.

    Priors of networks are priors of functions: weights that are too wide make functions that are
    too steep, and probabilities of 0 and 1. It is to be looked at before a fit; priors that put the
    data at hand out of reach, or far inside of what they allow, are worth a thought.

    Parameters
    ----------
    model : pymc.Model, optional
        Of proper priors and without potentials; by default the model of the context.
    draws : int, optional
        How many data sets, at least 20.
    rows : str or sequence of str, optional
        As of :func:`pymc_bnn.fit`.
    batch_size : int, optional
        Rows at once.
    random_seed : int or numpy.random.Generator, optional
        Seed of all draws.
    dtype : {"float32", "float64"}, optional
        Precision.

    Returns
    -------
    PriorPredictiveCheck
        Its `table` has a verdict on each statistic, its `tree` is for ArviZ.

    Raises
    ------
    ValueError, TypeError
        For a bad argument, or a model that data cannot be drawn from: flat priors, potentials, a
        ``pm.CustomDist`` without `random`.

    References
    ----------
    Gabry, Simpson, Vehtari, Betancourt and Gelman, *Visualization in Bayesian workflow*, JRSS A 182
    (2019), section 3.

    Examples
    --------
    >>> x = np.linspace(-1, 1, 50)
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("slope", 0, 1000) * x, 1.0, observed=2 * x)
    >>> print(prior_predictive_check(model, random_seed=1).table.loc[("y", "std"), "verdict"])
    bad
    """
    model = current_model("prior_predictive_check", model)
    draws = check_int("draws", draws, 20, None, "pass draws=500")
    batch_size = check_int("batch_size", batch_size, 1, None, "pass batch_size=256")
    seed, options = seed_of(random_seed), DataOptions(rows=rows, dtype=dtype)
    check_model(model)
    with precision(dtype):
        problem, source = prepare(model, options, seed=seed)
        with source:
            groups = dict(prior_groups(problem, draws, seed, batch_size))
    groups["observed_data"] = observed_data(problem)
    classes = tuple(o.name for o in problem.terms.observed if is_class(o))
    return PriorPredictiveCheck(xr.DataTree.from_dict(groups), classes)
