"""A position, or the end of a run, as files of a folder, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pymc_bnn._checks import invalid
from pymc_bnn.errors import DamagedError
from pymc_bnn.inference.convergence import Rise
from pymc_bnn.inference.ending import Ending
from pymc_bnn.inference.loop import Loop
from pymc_bnn.inference.metrics import Metrics
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.position import Position
from pymc_bnn.inference.record import Record
from pymc_bnn.inference.recovery import Recovery
from pymc_bnn.inference.stages import Gain
from pymc_bnn.inference.state import State
from pymc_bnn.saving.arrays import flat_of, read_arrays, tree_of, write_arrays
from pymc_bnn.saving.folder import checked_folder, new_folder
from pymc_bnn.saving.values import join, split

__all__ = ["Snapshot"]

FORMAT = 1
_JSON, _ARRAYS = "checkpoint.json", "arrays.safetensors"
_MOST = {_JSON: 2**26, _ARRAYS: 2**36}  # bytes
_ODD = KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError


@dataclass(frozen=True)
class Snapshot:
    """What a position or an end is made of: values for JSON, and arrays by name.

    It outlives the steps made from the position: arrays are of host memory, of their own or of
    buffers that no step uses up.

    Examples
    --------
    >>> Snapshot({"format": 1}, {"metrics/kl": np.zeros(2)}).plain
    {'format': 1}
    """

    plain: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @classmethod
    def of(cls, position: Position, source: Any = None) -> Snapshot:
        """Return that of a position, and of what its source says of where it is."""
        plain, arrays = _of_position(position, "")
        kept, more = split(source, "source", "data")
        return cls({"format": FORMAT, **plain, "source": kept}, arrays | more)

    @classmethod
    def of_end(cls, state: State, record: Record) -> Snapshot:
        """Return that of the end of a run."""
        plain = {
            "format": FORMAT,
            "interrupted": record.interrupted,
            "settled": record.settled,
            "rise": record.rise and asdict(record.rise),
            "gain": record.gain and asdict(record.gain),
            "recoveries": [asdict(recovery) for recovery in record.recoveries],
        }
        return cls(plain, flat_of(state, "state") | flat_of(record.metrics, "metrics"))

    def write(self, path: Path) -> None:
        """Write a folder that is there as a whole or not at all."""
        with new_folder(path, argument="checkpoint") as folder:
            write_arrays(folder / _ARRAYS, self.arrays)
            (folder / _JSON).write_text(json.dumps(self.plain, sort_keys=True))

    @classmethod
    def read(cls, path: Path) -> Snapshot:
        """Read one that was written; raise DamagedError where a byte of it was changed."""
        files = checked_folder(path, _MOST, argument="checkpoint")

        def read() -> Snapshot:
            plain = json.loads(files[_JSON].read_text())
            if plain["format"] > FORMAT:
                rule, got = "be of a version that is known", f"format {plain['format']} in '{path}'"
                raise invalid("checkpoint", rule, got, "install a newer pymc_bnn")
            return cls(plain, read_arrays(files[_ARRAYS], "checkpoint"))

        return _parsed(path, read)

    def position(self, first: Position, plan: Plan, path: Path) -> Position:
        """Return the position in a run whose first one is given."""
        return _parsed(path, lambda: self._position(self.plain, "", first, plan))

    def end(self, like: State, path: Path) -> tuple[State, Record]:
        """Return state, in host memory, and record of a run whose states are like this one."""
        plain = self.plain

        def end() -> tuple[State, Record]:
            record = Record(
                self._metrics(""),
                bool(plain["interrupted"]),
                plain["rise"] and Rise(**plain["rise"]),
                plain["settled"],
                plain["gain"] and Gain(**plain["gain"]),
                _recoveries(plain),
            )
            state = self._tree(like, "state")
            words = np.asarray(jax.random.key_data(state.key))
            return replace(state, key=words), record

        return _parsed(path, end)

    @property
    def source(self) -> Any:
        """Where the source was."""
        return join(self.plain.get("source"), self.arrays)

    def _position(
        self, plain: Mapping[str, Any], prefix: str, first: Position, plan: Plan
    ) -> Position:
        recoveries = _recoveries(plain)
        slower = _rate(recoveries) / _rate(first.recoveries)  # of the first one's loop
        loop = first.loop if slower == 1 else first.loop.slower(slower)
        loop = loop.stages[plain["stage"]]
        ends = plain["ends"]
        inner = ends["before"] and self._put(loop, f"{prefix}inner")
        metrics, rescue = self._metrics(prefix), plain["rescue"]
        if len(metrics.nll) != plain["done"]:
            raise ValueError(f"{len(metrics.nll)} metrics of {plain['done']} steps")
        return Position(
            loop,
            self._put(loop, f"{prefix}state"),
            Ending.recalled(ends, plan, loop.program, inner),
            (metrics,) if plain["done"] else (),
            int(plain["done"]),
            int(plain["in_chunk"]),
            float(plain["elapsed_s"]),
            tuple((str(name), join(kept, self.arrays)) for name, kept in plain["callbacks"]),
            recoveries,
            rescue and self._position(rescue, "rescue ", first, plan),
        )

    def _metrics(self, prefix: str) -> Metrics:
        metrics = Metrics(*(self.arrays[f"{prefix}metrics/{name}"] for name in Metrics._fields))
        if {part.shape for part in metrics} != {metrics.nll.shape[:1]}:
            raise ValueError("metrics of several shapes")
        return metrics

    def _put(self, loop: Loop, prefix: str) -> State:
        return loop.put(self._tree(loop.like, prefix))

    def _tree(self, like: Any, prefix: str) -> State:
        return tree_of(like, self.arrays, prefix, argument="checkpoint", what="a state")


def _of_position(position: Position, prefix: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    arrays = flat_of(position.state, f"{prefix}state")
    arrays |= flat_of(Metrics.join(position.found), f"{prefix}metrics")
    if position.ends.inner is not None:
        arrays |= flat_of(position.ends.inner, f"{prefix}inner")
    callbacks = []
    for i, (name, kept) in enumerate(position.callbacks):
        own, more = split(kept, f"{prefix}callbacks/{i}", "callbacks")
        callbacks.append([name, own])
        arrays |= more
    plain = {
        "stage": position.loop.number,
        "done": position.done,
        "in_chunk": position.in_chunk,
        "elapsed_s": position.elapsed_s,
        "ends": position.ends.memory(),
        "recoveries": [asdict(recovery) for recovery in position.recoveries],
        "callbacks": callbacks,
        "rescue": None,
    }
    if position.rescue is not None:
        plain["rescue"], more = _of_position(position.rescue, "rescue ")
        arrays |= more
    return plain, arrays


def _recoveries(plain: Mapping[str, Any]) -> tuple[Recovery, ...]:
    return tuple(Recovery(**recovery) for recovery in plain["recoveries"])


def _rate(recoveries: Sequence[Recovery]) -> float:
    return recoveries[-1].rate if recoveries else 1.0


def _parsed(path: Path, read: Callable[[], Any]) -> Any:
    """Read what nobody changed, and say so where it is nothing that was written here."""
    try:
        return read()
    except _ODD as error:
        if isinstance(error, DamagedError) or str(error).startswith("`checkpoint`"):
            raise
        rule, got = "be a folder as it was saved", f"'{path}' ({type(error).__name__}: {error})"
        raise invalid("checkpoint", rule, got, "remove it", DamagedError) from error
