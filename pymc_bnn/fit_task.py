"""A fit of a problem that is prepared: compiled, run, and made a result."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from typing import Any

import pandas as pd
from jax import Device
from jax.sharding import Mesh

from pymc_bnn.approximation import Approximation
from pymc_bnn.diagnostics.checks.case import Case
from pymc_bnn.diagnostics.diagnose import warn_of_bad
from pymc_bnn.graphs.interpreted import building
from pymc_bnn.inference.checkpoint import Checkpoint
from pymc_bnn.inference.convergence import Convergence
from pymc_bnn.inference.diagnosis import explain
from pymc_bnn.inference.loop import Loop
from pymc_bnn.inference.members import Records, member_seed, run_members
from pymc_bnn.inference.method import Method
from pymc_bnn.inference.plan import Length, Plan
from pymc_bnn.inference.program import Program
from pymc_bnn.inference.record import Record
from pymc_bnn.inference.run import RunOptions
from pymc_bnn.inference.sources import Source
from pymc_bnn.inference.state import State, on_host
from pymc_bnn.inference.tempering import warn_of_rise
from pymc_bnn.mixture import Mixture
from pymc_bnn.model.checks import shapes_must_agree
from pymc_bnn.model.problem import Problem
from pymc_bnn.model.support import Support

__all__ = ["RUN", "Task"]

RUN = "fit"


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be fitted, how long, from where, and what is shown: all but the method.

    Examples
    --------
    >>> Task.__name__
    'Task'
    """

    problem: Problem
    source: Source
    length: Length
    mesh: Mesh | None
    seed: int
    options: RunOptions
    starts: Sequence[Any]  # of each member
    began: float  # as of ``time.perf_counter()``
    ends: Convergence | None = None  # where the length was not given; None: the default
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    name: str = RUN  # of what the checkpoint keeps
    places: Sequence[Device] = ()  # where members go on, one on each

    @cached_property
    def support(self) -> Support:
        """What is looked at before the first step, and after the last one."""
        return Support(self.problem.terms, held=not self.problem.streamed)

    def fit(self, method: Method, kl_path: pd.DataFrame | None = None) -> Approximation:
        """Compile, run, judge, and return the result, in which `kl_path` is kept.

        Call it inside ``precision(dtype)``, and within the source's context.
        """
        fitted = self.run(method, kl_path)
        try:
            if kl_path is not None:
                warn_of_rise(kl_path, self.problem.n, self.length.longer(fitted.record.steps))
            self.support.warn_at_end(fitted.posterior.looks(self.seed), self.source.shown)
            if fitted.converged is not None:  # it was to go on until it has
                case = Case(self.problem, fitted.program, fitted.posterior, fitted.record)
                warn_of_bad(case, time.perf_counter() - self.began)
        except BaseException as error:  # a warning that is an error, or Ctrl-C
            error.approximation = fitted
            raise
        return fitted

    def run(self, method: Method, kl_path: pd.DataFrame | None = None) -> Approximation:
        """Do the same without a last look at the result."""
        problem, seed = self.problem, self.seed
        program, state = self.compiled(method)
        begins = program.stages[0]

        def first(member: int) -> State:
            own = member_seed(seed, member)
            return begins.another(own, self.starts[member]) if member else state

        def result(state: State, record: Record, of: Program = program) -> Approximation:
            return Approximation(problem, of, on_host(state), record, kl_path)

        def mixture(states: Sequence[State], records: Sequence[Record], cut: bool) -> Any:
            if len(self.starts) == 1:
                return result(states[0], records[0])
            return Mixture.of(problem, program, states, Records(tuple(records), cut), kl_path)

        why = partial(explain, problem)
        count, plan, shown = len(self.starts), program.plan, self.options
        found = run_members(
            count,
            first,
            cache(partial(self.loop, program, state)),
            plan,
            shown,
            result,
            mixture,
            why,
            lambda member: self.checkpoint.slot(f"{self.name}-{member + 1}"),
            lambda: state if program is begins else program.init(seed),
            self.places if count > 1 else (),
        )
        return mixture(*found)

    def compiled(self, method: Method) -> tuple[Program, State]:
        """Return the program, and the first state, checked."""
        source, seed, latents = self.source, self.seed, bool(self.problem.terms.latents)
        plan = Plan.of(source.batches, self.length, self.mesh, self.ends, latents)
        with building():
            program = method.compile(self.problem, plan, self.starts[0], seed)
        if self.options.recover:
            program.slower(1.0)  # raises where it cannot be
        begins = program.stages[0]
        state = begins.init(seed)
        self.support.check_start(begins.posterior(state).looks(seed), source.shown)
        return program, state

    def loop(self, program: Program, state: State) -> Loop:
        """Return the loop of the first stage, from which others go on."""
        loop = None
        with shapes_must_agree(self.problem.terms.data), building():
            for stage in reversed(program.stages):
                shapes = state if stage is program.stages[0] else stage.init(self.seed)
                loop = Loop(stage, self.source, shapes, then=loop)
        return loop
