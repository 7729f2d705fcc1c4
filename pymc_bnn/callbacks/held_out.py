"""Data that the fit does not see, evaluated along the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pymc_bnn._checks import check_int
from pymc_bnn.callbacks.new_data import check_data
from pymc_bnn.inference.info import Info
from pymc_bnn.inference.state import State

__all__ = ["HeldOut"]


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
    >>> import numpy as np, pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(20))
    >>> held_out = HeldOut({"y": np.zeros(5)}, draws=10)
    >>> _ = bnn.fit(model, steps=200, callbacks=[held_out], random_seed=1, progressbar=False)
    >>> list(held_out.history.columns)
    ['step', 'epoch', 'nll']
    """

    def __init__(self, data: Mapping[str, Any], *, every: int = 1, draws: int = 20):
        self.data = check_data(data)
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
