"""Ctrl-C, and where something can be saved SIGTERM, as a flag."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymc_bnn._checks import say

__all__ = ["Interrupts", "interrupts", "say_interrupted"]


class Interrupts:
    """Tells whether a signal has come, and whether it was SIGTERM.

    Examples
    --------
    >>> Interrupts()()
    False
    """

    def __init__(self):
        self._pressed = threading.Event()
        self.terminated = False

    def __call__(self) -> bool:
        """Tell whether one has come."""
        return self._pressed.is_set()

    def on_interrupt(self, *_: Any) -> None:
        """Take note of the first Ctrl-C; the second one interrupts at once."""
        self._pressed.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def on_terminate(self, *_: Any) -> None:
        """Take note of SIGTERM."""
        self.terminated = True
        self._pressed.set()


@contextmanager
def interrupts(*, terminates: bool = False) -> Iterator[Interrupts]:
    """Turn the first Ctrl-C into a flag; the second one interrupts at once.

    Parameters
    ----------
    terminates : bool, optional
        Whether SIGTERM is to be one, too. Whoever asks for it has to raise the signal again after
        this context, where it does what it did before.

    Examples
    --------
    >>> with interrupts() as interrupted:
    ...     interrupted()
    False
    """
    found = Interrupts()
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            handlers[signal.SIGINT] = found.on_interrupt
        # None: a handler that was not set from Python, and could not be set again.
        left = None, signal.SIG_IGN
        if terminates and signal.getsignal(signal.SIGTERM) not in left:
            handlers[signal.SIGTERM] = found.on_terminate
    before = {number: signal.getsignal(number) for number in handlers}
    try:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        yield found
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say_interrupted(
    done: int, steps: int | None, member: int = 0, members: int = 1, saved: str = ""
) -> None:
    """Say, in one line, how far a fit came and what is kept.

    Examples
    --------
    >>> say_interrupted(12, 1000)
    """
    kept = "what it learned is returned" if done else "its start is returned"
    if member:
        before = f"the {member} before it are" if member > 1 else "the one before it is"
        kept = f"member {member + 1} of {members} is left out: {before} kept"
    of = "" if steps is None else f" of {steps:,}"
    text = f"fit interrupted after step {done:,}{of}: {kept}, with interrupted=True{saved}"
    say(text)
