"""Argument checks: one clear error before any work is done."""

from __future__ import annotations

import importlib
import logging
import operator
import os
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

__all__ = [
    "as_names",
    "by_pattern",
    "check_finite",
    "check_int",
    "check_positive",
    "check_seed",
    "first_line",
    "invalid",
    "make_folder",
    "optional_library",
    "say",
]

_LONGEST = 1500  # characters of a value in an error


def invalid(
    argument: str, rule: str, value: Any, repair: str, error: type[Exception] = ValueError
) -> Exception:
    """Build the package's error: the argument, the rule, the value received, the repair.

    Parameters
    ----------
    argument : str
        Name of the offending argument, as the user wrote it.
    rule : str
        What must hold, completing "`argument` must …".
    value : object
        What was received; a string is printed as it is, and of a long one its beginning and end.
    repair : str
        What the user can do about it.
    error : type of Exception, optional
        Class of the error. Default ValueError.

    Returns
    -------
    Exception
        To be raised by the caller.

    Examples
    --------
    >>> invalid("steps", "be a positive integer", -3, "pass steps=1000, say")
    ValueError('`steps` must be a positive integer, got -3; pass steps=1000, say')
    >>> len(str(invalid("x", "be a number", "9" * 10**6, "pass 9")))
    1537
    """
    got = str(value)
    if len(got) > _LONGEST:
        got = f"{got[: _LONGEST - 300]} … {got[-300:]}"
    return error(f"`{argument}` must {rule}, got {got}; {repair}")


def check_int(argument: str, value: Any, low: int, high: int | None, repair: str) -> int:
    """Return `value` as an int, if it is an integer in [low, high]; `high=None` means no bound.

    Examples
    --------
    >>> check_int("draws", 100, 1, None, "pass a positive integer")
    100
    """
    rule = f"be an integer of at least {low}" if high is None else f"be an integer in {low}…{high}"
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise invalid(argument, rule, repr(value), repair, TypeError) from None
    if number < low or (high is not None and number > high):
        raise invalid(argument, rule, number, repair)
    return number


def set_int(options: Any, name: str, low: int, high: int | None, repair: str) -> None:
    """Put an option of frozen `options` through :func:`check_int`: NumPy's are plain ones then.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Options:
    ...     draws: int
    >>> options = Options(np.int8(3))
    >>> set_int(options, "draws", 1, None, "pass draws=100")
    >>> options
    Options(draws=3)
    """
    object.__setattr__(options, name, check_int(name, getattr(options, name), low, high, repair))


def as_names(argument: str, value: Any) -> list[str]:
    """Return a name, or several, as a list.

    Examples
    --------
    >>> as_names("var_names", "mu"), as_names("var_names", ("mu", "noise"))
    (['mu'], ['mu', 'noise'])
    """
    names = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    if not all(isinstance(name, str) for name in names):
        repair = "pass ['mu', 'noise'], say"
        raise invalid(argument, "be a name, or several", repr(value), repair, TypeError)
    return names


def listed(differences: Sequence[str], most: int) -> str:
    """Return the first differences in a line, and how many more there are.

    Examples
    --------
    >>> listed(["'a' is missing", "'b' is missing", "'c' is missing"], 2)
    "'a' is missing; 'b' is missing; and 1 more"
    """
    more = len(differences) - most
    return "; ".join(differences[:most]) + (f"; and {more} more" if more > 0 else "")


def check_finite(argument: str, array: np.ndarray) -> None:
    """Raise unless every element of a floating-point `array` is finite, and none complex.

    Examples
    --------
    >>> check_finite("x", np.array([0.0, 1.0]))
    """
    array = np.asarray(array)
    if array.dtype.kind == "c":
        repair = "pass real and imaginary parts as columns of their own"
        raise invalid(argument, "hold real numbers", array.dtype, repair, TypeError)
    if not np.issubdtype(array.dtype, np.inexact):
        return
    bad = ~np.isfinite(array)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise invalid(
            argument,
            "hold finite numbers only",
            f"{int(bad.sum())} NaN or infinite values, the first at index {first}",
            "remove or impute these rows",
        )


def check_seed(random_seed: Any) -> int | np.random.Generator:
    """Return a seed in 0…2**32 − 1 or a Generator as it is; both go to `numpy.random.default_rng`.

    Examples
    --------
    >>> check_seed(7)
    7
    """
    if isinstance(random_seed, np.random.Generator):
        return random_seed
    repair = "pass random_seed=1, say, or a numpy.random.Generator"
    return check_int("random_seed", random_seed, 0, 2**32 - 1, repair)


