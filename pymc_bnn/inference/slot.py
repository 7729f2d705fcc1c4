"""Where a run leaves its positions and its end: nowhere, or in a folder of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pymc_bnn._warnings import warn
from pymc_bnn.errors import DamagedError
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.position import Position, states_of
from pymc_bnn.inference.record import Record
from pymc_bnn.inference.snapshots import Snapshot
from pymc_bnn.inference.state import State
from pymc_bnn.saving.folder import remove_folder
from pymc_bnn.saving.values import split

__all__ = ["FolderSlot", "Slot"]

_FINISHED = "finished"
_KEPT = 2  # positions, the last ones
_FAR = 2**62


class Slot:
    """A run of which nothing is kept.

    Examples
    --------
    >>> Slot().keeps, Slot().left(3) > 10**9
    (False, True)
    """

    keeps = False

    def begin(self, first: Position, plan: Plan, callbacks: Sequence[Any] = ()) -> Position:
        """Return the position from which the run goes on."""
        return first

    def left(self, done: int) -> int:
        """Return after how many steps at most to look again."""
        return _FAR

    def look(self, done: int, position: Callable[[], Position]) -> None:
        """Keep the position, if it is time to."""

    def leave(self, done: int, position: Callable[[], Position]) -> str:
        """Keep the position of a run that was interrupted; return what is to be said of it."""
        return ""

    def end(self, like: Callable[[], State]) -> tuple[State, Record] | None:
        """Return state and record of the run, if it has ended."""
        return None

    def finish(self, state: State, record: Record) -> None:
        """Keep the end of the run."""


class FolderSlot(Slot):
    """A run whose last positions, or whose end, lie in a folder.

    After every so many steps a position is on the disk before the next step is made; after every
    so many seconds a thread writes it while the run goes on. What cannot be written is warned of
    once, and the run goes on.

    Parameters
    ----------
    folder : pathlib.Path
        Its own.
    steps : int or None
        After how many steps.
    seconds : float or None
        After how many seconds, else.
    """

    keeps = True

    def __init__(self, folder: Path, steps: int | None, seconds: float | None):
        self._folder, self._steps, self._seconds = folder, steps, seconds
        self._last = time.monotonic()
        self._kept_at = -1  # the step of the last position that was kept
        self._source: Callable[[], Any] = lambda: None
        self._writer = ThreadPoolExecutor(1, "pymc_bnn checkpoint")
        self._writing: Future[None] | None = None
        self._warned = False

    def latest(self) -> tuple[Path, Snapshot] | None:
        """Return the newest position that is whole; raise where none of several is.

        One that was changed is warned of.
        """
        paths = self._paths()[::-1]
        for i, path in enumerate(paths):
            try:
                return path, Snapshot.read(path)
            except DamagedError as error:
                if i + 1 == len(paths):
                    raise
                warn(f"{error}; the fit goes on from the checkpoint before it")
        return None

    def begin(self, first: Position, plan: Plan, callbacks: Sequence[Any] = ()) -> Position:
        """Return the newest position, or the first one; what could not be kept is said now."""
        self._source = first.loop.source.where
        split(states_of(callbacks), "callbacks", "callbacks")
        split(self._source(), "source", "data")
        found = self.latest()
        position = first if found is None else found[1].position(first, plan, found[0])
        self._kept_at, self._last = position.done, time.monotonic()
        return position

    def left(self, done: int) -> int:
        """Return after how many steps at most to look again."""
        return _FAR if self._steps is None else self._steps - done % self._steps

    def look(self, done: int, position: Callable[[], Position]) -> None:
        """Keep the position, if it is time to."""
        if self._writing is not None and self._writing.done():
            self._settle()
        if self._steps is None:
            if self._writing is None and time.monotonic() - self._last >= self._seconds:
                self._keep(position())
        elif done % self._steps == 0 and done != self._kept_at:
            self._keep(position())
            self._settle()

    def leave(self, done: int, position: Callable[[], Position]) -> str:
        """Keep the position of a run that was interrupted; return what is to be said of it."""
        self._settle()
        if done != self._kept_at:
            self._keep(position())
            self._settle()
        if self._kept_at != done:
            return ""
        return f", and the same call goes on from here (checkpoint '{self._folder.parent}')"

    def end(self, like: Callable[[], State]) -> tuple[State, Record] | None:
        """Return state and record of the run, if it has ended."""
        path = self._folder / _FINISHED
        if not path.exists():
            return None
        self._clean(0)
        return Snapshot.read(path).end(like(), path)

    @property
    def ended(self) -> bool:
        """Whether the run has ended."""
        return (self._folder / _FINISHED).exists()

    def finish(self, state: State, record: Record) -> None:
        """Keep the end of the run, and no position any more."""
        self._settle()
        snapshot = Snapshot.of_end(state, record)
        if self._write(lambda: snapshot.write(self._folder / _FINISHED), "its end"):
            self._clean(0)

    def _paths(self) -> list[Path]:
        """Return the folders of positions, the newest last."""
        if not self._folder.is_dir():
            return []
        return sorted(path for path in self._folder.iterdir() if path.name.isdecimal())

    def _keep(self, position: Position) -> None:
        """Have a position written."""
        snapshot, done = Snapshot.of(position, self._source()), position.done
        self._last = time.monotonic()

        def write() -> None:
            number = int(paths[-1].name) + 1 if (paths := self._paths()) else 1
            snapshot.write(self._folder / f"{number:09d}")
            self._kept_at = done
            self._clean(_KEPT)

        self._writing = self._writer.submit(write)

    def _settle(self) -> None:
        """Wait for what is being written."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            self._write(writing.result, "its position")

    def _write(self, write: Callable[[], None], what: str) -> bool:
        """Tell whether it could be written."""
        try:
            write()
        except OSError as error:
            if not self._warned:
                self._warned = True
                before = f"; step {self._kept_at:,} is kept" if self._kept_at > 0 else ""
                warn(
                    f"`checkpoint` '{self._folder.parent}': {what} could not be written "
                    f"({error}){before}. The fit goes on, and tries again; make room on the disk",
                    RuntimeWarning,
                )
            return False
        return True

    def _clean(self, keep: int) -> None:
        """Remove all positions but the last few."""
        paths = self._paths()
        for path in paths[: len(paths) - keep]:
            remove_folder(path)
