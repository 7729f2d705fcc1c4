"""Where a run goes back to when a step is not finite, and how often it may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pymc_bnn.inference.loop import Loop
from pymc_bnn.inference.position import Position
from pymc_bnn.inference.recovery import EVERY, RATE, Recovery, say_recovered

__all__ = ["Rescues"]

_FAR = 2**62


class Rescues:
    """Keeps a position after every 500 steps, where a run may recover; else nothing.

    Parameters
    ----------
    most : int
        How often it may.
    begin : Position
        Where the run goes on from.

    Examples
    --------
    >>> Rescues.__name__
    'Rescues'
    """

    def __init__(self, most: int, begin: Position):
        self._most, self._position = most, begin.rescue
        self.recoveries = begin.recoveries

    @property
    def kept(self) -> tuple[tuple[Recovery, ...], Position | None]:
        """What belongs to a position of the run."""
        return self.recoveries, self._position

    @property
    def rate(self) -> float:
        """What updates are multiplied by since the last recovery."""
        return self.recoveries[-1].rate if self.recoveries else 1.0

    def left(self, done: int) -> int:
        """Return after how many steps at most to look again."""
        return EVERY - done % EVERY if self._most else _FAR

    def look(self, done: int, loop: Loop, position: Callable[[], Position]) -> None:
        """Keep the position, if it is time to, or the first one of a stage."""
        if not self._most:
            return
        before = self._position
        if before is None or before.loop.number != loop.number or done % EVERY == 0:
            self._position = replace(position(), rescue=None)

    def back(self, step: int, why: str) -> Position | None:
        """Return where to go on from after a step that was not finite; None where it is to fail."""
        if len(self.recoveries) >= self._most or self._position is None:
            return None
        rate = RATE ** (len(self.recoveries) + 1)
        recovery = Recovery(step, self._position.done, rate, why)
        self.recoveries = (*self.recoveries, recovery)
        loop = self._position.loop.slower(RATE)
        self._position = replace(self._position, loop=loop, recoveries=self.recoveries)
        say_recovered(recovery, len(self.recoveries), self._most)
        position = self._position
        state = position.loop.keep(position.state)  # it may be needed again
        return replace(position, state=state)
