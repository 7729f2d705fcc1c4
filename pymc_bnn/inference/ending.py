"""Where a run ends: after the steps that were asked for, or where it has converged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pymc_bnn._checks import invalid, warn
from pymc_bnn.inference.convergence import Rise, rise
from pymc_bnn.inference.metrics import Metrics
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.program import Program
from pymc_bnn.inference.state import State

__all__ = ["Ending"]


class Ending:
    """Tells a run how far to go.

    Parameters
    ----------
    plan : Plan
        Of the fit.
    program : Program
        What makes its steps.

    Attributes
    ----------
    steps : int
        Steps in all; where nobody knows yet, the most there can be.
    next : int
        The step up to which to go before asking :meth:`after`.
    rise : Rise or None
        Of the ELBO at the last look.
    settled : int or None
        The step after which rates fell.
    """

    def __init__(self, plan: Plan, program: Program):
        self.steps = self.next = plan.steps
        self.rise: Rise | None = None
        self.settled: int | None = None
        self._program, self._ends = program, plan.convergence
        if self._ends is not None:
            weights = program.kl_weight_at(np.arange(self._ends.most))
            self._constant = int(np.flatnonzero(weights != weights[-1]).max(initial=-1)) + 1
            if self._constant > self._ends.most // 2:
                rule = f"be constant after {self._ends.most // 2:,} steps where none are given"
                got = f"a schedule that changes at step {self._constant:,}"
                raise invalid("kl_weight", rule, got, "pass steps=, or a shorter schedule")
            self.next = self._ends.look_after(self._constant, self._constant)

    @property
    def known(self) -> int | None:
        """Steps in all; None where nobody knows yet."""
        return None if self._ends is not None and self.settled is None else self.steps

    def after(self, state: State, done: int, found: Sequence[Metrics]) -> State:
        """Look at what was found in the steps done, and decide how far to go."""
        if self._ends is None or self.settled is not None:
            return state
        elbo = np.asarray(Metrics.join(found).elbo, float)[self._constant :]
        self.rise = rise(elbo, self._program.problem.n)
        if self.rise.goes_on and done < self._ends.most:
            self.next = self._ends.look_after(done, self._constant)
            return state
        self.settled = done
        state, falling = self._program.settle(state, self._ends.fall_after(done))
        self.steps = self.next = done + falling
        return state

    def warn(self, done: int) -> None:
        """Say that the fit ended though it still rose, or while the KL's weight did."""
        warmup, weight_at = self._program.warmup, self._program.kl_weight_at
        if 0 < done < warmup:
            now, whole = weight_at(np.array([done - 1, warmup]))
            warn(
                f"the fit stopped at step {done:,} of the first {warmup:,}, when `kl_weight` had "
                f"risen to {now:.2g} of {whole:g}: the posterior is a cold one, too sure; let it "
                "go on, or pass kl_warmup=0"
            )
        if self.rise is not None and self.rise.goes_on and self.settled is not None:
            warn(
                f"the ELBO still rose when the fit ended: by {self.rise.nats:.3g} nats in the last "
                f"third of {self.settled:,} steps (standard error {self.rise.error:.2g}); go on "
                "with start=fitted, or look at which variables move: fitted.summary()"
            )
