"""The loop: many steps of a program on what a source gives, in the way that is fastest here."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from copy import copy
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr
from jax.sharding import Mesh

from pymc_bnn.inference.metrics import Metrics
from pymc_bnn.inference.program import Program
from pymc_bnn.inference.sources import Held, Source, Streamed
from pymc_bnn.inference.state import State, all_finite, copy_state
from pymc_bnn.runtime.compilation import Compiled
from pymc_bnn.runtime.jaxprs import operations_of
from pymc_bnn.runtime.sharding import copied, keep_replicated, replicate
from pymc_bnn.runtime.turns import Launch, cores, here, results_of

__all__ = ["Loop"]

_ROWS = 2048  # steps whose metrics one call of the compiled loop returns
_LARGE = 1 << 20  # numbers of a state, optimiser included, that has the machine for itself
_PAGED = 1 << 24  # of one whose copies have their memory by turns, which is compiled
_STREAMED_S = 1.0  # after which a stream hands back what it has done, however many steps were asked


class Loop:
    """Runs steps without changing their numbers, and keeps the last state that is finite.

    Data that are held, and dense networks: one compiled loop with a trip count that is an argument,
    so that every grouping of steps runs the same code. Else a step is compiled alone and called
    from Python: batches from outside come one by one, and XLA's convolutions are some twenty times
    slower inside a loop body on CPU.

    Parameters
    ----------
    program : Program
        Whose steps.
    source : Held or Streamed
        What they are given.
    state : State
        A state, for its shapes.
    then : Loop, optional
        Which goes on where this one's steps have ended.
    """

    def __init__(self, program: Program, source: Source, state: State, then: Loop | None = None):
        self.then = then
        self.program, self._counts = program, program.counts
        self.like = jax.tree.map(_shape_of, state)
        self._numbers = sum(prod(leaf.shape) for leaf in jax.tree.leaves(self.like))
        self.source, self._streamed = source, isinstance(source, Streamed)
        # Data that are held are given to every step.
        self._given: Any = None if self._streamed else (*source.take(), self._counts)
        step = program.step_on if self._streamed else program.step
        if self._streamed:
            self.from_python = True
            self._gradient = jax.jit(program.gradient_on)
        else:
            self._gradient = jax.jit(program.gradient_of)
        # Nothing donated: the state before is kept for a step.
        key = program.key
        self._one = Compiled(_guarded(step, program.mesh), key=key and ("one", step.__name__, key))
        self._many = Compiled(_in_one_loop(program), donate_argnums=0, key=key and ("many", key))
        if not self._streamed:  # what is traced here is not traced again to be compiled
            convolves = self._many.asked(_has_convolution, state, *self._given, _ROWS)
            self.from_python = jax.default_backend() == "cpu" and convolves
        self._error: Exception | None = None

    @property
    def last(self) -> Mapping[str, jax.Array]:
        """The data of the step that was not finite."""
        return self._given[0]

    def on(self, source: Held) -> Loop:
        """Return the same loop on other data of the same shapes: nothing is traced anew."""
        other = copy(self)
        other.then = None if self.then is None else self.then.on(source)
        other.source, other._given = source, (*source.take(), self._counts)
        return other

    def slower(self, rate: float) -> Loop:
        """Return the same loop with all updates multiplied by a rate; it is compiled anew."""
        then = self.then and self.then.slower(rate)
        return Loop(self.program.slower(rate), self.source, self.like, then)

    @property
    def number(self) -> int:
        """Which of the fit's stages it is, from 0."""
        return 0 if self.program.first is None else 1

    @property
    def stages(self) -> list[Loop]:
        """The loop, and those that go on from there."""
        return [self, *([] if self.then is None else self.then.stages)]

    def put(self, state: State) -> State:
        """Return a state of host memory as one to make steps from, of arrays of its own."""

        def own(like: Any, leaf: Any) -> Any:
            if like.weak_type and leaf.ndim == 0:  # as of a Python number
                leaf = leaf.item()
            return leaf if isinstance(leaf, jax.Array) else copied(leaf)

        return replicate(jax.tree.map(own, self.like, state), self.program.mesh)

    def whole(self, state: State) -> State:
        """Return the same posterior as a state of the last loop's program."""
        return state if self.then is None else self.then.program.take_over(state, exactly=True)

    def keep(self, state: State, spare: State | None = None) -> State:
        """Return a state that outlives the steps made from it.

        `spare` is what it returned before, if nobody needs that any more.
        """
        if self.from_python:
            return state
        return copy_state(state, spare if self._numbers > _PAGED else None)

    def advance(
        self, state: State, steps: int, interrupted: Callable[[], bool] = lambda: False
    ) -> tuple[State, Metrics, bool]:
        """Run steps; return the state after them, the metrics (steps,), and whether all is finite.

        There are fewer steps than asked for where they take long, at Ctrl-C, and where the stream
        fails, whose error comes with the next call. The state that was passed may be used up.
        """
        return results_of([self.advancing(state, steps, interrupted)])[0]

    def advancing(
        self,
        state: State,
        steps: int,
        interrupted: Callable[[], bool] = lambda: False,
        launch: Launch = here,
    ) -> Generator[None, None, tuple[State, Metrics, bool]]:
        """Do the same in turn with others: it yields where it is about to wait for a program."""
        if self.from_python:
            return self._step_by_step(state, steps, interrupted)
        parts = []
        while steps:
            now = min(steps, _ROWS)
            many = self._many.executable(state, *self._given, now)
            answer = launch(many, state, *self._given, now)
            yield
            state, metrics = answer()
            parts.append(Metrics(*np.asarray(metrics)[:now].T))
            steps -= now
        metrics = Metrics.join(parts)
        return state, metrics, metrics.finite and all_finite(state)

    @property
    def at_once(self) -> int:
        """How many such loops are worth running at once: as many as there are cores, if any.

        Large ones use all cores as it is, and need the memory.
        """
        alone = self._streamed or self.from_python or self.program.mesh is not None
        if alone or jax.default_backend() != "cpu" or jax.process_count() > 1:
            return 1
        return cores() if self._numbers <= _LARGE else 1

    def last_finite(self, kept: State, steps: int) -> tuple[State, Metrics]:
        """Return the last finite state of the steps just run, and the metrics up to it."""
        if self.from_python:
            return self._finite
        found: list[Metrics] = []
        kept = copy_state(kept)  # who asks may have use for it
        for _ in range(steps):
            before = copy_state(kept)
            kept, metrics, finite = self.advance(kept, 1)
            if not finite:
                return before, Metrics.join(found)
            found.append(metrics)
        return kept, Metrics.join(found)

    def not_finite(self, state: State) -> tuple[Metrics, list[str]]:
        """Return the next step's metrics, and the blocks whose gradient is not finite."""
        metrics, gradient = jax.device_get(self._gradient(state, *self._given))
        bad = [
            name
            for name, roles in gradient.items()
            if not all(np.isfinite(g).all() for g in roles.values())
        ]
        return metrics, bad

    def _step_by_step(
        self, state: State, steps: int, interrupted: Callable[[], bool]
    ) -> tuple[State, Metrics, bool]:
        """Look at each result while the next step runs: no more than two are on the way."""
        if self._error is not None:
            raise self._error
        began, done, running = time.monotonic(), [], None
        for _ in range(steps):
            try:
                taken = self.source.take(interrupted)
            except Exception as error:
                if running is None:
                    raise
                self._error = error
                break
            if taken is None:
                break
            given = *taken, self._counts
            after, metrics, fine = self._one(state, *given)
            if running is not None and not self._settle(running, done):
                return state, Metrics.join(done), False
            state, running = after, (state, given, metrics, fine)
            if self._streamed and time.monotonic() - began > _STREAMED_S:
                break
        fine = running is None or self._settle(running, done)
        return state, Metrics.join(done), fine

    def _settle(self, running: Any, done: list[Metrics]) -> bool:
        """Wait for a step and keep its metrics; if it is not finite keep what tells why."""
        before, given, metrics, fine = running
        if not bool(fine):
            self._finite, self._given = (before, Metrics.join(done)), given
            return False
        done.append(jax.device_get(metrics))
        return True


