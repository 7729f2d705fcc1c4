"""The folder in which a fit leaves where it is: ``fit(checkpoint=…, checkpoint_every=…)``."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np
import pandas as pd

from pymc_bnn._checks import check_int, invalid, listed
from pymc_bnn.data.resuming import can_be_resumed
from pymc_bnn.errors import DamagedError
from pymc_bnn.inference.slot import FolderSlot, Slot
from pymc_bnn.runtime.noise import seed_of
from pymc_bnn.saving.folder import checked_folder, folder_path, new_folder

__all__ = ["Checkpoint", "FolderCheckpoint", "checkpoint_of"]

_ABOUT, _JSON, _LOCK = "about", "about.json", "lock"
_MOST = {_JSON: 2**24}
_LEAST_S = 1e-3
_SHOWN = 8  # differences in an error


class Checkpoint:
    """A fit of which nothing is kept.

    Examples
    --------
    >>> with Checkpoint() as checkpoint:
    ...     checkpoint.seed(7)
    7
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        """Nothing has to be closed."""

    def seed(self, random_seed: Any) -> int:
        """Return the seed of the fit."""
        return seed_of(random_seed)

    def check(self, about: Mapping[str, Mapping[str, str]]) -> None:
        """Raise unless what is kept is of the same fit."""

    def slot(self, name: str) -> Slot:
        """Return where the run of a name leaves its positions."""
        return Slot()

    def source(self, name: str) -> Any:
        """Return where the source of the run of a name was."""
        return None


class FolderCheckpoint(Checkpoint):
    """A fit that a folder keeps; only one process at a time may have it.

    Parameters
    ----------
    folder : pathlib.Path
        Made where it is missing.
    steps : int or None
        After how many steps a position is kept.
    seconds : float or None
        After how many seconds, else.

    Raises
    ------
    ValueError
        If it holds something else, cannot be written to, or is in use.
    """

    def __init__(self, folder: Path, steps: int | None, seconds: float | None):
        self._folder, self._every = folder, (steps, seconds)
        self._slots: dict[str, FolderSlot] = {}
        self._lock: int | None = None
        self._seed: int | None = None

    def __enter__(self) -> Self:
        rule, repair = "be a folder that can be written to", "choose another"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            names = {path.name for path in self._folder.iterdir()}
            if names and not names & {_ABOUT, _LOCK}:
                got = f"'{self._folder}', which holds {sorted(names)[0]!r} and is no checkpoint"
                raise invalid("checkpoint", "be an empty folder or a checkpoint", got, repair)
            self._lock = _locked(self._folder / _LOCK)
            # What a process left that was killed as it wrote; nobody else writes here now.
            for path in [*self._folder.glob(".*.part"), *self._folder.glob("*/.*.part")]:
                shutil.rmtree(path, ignore_errors=True)
            self._about = self._read()
        except OSError as error:
            self.__exit__()
            got = f"'{self._folder}' ({error})"
            raise invalid("checkpoint", rule, got, repair) from error
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        """Let others have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def seed(self, random_seed: Any) -> int:
        """Return the seed of the fit that is kept, unless another number is given."""
        given = seed_of(random_seed)
        fixed = random_seed is not None and not isinstance(random_seed, np.random.Generator)
        self._seed = given if self._about is None or fixed else self._about["seed"]
        return self._seed

    def check(self, about: Mapping[str, Mapping[str, str]]) -> None:
        """Raise unless what is kept is of the same fit; keep what it is of where nothing is yet.

        Raises
        ------
        ValueError
            With all that differs.
        """
        if self._about is None:
            if any(path.is_dir() for path in self._folder.iterdir()):
                rule, got = "be a folder as it was saved", f"'{self._folder}' without 'about'"
                raise invalid("checkpoint", rule, got, "remove it", DamagedError)
            text = json.dumps({"format": 1, "seed": self._seed, "about": about}, sort_keys=True)
            try:
                with new_folder(self._folder / _ABOUT, argument="checkpoint") as part:
                    (part / _JSON).write_text(text)
            except OSError as error:
                rule, got = "be a folder that can be written to", f"'{self._folder}' ({error})"
                raise invalid("checkpoint", rule, got, "choose another") from error
            return
        wrong = [] if self._about["seed"] == self._seed else ["random_seed"]
        wrong = [f"random_seed is {self._about['seed']} there and {self._seed} here"] * len(wrong)
        for kind, now in about.items():
            wrong += _differences(kind, self._about["about"].get(kind, {}), now)
        if wrong:
            rule = "be of the same model, data and options"
            got = f"'{self._folder}', where {listed(wrong, _SHOWN)}"
            repair = "make the call that it was begun with, or choose another folder"
            raise invalid("checkpoint", rule, got, repair)

    def slot(self, name: str) -> FolderSlot:
        """Return where the run of a name leaves its positions."""
        if name not in self._slots:
            self._slots[name] = FolderSlot(self._folder / name, *self._every)
        return self._slots[name]

    def source(self, name: str) -> Any:
        """Return where the source of the run of a name was; None where it is to begin anew."""
        slot = self.slot(name)
        found = None if slot.ended else slot.latest()
        return None if found is None else found[1].source

    def _read(self) -> dict[str, Any] | None:
        """Return what the folder is of, if it was begun."""
        path = self._folder / _ABOUT
        if not path.exists():
            return None
        text = checked_folder(path, _MOST, argument="checkpoint")[_JSON].read_text()
        try:
            found = json.loads(text)
            if not isinstance(found["seed"], int) or not isinstance(found["about"], dict):
                raise TypeError
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            rule = "be a folder as it was saved"
            raise invalid("checkpoint", rule, f"'{path}'", "remove it", DamagedError) from error
        return found


def checkpoint_of(folder: Any, every: Any, data: Any = None) -> Checkpoint:
    """Return where a fit leaves its positions, after all checks.

    Parameters
    ----------
    folder, every
        As of :func:`pymc_bnn.fit`.
    data : iterable, optional
        Its batches: they must be such that they can be had again.

    Examples
    --------
    >>> checkpoint_of("fit", 7.5)
    Traceback (most recent call last):
        ...
    TypeError: `checkpoint_every` must be a number of steps, or a time such as "10min", got 7.5; \
