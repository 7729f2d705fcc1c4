"""Numbers of each chunk in event files, as TensorBoard reads them."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pymc_bnn._checks import invalid, optional_library
from pymc_bnn.callbacks.rows import RowLogger, path_of
from pymc_bnn.inference.info import Info
from pymc_bnn.inference.state import State

__all__ = ["TensorBoardLogger"]

_FIRST = -1  # hide from the step of the next row on


class TensorBoardLogger(RowLogger):
    """Writes scalars after each chunk into event files, through tensorboardX.

    ``tensorboard --logdir FOLDER`` shows them. Tags are the columns of :class:`CSVLogger` but step
    and member; several members have a folder each, ``member_0``, ``member_1`` and so on.

    A fit that goes on from a checkpoint writes another file, which hides what the one before had
    written after that checkpoint, as TensorBoard does it (``purge_step``).

    Parameters
    ----------
    folder : str or path
        Where event files are put; made where it is missing.
    over : bool, optional
        Whether it may hold event files already, of another fit, which are then hidden by this one;
        see :class:`CSVLogger`. Default false.

    Raises
    ------
    ModuleNotFoundError
        Without tensorboardX, with the command that installs it.
    TypeError, ValueError
        If it is no path, nothing can be written there, or, before the first step, if it holds event
        files.

    Examples
    --------
    >>> import os, tempfile, numpy as np, pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(20))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = TensorBoardLogger(folder)
    ...     _ = bnn.fit(model, steps=300, callbacks=[log], random_seed=1, progressbar=False)
    ...     [name.split(".")[2] for name in os.listdir(folder)]
    ['tfevents']
    """

    every_s = 1.0  # a flush waits for the disk

    def __init__(self, folder: str | os.PathLike[str], *, over: bool = False):
        super().__init__()
        optional_library("tensorboardX", "TensorBoardLogger")
        self.folder = path_of("folder", folder, "runs/first", folder=True)
        self.over, self.name = bool(over), f"'{self.folder}'"
        self._place = self.folder  # of the member at hand
        self._own = False  # whether what is there was written by it, or by one that it goes on from
        self._writer: Any = None
        self._hides: int | None = None  # what other files have at this step or later

    def on_begin(self, state: State, info: Info) -> None:
        """Begin an event file."""
        self._place = self.folder / f"member_{info.member}" if info.members > 1 else self.folder
        there = self._place.is_dir() and any(self._place.glob("*tfevents*"))
        if there and not (self._own or self.over or info.member):
            rule = "be a folder without event files"
            raise invalid("folder", rule, f"'{self._place}'", "choose another, or pass over=True")
        first = self._waiting[0]["step"] if self._waiting else info.step + 1
        self._own, self._hides = True, int(first) if there else None
        try:
            self._open()
        except OSError as error:
            rule, got = "be where can be written", f"'{self._place}' ({error})"
            raise invalid("folder", rule, got, "make room, or choose another place") from error

    def on_end(self) -> None:
        """Write what waits, and close the file."""
        super().on_end()
        self._close()

    def state_dict(self) -> dict[str, Any]:
        """Return what is not written yet; what is written is on the disk."""
        return super().state_dict() | {"own": self._own}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where another one was."""
        super().load_state_dict(state)
        self._own = self._own or state["own"]
        if self._writer is not None:  # the fit has gone back
            self._close()
            self._hides = _FIRST

    def _write(self, rows: list[dict[str, float]]) -> None:
        try:
            if self._writer is None:
                self._hides = int(rows[0]["step"]) if self._hides == _FIRST else self._hides
                self._open()
            for row in rows:
                self._writer.write(_event(row))
            self._writer.flush()
        except OSError:
            self._close()  # it may end within a record: what comes goes into another file
            raise

    def _open(self) -> None:
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.record_writer import RecordWriter

        self._place.mkdir(parents=True, exist_ok=True)
        now = time.time_ns()  # TensorBoard reads files in the order of their names
        name = f"events.out.tfevents.{now // 10**9}.{now % 10**9:09d}"
        self._writer = RecordWriter(str(self._place / name))
        begins = [{"file_version": "brain.Event:2"}]
        if self._hides is not None:
            log = SessionLog(status=SessionLog.START)
            begins += [{"step": self._hides, "session_log": log}]
        for parts in begins:
            self._writer.write(Event(wall_time=time.time(), **parts).SerializeToString())
        self._writer.flush()
        self._hides = None

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(OSError):  # of what it could not write, which waits
                writer.close()


def _event(row: Mapping[str, float]) -> bytes:
    """Return the scalars of a row as TensorBoard's event."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary

    tags = [tag for tag in row if tag not in ("step", "member")]
    values = [Summary.Value(tag=tag, simple_value=row[tag]) for tag in tags]
    summary = Summary(value=values)
    event = Event(step=int(row["step"]), wall_time=time.time(), summary=summary)
    return event.SerializeToString()
