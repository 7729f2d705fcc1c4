"""Moments and predictions as they were at chosen steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from pymc_bnn._checks import as_names, check_int, invalid
from pymc_bnn.callbacks.new_data import check_data
from pymc_bnn.inference.info import Info
from pymc_bnn.inference.state import State
from pymc_bnn.prediction import ClassPrediction, Prediction, ValuePrediction

__all__ = ["Snapshots"]

_KINDS = {kind.__name__: kind for kind in (ClassPrediction, ValuePrediction)}


class Snapshots:
    """Keeps the posterior's moments, and its predictions, as they were at chosen steps.

    Parameters
    ----------
    steps : sequence of int
        The steps after which to look, each at least 1; those beyond the fit's end never come.
    data : mapping from str to array_like, optional
        New values of the data that vary per example, to predict from.
    draws : int, optional
        Posterior draws of these predictions, all kept.
    var_names : str or sequence of str, optional
        Patterns, as of file names, of the variables whose moments to keep. Default: weights.

    Attributes
    ----------
    moments : dict
        ``{step: {variable: (means, standard deviations)}}``, in the unconstrained space; standard
        deviations of points are 0.
    predictions : dict
        ``{step: Prediction}``; empty without `data`.

    Raises
    ------
    ValueError, TypeError
        If a step or `draws` is not an integer of at least 1, or there is no step. In the fit: if no
        variable matches.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.ones(20))
    >>> snapshots = Snapshots([1, 30, 200], var_names="mu")
    >>> _ = bnn.fit(model, steps=200, callbacks=[snapshots], random_seed=1, progressbar=False)
    >>> means = [float(kept["mu"][0]) for kept in snapshots.moments.values()]
    >>> list(snapshots.moments), means == sorted(means)
    ([1, 30, 200], True)
    """

    def __init__(
        self,
        steps: Sequence[int],
        data: Mapping[str, Any] | None = None,
        *,
        draws: int = 50,
        var_names: str | Sequence[str] = "*_W",
    ):
        repair = "pass steps=(1, 500, 5000), say"
        if isinstance(steps, str) or not hasattr(steps, "__iter__"):
            raise invalid("steps", "be a sequence of integers", repr(steps), repair, TypeError)
        self.at_steps = frozenset(check_int("steps", step, 1, None, repair) for step in steps)
        if not self.at_steps:
            raise invalid("steps", "hold at least one step", "none", repair)
        self.draws = check_int("draws", draws, 1, None, "pass draws=50")
        self.data = None if data is None else check_data(data)
        self.var_names = tuple(as_names("var_names", var_names))
        self.moments: dict[int, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
        self.predictions: dict[int, Prediction] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return what it has kept."""
        predictions = {
            step: {
                **vars(p),
                "variables": {n: (type(v).__name__, vars(v)) for n, v in p.variables.items()},
            }
            for step, p in self.predictions.items()
        }
        return {"moments": dict(self.moments), "predictions": predictions}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what another one has kept."""
        self.moments = dict(state["moments"])
        self.predictions = {
            step: Prediction(
                **{
                    **kept,
                    "variables": {n: _KINDS[k](**v) for n, (k, v) in kept["variables"].items()},
                }
            )
            for step, kept in state["predictions"].items()
        }

    def on_chunk(self, state: State, info: Info) -> bool:
        """Keep the moments and predict; never stops the fit."""
        fitted = info.approximation()
        means, stds = fitted.posterior.moments()
        names = [n for n in means if any(fnmatchcase(n, p) for p in self.var_names)]
        if not names:
            rule, repair = "match a free variable", f"choose from {list(means)}"
            raise invalid("var_names", rule, self.var_names, repair)
        self.moments[info.step] = {n: (np.array(means[n]), np.array(stds[n])) for n in names}
        if self.data is not None:
            self.predictions[info.step] = fitted.predict(self.data, self.draws, random_seed=0)
        return False
