"""Tables as rows of dots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from pymc_bnn._checks import invalid
from pymc_bnn.plots.style import (
    GREY,
    INK,
    MARKERS,
    SERIES,
    axes_of,
    check_columns,
    frame_axes,
    legend_above,
    log_ticks,
    short,
    thousands,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["dots"]


def dots(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    xlabel: str = "",
    log: bool = False,
    line: tuple[float, str] | None = None,
    errors: pd.DataFrame | None = None,
) -> Axes:
    """Draw a table as dots: a row for each row, a colour and a marker for each column.

    Dots compare what has no meaningful zero, such as ELBOs or variances on a logarithmic axis,
    which bars distort.

    Parameters
    ----------
    table : pandas.DataFrame
        Finite numbers; rows are drawn from the top. Of a single column the numbers are written
        at the right.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    xlabel : str, optional
        What the numbers are, with their unit.
    log : bool, optional
        Logarithmic axis, for numbers above 0.
    line : (float, str), optional
        A dashed line at that number, and what it is.
    errors : pandas.DataFrame, optional
        Like `table`, at least 0: half lengths of error bars.

    Returns
    -------
    matplotlib.axes.Axes
        x: the numbers; y: the rows.

    Raises
    ------
    ValueError, TypeError
        If the table is empty or not finite, or not above 0 on a logarithmic axis.

    Examples
    --------
    >>> import pandas as pd
    >>> ax = dots(pd.DataFrame({"error": [0.04, 0.02]}, index=["fixed", "learned"]), xlabel="error")
    >>> [text.get_text() for text in ax.texts]
    ['0.04', '0.02']
    """
    frame = check_columns("table", table, list(getattr(table, "columns", ())), "pass numbers")
    if log and (frame.to_numpy() <= 0).any():
        lowest = f"{frame.to_numpy().min():.6g}"
        raise invalid("table", "be above 0 on a logarithmic axis", lowest, "pass log=False")
    if errors is not None:
        repair = "pass half lengths of error bars, of the rows and columns of `table`"
        errors = check_columns("errors", errors, list(frame), repair)
        if not errors.index.equals(frame.index) or (errors.to_numpy() < 0).any():
            got = f"{len(errors)} rows, the least number {errors.to_numpy().min():.6g}"
            raise invalid("errors", "have the rows of `table` and be at least 0", got, repair)
    if line is not None and not (isinstance(line, tuple | list) and len(line) == 2):
        rule, repair = "be a pair of a number and what it is", "pass line=(0.5, 'guessing'), say"
        raise invalid("line", rule, repr(line), repair, TypeError)
    rows, columns = frame.shape
    ax = axes_of(ax, (6.4, 1.2 + 0.32 * rows))
    places = np.arange(rows)[::-1]
    if line is not None:
        ax.axvline(line[0], color=GREY, linewidth=1.2, linestyle="--", zorder=2, label=line[1])
    for i, column in enumerate(frame):
        style = {"color": INK if columns == 1 else SERIES[i % len(SERIES)], "zorder": 3}
        at = places + (0.0 if columns == 1 else 0.5 * (0.5 - (i + 0.5) / columns))
        if errors is not None:
            ax.errorbar(frame[column], at, xerr=errors[column], fmt="none", **style)
        marker = MARKERS[i % len(MARKERS)]
        ax.plot(frame[column], at, marker, markersize=6, label=str(column), **style)
    if columns == 1:
        right = {"transform": ax.get_yaxis_transform(), "fontsize": "small", "va": "center"}
        for place, value in zip(places, frame.iloc[:, 0], strict=True):
            ax.text(1.015, place, short(value), **right)
    if log:
        ax.set_xscale("log")
    ax.margins(x=0.08)
    ax.autoscale_view()
    if log:
        ax.xaxis.set_major_locator(FixedLocator(log_ticks(*ax.get_xlim())))
        ax.xaxis.set_minor_locator(NullLocator())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6))
    ax.xaxis.set_major_formatter(FuncFormatter(thousands))
    ax.set_ylim(-0.6, rows - 0.4)
    ax.set_yticks(places, [str(name) for name in frame.index])
    ax.set_xlabel(xlabel)
    frame_axes(ax, grid="both")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    if columns > 1 or line is not None:
        handles, labels = ax.get_legend_handles_labels()
        kept = [(h, t) for h, t in zip(handles, labels, strict=True) if columns > 1 or t == line[1]]
        handles, labels = zip(*kept, strict=True)
        legend_above(ax, handles=handles, labels=labels, ncols=5)
    return ax
