"""The folder of a fit: fit.json, model.json, arrays.safetensors, and their checksums."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pytensor import config

from pymc_bnn import __version__
from pymc_bnn._checks import invalid
from pymc_bnn._warnings import warn
from pymc_bnn.errors import DamagedError
from pymc_bnn.model.problem import Problem
from pymc_bnn.saved_fits.arrays import Store, stored
from pymc_bnn.saved_fits.problems import problem_to_json, write_model
from pymc_bnn.saved_fits.specs import NotDefinedError
from pymc_bnn.saving.arrays import read_arrays, write_arrays
from pymc_bnn.saving.folder import checked_folder, new_folder

__all__ = ["FORMAT", "Files", "read_files", "versions", "whatever_is_wrong", "write_files"]

FORMAT = 1
_FIT, _MODEL, _ARRAYS = "fit.json", "model.json", "arrays.safetensors"
_MOST = {_FIT: 2**26, _MODEL: 2**26, _ARRAYS: 2**44}  # bytes
_LIBRARIES = ("pymc", "pytensor", "pytensor-ml", "jax", "numpy", "optax")
_WRONG = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError),
    *(RecursionError, NotImplementedError, AssertionError, MemoryError, ArithmeticError),
)


class Files(NamedTuple):
    """What the folder of a fit holds.

    Examples
    --------
    >>> Files({"format": 1}, None, {}).fit["format"]
    1
    """

    fit: dict[str, Any]
    graph: dict[str, Any] | None
    arrays: Mapping[str, np.ndarray]


def write_files(
    path: Any, data: bool, kind: str, problem: Problem, parts: Callable[[Store], dict[str, Any]]
) -> None:
    """Write the folder of a fit.

    Parameters
    ----------
    path : path
        Where nothing is yet.
    data : bool
        Whether the data of rows are written, too.
    kind : str
        What the fit is.
    problem : Problem
        Of the fit.
    parts : callable
        Puts arrays into a store, and returns what else there is, for JSON.

    Examples
    --------
    >>> write_files.__name__
    'write_files'
    """
    if not isinstance(data, bool):
        rule, repair = "be True or False", "pass data=True to keep the data of the fit"
        raise invalid("data", rule, repr(data), repair, TypeError)
    if data and problem.terms.incomplete:
        rule, repair = "be False for a fit that was loaded without its data", "load it with model="
        raise invalid("data", rule, data, repair)
    store = Store()
    own = parts(store)
    described = problem_to_json(problem, store, data)
    model = write_model(problem, store, data)
    fit = {
        "format": FORMAT,
        "kind": kind,
        "versions": versions(),
        "floatX": config.floatX,
        "model": _MODEL if model.graph else None,
        "why_no_model": model.why,
        "problem": described,
        **own,
        "arrays": store.others,
    }
    with new_folder(path) as folder:
        write_arrays(folder / _ARRAYS, store.arrays)
        _write_json(folder / _FIT, fit)
        if model.graph:
            _write_json(folder / _MODEL, model.graph)
    if not model.graph:
        warn(f"the fit is saved without its model ({model.why}): pass model= to load it")


def read_files(path: Any) -> Files:
    """Read the folder of a fit, after a look at all checksums.

    Raises
    ------
    ValueError
        If there is none.
    DamagedError
        If it is not as it was saved, or of a later version.

    Examples
    --------
    >>> read_files("/nowhere")
    Traceback (most recent call last):
        ...
    ValueError: `path` must be a folder that was saved before, got '/nowhere', which is not there; \
correct the path
    """
    found = checked_folder(path, _MOST)
    with whatever_is_wrong(path):
        fit = _read_json(found[_FIT])
        number = fit["format"]
        if type(number) is not int or number < 1:
            raise ValueError(f"a format {number!r:.80}")
    if number > FORMAT:
        rule = f"be of format {FORMAT} or below"
        got = f"'{path}' of format {number}, by pymc_bnn {fit.get('versions', {}).get('pymc_bnn')}"
        raise invalid("path", rule, got, "upgrade pymc_bnn")
    arrays = read_arrays(found[_ARRAYS]) if _ARRAYS in found else {}
    with whatever_is_wrong(path):
        graph = _read_json(found[_MODEL]) if fit["model"] is not None else None
        return Files(fit, graph, stored(arrays, fit["arrays"]))


@contextmanager
def whatever_is_wrong(path: Any, fit: Mapping[str, Any] | None = None) -> Any:
    """Turn whatever goes wrong as files are read into one error.

    Where the libraries are others than those that wrote `fit`, it says so.

    Examples
    --------
    >>> with whatever_is_wrong("folder"):
    ...     {}["format"]
    Traceback (most recent call last):
        ...
    pymc_bnn.errors.DamagedError: `path` must hold a fit as it was saved, got 'folder' (KeyError: \
'format'); take another copy of it
    """
    try:
        yield
    except (DamagedError, NotDefinedError):
        raise
    except _WRONG as error:
        text = (str(error).splitlines() or [""])[0][:300]
        got = f"'{path}' ({type(error).__name__}: {text})"
        rule, repair = "hold a fit as it was saved", "take another copy of it"
        there, here = (fit or {}).get("versions"), versions()
        if isinstance(there, dict) and there != here:
            others = [f"{k} {v}" for k, v in there.items() if here.get(k) != v]
            repair = f"it was saved with {', '.join(others)[:200]}: install these, or pass model="
        raise invalid("path", rule, got, repair, DamagedError) from error


def versions() -> dict[str, str]:
    """Return the versions of what reads and writes fits here.

    Examples
    --------
    >>> sorted(versions())[:3]
    ['jax', 'numpy', 'optax']
    """
    own = {name: version(name) for name in _LIBRARIES}
    return {"pymc_bnn": __version__, "python": platform.python_version(), **own}


def _write_json(path: Path, written: Any) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(written, file, allow_nan=False, separators=(",", ":"))


def _read_json(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8") as file:
        found = json.load(file, parse_constant=_no_number)
    if not isinstance(found, dict):
        raise TypeError(f"'{path.name}' holds a {type(found).__name__}")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"a number {text}")
