"""A row of numbers for each chunk, in a CSV file."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pymc_bnn._checks import invalid
from pymc_bnn.callbacks.rows import COLUMNS, RowLogger, path_of
from pymc_bnn.inference.info import Info
from pymc_bnn.inference.state import State

__all__ = ["CSVLogger"]

_HEADER = ",".join(COLUMNS) + "\n"


class CSVLogger(RowLogger):
    """Writes a row after each chunk into a CSV file.

    Columns: step, epoch, member; nll, kl and elbo, means over the chunk's steps of the full data in
    nats, as in the history (with points elbo is the objective); elbo_per_example; kl_weight;
    learning_rate, of locations, empty where the optimiser does not tell it; and elapsed_s, since
    the first step.

    A fit that goes on from a checkpoint goes on with its file: no row is lost or there twice. Rows
    that cannot be written, as the disk is full, are warned of once and written later. The object
    used in another fit writes below what it has written.

    Parameters
    ----------
    path : str or path
        The file; folders above it are made.
    over : bool, optional
        Whether a file that is there already, of another fit, may be replaced. Scripts that are
        started again by themselves until they end want it: a fit killed before its first checkpoint
        begins anew, and finds its own file. Default false.

    Raises
    ------
    TypeError, ValueError
        If it is no path, nothing can be written there, or, before the first step, if it holds
        something already.

    Examples
    --------
    >>> import tempfile, numpy as np, pandas as pd, pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(20))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = CSVLogger(f"{folder}/log.csv")
    ...     _ = bnn.fit(model, steps=300, callbacks=[log], random_seed=1, progressbar=False)
    ...     pd.read_csv(f"{folder}/log.csv")["step"].tolist()
    [100, 200, 300]
    """

    def __init__(self, path: str | os.PathLike[str], *, over: bool = False):
        super().__init__()
        self.path, self.over = path_of("path", path, "log.csv"), bool(over)
        self.name = f"'{self.path}'"
        self._size: int | None = None  # bytes that are its own; None before a fit

    def on_begin(self, state: State, info: Info) -> None:
        """Begin the file, or go on with it."""
        there = self.path.stat().st_size if self.path.exists() else 0
        if self._size is None:
            self._size = _size_before(self.path, info.member)
            if there and not self._size and not self.over:
                rule, got = "be a file that is not there yet", f"'{self.path}' of {there:,} bytes"
                raise invalid("path", rule, got, "choose another, or pass over=True")
        elif there < self._size and there:
            rule = f"be the file as it was left, of {self._size:,} bytes"
            raise invalid("path", rule, f"'{self.path}' of {there:,}", "put it back, or remove it")
        elif not there:
            self._size = 0
        try:
            self._put("" if self._size else _HEADER)
        except OSError as error:
            rule = "be where can be written"
            got = f"'{self.path}' ({error})"
            raise invalid("path", rule, got, "make room, or choose another place") from error

    def state_dict(self) -> dict[str, Any]:
        """Return how much of the file is there, on the disk, and what is not written yet."""
        if self._size:
            with self.path.open("rb+") as file:
                os.fsync(file.fileno())
        return super().state_dict() | {"size": self._size}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where another one was; rows after that are dropped as the fit goes on."""
        super().load_state_dict(state)
        self._size = state["size"]

    def _write(self, rows: list[dict[str, float]]) -> None:
        text = io.StringIO()
        csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n").writerows(rows)
        self._put(text.getvalue())

    def _put(self, text: str) -> None:
        """Write below what is its own; what a failed attempt left is cut off."""
        size = self._size or 0
        with self.path.open("rb+" if self.path.exists() else "xb") as file:
            file.truncate(size)
            file.seek(size)
            file.write(text.encode())
        self._size = size + len(text)


def _size_before(path: Path, member: int) -> int:
    """Return the bytes of a file's rows that are of earlier members; 0 if there are none."""
    if not member or not path.exists():
        return 0
    size, rows = 0, 0
    place = COLUMNS.index("member")
    with path.open("rb") as file:
        if file.readline().decode(errors="replace") != _HEADER:
            return 0
        size = len(_HEADER)
        for line in file:
            cells = line.decode(errors="replace").split(",")
            whole = line.endswith(b"\n") and len(cells) == len(COLUMNS)
            if not whole or not cells[place].isdecimal() or int(cells[place]) >= member:
                break
            size, rows = size + len(line), rows + 1
    return size if rows else 0
