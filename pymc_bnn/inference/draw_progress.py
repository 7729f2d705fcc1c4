"""The progress bar of a sampler, and what it says at Ctrl-C."""

from __future__ import annotations

from pymc_bnn._checks import say
from pymc_bnn.inference.progress import Bar

__all__ = ["DrawProgress", "say_stopped"]


class DrawProgress(Bar):
    """A rich progress bar: tuning or drawing, steps, rate, remaining time and divergences.

    Parameters
    ----------
    tune, draws : int
        Steps of each chain.
    label : str, optional
        Said before the bar.
    enabled : bool, optional
        False shows nothing.

    Examples
    --------
    >>> with DrawProgress(10, 10, enabled=False) as progress:
    ...     progress.update(5, 0)
    """

    def __init__(self, tune: int, draws: int, label: str = "", *, enabled: bool = True):
        self._tune = tune
        if enabled:
            before, rate = [label, "{task.fields[stage]}"], ["{task.fields[rate]}"]
            self._make(before, rate, "{task.fields[divergent]} divergent")
            self._task = self._bar.add_task(
                "", total=tune + draws, stage="compiling", rate="", divergent=0
            )

    def update(self, done: int, divergent: int) -> None:
        """Show that `done` steps are done, and how many draws after tuning were divergent."""
        if self._bar is None:
            return
        self._bar.update(
            self._task,
            completed=done,
            stage="tuning" if done < self._tune else "drawing",
            rate=f"{speed:,.3g} steps/s" if (speed := self._speed) else "",
            divergent=divergent,
        )
        self._bar.refresh()


def say_stopped(done: int, tune: int, draws: int, chains: int) -> None:
    """Say, in one line, how far a sampler came and what is kept.

    Examples
    --------
    >>> say_stopped(12, 200, 200, 4)
    """
    if done <= tune:
        where = f"in tuning, after step {done:,} of {tune:,}: the fit is returned as it was"
    else:
        kept = f"the {done - tune:,} draws of each of {chains} chains are kept"
        where = f"after draw {done - tune:,} of {draws:,}: {kept}, with interrupted=True"
    say(f"refine interrupted {where}")
