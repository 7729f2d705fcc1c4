"""The progress bar of what goes over data again and again, draw by draw."""

from __future__ import annotations

import time

from pymc_bnn.inference.progress import Bar

__all__ = ["VisitProgress"]

_DELAY_S = 1.0  # what ends sooner shows nothing


class VisitProgress(Bar):
    """A rich progress bar: draws, rate, elapsed and remaining time.

    It appears after a second, in terminals and notebooks only: nothing is written to files.

    Parameters
    ----------
    draws : int
        How many there will be.
    label : str
        Said before the bar.
    enabled : bool, optional
        False shows nothing.

    Examples
    --------
    >>> with VisitProgress(2, "predicting", enabled=False) as progress:
    ...     progress.advance()
    """

    def __init__(self, draws: int, label: str, *, enabled: bool = True):
        self._draws, self._label, self._done = draws, label, 0
        self._wanted, self._began = enabled and _seen(), time.perf_counter()

    def advance(self, draws: int = 1) -> None:
        """Show that one more draw is done, or several."""
        self._done += draws
        if not self._wanted or time.perf_counter() - self._began < _DELAY_S:
            return
        if self._bar is None:
            self._make([self._label], ["draws {task.fields[rate]}"], "")
            self._task = self._bar.add_task("", total=self._draws, rate="")
            self.__enter__()
        rate = f"{speed:,.3g}/s" if (speed := self._speed) else ""
        self._bar.update(self._task, completed=self._done, rate=rate)
        self._bar.refresh()


def _seen() -> bool:
    """Tell whether somebody looks, and no bar is there where rich can show but one."""
    from rich import get_console

    console = get_console()
    return (console.is_terminal or console.is_jupyter) and getattr(console, "_live", None) is None
