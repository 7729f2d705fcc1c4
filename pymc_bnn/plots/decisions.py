"""Whether confidence is deserved, and what refusing to answer buys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from pymc_bnn._checks import invalid
from pymc_bnn.plots.style import (
    GREY,
    INK,
    MARKERS,
    SERIES,
    STYLES,
    axes_of,
    check_columns,
    check_mapping,
    check_scores,
    frame_axes,
    legend_above,
    short,
)
from pymc_bnn.uncertainty.arrays import as_numbers

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["refusal_curves", "reliability_diagram", "risk_coverage_curves"]

_LEAST = 0.001, 0.01  # per cent: expected and observed error rates below are at the edge


def reliability_diagram(
    tables: Mapping[str, pd.DataFrame] | pd.DataFrame, ax: Axes | None = None
) -> Axes:
    """Draw how often predictions of some confidence are wrong, on logarithmic axes.

    Good classifiers are nearly always nearly sure. Error rates, 1 − confidence against
    1 − accuracy, keep 99 % and 99.9 % apart, which a diagram of 0…1 draws as one point.

    Parameters
    ----------
    tables : mapping from str to pandas.DataFrame, or pandas.DataFrame
        One row per bin of predictions, by name: their mean confidence, their accuracy and its
        interval accuracy_low…accuracy_high, all in 0…1, and their number n. As
        ``uncertainty.reliability(…)``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        x: the error rate expected, 1 − confidence; y: the one observed, 1 − accuracy; both in
        per cent, with the intervals. On the diagonal they agree. Bins without an error are hollow
        markers on the lower edge. Expected rates below 0.001 %, and observed ones below 0.01 %, are
        drawn on the edges.

    Raises
    ------
    ValueError, TypeError
        If there is no table, a column is missing, not finite or outside its range.

    Examples
    --------
    >>> import pandas as pd
    >>> columns = ["confidence", "accuracy", "accuracy_low", "accuracy_high", "n"]
    >>> bins = [[0.7, 0.65, 0.5, 0.8, 50], [0.99, 1.0, 0.93, 1.0, 50]]
    >>> ax = reliability_diagram(pd.DataFrame(bins, columns=columns))
    >>> ax.get_xlabel()
    'expected error rate, 1 − confidence [%]'
    """
    if hasattr(tables, "columns"):
        tables = {"": tables}
    names = ["confidence", "accuracy", "accuracy_low", "accuracy_high", "n"]
    errors, single = {}, []
    for name, table in check_mapping("tables", tables, "pass reliability(…)").items():
        label = f"tables[{name!r}]" if name else "tables"
        frame = check_columns(label, table, names, "pass reliability(…)")
        shares = frame[names[:4]].to_numpy(float)
        if shares.min() < 0 or shares.max() > 1 + 1e-9:
            got = f"{shares.min():.6g}…{shares.max():.6g}"
            raise invalid(label, "hold shares in 0…1", got, "pass reliability(…)")
        errors[name] = 100 * np.maximum(1 - shares, 0).T  # (4, bins) per cent
        single.append(100 / frame["n"].to_numpy(float).max(initial=1))  # one error in a bin
    seen = np.concatenate([part[:2] for part in errors.values()], -1)  # (2, bins)
    drawn = seen[0], np.append(seen[1], single)
    lows = [_lowest(rates, least) for rates, least in zip(drawn, _LEAST, strict=True)]
    step = 10**0.1  # bins beyond the left edge lie side by side, one series left of the other
    edges = lows[0] / step ** (len(errors) - 1) / 1.5, lows[1] / 1.5

    ax = axes_of(ax, (5.0, 4.6))
    ends = [min(edges), 100]
    ax.plot(ends, ends, color=GREY, linewidth=1.2, linestyle="--", zorder=2)
    for i, (name, (expected, observed, most, least)) in enumerate(errors.items()):
        color, marker = SERIES[i % len(SERIES)], MARKERS[i % len(MARKERS)]
        x = np.where(expected < lows[0], lows[0] / step**i, expected)
        y = np.maximum(observed, lows[1])
        ax.vlines(x, np.maximum(least, edges[1]), most, color=color, linewidth=1.2, zorder=3)
        some = observed > 0
        style = {"color": color, "markersize": 6, "zorder": 4, "clip_on": False}
        ax.plot(x[some], y[some], marker, label=name or "bins with errors", **style)
        style |= {"markerfacecolor": "white"}
        ax.plot(x[~some], y[~some], marker, **style)
    if (seen[1] == 0).any():
        ax.plot([], [], "o", color=GREY, markerfacecolor="white", label="bins without an error")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(edges[0], 100)
    ax.set_ylim(edges[1], 100)
    for axis, low, rates in zip((ax.xaxis, ax.yaxis), lows, seen, strict=True):
        ticks = 10.0 ** np.arange(round(np.log10(low)), 3)
        names = [f"{tick:g}" for tick in ticks]
        axis.set_ticks(ticks, [f"≤ {names[0]}" if rates.min() < low else names[0], *names[1:]])
        axis.set_minor_locator(NullLocator())
    note = {"transform": ax.transAxes, "color": GREY, "fontsize": "small"}
    ax.text(0.03, 0.97, "too sure", va="top", **note)
    ax.text(0.97, 0.08, "not sure enough", ha="right", **note)
    ax.set_xlabel("expected error rate, 1 − confidence [%]")
    ax.set_ylabel("observed error rate, 1 − accuracy [%]")
    frame_axes(ax, grid="both")
    legend_above(ax, ncols=3)
    return ax


def risk_coverage_curves(
    curves: Mapping[str, pd.DataFrame], ax: Axes | None = None, *, at: Sequence[float] = ()
) -> Axes:
    """Draw the error rate among the surest answers against the share of examples answered.

    Parameters
    ----------
    curves : mapping from str to pandas.DataFrame
        By name: coverage, the share of examples answered, increasing in 0…1, and risk, the share
        of wrong ones among them, in 0…1. As ``uncertainty.risk_coverage(…)``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    at : sequence of float, optional
        Coverages in 0…1 at which to mark the curves, and to give their risk in the legend.

    Returns
    -------
    matplotlib.axes.Axes
        x: coverage; y: risk; both in per cent. Below the first coverage, that of the examples of
        least uncertainty, the risk is theirs. The legend gives the risk when all is answered.

    Raises
    ------
    ValueError, TypeError
        If there is no curve, a column is missing, not finite or outside 0…1, or coverage does not
        increase.

    Examples
    --------
    >>> import pandas as pd
    >>> curve = pd.DataFrame({"coverage": [0.5, 0.9, 1.0], "risk": [0.0, 0.002, 0.01]})
    >>> ax = risk_coverage_curves({"entropy": curve}, at=[0.9])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['entropy: 1 % of all, 0.2 % at 90 %']
    """
    drawn = {}
    for name, curve in check_mapping("curves", curves, "pass {'fit': risk_coverage(…)}").items():
        label = f"curves[{name!r}]"
        frame = check_columns(label, curve, ["coverage", "risk"], "pass risk_coverage(…)")
        values = frame[["coverage", "risk"]].to_numpy(float)
        if values.min() < 0 or values.max() > 1 + 1e-9 or (np.diff(values[:, 0]) <= 0).any():
            got = f"{values.min():.6g}…{values.max():.6g}"
            rule = "hold shares in 0…1, coverage increasing"
            raise invalid(label, rule, got, "pass risk_coverage(…)")
        start = [0.0, values[0, 1]]  # the first examples are answered together, in any order
        drawn[name] = 100 * np.vstack([start, values]).T  # (2, points)
    at = np.atleast_1d(as_numbers("at", at))
    if at.size and not (at.min() >= 0 and at.max() <= 1):
        raise invalid("at", "hold coverages in 0…1", at.tolist(), "pass at=[0.95], say")

    ax = axes_of(ax, (6.4, 4.0))
    for i, (name, (coverage, risk)) in enumerate(drawn.items()):
        color = SERIES[i % len(SERIES)]
        style = {"color": color, "linestyle": STYLES[i % len(STYLES)], "linewidth": 1.8}
        marked = np.interp(100 * at, coverage, risk)
        named = [f"{short(y)} % at {100 * x:g} %" for x, y in zip(at, marked, strict=True)]
        label = f"{name}: {', '.join([f'{short(risk[-1])} % of all', *named])}"
        ax.plot(coverage, risk, zorder=3, label=label, **style)
        marker = {"color": color, "markersize": 6, "zorder": 4, "clip_on": False}
        ax.plot(100 * at, marked, MARKERS[i % len(MARKERS)], **marker)
    ax.set_xlim(0, 101)
    ax.set_ylim(0, 1.08 * max(risk.max() for _, risk in drawn.values()) or 1.0)
    ax.set_xlabel("coverage: share of examples answered [%]")
    ax.set_ylabel("risk: errors among the answers [%]")
    frame_axes(ax)
    legend_above(ax)
    return ax


def refusal_curves(
    scores: Mapping[str, Any],
    threshold: Mapping[str, float] | None = None,
    ax: Axes | None = None,
    *,
    answers: str = "above",
    xlabel: str = "threshold",
) -> Axes:
    """Draw which share of each set of examples is answered, for any threshold of refusal.

    A good threshold answers most of the test set and little of what is foreign to it.

    Parameters
    ----------
    scores : mapping from str to array_like of shape (n,)
        By name of the set, for instance "digits" or "noise": the probability of the predicted
        class, or an uncertainty, of each example; finite.
    threshold : mapping from str to float, optional
        Chosen thresholds by name, drawn as vertical lines.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    answers : {"above", "below"}, optional
        Whether examples with a score of the threshold or above are answered (a probability,
        the default), or those with a score of the threshold or below (an uncertainty).
    xlabel : str, optional
        What the threshold is of, with its unit. Default "threshold".

    Returns
    -------
    matplotlib.axes.Axes
        x: the threshold, in the scores' unit; y: share answered, in per cent.

    Raises
    ------
    ValueError, TypeError
        If there is no set, the scores or a threshold are not finite numbers, or `answers` is
        neither.

    Examples
    --------
    >>> scores = {"digits": [0.9, 0.99, 1.0], "noise": [0.3, 0.4, 0.95]}
    >>> ax = refusal_curves(scores, {"chosen": 0.9}, xlabel="threshold on the probability")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['digits', 'noise', 'chosen: 0.9']
    """
    scores = check_scores("scores", scores)
    if not isinstance(answers, str) or answers not in ("above", "below"):
        raise invalid("answers", 'be "above" or "below"', repr(answers), 'pass answers="above"')
    lines = {} if threshold is None else check_mapping("threshold", threshold, "pass {'0.9': 0.9}")
    for name, value in lines.items():
        if not np.isscalar(value) or isinstance(value, str) or not np.isfinite(value):
            rule = "be a finite number"
            raise invalid(
                f"threshold[{name!r}]", rule, repr(value), "pass a threshold of the scores"
            )
    seen = np.concatenate([*scores.values(), np.array(list(lines.values()), float)])
    low, high = min(seen.min(), 0.0), max(seen.max(), 0.0)
    high = 1.0 if 0.5 < high <= 1 or high == low else high + 0.02 * (high - low)

    ax = axes_of(ax, (6.4, 4.0))
    for i, (name, values) in enumerate(scores.items()):
        ends = np.sort(values)
        below = np.arange(values.size + 1) / values.size  # share under each end
        share = 100 * (1 - below if answers == "above" else below)
        x, y = np.r_[low, ends, high], np.r_[share, share[-1]]
        style = {"color": SERIES[i % len(SERIES)], "linestyle": STYLES[i % len(STYLES)]}
        ax.step(x, y, where="post", linewidth=1.8, zorder=3, label=name, **style)
    for i, (name, value) in enumerate(lines.items()):
        style = {"color": INK, "linewidth": 1.2, "linestyle": STYLES[1 + i % 3], "zorder": 2}
        ax.axvline(value, label=f"{name}: {short(value)}", **style)
    ax.set_xlim(low, high)
    ax.set_ylim(0, 102)
    ax.set_xlabel(xlabel)
    ax.set_ylabel("share of the set answered [%]")
    frame_axes(ax)
    legend_above(ax)
    return ax


def _lowest(rates: np.ndarray, least: float) -> float:
    """Return the power of ten, at least `least` per cent, below the rates above 0."""
    lowest = np.clip(rates[rates > 0].min(initial=10.0), least, 10.0)
    return 10.0 ** np.floor(np.log10(lowest) + 1e-9)
