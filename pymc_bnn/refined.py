"""What refining a fit by NUTS returns: the face of draws that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import arviz_base
import numpy as np
import pandas as pd
import xarray as xr

from pymc_bnn._checks import check_int, invalid
from pymc_bnn._habits import answers
from pymc_bnn._warnings import warn
from pymc_bnn.diagnostics.convergence import complaint, convergence
from pymc_bnn.inference.refine import Refinement
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.posterior.of_draws import KeptDraws
from pymc_bnn.posterior.runs import runs
from pymc_bnn.posterior.sampling import choose_names, sample
from pymc_bnn.prediction.requests import warn_of_changed_data
from pymc_bnn.result import SAMPLING, Result
from pymc_bnn.runtime.noise import key_of
from pymc_bnn.saved_fits.arrays import Store
from pymc_bnn.saved_fits.frames import frame_to_json
from pymc_bnn.saved_fits.posteriors import posterior_to_json

__all__ = ["Refined"]


@dataclass(frozen=True, eq=False, repr=False)
class Refined(Result):
    """Draws of a model's posterior by NUTS; made by :meth:`pymc_bnn.Approximation.refine`.

    It samples, predicts and sums up as a fit does. Kept draws have no density, hence no ELBO:
    compare held-out densities (:meth:`nll`) instead. Predictions take evenly spread draws of all
    chains in turn; with as many as there are they take each once.

    Attributes
    ----------
    problem : Problem
        The model, prepared.
    start : Posterior
        The fit's posterior, where chains began.
    record : Refinement
        Draws, statistics, seconds, and whether Ctrl-C ended it.
    convergence : pandas.DataFrame
        A row per check, with its value and a verdict in words: the largest R-hat and the smallest
        bulk ESS of some predictions for the fit's data, shares of draws that were divergent and
        that ended at the largest tree.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
    >>> refined = fitted.refine(100, random_seed=1, progressbar=False)
    >>> refined
    <Refined: 4 chains of 100 draws, 1 variables, 1 numbers>
    >>> sorted(refined.sample().children)
    ['posterior', 'sample_stats']
    """

    problem: Problem
    start: Posterior
    record: Refinement

    exact = True

    @classmethod
    def of(cls, problem: Problem, start: Posterior, record: Refinement) -> Refined:
        """Return the face of what NUTS left; warn where it is not to be trusted."""
        found = cls(problem, start, record)
        said = complaint(found.convergence)
        if said:
            warn(said)
        return found

    def __repr__(self) -> str:
        """Say what it is in a line."""
        chains, draws = self.posterior.shape
        return (
            f"<Refined: {chains} chain{'s' if chains > 1 else ''} of {draws} draws, "
            f"{len(self.problem.terms.free)} variables, {self.n_parameters:,} numbers>"
        )

    def _saved(self, store: Store) -> dict[str, Any]:
        """Return what it is made of, for JSON."""
        record = self.record
        store.update({f"draws/{name}": v for name, v in record.posterior.values.items()})
        store.update({f"stats/{name}": v for name, v in record.stats.items()})
        return {
            "start": posterior_to_json(self.start, store),
            "record": {
                "weights": list(record.posterior.weights),
                "modes": record.posterior.modes,
                "tune": int(record.tune),
                "max_tree_depth": int(record.max_tree_depth),
                "seconds": float(record.seconds),
                "interrupted": bool(record.interrupted),
                "estimate_s": float(record.estimate_s),
            },
            "convergence": frame_to_json(self.convergence),
        }

    @property
    def posterior(self) -> KeptDraws:
        """The draws, unconstrained."""
        return self.record.posterior

    @property
    def kl_weight(self) -> float:
        """1: it is the model's own posterior."""
        return 1.0

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it before the last draw."""
        return self.record.interrupted

    @cached_property
    def convergence(self) -> pd.DataFrame:
        """What tells whether the draws are to be trusted: columns value and verdict."""
        return convergence(self.problem, self.posterior, self.record.stats)

    @answers(SAMPLING)
    def sample(
        self,
        draws: int | None = None,
        var_names: str | Sequence[str] | None = None,
        filter_vars: str | None = None,
        *,
        random_seed: Any = None,
    ) -> xr.DataTree:
        """Return kept draws in the model's own (constrained) space, for ArviZ.

        Parameters
        ----------
        draws : int, optional
            Of each chain: evenly spread ones, at most as many as there are; by default all.
        var_names, filter_vars
            As of :meth:`pymc_bnn.Approximation.sample`.
        random_seed : int or numpy.random.Generator, optional
            Without effect: nothing is drawn.

        Returns
        -------
        xarray.DataTree
            Groups "posterior" ``(chain, draw, *dims)`` and "sample_stats", named as PyMC does.
            Where members have unequal weights: one chain, of draws in their shares.

        Examples
        --------
        >>> import arviz as az
        >>> import pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
        >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
        >>> drawn = fitted.refine(100, random_seed=1, progressbar=False).sample()
        >>> bool(az.rhat(drawn)["mu"] < 1.05)
        True
        """
        draws = self._draws(draws)
        chains, together = self.posterior.shape[0], len(self.posterior.chains) == 1
        graphs = choose_names(self.problem.terms, var_names, filter_vars)
        warn_of_changed_data(self.problem.terms, "sample", list(graphs.values()))
        posterior, stats = self.posterior, self.record.stats
        if together and chains > 1:
            at = tuple(np.array([posterior.place(i) for i in range(draws)]).T)
            stats = {name: value[at][None] for name, value in stats.items()}
        else:
            index = posterior.thinning(draws)
            stats = {name: value[:, index] for name, value in stats.items()}
            posterior = posterior.thinned(draws)
        attributes = {"kl_weight": 1.0, "tuning_steps": self.record.tune}
        key = key_of(0, "sample")
        tree = sample(self.problem, posterior, graphs, draws, key, attributes)
        attributes = {"inference_library": "pymc_bnn", **attributes}
        group = arviz_base.from_dict({"sample_stats": stats}, attrs={"sample_stats": attributes})
        tree["sample_stats"] = group["sample_stats"]
        return tree

    def _draws(self, draws: int | None) -> int:
        """Return how many draws of each chain that ArviZ is shown: by default all."""
        chains, kept = self.posterior.shape
        most = chains * kept if len(self.posterior.chains) == 1 else kept
        draws = most if draws is None else draws
        return check_int("draws", draws, 1, most, "leave it out for all that are kept")

    def _chains(self, draws: int, seed: int) -> tuple[Posterior, ...]:
        """Return the chains whose numbered draws `sample` shows."""
        together = len(self.posterior.chains) == 1
        return runs(self.posterior if together else self.posterior.thinned(draws), None)

    def summary(self) -> pd.DataFrame:
        """Return what NUTS changed: one row per variable, in the unconstrained space.

        Columns:

        - size: how many numbers it has;
        - scale_ratio: median of posterior/prior scales; see :meth:`scale_ratio`;
        - widened: median of the scales beside the fit's; above 1 the fit was too sure;
        - shifted: median distance of the means, in scales of the fit.

        Examples
        --------
        >>> import pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(99))
        >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
        >>> refined = fitted.refine(200, random_seed=1, progressbar=False)
        >>> bool(0.8 < refined.summary().loc["mu", "widened"] < 1.2)
        True
        """
        (means, stds), (before, scales) = self.posterior.moments(), self.start.moments()
        ratio = self.scale_ratio()
        rows = {}
        for f in self.problem.terms.free:
            unit = np.where(scales[f.name] > 0, scales[f.name], np.nan)  # points have none
            moved = np.abs(means[f.name] - before[f.name]) / unit
            rows[f.name] = {
                "size": f.start.size,
                "scale_ratio": ratio[f.name],
                "widened": float(np.median(stds[f.name] / unit)),
                "shifted": float(np.median(moved)),
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("variable")

    def elbo(self, *args: Any, **options: Any) -> pd.Series:
        """Raise: draws have no density, hence no ELBO."""
        raise self._lacks("an ELBO", "compare held-out densities instead: nll(new_data)")

    def kl(self, *args: Any, **options: Any) -> pd.Series:
        """Raise: draws have no density, hence no KL."""
        raise self._lacks("a KL", "look at scale_ratio(), or at kl() of the fit")

    @property
    def params(self) -> Any:
        """Raise: draws have no parameters."""
        raise self._lacks("parameters", "look at sample(), mean and std")

    @property
    def history(self) -> Any:
        """Raise: nothing was maximised."""
        raise self._lacks("a history", "look at sample().sample_stats, or at the fit's history")

    @property
    def objective(self) -> str:
        """Raise: nothing was maximised."""
        raise self._lacks("an objective", "look at the fit's")

    def plot(self, ax: Any = None) -> Any:
        """Raise: nothing was maximised."""
        instead = "draw its chains: az.plot_trace_dist(refined.sample()); or plot() of the fit"
        raise self._lacks("an ELBO along its steps to be drawn", instead)

    @property
    def converged(self) -> bool:
        """Whether no verdict on the chains is bad; see :attr:`convergence`."""
        return bool((self.convergence["verdict"] != "bad").all())

    def diagnose(self, *args: Any, **options: Any) -> pd.DataFrame:
        """Raise: chains are judged by whether they agree."""
        raise self._lacks(
            "a run to be diagnosed", "look at convergence, or at the fit's diagnose()"
        )

    def refine(self, *args: Any, **options: Any) -> Any:
        """Raise: there is nothing left to refine."""
        raise self._lacks("a guide to be refined", "call refine of the fit, with more draws")

    @staticmethod
    def _lacks(what: str, repair: str) -> Exception:
        return invalid("refined", f"have {what}", "draws by NUTS", repair, TypeError)
