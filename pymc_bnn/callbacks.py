"""What runs between the chunks of a fit: progress, held-out data, early stopping, snapshots.

A callback has a method ``on_chunk(state, info)``, whose true return value stops the fit. It is
called after every chunk and after the last step; one with an attribute ``at_steps`` is called after
those steps instead. What a callback has seen stays in it: use a new one for another fit.

A fit that goes on from a checkpoint gives what a callback has seen back to a new one of the same
class, where it has ``state_dict()``, which returns numbers, strings, arrays, and lists, tuples and
dicts of these, and ``load_state_dict(state)``, as those here have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pandas as pd

from pymc_bnn._checks import check_int, invalid
from pymc_bnn.inference.info import Info
from pymc_bnn.inference.progress import Progress
from pymc_bnn.inference.state import State
from pymc_bnn.prediction import ClassPrediction, Prediction, ValuePrediction

__all__ = ["EarlyStopping", "HeldOut", "Info", "Progress", "Snapshots"]

_KINDS = {kind.__name__: kind for kind in (ClassPrediction, ValuePrediction)}


class HeldOut:
    """Evaluates the predictive density of data that the fit does not see.

    Parameters
    ----------
    data : mapping from str to array_like
        New values of the data that vary per example, observed variables included.
    every : int, optional
        Evaluate after every so many chunks (an epoch each, by default).
    draws : int, optional
        Posterior draws whose predictive densities are averaged.

    Attributes
    ----------
    history : pandas.DataFrame
        One row per evaluation: step, epoch, and nll, the negative log predictive density per
        example in nats.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(20))
    >>> held_out = HeldOut({"y": np.zeros(5)}, draws=10)
    >>> _ = bnn.fit(model, steps=200, callbacks=[held_out], random_seed=1, progressbar=False)
    >>> list(held_out.history.columns)
    ['step', 'epoch', 'nll']
    """

    def __init__(self, data: Mapping[str, Any], *, every: int = 1, draws: int = 20):
        self.data = _check_data(data)
        self.every = check_int("every", every, 1, None, "pass every=1")
        self.draws = check_int("draws", draws, 1, None, "pass draws=20")
        self._rows: list[tuple[int, float, float]] = []
        self._calls = 0

    @property
    def history(self) -> pd.DataFrame:
        """Evaluations so far."""
        return pd.DataFrame(self._rows, columns=["step", "epoch", "nll"])

    def state_dict(self) -> dict[str, Any]:
        """Return what it has seen."""
        return {"rows": list(self._rows), "calls": self._calls}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what another one has seen."""
        self._rows, self._calls = [tuple(row) for row in state["rows"]], state["calls"]

    def on_chunk(self, state: State, info: Info) -> bool:
        """Evaluate, if it is time to; never stops the fit."""
        self._calls += 1
        if self._calls % self.every == 0 or info.step == info.steps:
            nll = info.approximation().nll(self.data, self.draws)
            self._rows.append((info.step, info.epoch, nll))
        return False


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
        self.data = None if data is None else _check_data(data)
        self.var_names = (var_names,) if isinstance(var_names, str) else tuple(var_names)
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


class EarlyStopping:
    """Stops when the ELBO, averaged over windows, has not risen for a while.

    One value of a noisy ELBO says little: means of whole windows are compared, and a rise counts
    only beyond `min_delta` standard errors of the two means. It begins anew while the KL's weight
    rises, and with each member of a mixture.

    Parameters
    ----------
    window : int, optional
        Steps averaged, at least 2. Default 200.
    patience : int, optional
        Windows without a rise after which to stop. Default 5.
    min_delta : float, optional
        Least rise, in standard errors. Default 1.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(20))
    >>> stop = EarlyStopping(window=100, patience=2)
    >>> fitted = bnn.fit(model, steps=50_000, callbacks=[stop], random_seed=1, progressbar=False)
    >>> len(fitted.history) < 50_000
    True
    """

    def __init__(self, *, window: int = 200, patience: int = 5, min_delta: float = 1.0):
        self.window = check_int("window", window, 2, None, "pass window=200")
        self.patience = check_int("patience", patience, 1, None, "pass patience=5")
        if not min_delta >= 0:
            raise invalid("min_delta", "be at least 0", min_delta, "pass min_delta=1")
        self.min_delta = float(min_delta)
        self._begin(None)

    def _begin(self, now: tuple[int, float] | None) -> None:
        self.best: tuple[float, float] | None = None  # mean and squared standard error
        self.waited = 0
        self._pending = np.zeros(0)
        self._now = now

    def state_dict(self) -> dict[str, Any]:
        """Return what it has seen."""
        names = "best", "waited", "_pending", "_now"
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what another one has seen."""
        for name in self.state_dict():
            setattr(self, name, state[name])

    def on_chunk(self, state: State, info: Info) -> bool:
        """Look at the windows completed since the last call; true stops the fit."""
        if (info.member, info.kl_weight) != self._now:
            self._begin((info.member, info.kl_weight))
        self._pending = np.concatenate([self._pending, info.elbo])
        while len(self._pending) >= self.window:
            part, self._pending = self._pending[: self.window], self._pending[self.window :]
            mean, squared_error = float(part.mean()), float(part.var(ddof=1) / self.window)
            if self.best is None or mean > self.best[0] + self.min_delta * np.sqrt(
                squared_error + self.best[1]
            ):
                self.best, self.waited = (mean, squared_error), 0
            else:
                self.waited += 1
        return self.waited >= self.patience


def _check_data(data: Any) -> dict[str, Any]:
    """Return new values of the data by name."""
    if not isinstance(data, Mapping):
        got = f"a {type(data).__name__}"
        raise invalid("data", "map names to arrays", got, "pass {'x': images}, say", TypeError)
    return dict(data)
