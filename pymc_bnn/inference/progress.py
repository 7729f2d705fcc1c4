"""The progress bar of a fit."""

from __future__ import annotations

from typing import Any, Self

from pymc_bnn.inference.metrics import Metrics

__all__ = ["Bar", "Progress"]


class Bar:
    """What bars share: how they begin, end and say their speed; without one nothing is shown.

    Examples
    --------
    >>> Bar()._bar is None
    True
    """

    _bar: Any = None  # rich's

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._bar.refresh()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def _speed(self) -> float | None:
        """Steps per second."""
        return self._bar.tasks[0].finished_speed or self._bar.tasks[0].speed


class Progress(Bar):
    """A rich progress bar: steps, rate, remaining time and a smoothed ELBO.

    Parameters
    ----------
    steps : int or None
        Steps in all; None where nobody knows yet.
    per_epoch : int
        Steps of an epoch; the ELBO is averaged over as many, at least 50.
    label : str, optional
        Said before the bar.
    enabled : bool, optional
        False shows nothing.

    Examples
    --------
    >>> import numpy as np
    >>> with Progress(10, 1, enabled=False) as progress:
    ...     progress.update(5, Metrics(np.ones(5), np.ones(5), np.zeros(5)))
    """

    def __init__(self, steps: int | None, per_epoch: int, label: str = "", *, enabled: bool = True):
        self._window = max(50, per_epoch)
        self._recent = Metrics.join([])
        if enabled:
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                TaskProgressColumn,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                *([TextColumn(label)] if label else []),
                BarColumn(),
                TaskProgressColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                TextColumn("ELBO {task.fields[elbo]}"),
                auto_refresh=False,
            )
            self._task = self._bar.add_task("", total=steps, rate="compiling", elbo="–")

    def update(self, done: int, metrics: Metrics, steps: int | None = None) -> None:
        """Show that `done` of `steps` (if known) are done, and what the last of them left."""
        if self._bar is None:
            return
        self._recent = Metrics.join([self._recent, metrics]).last(self._window)
        elbo = self._recent.elbo.mean()
        rate = f"{speed:,.1f} steps/s" if (speed := self._speed) else ""
        self._bar.tasks[0].total = steps  # which update() would not forget
        self._bar.update(self._task, completed=done, rate=rate, elbo=f"{elbo:,.5g}")
        self._bar.refresh()
