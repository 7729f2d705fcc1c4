"""Histograms of a measure of uncertainty, each normalised to its group."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator

from pymc_bnn._checks import check_int, invalid
from pymc_bnn.plots.style import (
    CORRECT,
    ERROR,
    LABELS,
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

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["density_by_correctness", "entropy_histograms", "uncertainty_densities"]

_BINS = 12, 30  # fewest and most; twice the cube root of the examples between
_RUG = 30  # at most so many examples of a group are also marked one by one
_SUMMARY = "make it by summary(pred, y)"
_SHARE = "share of the group per bin [%]\n(square-root axis)"


def density_by_correctness(frame: pd.DataFrame, column: str, ax: Axes | None = None) -> Axes:
    """Draw how a measure of uncertainty is distributed among errors and among correct predictions.

    Each group's histogram is normalised to the group's size, so that few errors compare with
    many correct predictions. Histograms rather than kernel densities, because these measures
    pile up at a bound (a unanimous vote, an entropy of 0), which a kernel would smear beyond it;
    and a square-root axis, because such a pile would flatten everything else.

    Parameters
    ----------
    frame : pandas.DataFrame
        From ``uncertainty.summary`` with labels: the boolean column correct and `column`.
    column : str
        For instance "chi_square", "entropy_bits" or "mutual_information_bits".
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        x: the column, with its unit; y: share of the group per bin, in per cent. A dashed line
        is a group's mean. Groups of at most 30 examples also show each of them as a tick.

    Raises
    ------
    ValueError, TypeError
        If a column is missing or not finite, or there is no row.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"correct": [True, True, False], "entropy_bits": [0.0, 0.2, 1.5]})
    >>> ax = density_by_correctness(frame, "entropy_bits")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['correct: n = 2, mean 0.1', 'errors: n = 1, mean 1.5']
    """
    if not isinstance(column, str):
        repair = "pass 'entropy_bits', say"
        raise invalid("column", "be the name of a column", repr(column), repair, TypeError)
    needed = check_columns("frame", frame, ["correct", column], _SUMMARY)
    correct = _correct("frame", needed)
    values = needed[column].to_numpy(float)
    edges = _bin_edges(values)

    ax = axes_of(ax, (6.0, 3.8))
    handles = []
    top = 0.0
    groups = (("correct", correct, CORRECT), ("errors", ~correct, ERROR))
    for order, (name, member, color) in enumerate(groups):
        group = values[member]
        if group.size == 0:
            handles.append(Patch(facecolor="none", edgecolor=color, label=f"{name}: none"))
            continue
        top = max(top, _draw_shares(ax, group, edges, color, order))
        if group.size <= _RUG:
            ax.plot(
                group,
                np.full(group.size, 0.025),
                "|",
                color=color,
                markersize=9,
                markeredgewidth=1.5,
                transform=ax.get_xaxis_transform(),
                zorder=7,
            )
        label = f"{name}: n = {group.size:,}, mean {short(group.mean())}"
        handles.append(Patch(facecolor=(color, 0.35), edgecolor=color, label=label))
    _share_axes(ax, edges, top)
    ax.set_xlabel(LABELS.get(column, column))
    ax.set_ylabel(_SHARE)
    legend_above(ax, handles=handles)
    return ax


def entropy_histograms(
    frames: Mapping[str, pd.DataFrame], *, n_classes: int | None = None
) -> np.ndarray:
    """Draw the entropies of several sets of examples, correct and wrong predictions apart.

    Shows whether errors are less sure than correct predictions, and how both move from one set
    to the next, for instance from clean to corrupted images.

    Parameters
    ----------
    frames : mapping from str to pandas.DataFrame
        From ``uncertainty.summary`` with labels, by name of the set: the boolean column correct
        and entropy_bits.
    n_classes : int, optional
        Number of classes `K`, at least 2 and large enough for the entropies; by default the
        fewest that the labels, the predictions and the entropies allow.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes, shape (sets, 2)
        Correct predictions at the left, in blue, and errors at the right, in vermilion. x:
        entropy, 0…log2 K bits; y: share of the group per bin, in per cent. A dashed line is the
        group's mean, and its number is beside it.

    Raises
    ------
    ValueError, TypeError
        If there is no set, a column is missing or not finite, or an entropy above log2 `n_classes`.

    Examples
    --------
    >>> import pandas as pd
    >>> clean = pd.DataFrame({"correct": [True, True, False], "entropy_bits": [0.0, 0.2, 1.5]})
    >>> axes = entropy_histograms({"clean": clean}, n_classes=10)
    >>> [ax.get_title(loc="left") for ax in axes[0]]
    ['clean, correct: n = 2', 'clean, errors: n = 1']
    >>> [ax.texts[0].get_text() for ax in axes[0]]
    ['mean 0.1', 'mean 1.5']
    """
    frames = check_mapping("frames", frames, "pass {'clean': summary(pred, y)}, say")
    groups, fewest = {}, 2
    for name, frame in frames.items():
        label = f"frames[{name!r}]"
        needed = check_columns(label, frame, ["correct", "entropy_bits"], _SUMMARY)
        correct, entropy = _correct(label, needed), needed["entropy_bits"].to_numpy(float)
        groups[name] = {"correct": entropy[correct], "errors": entropy[~correct]}
        seen = [int(frame[c].max()) + 1 for c in ("label", "predicted") if c in frame]
        fewest = max(fewest, math.ceil(2 ** entropy.max() - 1e-6), *seen)
    if n_classes is None:
        n_classes = fewest
    n_classes = check_int("n_classes", n_classes, fewest, None, "leave it out, or pass all classes")
    edges = np.linspace(0, np.log2(n_classes), _BINS[1] + 1)

    size = (7.2, 0.7 + 1.7 * len(groups))
    grid = {"sharex": True, "sharey": True, "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(len(groups), 2, figsize=size, **grid)
    top = 0.0
    for row, (name, parts) in zip(axes, groups.items(), strict=True):
        row[0].set_ylabel("share per bin [%]\n(square-root axis)", fontsize=8.5)
        for ax, (part, group), color in zip(row, parts.items(), (CORRECT, ERROR), strict=True):
            ax.set_title(f"{name}, {part}: n = {group.size:,}", loc="left", fontsize=9)
            ax.tick_params(labelsize=8)
            if group.size:
                top = max(top, _draw_shares(ax, np.clip(group, 0, edges[-1]), edges, color))
                _mean_text(ax, group.mean(), edges[-1], color)
    for ax in axes.flat:
        _share_axes(ax, edges, top)
    figure.supxlabel(LABELS["entropy_bits"], fontsize=10)
    return axes


def uncertainty_densities(
    scores: Mapping[str, Any], ax: Axes | None = None, *, xlabel: str = LABELS["entropy_bits"]
) -> Axes:
    """Draw how a measure of uncertainty is distributed in several sets of examples.

    For instance the entropies of test digits beside those of corrupted and of foreign images,
    whose classes the network cannot know.

    Parameters
    ----------
    scores : mapping from str to array_like of shape (n,)
        The measure of each example, by name of the set; finite.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    xlabel : str, optional
        What the measure is, with its unit. Default "entropy [bits]".

    Returns
    -------
    matplotlib.axes.Axes
        x: the measure; y: share of the set per bin, in per cent. The legend gives the means.

    Raises
    ------
    ValueError, TypeError
        If there is no set, or the numbers are not finite or of another shape.

    Examples
    --------
    >>> ax = uncertainty_densities({"digits": [0.0, 0.1, 0.2], "noise": [1.5, 1.9]})
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['digits: n = 3, mean 0.1', 'noise: n = 2, mean 1.7']
    """
    scores = check_scores("scores", scores)
    edges = _bin_edges(np.concatenate(list(scores.values())))
    ax = axes_of(ax, (6.4, 3.8))
    top = 0.0
    for i, (name, values) in enumerate(scores.items()):
        share = 100 * np.histogram(values, edges)[0] / values.size  # (bins,) per cent
        top = max(top, share.max())
        style = {"color": SERIES[i % len(SERIES)], "linestyle": STYLES[i % len(STYLES)]}
        label = f"{name}: n = {values.size:,}, mean {short(values.mean())}"
        ax.stairs(share, edges, linewidth=1.8, zorder=3, label=label, **style)
    _share_axes(ax, edges, top)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(_SHARE.replace("group", "set"))
    legend_above(ax)
    return ax


def _correct(argument: str, frame: pd.DataFrame) -> np.ndarray:
    """Return the booleans of the column correct."""
    correct = frame["correct"].to_numpy()
    if correct.dtype != bool:
        rule, got = "have a column correct of booleans", f"dtype {correct.dtype}"
        raise invalid(argument, rule, got, _SUMMARY, TypeError)
    return correct


def _draw_shares(ax: Axes, group: np.ndarray, edges: np.ndarray, color: str, order: int = 0):
    """Draw a group's histogram and its mean; return its highest share, in per cent."""
    share = 100 * np.histogram(group, edges)[0] / group.size  # (bins,)
    ax.stairs(share, edges, fill=True, color=color, alpha=0.35, zorder=2 + order)
    ax.stairs(share, edges, color=color, linewidth=1.4, zorder=4 + order)
    ax.axvline(group.mean(), color=color, linewidth=1.4, linestyle="--", zorder=6)
    return share.max()


