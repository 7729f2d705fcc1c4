"""The progress bar of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pymc_bnn.inference.metrics import Metrics

__all__ = ["Bar", "Progress", "Row", "kind_of_bar"]


class Bar:
    """What bars share: how they begin, end and say their speed; without one nothing is shown.

    Examples
    --------
    >>> Bar()._bar is None
    True
    """

    _bar: Any = None  # rich's

    def _make(
        self, before: Sequence[str], rate: Sequence[str], after: str, *, percent: bool = False
    ) -> None:
        """Make the bar: texts before it, then counts, texts of its rate, times, and a text.

        Texts may name fields of the task, which ``self._bar.add_task`` has to give.
        """
        from rich import progress as rich

        self._bar = kind_of_bar()(
            *map(rich.TextColumn, before),
            rich.BarColumn(),
            *([rich.TaskProgressColumn()] if percent else []),
            rich.MofNCompleteColumn(),
            *map(rich.TextColumn, rate),
            rich.TimeElapsedColumn(),
            rich.TextColumn("left"),
            rich.TimeRemainingColumn(),
            rich.TextColumn(after),
            auto_refresh=False,
        )

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
        return _speed_of(self._bar.tasks[0])


def _speed_of(task: Any) -> float | None:
    return task.finished_speed or task.speed


def kind_of_bar() -> type:
    """Return rich's bar, or one that redraws one output of a notebook's cell, without widgets.

    Examples
    --------
    >>> kind_of_bar().__name__
    'Progress'
    """
    from rich import get_console
    from rich import progress as rich

    if not get_console().is_jupyter:
        return rich.Progress
    from IPython.display import display

    class InNotebook(rich.Progress):
        handle: Any = None

        def start(self) -> None:
            self.handle = display(self, display_id=True)

        def refresh(self) -> None:
            if self.handle is not None:
                self.handle.update(self)

        def stop(self) -> None:
            self.refresh()

    return InNotebook


class Progress(Bar):
    """A rich progress bar, or one below the other: steps, rate, remaining time, a smoothed ELBO.

    Parameters
    ----------
    labels : bool, optional
        Whether something is said before each bar.
    enabled : bool, optional
        False shows nothing.

    Examples
    --------
    >>> import numpy as np
    >>> with Progress(enabled=False) as progress:
    ...     row = progress.row(10, 1)
    ...     row.update(5, Metrics(np.ones(5), np.ones(5), np.zeros(5)))
    """

    def __init__(self, *, labels: bool = False, enabled: bool = True):
        if enabled:
            before, rate = ["{task.description}"] if labels else [], ["{task.fields[rate]}"]
            self._make(before, rate, "ELBO {task.fields[elbo]}", percent=True)

    def row(self, steps: int | None, per_epoch: int, label: str = "") -> Row:
        """Add a bar.

        Parameters
        ----------
        steps : int or None
            Steps in all; None where nobody knows yet.
        per_epoch : int
            Steps of an epoch; the ELBO is averaged over as many, at least 50.
        label : str, optional
            Said before it.
        """
        if self._bar is not None:
            self._bar.add_task(label, total=steps, rate="compiling", elbo="–")
            self._bar.refresh()
        return Row(self._bar, max(50, per_epoch))


class Row:
    """One bar, the last that was added; without rich's nothing is shown.

    Examples
    --------
    >>> import numpy as np
    >>> Row(None, 50).update(5, Metrics(np.ones(5), np.ones(5), np.zeros(5)))
    """

    def __init__(self, bar: Any, window: int):
        self._bar, self._window = bar, window
        self._recent = Metrics.join([])
        self._task = None if bar is None else bar.tasks[-1]

    def update(self, done: int, metrics: Metrics, steps: int | None = None) -> None:
        """Show that `done` of `steps` (if known) are done, and what the last of them left."""
        if self._bar is None:
            return
        self._recent = Metrics.join([self._recent, metrics]).last(self._window)
        elbo = self._recent.elbo.mean()
        rate = f"{speed:,.1f} steps/s" if (speed := _speed_of(self._task)) else ""
        self._task.total = steps  # which update() would not forget
        self._bar.update(self._task.id, completed=done, rate=rate, elbo=f"{elbo:,.5g}")
        self._bar.refresh()
