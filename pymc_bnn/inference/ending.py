"""Where a run ends: after the steps that were asked for, or where it has converged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from pymc_bnn._checks import invalid
from pymc_bnn._warnings import warn
from pymc_bnn.inference.convergence import Rise, rise
from pymc_bnn.inference.metrics import Metrics
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.program import Program
from pymc_bnn.inference.stages import Gain
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
    begun : int, optional
        The step from which on it does.
    last : bool, optional
        Whether no other program goes on from there.
    inner : tuple of State and Ending, optional
        Of the program: what the one before it had found, to which it falls back, and how it ended.

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
    gain : Gain or None
        Of the ELBO over the inner program's.
    """

    def __init__(
        self,
        plan: Plan,
        program: Program,
        begun: int = 0,
        last: bool = True,
        inner: tuple[State, Ending] | None = None,
    ):
        self._begun, self._last = begun, last
        self._inner, self._before = inner or (None, None)
        self._why = ""
        self.gain: Gain | None = None
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
            self._constant = max(self._constant, begun)
            self.next = self._ends.look_after(self._constant, self._constant)

    def memory(self) -> dict[str, Any]:
        """Return what it has found so far, of the program before as well, but no state."""
        found = {n: asdict(v) if (v := getattr(self, n)) else None for n in ("rise", "gain")}
        found |= {"steps": self.steps, "next": self.next, "settled": self.settled}
        found |= {"begun": self._begun, "last": self._last, "why": self._why}
        return found | {"before": self._before and self._before.memory()}

    @classmethod
    def recalled(
        cls, memory: Mapping[str, Any], plan: Plan, program: Program, inner: State | None
    ) -> Ending:
        """Return the one whose :meth:`memory` it was, with the state to which it falls back."""
        before = memory["before"]
        pair = before and (inner, cls.recalled(before, plan, program, None))
        ending = cls(plan, program, int(memory["begun"]), bool(memory["last"]), pair)
        ending.steps, ending.next = int(memory["steps"]), int(memory["next"])
        ending.settled, ending._why = memory["settled"], str(memory["why"])
        ending.rise = memory["rise"] and Rise(**memory["rise"])
        ending.gain = memory["gain"] and Gain(**memory["gain"])
        return ending

    @property
    def inner(self) -> State | None:
        """The state to which it falls back."""
        return self._inner

    @property
    def known(self) -> int | None:
        """Steps in all; None where nobody knows yet."""
        unknown = self._ends is not None and (self.settled is None or not self._last)
        return None if unknown else self.steps

    def over(self, done: int) -> bool:
        """Tell whether all steps are done."""
        return done == self.steps

    def after(self, state: State, done: int, found: Sequence[Metrics]) -> State:
        """Look at what was found in the steps done, and decide how far to go."""
        if self._ends is None or self.settled is not None:
            return self.better(state, found)
        elbo = np.asarray(Metrics.join(found).elbo, float)[self._constant :]
        self.rise = rise(elbo, self._program.problem.n)
        if self.rise.goes_on and done - self._begun < self._ends.most:
            self.next = self._ends.look_after(done, self._constant)
            return state
        self.settled = done
        state, falling = self._program.settle(state, self._ends.fall_after(done - self._begun))
        self.steps = self.next = done + falling
        return state if falling else self.better(state, found)

    def better(self, state: State, found: Sequence[Metrics]) -> State:
        """Return the state of the inner program if its ELBO was the higher one, once looked at."""
        if self._inner is None or self.gain is not None:
            return state
        elbo = np.asarray(Metrics.join(found).elbo, float)
        if len(elbo) < self._begun + 2:
            return self._inner  # stopped as soon as it had begun
        self.gain = Gain.of(elbo[: self._begun], elbo[self._begun :])
        return replace(self._inner, step=state.step) if self.gain.lost else state

    @property
    def falls_back(self) -> bool:
        """Whether there is an inner program, whose state is the result where a step fails."""
        return self._inner is not None

    def fall_back(self, state: State, why: str) -> State:
        """Return the state of the inner program, as the step after another one is not finite."""
        self.rise, self.settled = self._before.rise, self._before.settled
        self.gain, self._why = Gain(-np.inf, 0.0), why
        return replace(self._inner, step=state.step)

    def warn(self, done: int) -> None:
        """Say what is wrong with the end: a cold one, one that still rose, a stage that failed."""
        warmup, weight_at = self._program.warmup, self._program.kl_weight_at
        if 0 < done < warmup:
            now, whole = weight_at(np.array([done - 1, warmup]))
            warn(
                f"the fit stopped at step {done:,} of the first {warmup:,}, when `kl_weight` had "
                f"risen to {now:.2g} of {whole:g}: the posterior is a cold one, too sure; let it "
                "go on, or pass kl_warmup=0"
            )
        if self._why:
            warn(f"{self._why}\nThe result is the fit of independent Normals before it.")
        elif self.gain is not None and self.gain.lost:
            warn(
                f"the ELBO ended {-self.gain.nats:.3g} nats (standard error {self.gain.error:.2g}) "
                "below that of independent Normals: the result is theirs; leave `guide` out, or "
                "pass a smaller scale_learning_rate"
            )
        if self.rise is not None and self.rise.goes_on and self.settled is not None:
            warn(
                f"the ELBO still rose when the fit ended: by {self.rise.nats:.3g} nats in the last "
                f"third of {self.settled:,} steps (standard error {self.rise.error:.2g}); go on "
                "with start=fitted, or look at which variables move: fitted.summary()"
            )
