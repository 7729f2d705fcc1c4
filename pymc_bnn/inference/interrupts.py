"""Ctrl-C as a flag."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["interrupts", "say_interrupted"]


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a flag; the second one interrupts at once.

    Examples
    --------
    >>> with interrupts() as interrupted:
    ...     interrupted()
    False
    """
    pressed = threading.Event()
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return

    def handler(*_: Any) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, handler)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def say_interrupted(done: int, steps: int | None, member: int = 0, members: int = 1) -> None:
    """Say on stderr, in one line, how far a fit came and what is kept.

    Examples
    --------
    >>> say_interrupted(12, 1000)
    """
    kept = "what it learned is returned" if done else "its start is returned"
    if member:
        before = f"the {member} before it are" if member > 1 else "the one before it is"
        kept = f"member {member + 1} of {members} is left out: {before} kept"
    of = "" if steps is None else f" of {steps:,}"
    text = f"fit interrupted after step {done:,}{of}: {kept}, with interrupted=True"
    print(text, file=sys.stderr, flush=True)