def check_positive(argument: str, value: Any) -> None:
    """Raise unless `value` is a finite number above 0.

    Examples
    --------
    >>> check_positive("learning_rate", 0.01)
    """
    try:
        good = np.ndim(value) == 0 and bool(np.isfinite(value)) and value > 0
        good = good and not isinstance(value, bool | np.bool_)
    except TypeError:
        good = False
    if not good:
        rule, repair = "be a finite number above 0", f"pass {argument}=0.1, say"
        raise invalid(argument, rule, repr(value), repair)


def optional_library(module: str, needed_by: str, package: str | None = None) -> ModuleType:
    """Import a library that is not among the package's requirements.

    Parameters
    ----------
    module : str
        What is imported.
    needed_by : str
        What needs it, in words.
    package : str, optional
        What installs it. Default `module`.

    Returns
    -------
    module

    Raises
    ------
    ModuleNotFoundError
        With the command that installs it.

    Examples
    --------
    >>> optional_library("json", "this").__name__
    'json'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != module:  # it is there, and lacks something itself
            raise
        text = f"{needed_by} needs {module}, which is not installed; run: pip install "
        raise ModuleNotFoundError(text + (package or module), name=module) from None


def by_pattern(
    argument: str,
    spec: Mapping[str, Any],
    names: Sequence[str],
    noun: str = "variable",
    what: str = "a free variable",
    every: bool = False,
) -> dict[str, tuple[str, Any]]:
    """Return for each name the first pattern that matches it, and what that pattern stands for.

    Patterns are shell-style, such as ``"conv*"`` or ``"*_b"``; names that none matches are left
    out, or refused where `every` name needs one. Raises ValueError for a pattern that matches no
    name, or that never comes first. `noun` and `what` say in the errors what the names stand for.

    Examples
    --------
    >>> by_pattern("guide", {"*_b": 1, "*": 2}, ["dense1_W", "dense1_b"])
    {'dense1_W': ('*', 2), 'dense1_b': ('*_b', 1)}
    """
    chosen = {}
    for pattern in spec:
        if not isinstance(pattern, str):
            repair = "pass patterns such as '*_W'"
            raise invalid(argument, "have strings as keys", repr(pattern), repair, TypeError)
    for name in names:
        pattern = next((p for p in spec if fnmatchcase(name, p)), None)
        if pattern is not None:
            chosen[name] = (pattern, spec[pattern])
        elif every:
            rule = f"have a pattern for every {noun}, among them {name!r}"
            raise invalid(argument, rule, list(spec), "add '*' as the last pattern")
    winners = {pattern for pattern, _ in chosen.values()}
    for pattern in spec:
        if not any(fnmatchcase(name, pattern) for name in names):
            listed = ", ".join(names[:8]) + (
                f" and {len(names) - 8} more" if len(names) > 8 else ""
            )
            rule = f"have patterns that match {what}, {listed}"
            raise invalid(argument, rule, repr(pattern), "correct the pattern or drop it")
        if pattern not in winners and pattern != "*":
            rule = f"have each pattern win a {noun}; the first that matches wins"
            got = f"{pattern!r} after patterns that match the same names"
            raise invalid(argument, rule, got, "put it before them or drop it")
    return chosen


def make_folder(folder: str | os.PathLike[str]) -> Path:
    """Make a folder for results, before anything is computed that could not be written.

    Parameters
    ----------
    folder : path
        The folder; its parents are made, too.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    ValueError
        If the folder cannot be made or written to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     make_folder(Path(parent) / "a" / "b").is_dir()
    True
    """
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise invalid(
            "folder", "be a folder that can be written to", f"'{path}' ({error})", "choose another"
        ) from error
    return path


def first_line(error: BaseException) -> str:
    r"""Return the first line of an error's message.

    Examples
    --------
    >>> first_line(ValueError("one\ntwo"))
    'one'
    """
    return next(iter(str(error).splitlines()), "no message")


def say(message: str) -> None:
    r"""Log a line that users are to see: on stderr, unless they configure ``logging`` themselves.

    Examples
    --------
    >>> import io
    >>> lines = io.StringIO()
    >>> logging.getLogger("pymc_bnn").addHandler(handler := logging.StreamHandler(lines))
    >>> say("fit interrupted after step 12")
    >>> lines.getvalue()
    'fit interrupted after step 12\n'
    >>> logging.getLogger("pymc_bnn").removeHandler(handler)
    """
    logging.getLogger("pymc_bnn").warning(message)
