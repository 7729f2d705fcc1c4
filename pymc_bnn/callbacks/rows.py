"""What logs have in common: a row of numbers for each chunk, and what cannot be written."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pymc_bnn._checks import first_line, invalid, make_folder
from pymc_bnn._warnings import warn
from pymc_bnn.inference.info import Info
from pymc_bnn.inference.optimizer import learning_rate_of
from pymc_bnn.inference.state import State

__all__ = ["COLUMNS", "RowLogger", "path_of", "row_of"]

COLUMNS = (
    "step", "epoch", "member", "nll", "kl", "elbo", "elbo_per_example", "kl_weight",
    "learning_rate", "elapsed_s",
)  # fmt: skip


def row_of(state: State, info: Info) -> dict[str, float]:
    """Return what is logged of a chunk: means over its steps, of the full data, in nats.

    Parameters
    ----------
    state : State
        After the chunk.
    info : Info
        What a callback learns.

    Returns
    -------
    dict
        By the names of `COLUMNS`; ``learning_rate`` is that of locations at the chunk's last step,
        and left out where the optimiser does not tell it.

    Examples
    --------
    >>> import jax, numpy as np
    >>> from pymc_bnn.inference.metrics import Metrics
    >>> metrics = Metrics(np.array([5.0, 4.0]), np.array([1.0, 2.0]), np.zeros(2))
    >>> info = Info(2, 10, 1.0, 0.1, 1.0, metrics, lambda: None, n=3)
    >>> row = row_of(State({}, (), jax.random.key(0), 2), info)
    >>> row["nll"], row["elbo"], row["elbo_per_example"], "learning_rate" in row
    (4.5, -6.0, -2.0, False)
    """
    elbo, rate = float(info.elbo.mean()), learning_rate_of(state.opt_state)
    row = {
        "step": info.step,
        "epoch": float(info.epoch),
        "member": info.member,
        "nll": float(info.metrics.nll.mean(dtype=float)),
        "kl": float(info.metrics.kl.mean(dtype=float)),
        "elbo": elbo,
        "elbo_per_example": elbo / info.n,
        "kl_weight": float(info.kl_weight),
    }
    if rate is not None:
        row["learning_rate"] = rate * info.rate
    return row | {"elapsed_s": float(info.elapsed_s)}


def path_of(argument: str, path: Any, example: str, *, folder: bool = False) -> Path:
    """Return where a log is to be, after making the folder that it is to be in.

    Raises
    ------
    TypeError, ValueError
        If it is no path, or nothing can be written there.

    Examples
    --------
    >>> path_of("path", 3, "log.csv")
    Traceback (most recent call last):
        ...
    TypeError: `path` must be a path, got 3; pass 'log.csv', say
    """
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise invalid(argument, "be a path", repr(path), f"pass {example!r}, say", TypeError)
    full = Path(os.path.abspath(Path(path).expanduser()))
    if full.is_file() if folder else full.is_dir():
        rule, got = f"be a {'folder' if folder else 'file'}", f"'{full}', which is none"
        raise invalid(argument, rule, got, f"pass {example!r}, say")
    try:
        make_folder(full if folder else full.parent)
    except ValueError as error:
        rule, got = "be where can be written", f"'{full}' ({error.__cause__})"
        raise invalid(argument, rule, got, "choose another place") from error
    if not folder and full.exists() and not os.access(full, os.W_OK):
        rule = "be a file that can be written to"
        raise invalid(argument, rule, f"'{full}'", "choose another place")
    return full


class RowLogger(ABC):
    """Writes a row for each chunk; what cannot be written waits, and never stops the fit.

    One that a fit gives its state back to goes on where the other one was: rows that come after
    that are dropped, as they are written again.
    """

    name = "log"  # what warnings call it
    every_s = 0.0  # rows wait as long at most, where writing takes its time
    fails = (OSError,)  # errors that do not stop the fit

    def __init__(self) -> None:
        self._waiting: list[dict[str, float]] = []
        self._warned = False
        self._written_at = 0.0

    @abstractmethod
    def _write(self, rows: list[dict[str, float]]) -> None:
        """Write all rows, or none, where it raises."""

    def on_chunk(self, state: State, info: Info) -> bool:
        """Write a row; never stops the fit."""
        self._waiting.append(row_of(state, info))
        if time.monotonic() - self._written_at >= self.every_s:
            self._write_all()
        return False

    def on_end(self) -> None:
        """Write what waits."""
        if self._waiting:
            self._write_all()

    def state_dict(self) -> dict[str, Any]:
        """Return where it is, and what it has not written yet."""
        return {"waiting": [dict(row) for row in self._waiting]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where another one was."""
        self._waiting = [dict(row) for row in state["waiting"]]

    def _write_all(self) -> None:
        try:
            self._write(self._waiting)
        except self.fails as error:
            if not self._warned:
                self._warned = True
                warn(
                    f"{self.name} could not be written ({type(error).__name__}: "
                    f"{first_line(error)}). The fit goes on, and tries again after each chunk",
                    RuntimeWarning,
                )
        else:
            self._waiting, self._written_at = [], time.monotonic()
