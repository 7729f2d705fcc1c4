"""Where a run is: all that its next step, its end and its callbacks depend on."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from typing import Any

from pymc_bnn.inference.ending import Ending
from pymc_bnn.inference.loop import Loop
from pymc_bnn.inference.metrics import Metrics
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.recovery import Recovery
from pymc_bnn.inference.state import State

__all__ = ["Position", "give_back", "states_of"]


@dataclass(frozen=True)
class Position:
    """Where a run is between two steps: one that goes on from there has the same numbers.

    Attributes
    ----------
    loop : Loop
        Of the stage.
    state : State
        That outlives the steps made from it.
    ends : Ending
        How far the run knows that it goes.
    found : tuple of Metrics
        Of the steps done.
    done, in_chunk : int
        Steps in all, and since callbacks were called.
    elapsed_s : float
        Since the first step, in all processes.
    callbacks : tuple
        Names and states of those that have one.
    recoveries : tuple of Recovery
        Times that it went back.
    rescue : Position, optional
        To which it would go back now.

    Examples
    --------
    >>> Position.__name__
    'Position'
    """

    loop: Loop
    state: State
    ends: Ending
    found: tuple[Metrics, ...] = ()
    done: int = 0
    in_chunk: int = 0
    elapsed_s: float = 0.0
    callbacks: tuple[tuple[str, Any], ...] = ()
    recoveries: tuple[Recovery, ...] = ()
    rescue: Position | None = None

    @classmethod
    def first(cls, loop: Loop, state: State, plan: Plan) -> Position:
        """Return that before the first step."""
        return cls(loop, state, Ending(plan, loop.program, last=loop.then is None))

    def parts(self) -> tuple[Loop, State, Ending, list[Metrics], int, int]:
        """Return what a run changes: loop, state, ending, metrics, steps done, steps in the chunk.

        All but the state, which the run uses up, are its own.
        """
        return self.loop, self.state, copy(self.ends), list(self.found), self.done, self.in_chunk


def states_of(callbacks: Sequence[Any]) -> tuple[tuple[str, Any], ...]:
    """Return name and state of each callback that has a `state_dict`, as they are now.

    Examples
    --------
    >>> states_of([])
    ()
    """
    kept = [c for c in callbacks if hasattr(c, "state_dict") and hasattr(c, "load_state_dict")]
    return tuple((type(c).__qualname__, deepcopy(c.state_dict())) for c in kept)


def give_back(callbacks: Sequence[Any], states: Sequence[tuple[str, Any]]) -> None:
    """Give callbacks the states that others of the same names had, in order.

    One that was not there begins anew.

    Examples
    --------
    >>> give_back([], [("HeldOut", {})])
    """
    left = list(states)
    for callback in callbacks:
        if not hasattr(callback, "load_state_dict"):
            continue
        place = next((i for i, s in enumerate(left) if s[0] == type(callback).__qualname__), None)
        if place is not None:
            callback.load_state_dict(deepcopy(left.pop(place)[1]))
