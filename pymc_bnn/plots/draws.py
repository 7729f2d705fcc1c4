"""Class probabilities of single examples over posterior draws."""

from __future__ import annotations

import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.ticker import MaxNLocator

from pymc_bnn._checks import check_int
from pymc_bnn.plots.images import (
    check_images,
    class_axis,
    class_colors,
    class_key,
    classes_shown,
    draw_image,
    grid_of_pairs,
    title_color,
)
from pymc_bnn.plots.style import GREY, INK
from pymc_bnn.uncertainty.arrays import check_labels, check_probs

__all__ = ["predictive_bars", "probability_intervals"]


def predictive_bars(
    images: Any, pred: Any, y: Any = None, n: int = 10, *, title: str | None = None
) -> np.ndarray:
    """Draw images beside their class probabilities: of each posterior draw, and their mean.

    Draws that disagree are epistemic uncertainty; draws that agree on several classes aleatoric.

    Parameters
    ----------
    images : array_like, shape (examples, height, width) or (examples, height, width, 1)
        Grey images.
    pred : array_like of shape (draws, examples, classes), or ClassPrediction or Prediction
        Class probabilities of each draw, or a prediction that kept its draws.
    y : array_like of int, shape (examples,), optional
        True labels in 0…classes − 1.
    n : int, optional
        Number of examples, at least 1: the first `n`, or all if there are fewer. Default 10.
    title : str, optional
        Title of the figure, for instance the step of the fit.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes, shape (n, 3)
        The image; a faint bar per class and draw, with a line at its end; the mean of the draws
        as bars. y: probability. Blue is the true class, vermilion a wrong class of the largest
        mean probability, and grey the rest (dark grey the top class when `y` is not given).

    Raises
    ------
    ValueError, TypeError
        If an argument does not have that shape, type or range, or draws were not kept.

    Examples
    --------
    >>> probs = [[[0.9, 0.1]], [[0.5, 0.5]]]  # two draws, one example, two classes
    >>> axes = predictive_bars(np.zeros((1, 8, 8)), probs, y=[0])
    >>> [float(bar.get_height()) for bar in axes[0, 2].patches]
    [0.7, 0.3]
    """
    probs = check_probs("pred", pred)
    draws, total, n_classes = probs.shape
    images = check_images(images, total, "pred")
    y = None if y is None else check_labels("y", y, total, n_classes)
    n = min(check_int("n", n, 1, None, "pass n=10"), total)
    mean = probs.mean(0)  # (examples, classes)

    grid = {"squeeze": False, "layout": "constrained", "width_ratios": [1, 2.6, 2.6]}
    height = 0.7 + 0.8 * n + 0.25 * (y is not None) + 0.3 * (title is not None)
    figure, axes = plt.subplots(n, 3, figsize=(6.4, height), **grid)
    low, high = images[:n].min(), images[:n].max()
    classes = np.arange(n_classes)
    for i, (picture, each, average) in enumerate(axes):
        draw_image(picture, images[i], low, high)
        truth = None if y is None else int(y[i])
        colors = class_colors(n_classes, int(mean[i].argmax()), truth)
        _faint_bars(each, probs[:, i], colors)
        average.bar(classes, mean[i], 0.8, color=colors, zorder=2)
        for ax in (each, average):
            _probability_axis(ax, n_classes, last=i == n - 1)
        each.set_ylabel("probability", fontsize=7, labelpad=2)
        average.set_yticklabels([])
    axes[0, 1].set_title(f"each of {draws:,} posterior draws", fontsize=9)
    axes[0, 2].set_title("their mean", fontsize=9)
    if y is not None:
        class_key(figure, "wrong class, most probable", loc="outside lower center")
    if title is not None:
        figure.suptitle(title, fontsize=11)
    return axes


