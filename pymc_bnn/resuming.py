"""More steps of a fit that has ended, with its optimiser as it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from os import PathLike
from typing import Any

from pymc_bnn._checks import check_int, invalid
from pymc_bnn._habits import ANYWHERE, answers
from pymc_bnn.inference.checkpoint import Checkpoint, checkpoint_of
from pymc_bnn.inference.diagnosis import explain
from pymc_bnn.inference.ending import Ending
from pymc_bnn.inference.fingerprint import about_fit, about_state
from pymc_bnn.inference.loop import Loop
from pymc_bnn.inference.position import Position
from pymc_bnn.inference.prepare import held, stream_again
from pymc_bnn.inference.record import Record
from pymc_bnn.inference.run import Run, RunOptions, run
from pymc_bnn.inference.state import State, of_host, on_host
from pymc_bnn.model.absent import check_there
from pymc_bnn.prediction.requests import warn_of_changed_data
from pymc_bnn.runtime.precision import precision
from pymc_bnn.saved_fits.specs import check_known

__all__ = ["RUN", "Resumes"]

RUN = "resume"


_OPTIONS = "a fit goes on as it was; others begin afresh from it: fit(model, start=fitted, …)"
_HABITS = {
    **ANYWHERE,
    "epochs n_epochs num_epochs": "pass steps=; fitted.program.plan.per_epoch are an epoch",
    "n draws num_steps n_steps": "pass steps=1000, say",
    "learning_rate lr scale_learning_rate optimizer kl_weight batch_size": _OPTIONS,
    "guide estimator particles members method": _OPTIONS,
}


class Resumes:
    """A fit that can go on; its fields are those of :class:`pymc_bnn.Approximation`.

    Examples
    --------
    >>> Resumes.__name__
    'Resumes'
    """

    @answers(_HABITS)
    def resume(
        self,
        steps: int,
        *,
        data: Iterable[Any] | None = None,
        progressbar: bool = True,
        callbacks: Sequence[Any] = (),
        chunk_steps: int | None = None,
        recover: int = 0,
        checkpoint: str | PathLike[str] | None = None,
        checkpoint_every: int | str | timedelta = "1min",
    ) -> Any:
        """Go on for so many steps, with the state of the optimiser as it was when the fit ended.

        With an optimiser of constant rates, or a schedule that goes on, the result is that of one
        longer fit, of data in memory bit by bit. Rates of the default optimiser have fallen to a
        hundredth at the end of a fit, and stay there: what is left to gain far from here takes
        ``fit(start=fitted)``, which begins afresh at the full rates.

        Parameters
        ----------
        steps : int
            How many more, at least 1.
        data : iterable, optional
            Of a streamed fit: its batches, from the first one on.
        progressbar, callbacks, chunk_steps, recover
            As of :func:`pymc_bnn.fit`.
        checkpoint, checkpoint_every
            As of :func:`pymc_bnn.fit`, in a folder of its own: the same call of the same fit, be it
            loaded or found again by its own checkpoint, goes on from there.

        Returns
        -------
        Approximation
            With the steps before in its history; of several members each goes on.

        Raises
        ------
        ValueError, TypeError
            For a bad argument.
        NonFiniteError
            When a step is not finite.

        Examples
        --------
        >>> import numpy as np, optax, pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.ones(9))
        >>> options = {"optimizer": optax.adam(0.01), "random_seed": 1, "progressbar": False}
        >>> whole = bnn.fit(model, steps=300, **options)
        >>> parts = bnn.fit(model, steps=200, **options).resume(100, progressbar=False)
        >>> len(parts.history), bool(parts.mean["mu"] == whole.mean["mu"])
        (300, True)
        """
        check_int("steps", steps, 1, None, "pass steps=1000, say")
        options = RunOptions(callbacks, chunk_steps, progressbar, recover=recover)
        if self.streamed != (data is not None):
            rule, got = "be given where the fit was of batches, and only there", type(data).__name__
            repair = "pass the batches" if self.streamed else "leave it out"
            raise invalid("data", rule, got, repair)
        check_known(self.program)
        rows = {d.name for d in self.problem.terms.data if d.per_example}
        check_there(self.problem.terms, "resume", but=() if data is None else rows)
        warn_of_changed_data(self.problem.terms, "resume", rows=not self.streamed)
        with checkpoint_of(checkpoint, checkpoint_every, data) as kept:
            if checkpoint is not None:
                kept.seed(0)  # all randomness is the state's
                own = {"steps": steps, "recover": recover}
                about = about_fit(self.problem, self.program.method, own)
                about["options"] |= {"the fit": about_state(self.state, self.record.steps)}
                kept.check(about)
            return self._go_on(steps, data, options, kept)

    def _go_on(
        self, steps: int, data: Any, options: RunOptions, kept: Checkpoint, name: str = f"{RUN}-1"
    ) -> Any:
        problem, record, slot = self.problem, self.record, kept.slot(name)
        plan = replace(self.program.plan, steps=record.steps + steps, convergence=None)

        def result(state: State, now: Record, of: Any = None) -> Any:
            metrics, recoveries = now.metrics, now.recoveries
            kept = replace(record, metrics=metrics, recoveries=recoveries)
            kept = replace(kept, interrupted=now.interrupted)
            return replace(self, program=program, state=on_host(state), record=kept)

        with precision(problem.dtype):
            program, state = self.program.going_on(plan), of_host(self.state)
            if (ended := slot.end(lambda: state)) is not None:
                return result(*ended)
            if data is None:
                source = held(problem, plan.batches, plan.mesh)
            else:
                at = kept.source(name)
                source = stream_again(problem, plan.batches, data, keeps=slot.keeps, at=at)
            with source:
                slower = record.recoveries[-1].rate if record.recoveries else None
                steps_of = program if slower is None else program.slower(slower)
                loop = Loop(steps_of, source, state)
                begin = Position(
                    loop,
                    loop.put(state),
                    Ending(plan, program),
                    (record.metrics,),
                    record.steps,
                    recoveries=record.recoveries,
                )
                why = partial(explain, problem)
                state, now = run(Run(begin, plan, options, result, why, result, slot))
                if not now.interrupted:
                    slot.finish(on_host(state), now)
                return result(state, now)