def _mean_text(ax: Axes, mean: float, limit: float, color: str) -> None:
    """Write the mean beside its line, on the side where there is room."""
    side, sign = ("left", 1) if mean < 0.7 * limit else ("right", -1)
    place = {"xytext": (4 * sign, -3), "textcoords": "offset points", "va": "top", "ha": side}
    at = {"xycoords": ax.get_xaxis_transform(), "fontsize": 9, "color": color}
    ax.annotate(f"mean {short(mean)}", (mean, 1.0), **place, **at)


def _share_axes(ax: Axes, edges: np.ndarray, top: float) -> None:
    """Set the axes of histograms whose highest bar is `top` per cent, shares on a square root."""
    ax.set_yscale("function", functions=(lambda v: np.sqrt(np.maximum(v, 0)), np.square))
    ax.set_ylim(0, 1.15 * top)
    ticks = [0, 1, 5, 10, 20, 40, 60, 80, 100] if top > 30 else [0, 1, 2, 5, 10, 15, 20, 30]
    ax.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if tick <= 1.15 * top]))
    ax.yaxis.set_minor_locator(NullLocator())
    margin = 0.015 * (edges[-1] - edges[0])
    ax.set_xlim(edges[0] - margin, edges[-1] + margin)
    frame_axes(ax)


def _bin_edges(values: np.ndarray) -> np.ndarray:
    """Return edges of equal bins over all values; a constant gets a bin in the middle of three."""
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        width = 0.1 * abs(low) or 0.1
        return low + width * np.array([-1.5, -0.5, 0.5, 1.5])
    if 0 < low < 0.1 * high:
        low = 0.0
    bins = int(np.clip(2 * np.cbrt(values.size), *_BINS))
    return np.linspace(low, high, bins + 1)
