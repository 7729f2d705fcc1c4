"""Stopping where the ELBO does not rise any more."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from pymc_bnn._checks import check_int, invalid
from pymc_bnn.inference.info import Info
from pymc_bnn.inference.state import State

__all__ = ["EarlyStopping"]


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
        if not (isinstance(min_delta, Real) and min_delta >= 0):
            raise invalid("min_delta", "be at least 0", repr(min_delta), "pass min_delta=1")
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