def _shape_of(leaf: Any) -> jax.ShapeDtypeStruct:
    """Return shape and type of a part of a state."""
    leaf = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
    weak = getattr(leaf, "weak_type", False)
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, weak_type=weak)


def _guarded(step: Callable[..., tuple[State, Metrics]], mesh: Mesh | None) -> Callable[..., Any]:
    """Let a step tell whether all that it leaves is finite."""

    def guarded(state: State, *given: Any) -> tuple[State, Metrics, jax.Array]:
        after, metrics = step(state, *given)
        fine = [jnp.isfinite(leaf).all() for leaf in (*metrics, *jax.tree.leaves(after.params))]
        return after, metrics, keep_replicated(jnp.stack(fine).all(), mesh)

    return guarded


def _in_one_loop(program: Program) -> Callable[..., Any]:
    def run(state: State, data: Any, counts: Any, steps: Any) -> tuple[State, jax.Array]:
        data = program.laid_out(data)

        def body(i: Any, carry: Any) -> Any:
            state, found = carry
            state, metrics = program.step(state, data, counts)
            return state, jax.lax.dynamic_update_index_in_dim(found, jnp.stack(metrics), i, 0)

        found = jnp.zeros((_ROWS, len(Metrics._fields)), program.dtype)
        state, found = jax.lax.fori_loop(0, steps, body, (program.packed(state), found))
        return program.unpacked(state), found

    return run


def _has_convolution(jaxpr: Jaxpr) -> bool:
    return any(one.primitive.name == "conv_general_dilated" for one in operations_of(jaxpr))