pass 500 or "30s", say
    """
    steps, seconds = _every(every)
    if folder is None:
        return Checkpoint()
    path = Path(os.path.abspath(folder_path(folder, "checkpoint")))
    if jax.process_count() > 1:
        repair = "leave it out, or fit in one process"
        raise invalid("checkpoint", "be left out where several processes fit", folder, repair)
    if data is not None and not can_be_resumed(data):
        rule = "be an iterable that can be gone over again where there is a checkpoint"
        repair = "pass an object whose __iter__ begins anew, or one with state_dict"
        raise invalid("data", rule, f"a {type(data).__name__}", repair)
    return FolderCheckpoint(path, steps, seconds)


def _every(every: Any) -> tuple[int | None, float | None]:
    """Return steps or seconds."""
    rule, repair = 'be a number of steps, or a time such as "10min"', 'pass 500 or "30s", say'
    if isinstance(every, str | timedelta):
        seconds = -1.0
        with suppress(ValueError):
            seconds = pd.Timedelta(every).total_seconds()
        if not seconds >= _LEAST_S:
            raise invalid("checkpoint_every", rule, repr(every), repair)
        return None, seconds
    if isinstance(every, float):
        raise invalid("checkpoint_every", rule, repr(every), repair, TypeError)
    return check_int("checkpoint_every", every, 1, None, repair), None


def _locked(path: Path) -> int | None:
    """Return a file that no other process holds; it is let go when this one ends."""
    try:
        import fcntl
    except ModuleNotFoundError:  # on Windows
        path.touch()
        return None
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        rule, repair = "be in use by one process", "wait until that has ended, or choose another"
        raise invalid("checkpoint", rule, f"'{path.parent}', in use", repair) from error
    except OSError:  # a file system without locks
        os.close(handle)
        return None
    return handle


def _differences(kind: str, there: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """Say what differs; what is said of something may end with a hash of its numbers."""
    wrong = []
    for name in [*there, *(name for name in here if name not in there)]:
        one, other = there.get(name), here.get(name)
        if one == other:
            continue
        seen, now = (None if s is None else s.partition(" #")[0] for s in (one, other))
        what = f"'{name}'" if kind != "options" else name
        if seen == now:
            same = {"model": "has another definition", "data": "has other numbers"}
            wrong.append(f"{what} {same.get(kind, 'has other numbers')}")
        else:
            wrong.append(f"{what} is {seen or 'not'} there and {now or 'not'} here")
    return wrong
