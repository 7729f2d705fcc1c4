"""Early stopping where rows that the fit does not see are predicted no better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pymc_bnn.approximation import Approximation
from pymc_bnn.inference.info import Info
from pymc_bnn.inference.members import Records
from pymc_bnn.mixture import Mixture

__all__ = ["StopOnScore"]


@dataclass(eq=False)
class StopOnScore:
    """A callback that stops each member where its score has not risen for a while.

    Attributes
    ----------
    score : callable
        Takes an Approximation and returns a number, the higher the better.
    patience : int
        Evaluations without a new best one after which to stop.
    first : int
        The step from which on evaluations count: before it the KL's weight may rise.
    scores : list of list of float
        Of each member.
    best : list of (float, Approximation)
        Of each member, the best score and what it was of.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.ones(20))
    >>> stop = StopOnScore(lambda fitted: -abs(float(fitted.mean["mu"]) - 0.5), patience=2)
    >>> options = {"chunk_steps": 10, "random_seed": 1, "progressbar": False}
    >>> _ = bnn.fit(model, steps=5000, callbacks=[stop], **options)
    >>> bool(0.3 < stop.result().mean["mu"] < 0.7), len(stop.scores[0]) < 50
    (True, True)
    """

    score: Callable[[Approximation], float]
    patience: int
    first: int = 0
    scores: list[list[float]] = field(default_factory=list)
    best: list[tuple[float, Approximation]] = field(default_factory=list)

    def on_chunk(self, state: Any, info: Info) -> bool:
        """Evaluate; true stops the member."""
        if info.step < self.first:
            return False
        fitted = info.approximation()
        now = float(self.score(fitted))
        if info.member == len(self.scores):
            self.scores.append([])
            self.best.append((now, fitted))
        scores = self.scores[info.member]
        scores.append(now)
        if now > self.best[info.member][0]:
            self.best[info.member] = now, fitted
        return len(scores) - 1 - int(np.argmax(scores)) >= self.patience

    def result(self) -> Approximation:
        """Return the best there was, of several members their mixture."""
        fits: Sequence[Approximation] = [fitted for _, fitted in self.best]
        if len(fits) == 1:
            return fits[0]
        problem, program = fits[0].problem, fits[0].program
        records = Records(tuple(f.record for f in fits), any(f.interrupted for f in fits))
        return Mixture.of(problem, program, [f.state for f in fits], records)
