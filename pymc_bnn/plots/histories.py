"""Histories of fits as curves: their steps, averages, and the range that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pymc_bnn._checks import invalid

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["common_examples", "history_of", "shown_range", "smooth", "steps_of", "window_of"]


def history_of(fit: Any) -> Any:
    """Return the history of a fit; anything else as it is."""
    return fit if hasattr(fit, "columns") else getattr(fit, "history", fit)


def common_examples(fits: Sequence[Any], given: int | None) -> int | None:
    """Return the given number of examples, or that of all fits; of fits without rows there is none.

    They have n_examples, which is 1 where nothing comes by rows.
    """
    own = {getattr(fit, "n_examples", 1) for fit in fits}
    return max(own) if given is None and len(own) == 1 and max(own) > 1 else given


def steps_of(history: pd.DataFrame) -> tuple[np.ndarray, float]:
    """Return the step of each row and the number of steps per epoch, 1 where unknown."""
    if history.index.nlevels > 1:
        got, repair = "that of a mixture", "pass the mixture to elbo_curves"
        raise invalid("history", "be that of one fit", got, repair)
    steps = history.index.to_numpy()
    if steps.dtype.kind not in "iuf" or (np.diff(steps) <= 0).any() or steps[0] < 0:
        raise invalid(
            "history",
            "be indexed by increasing step numbers",
            f"an index of dtype {steps.dtype}",
            "pass `fit(…).history`, or history.reset_index(drop=True)",
        )
    if "epoch" not in history:
        return steps, 1.0
    epoch = float(history["epoch"].iloc[-1])
    return steps, steps[-1] / epoch if epoch > 0 else 1.0


def window_of(rows: int, per_epoch: float) -> int:
    """Return over how many rows to average: an epoch, within 1/50 and 1/10 of all."""
    return int(max(1, min(max(rows // 50, round(per_epoch)), rows // 10)))


def smooth(values: pd.Series, window: int) -> np.ndarray:
    """Return the centred moving average, over what there is near the ends."""
    return values.rolling(window, center=True, min_periods=1).mean().to_numpy()


def shown_range(curves: Sequence[np.ndarray], level: float | None) -> tuple[float, float]:
    """Return the limits of y that show the curves, less where one dives, and a level, if any."""
    lows, highs = [], []
    for values in curves:
        bottom, top = values.min(), values.max()
        most = top - np.quantile(values, 0.1)  # the range of all but the lowest tenth
        lows.append(bottom if top - bottom <= 2.5 * most else top - 1.5 * most)
        highs.append(top)
    low = min(lows if level is None else [*lows, level])
    high = max(highs if level is None else [*highs, level])
    pad = 0.05 * (high - low) or 0.05 * max(abs(high), 1.0)
    return low - pad, high + pad
