"""Several fits of one program from different starts: at once on several cores, or in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from pymc_bnn.inference.interrupts import say_interrupted
from pymc_bnn.inference.loop import Loop
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.position import Position
from pymc_bnn.inference.record import Record
from pymc_bnn.inference.run import Around, Ran, Run, RunOptions, running, surrounded
from pymc_bnn.inference.slot import Slot
from pymc_bnn.inference.state import State, on_host
from pymc_bnn.runtime.turns import on_device, results_of

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
    places: Sequence[jax.Device] = (),
) -> tuple[list[State], list[Record], bool]:
    """Run the loop once for each member; see :func:`pymc_bnn.inference.run.running`.

    Several are under way at once where the loop is small enough for that to be faster, and no
    callbacks are to see one after the other, or one on each of several devices; the numbers are the
    same. Ctrl-C leaves out those that have not ended, if one has.

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
    places : sequence of jax.Device, optional
        Where members go on, one on each at a time.

    Returns
    -------
    states : list of State
        The last ones, in host memory.
    records : list of Record
        Of the same members.
    cut : bool
        Whether some were left out.
    """
    slots = [slot(member) for member in range(count)]
    ends = {member: own.end(like) for member, own in enumerate(slots)}
    runs = {member: Ran(*end, None, "") for member, end in ends.items() if end is not None}
    waiting = deque(member for member in range(count) if member not in runs)

    def ended() -> list[Ran]:
        return [runs[m] for m in sorted(runs) if not runs[m].record.interrupted]

    def so_far(state: State, record: Record) -> Any:
        before = ended()
        states = [*(ran.state for ran in before), on_host(state)]
        return mixture(states, [*(ran.record for ran in before), record], False)

    def one_by_one(around: Around, place: jax.Device | None) -> Generator[None, None, None]:
        here = loop() if place is None else loop().on(loop().source.on(place))
        # After Ctrl-C none is begun, but for the first of all.
        while waiting and (len(waiting) == count or not around.interrupted()):
            member = waiting.popleft()
            begins = Position.first(here, first(member), plan)
            shown, own = replace(options, member=member, members=count), slots[member]
            how = Run(begins, plan, shown, result, explain, so_far, own)
            ran = yield from running(how, around)
            runs[member] = ran = ran._replace(state=on_host(ran.state))
            if not ran.record.interrupted:
                own.finish(ran.state, ran.record)

    if waiting:
        keeps = any(own.keeps for own in slots)
        at_once = places or [None] * (1 if options.callbacks else loop().at_once)
        at_once = at_once[: len(waiting)]
        with surrounded(options, keeps, len(at_once), labels=count > 1) as around:
            results_of([on_device(one_by_one(around, place), place) for place in at_once])
        whole, cut = ended(), sorted(m for m in runs if runs[m].record.interrupted)
        if cut or waiting or around.interrupted.terminated:
            at = runs[cut[0]] if cut else [*runs.values()][-1]
            left_out = sorted([*cut, *waiting]) if whole else []
            say_interrupted(at.record.steps, at.known, at.saved, left_out, len(whole), count)
        around.interrupted.pass_on()
    found = ended() or [runs[member] for member in sorted(runs)]
    return [ran.state for ran in found], [ran.record for ran in found], len(found) < count
