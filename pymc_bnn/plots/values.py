"""Predicted values beside observed ones: intervals, residuals, PIT, coverage at many levels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from pymc_bnn._checks import check_int, invalid
from pymc_bnn.plots.style import (
    CORRECT,
    ERROR,
    GREY,
    INK,
    MARKERS,
    SERIES,
    axes_of,
    check_columns,
    check_mapping,
    check_scores,
    frame_axes,
    legend_above,
)
from pymc_bnn.uncertainty.regression import check_samples, check_values, value_interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["coverage_curves", "pit_histogram", "predicted_observed", "residuals"]

_MANY = 200  # examples from which on they are drawn paler


def predicted_observed(
    samples: Any,
    y: Any,
    level: float = 0.9,
    ax: Axes | None = None,
    *,
    xlabel: str = "observed",
    ylabel: str = "predicted",
) -> Axes:
    """Draw predicted means with their intervals against what was observed.

    Parameters
    ----------
    samples : array_like of shape (draws, n), or prediction
        Predictive samples of the observations, with their noise, or what `predict` returned. Of
        several outputs choose one: ``samples[..., 0]``.
    y : array_like of shape (n,)
        The observations.
    level : float, optional
        Probability of the equal-tailed intervals, in (0, 1). Default 0.9.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    xlabel, ylabel : str, optional
        Labels of the axes; name the unit, as in "observed [m]".

    Returns
    -------
    matplotlib.axes.Axes
        A dot and a line for each example: blue where the interval holds the observation, that is
        where the line meets the dashed diagonal, vermilion where it does not.

    Raises
    ------
    ValueError, TypeError
        If `samples` and `y` are not finite numbers of those shapes, or `level` is outside (0, 1).

    Examples
    --------
    >>> draws = [[0.0, 0.0, 1.0], [1.0, 1.0, 2.0], [2.0, 2.0, 3.0]]
    >>> ax = predicted_observed(draws, [1.2, 9.0, 2.0])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['inside the 90 % interval: 2 of 3', 'outside: 1 of 3', 'predicted = observed']
    """
    samples, y = _one_output(samples, y)
    low, high = value_interval(samples, level).T
    mean, inside = samples.mean(axis=0), (low <= y) & (y <= high)
    ax = axes_of(ax, (5.4, 5.0))
    names = {
        f"inside the {100 * level:g} % interval": (inside, CORRECT),
        "outside": (~inside, ERROR),
    }
    for order, (name, (at, color)) in enumerate(names.items()):
        label = f"{name}: {at.sum():,} of {len(y):,}"
        style = {"color": color, "alpha": _opacity(len(y)), "zorder": 3 + order}
        ax.vlines(y[at], low[at], high[at], linewidth=1.0, **style)
        ax.plot(y[at], mean[at], "o", markersize=4, markeredgewidth=0, label=label, **style)
    ends = min(y.min(), low.min()), max(y.max(), high.max())
    pad = 0.03 * (ends[1] - ends[0]) or 0.5
    for name, limit in zip("xy", ((y.min(), y.max()), ends), strict=True):
        ax.set(**{f"{name}lim": (limit[0] - pad, limit[1] + pad)})
    diagonal = {"color": GREY, "linewidth": 1.2, "linestyle": "--", "zorder": 2}
    ax.plot(ax.get_xlim(), ax.get_xlim(), label="predicted = observed", **diagonal)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    frame_axes(ax, grid="both")
    legend_above(ax)
    return ax


def residuals(
    samples: Any,
    y: Any,
    ax: Axes | None = None,
    *,
    standardised: bool = True,
    xlabel: str = "predicted mean",
    ylabel: str | None = None,
) -> Axes:
    """Draw how far observations are from their predicted means, against these means.

    A trend says that the mean is wrong, a funnel that the noise is; of a calibrated Normal
    prediction 95 % of the standardised ones lie within ±2.

    Parameters
    ----------
    samples : array_like of shape (draws, n), or prediction
        Predictive samples of the observations, with their noise, at least two draws, or what
        `predict` returned. Of several outputs choose one: ``samples[..., 0]``.
    y : array_like of shape (n,)
        The observations.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    standardised : bool, optional
        Divide by the predictive standard deviations. Default True.
    xlabel, ylabel : str, optional
        Labels of the axes; name the unit, as in "predicted mean [m]". By default `ylabel` is
        "residual [predictive sd]" or "residual".

    Returns
    -------
    matplotlib.axes.Axes
        x: the predicted mean; y: observed − predicted. Dots beyond ±2 standard deviations are
        vermilion, the others blue.

    Raises
    ------
    ValueError, TypeError
        If `samples` and `y` are not finite numbers of those shapes, or a standard deviation by
        which is divided is 0.

    Examples
    --------
    >>> ax = residuals([[0.0, 0.0], [2.0, 2.0]], [1.0, 9.0])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['within 2 predictive sd: 1 of 2', 'beyond: 1 of 2']
    """
    samples, y = _one_output(samples, y, least=2)
    mean, std = samples.mean(axis=0), samples.std(axis=0, ddof=1)
    if standardised and (std == 0).any():
        rule, repair = "vary over draws", "pass standardised=False"
        got = f"a standard deviation of 0 of example {int(np.argmax(std == 0))}"
        raise invalid("samples", rule, got, repair)
    residual = y - mean
    within = np.abs(residual) <= 2 * std
    ax = axes_of(ax, (6.4, 4.0))
    names = {"within 2 predictive sd": (within, CORRECT), "beyond": (~within, ERROR)}
    for name, (at, color) in names.items():
        label = f"{name}: {at.sum():,} of {len(y):,}"
        style = {"color": color, "alpha": _opacity(len(y)), "markeredgewidth": 0, "zorder": 3}
        shown = (residual / std if standardised else residual)[at]
        ax.plot(mean[at], shown, "o", markersize=4.5, label=label, **style)
    ax.axhline(0, color=INK, linewidth=1.0, zorder=2)
    if standardised:
        for end in (-2, 2):
            ax.axhline(end, color=GREY, linewidth=1.0, linestyle="--", zorder=2)
    most = 1.08 * max(np.abs(line.get_ydata(orig=True)).max(initial=0) for line in ax.get_lines())
    ax.set_ylim(-most or -1, most or 1)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel or f"residual{' [predictive sd]' if standardised else ''}")
    frame_axes(ax)
    legend_above(ax)
    return ax


def pit_histogram(pit: Any, bins: int = 10, ax: Axes | None = None) -> Axes:
    """Draw a histogram of the probability integral transform, beside what chance makes of it.

    Of a calibrated prediction it is flat: 19 of 20 bars end between the dotted lines. High at both
    ends: too sure; a hump: not sure enough; a slope: too high or too low.

    Parameters
    ----------
    pit : array_like of shape (n,)
        ``uncertainty.pit``, in [0, 1]; of several outputs one: ``pit[:, 0]``.
    bins : int, optional
        Number of bins, at least 2. Default 10.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        x: PIT; y: observations per bin beside the expected n/bins. Dotted lines are the central
        95 % of the binomial distribution of a bin.

    Raises
    ------
    ValueError, TypeError
        If `pit` are not numbers of that shape in [0, 1], or `bins` is below 2.

    Examples
    --------
    >>> ax = pit_histogram([0.05, 0.15, 0.5, 0.95], bins=2)
    >>> [float(bar.get_height()) for bar in ax.patches]
    [1.0, 1.0]
    """
    from scipy.stats import binom

    values = check_scores("pit", {"": pit})[""]
    if values.min() < 0 or values.max() > 1:
        got, repair = f"{values.min():.6g}…{values.max():.6g}", "pass uncertainty.pit(samples, y)"
        raise invalid("pit", "hold numbers in [0, 1]", got, repair)
    bins = check_int("bins", bins, 2, None, "pass bins=10")
    n, edges = values.size, np.linspace(0, 1, bins + 1)
    heights = np.histogram(values, edges)[0] * bins / n
    low, high = binom(n, 1 / bins).ppf([0.025, 0.975]) * bins / n
    ax = axes_of(ax, (6.0, 3.8))
    style = {"width": 1 / bins, "facecolor": (CORRECT, 0.35), "edgecolor": CORRECT, "zorder": 3}
    ax.bar((edges[:-1] + edges[1:]) / 2, heights, label=f"{n:,} observations", **style)
    ax.axhline(1, color=INK, linewidth=1.2, linestyle="--", zorder=4, label="uniform")
    for end, label in ((low, "95 % of bars, if calibrated"), (high, None)):
        ax.axhline(end, color=INK, linewidth=1.2, linestyle=":", zorder=4, label=label)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.08 * max(heights.max(), high))
    ax.set_xlabel("PIT: where among its predictive samples an observation lies")
    ax.set_ylabel("observations per bin / expected")
    frame_axes(ax)
    legend_above(ax, ncols=3)
    return ax


def coverage_curves(
    tables: pd.DataFrame | Mapping[str, pd.DataFrame], ax: Axes | None = None
) -> Axes:
    """Draw the share of observations that intervals hold, against the share that they promise.

    Parameters
    ----------
    tables : pandas.DataFrame or mapping from str to pandas.DataFrame
        ``uncertainty.coverage_table`` of one prediction, or of several by name.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        x: the level; y: the share of observations inside, with its 95 % score interval; both in
        per cent. Below the dashed diagonal predictions are too sure.

    Raises
    ------
    ValueError, TypeError
        If there is no table, a column is missing or not finite, or its index is not "level".

    Examples
    --------
    >>> import pandas as pd
    >>> index = pd.Index([0.5, 0.9], name="level")
    >>> table = pd.DataFrame({"coverage": [0.4, 0.8], "low": [0.3, 0.7], "high": [0.5, 0.9]}, index)
    >>> ax = coverage_curves({"test": table})
    >>> ax.get_lines()[1].get_ydata().tolist()
    [40.0, 80.0]
    """
    if hasattr(tables, "columns"):
        tables = {"": tables}
    repair, found = "pass coverage_table(samples, y)", {}
    for name, table in check_mapping("tables", tables, repair).items():
        label = f"tables[{name!r}]" if name else "tables"
        frame = check_columns(label, table, ["coverage", "low", "high"], repair)
        if frame.index.name != "level":
            got = f"index {list(frame.index.names)}"
            more = f"{repair}; of several outputs table.loc[0], say"
            raise invalid(label, "be indexed by level", got, more)
        found[name] = 100 * frame.index.to_numpy(float), 100 * frame.to_numpy(float).T
    ax = axes_of(ax, (5.0, 4.6))
    ax.plot([0, 100], [0, 100], color=GREY, linewidth=1.2, linestyle="--", zorder=2)
    for i, (name, (level, (share, low, high))) in enumerate(found.items()):
        color, marker = SERIES[i % len(SERIES)], MARKERS[i % len(MARKERS)]
        at = level + 0.6 * (i - (len(found) - 1) / 2)  # side by side
        ax.vlines(at, low, high, color=color, linewidth=1.2, zorder=3)
        style = {"color": color, "markersize": 5, "linewidth": 1.0, "zorder": 4, "clip_on": False}
        ax.plot(at, share, marker=marker, label=name or "share inside", **style)
    note = {"transform": ax.transAxes, "color": GREY, "fontsize": "small"}
    ax.text(0.03, 0.97, "not sure enough", va="top", **note)
    ax.text(0.97, 0.04, "too sure", ha="right", **note)
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 100)
    ax.set_aspect("equal")
    ax.set_xlabel("level of the intervals [%]")
    ax.set_ylabel("observations inside [%]")
    frame_axes(ax, grid="both")
    legend_above(ax, ncols=3)
    return ax


def _one_output(samples: Any, y: Any, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return samples (draws, n) and observations (n,), checked."""
    samples = check_samples("samples", samples, least)
    if samples.ndim > 2:
        rule, repair = "be of one output, (draws, n)", "choose it: samples[..., 0], y[:, 0]"
        raise invalid("samples", rule, f"shape {samples.shape}", repair)
    return samples, check_values("y", y, samples.shape[1:])


def _opacity(n: int) -> float:
    """Return how opaque one of n examples is drawn."""
    return float(min(0.9, max(0.15, 0.9 * (_MANY / n) ** 0.5)))
