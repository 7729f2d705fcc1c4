"""Warnings: said at the user's line, kept for a caller, or left out; in any number of threads."""

from __future__ import annotations

import re
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

__all__ = ["collected", "unheard", "warn"]

_PACKAGE = str(Path(__file__).parent)
_KEPT: ContextVar[list[str] | None] = ContextVar("kept", default=None)
_LOCK = threading.Lock()
_LEFT_OUT: Counter[tuple[str, type[Warning]]] = Counter()


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the user's code from which the package was called.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True, action="always") as caught:
    ...     warn("look here")
    >>> str(caught[0].message)
    'look here'
    """
    kept = _KEPT.get()
    if kept is None:
        warnings.warn(message, category, skip_file_prefixes=(_PACKAGE,))
    else:
        kept.append(message)


@contextmanager
def collected() -> Iterator[list[str]]:
    """Return a context that keeps what `warn` is told in this thread, instead of warning.

    Examples
    --------
    >>> with collected() as kept:
    ...     warn("of a fit that is not returned")
    >>> kept
    ['of a fit that is not returned']
    """
    kept: list[str] = []
    before = _KEPT.set(kept)
    try:
        yield kept
    finally:
        _KEPT.reset(before)


@contextmanager
def unheard(message: str = "", category: type[Warning] = Warning) -> Iterator[None]:
    """Return a context in which warnings of other libraries are left out.

    Python's filters are of the process. ``warnings.catch_warnings`` puts back those that it found,
    which of two threads may be the other's, for good; here each takes away no more than it added.

    Parameters
    ----------
    message : str, optional
        A regular expression that they begin with.
    category : type of Warning, optional
        Their kind.

    Examples
    --------
    >>> with unheard("poor"):
    ...     warnings.warn("poor p-value")
    """
    key = (message, category)
    pattern = re.compile(message, re.IGNORECASE) if message else None
    own = ("ignore", pattern, category, None, 0)  # as Python writes it
    with _LOCK:
        _LEFT_OUT[key] += 1
        if _LEFT_OUT[key] == 1 or own not in warnings.filters:
            warnings.filterwarnings("ignore", message, category)
    try:
        yield
    finally:
        with _LOCK:
            _LEFT_OUT[key] -= 1
            if not _LEFT_OUT[key]:
                with suppress(ValueError):  # a context of another library has ended, and it with it
                    warnings.filters.remove(own)
