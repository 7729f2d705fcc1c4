"""What predictions lose when weights are pruned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from pymc_bnn._checks import invalid
from pymc_bnn.plots.style import (
    MARKERS,
    SERIES,
    check_columns,
    check_mapping,
    frame_axes,
    log_ticks,
    thousands,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["pruning_curves"]

_LABELS = {
    "accuracy": "accuracy [%]",
    "nll": "NLL [nats per example]",
    "ece": "ECE [%]",
    "rmse": "RMSE [unit of y]",
    "crps": "CRPS [unit of y]",
    "coverage": "coverage of 90 % intervals [%]",
}


def pruning_curves(tables: pd.DataFrame | Mapping[str, pd.DataFrame]) -> np.ndarray:
    """Draw how good predictions are against the share of the weights that is kept.

    Parameters
    ----------
    tables : pandas.DataFrame or mapping from str to pandas.DataFrame
        ``pruning.pruning_table`` of one fit, or of several by name: the index kept, shares in
        (0, 1], and a column for each score.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes, shape (scores,)
        A panel per score; x: the share kept, in per cent, on a logarithmic axis.

    Raises
    ------
    ValueError, TypeError
        If there is no table, its columns differ from another's or are not finite, or shares are
        outside (0, 1].

    Examples
    --------
    >>> import pandas as pd
    >>> index = pd.Index([1.0, 0.1], name="kept")
    >>> table = pd.DataFrame({"weights": [90, 9], "accuracy": [0.9, 0.8], "ece": [0.1, 0.2]}, index)
    >>> [ax.get_ylabel() for ax in pruning_curves(table)]
    ['accuracy [%]', 'ECE [%]']
    """
    if hasattr(tables, "columns"):
        tables = {"": tables}
    repair, frames = "pass pruning_table(fitted, data, y)", {}
    for name, table in check_mapping("tables", tables, repair).items():
        label = f"tables[{name!r}]" if name else "tables"
        scores = [column for column in getattr(table, "columns", ()) if column != "weights"]
        frame = check_columns(label, table, scores or ["accuracy"], repair)
        shares = frame.index.to_numpy()
        if shares.dtype.kind not in "fi" or shares.min() <= 0 or shares.max() > 1:
            rule, got = "be indexed by shares in (0, 1]", f"{list(shares[:5])}"
            raise invalid(label, rule, got, repair)
        frames[name] = frame.sort_index()
    scores = list(next(iter(frames.values())))
    if any(list(frame) != scores for frame in frames.values()):
        got = [list(frame) for frame in frames.values()]
        raise invalid("tables", "have the same columns", got, "draw the others by themselves")

    layout = {"squeeze": False, "layout": "constrained", "figsize": (3.4 * len(scores), 3.2)}
    figure, [axes] = plt.subplots(1, len(scores), **layout)
    low = 100 * min(frame.index.min() for frame in frames.values())
    for ax, score in zip(axes, scores, strict=True):
        unit = 100 if _LABELS.get(score, "").endswith("[%]") else 1
        for i, (name, frame) in enumerate(frames.items()):
            style = {"color": SERIES[i % len(SERIES)], "marker": MARKERS[i % len(MARKERS)]}
            ax.plot(100 * frame.index, unit * frame[score], markersize=5, label=name, **style)
        ax.set_xscale("log")
        ax.set_xlim(low / 1.15, 115)
        ticks = [tick for tick in log_ticks(low / 1.01, 101) if low > 30 or str(tick)[0] in "125"]
        ax.xaxis.set_major_locator(FixedLocator(ticks))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(thousands))
        ax.tick_params(labelsize=9)
        ax.set_xlabel("weights kept [%]")
        ax.set_ylabel(_LABELS.get(score, str(score)))
        frame_axes(ax, grid="both")
    if any(frames):
        place = {"loc": "outside upper center", "frameon": False, "fontsize": "small"}
        figure.legend(*axes[0].get_legend_handles_labels(), ncols=len(frames), **place)
    return axes
