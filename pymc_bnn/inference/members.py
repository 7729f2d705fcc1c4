"""Several fits of one program from different starts, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import numpy as np

from pymc_bnn.inference.interrupts import say_interrupted
from pymc_bnn.inference.loop import Loop
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.position import Position
from pymc_bnn.inference.record import Record
from pymc_bnn.inference.run import RunOptions, run
from pymc_bnn.inference.slot import Slot
from pymc_bnn.inference.state import State, on_host

__all__ = ["Records", "member_seed", "run_members", "stack_states", "state_of"]


@dataclass(frozen=True)
class Records:
    """What the runs of several members left.

    Examples
    --------
    >>> from pymc_bnn.inference.metrics import Metrics
    >>> Records((Record(Metrics.join([])),)).steps
    0
    """

    members: tuple[Record, ...]
    interrupted: bool = False  # whether Ctrl-C left some out

    @property
    def converged(self) -> bool | None:
        """Whether each had; None where nobody looked."""
        each = [record.converged for record in self.members]
        return None if None in each else all(each)

    @property
    def steps(self) -> int:
        """Steps of the longest run."""
        return max(record.steps for record in self.members)


def member_seed(seed: int, member: int) -> int:
    """Return the seed of a member; the first has the fit's own.

    Examples
    --------
    >>> member_seed(7, 0)
    7
    """
    return int(np.random.SeedSequence((seed, member)).generate_state(1)[0]) if member else seed


def stack_states(states: Sequence[State]) -> State:
    """Return one state whose arrays have a leading axis of members.

    Examples
    --------
    >>> one = State({"b": {"loc": np.zeros(3)}}, (), np.zeros(2), np.int32(5))
    >>> stack_states([one, one]).params["b"]["loc"].shape
    (2, 3)
    """
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(a) for a in leaves]), *states)


def state_of(states: State, member: int) -> State:
    """Return the state of one member.

    Examples
    --------
    >>> one = State({"b": {"loc": np.zeros(3)}}, (), np.zeros(2), np.int32(5))
    >>> int(state_of(stack_states([one, one]), 1).step)
    5
    """
    return jax.tree.map(lambda leaf: leaf[member], states)


def run_members(
    count: int,
    first: Callable[[int], State],
    loop: Callable[[], Loop],
    plan: Plan,
    options: RunOptions,
    result: Callable[[State, Record], Any],
    mixture: Callable[[Sequence[State], Sequence[Record], bool], Any],
    explain: Callable[[Loop, State], str],
    slot: Callable[[int], Slot],
    like: Callable[[], State],
) -> tuple[list[State], list[Record], bool]:
    """Run the loop once for each member; see :func:`pymc_bnn.inference.run.run`.

    Ctrl-C leaves out the member that it meets, and those behind it, where there are others.

    Parameters
    ----------
    count : int
        How many.
    first : callable
        Returns the first state of the member of a number.
    loop : callable
        Returns that of all; it is made where a step has to be.
    plan, options, explain
        As of a single run.
    result : callable
        Makes of a state and a record what callbacks are given as `approximation`.
    mixture : callable
        Makes of those of all members, and whether some were left out, what errors are given.
    slot : callable
        Returns where the member of a number leaves its positions and its end.
    like : callable
        Returns a state of the last stage, for its shapes.

    Returns
    -------
    states : list of State
        The last ones, in host memory.
    records : list of Record
        Of the same members.
    cut : bool
        Whether some were left out.
    """
    states: list[State] = []
    records: list[Record] = []

    def so_far(before: tuple[Any, Any], state: State, record: Record) -> Any:
        done, left = before
        return mixture([*done, on_host(state)], [*left, record], False)

    for member in range(count):
        own = slot(member)
        if (ended := own.end(like)) is not None:
            states.append(ended[0])
            records.append(ended[1])
            continue
        try:
            state = first(member)
        except KeyboardInterrupt:
            if not states:
                raise
            say_interrupted(0, None if plan.convergence else plan.steps, member, count)
            break
        shown = replace(options, member=member, members=count)
        keep = partial(so_far, (tuple(states), tuple(records)))
        begin = Position.first(loop(), state, plan)
        state, record = run(begin, plan, shown, result, explain, keep, own)
        if not record.interrupted:
            own.finish(on_host(state), record)
        if record.interrupted and states:
            break
        states.append(on_host(state))
        records.append(record)
        if record.interrupted:
            break
    return states, records, len(states) < count
