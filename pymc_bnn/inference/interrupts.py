"""Ctrl-C, and where something can be saved SIGTERM, as a flag."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
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

    def pass_on(self) -> None:
        """Let SIGTERM do what it did before, if it has come."""
        if self.terminated:
            signal.raise_signal(signal.SIGTERM)


@contextmanager
def interrupts(*, terminates: bool = False) -> Iterator[Interrupts]:
    """Turn the first Ctrl-C into a flag; the second one interrupts at once.

    Parameters
    ----------
    terminates : bool, optional
        Whether SIGTERM is to be one, too. Whoever asks for it has to `pass_on` the signal after
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
    done: int,
    steps: int | None,
    saved: str = "",
    left_out: Sequence[int] = (),
    kept: int = 0,
    members: int = 1,
) -> None:
    """Say, in one line, how far a fit came and what is kept.

    Parameters
    ----------
    done, steps : int
        Of the fit, or of the first member that was interrupted.
    saved : str, optional
        What else is to be said.
    left_out : sequence of int, optional
        Members that were interrupted, from 0, where others had ended.
    kept, members : int, optional
        How many had ended, of how many.

    Examples
    --------
    >>> say_interrupted(12, 1000)
    """
    if left_out:
        those = "the one that had ended is" if kept == 1 else f"the {kept} that had ended are"
        numbers = ", ".join(str(member + 1) for member in left_out)
        which = f"members {numbers}" if len(left_out) > 1 else f"member {numbers}"
        what = f"{which} of {members} {'are' if len(left_out) > 1 else 'is'} left out: {those} kept"
    else:
        what = "what it learned is returned" if done else "its start is returned"
    of = "" if steps is None else f" of {steps:,}"
    text = f"fit interrupted after step {done:,}{of}: {what}, with interrupted=True{saved}"
    say(text)