def probability_intervals(
    images: Any,
    pred: Any,
    y: Any = None,
    n: int = 10,
    level: float = 0.95,
    *,
    columns: int | None = None,
) -> np.ndarray:
    """Draw images beside the posterior interval of each class probability.

    Parameters
    ----------
    images : array_like, shape (examples, height, width) or (examples, height, width, 1)
        Grey images.
    pred : array_like of shape (draws, examples, classes), or ClassPrediction or Prediction
        Class probabilities of each draw, or a prediction that kept its draws.
    y : array_like of int, shape (examples,), optional
        True labels in 0…classes − 1.
    n : int, optional
        Number of examples, at least 1: the first `n`, or all if there are fewer. Default 10.
    level : float, optional
        Posterior probability of the equal-tailed intervals, in (0, 1). Default 0.95.
    columns : int, optional
        Images per row of the grid, at least 1; by default about as many as rows.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes, shape (n, 2)
        The image and the intervals: bars from the lower to the upper end, and a mark at the mean
        over draws. x: probability, 0…1. Blue is the true class, vermilion a wrong class of the
        largest mean, and grey the rest (dark grey the top class when `y` is not given). Of more
        than 10 classes, the 10 of the largest means, the true one among them.

    Raises
    ------
    ValueError, TypeError
        If an argument does not have that shape, type or range, or draws were not kept.

    Examples
    --------
    >>> probs = [[[0.9, 0.1]], [[0.5, 0.5]], [[0.7, 0.3]]]
    >>> axes = probability_intervals(np.zeros((1, 8, 8)), probs, y=[1], level=0.5)
    >>> [f"{bar.get_x():.1f} + {bar.get_width():.1f}" for bar in axes[0, 1].patches]
    ['0.6 + 0.2', '0.2 + 0.2']
    >>> axes[0, 0].get_title(loc="left")
    'true 1, predicted 0'
    """
    from pymc_bnn.uncertainty import probability_interval

    probs = check_probs("pred", pred)
    _, total, n_classes = probs.shape
    images = check_images(images, total, "pred")
    y = None if y is None else check_labels("y", y, total, n_classes)
    n = min(check_int("n", n, 1, None, "pass n=10"), total)
    if columns is None:
        columns = math.ceil(math.sqrt(n))
    columns = min(check_int("columns", columns, 1, None, "pass columns=4"), n)
    low, high = np.moveaxis(probability_interval(probs[:, :n], level), -1, 0)  # (n, classes)
    mean = probs[:, :n].mean(0)

    figure, boxes = grid_of_pairs(n, math.ceil(n / columns), columns, n_classes, bars=1.3)
    if y is not None:
        class_key(figure, "wrong class, most probable")
    dark, bright = images[:n].min(), images[:n].max()
    axes = np.empty((n, 2), object)
    for i, (image_box, bar_box) in enumerate(boxes):
        picture, bars = axes[i] = figure.add_axes(image_box), figure.add_axes(bar_box)
        draw_image(picture, images[i], dark, bright)
        truth, top = None if y is None else int(y[i]), int(mean[i].argmax())
        text = f"predicted {top}" if truth is None else f"true {truth}, predicted {top}"
        picture.set_title(text, loc="left", fontsize=9, color=title_color(top, truth))
        classes = classes_shown(mean[i], truth)
        colors = class_colors(n_classes, top, truth)
        colors = [colors[k] for k in classes]
        places = np.arange(len(classes))
        span = (high - low)[i, classes]
        bars.barh(places, span, 0.7, low[i, classes], color=colors, edgecolor=colors, alpha=0.75)
        marks = {"color": INK, "markersize": 8, "markeredgewidth": 1.5, "clip_on": False}
        bars.plot(mean[i, classes], places, "|", zorder=3, **marks)
        class_axis(bars, classes, n_classes)
        bars.set_xlim(0, 1)
        bars.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        if i >= n - columns:
            bars.set_xlabel(f"probability, mean and {100 * level:g} %", fontsize=8, labelpad=1)
        else:
            bars.set_xticklabels([])
        if i % columns == 0:
            bars.set_ylabel("class", fontsize=8, labelpad=2)
    return axes


def _faint_bars(ax: Axes, probs: np.ndarray, colors: list[str]) -> None:
    """Draw a faint bar with a line at its end for each draw and class of `probs`."""
    draws, n_classes = probs.shape
    left = np.repeat(np.arange(n_classes) - 0.4, draws)
    ends = probs.T.ravel()  # class by class
    corners = np.stack([left, left, left + 0.8, left + 0.8], -1)  # (bars, 4)
    heights = np.stack([0 * ends, ends, ends, 0 * ends], -1)
    shown = np.repeat(colors, draws)
    opacity = 1 - 0.45 ** (1 / draws)  # all draws together cover 55 %
    bars = PolyCollection(np.stack([corners, heights], -1), facecolors=shown, alpha=opacity, lw=0)
    ax.add_collection(bars)
    ax.hlines(ends, left, left + 0.8, colors=shown, alpha=min(1, 0.15 + 3 / draws), linewidth=0.8)


def _probability_axis(ax: Axes, n_classes: int, last: bool) -> None:
    """Set the axes of vertical bars, with numbers of classes below the last row."""
    ax.set_ylim(0, 1.02)
    ax.set_xlim(-0.6, n_classes - 0.4)
    ax.set_yticks([0, 1])
    if n_classes <= 12:
        ax.set_xticks(np.arange(n_classes))
    else:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    ax.tick_params(labelsize=7, length=2, pad=2)
    if last:
        ax.set_xlabel("class", fontsize=9)
    else:
        ax.set_xticklabels([])
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(GREY)
