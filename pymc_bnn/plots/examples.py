"""Images that a classifier is unsure of, with its votes."""

from __future__ import annotations

import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from pymc_bnn._checks import check_finite, check_int, invalid
from pymc_bnn._warnings import collected
from pymc_bnn.plots.images import (
    check_images,
    class_axis,
    class_colors,
    class_key,
    classes_shown,
    draw_image,
    grid_of_pairs,
    leading_classes,
    title_color,
)
from pymc_bnn.plots.style import FAINT, GREY, INK, short
from pymc_bnn.uncertainty.arrays import as_array, check_labels

__all__ = ["uncertain_examples", "vote_grid"]


def uncertain_examples(
    images: Any,
    votes: Any,
    y: Any = None,
    n: int = 16,
    *,
    by: str | Any = "chi_square",
    columns: int | None = None,
) -> np.ndarray:
    """Draw the images a classifier is least sure of, each beside its votes.

    Parameters
    ----------
    images : array_like, shape (examples, height, width) or (examples, height, width, 1)
        Grey images, drawn from the darkest to the brightest pixel shown.
    votes : array_like of int, shape (examples, classes)
        Votes per class, as ``prediction.label_votes`` or ``prediction.class_votes``.
    y : array_like of int, shape (examples,), optional
        True labels in 0…classes − 1.
    n : int, optional
        Number of images, at least 1; all of them if there are fewer. Default 16.
    by : {"chi_square", "entropy"} or array_like of shape (examples,), optional
        What is uncertain: a low chi-square of the votes, a high entropy of the votes, or large
        numbers of your own, for instance ``summary(pred, y)["entropy_bits"]``.
    columns : int, optional
        Images per row of the grid, at least 1; by default about as many as rows.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes, shape (n, 2)
        The image and the votes, the least sure first, in a figure of their own. Bars: votes per
        class; blue is the true class, vermilion a wrong class that got the most votes, and grey
        the rest (dark grey the voted class when `y` is not given). Of more than 10 classes,
        up to 10 that have votes, the true one among them.

    Raises
    ------
    ValueError, TypeError
        If an argument does not have that shape, type or range.

    Examples
    --------
    >>> images = np.zeros((3, 8, 8, 1))
    >>> axes = uncertain_examples(images, [[9, 1], [5, 5], [2, 8]], y=[0, 1, 1], n=2)
    >>> axes[0, 0].get_title(loc="left").splitlines()
    ['true 1, voted 0', 'χ² = 0']
    >>> axes.shape
    (2, 2)
    """
    votes, statistic = _check_votes(votes)
    total, n_classes = votes.shape
    images = check_images(images, total)
    y = None if y is None else check_labels("y", y, total, n_classes)
    n = min(check_int("n", n, 1, None, "pass n=16"), total)
    if columns is None:
        columns = math.ceil(math.sqrt(n))
    columns = min(check_int("columns", columns, 1, None, "pass columns=4"), n)
    chosen = np.argsort(-_uncertainty(by, votes, statistic), kind="stable")[:n]

    rows = math.ceil(n / columns)
    figure, boxes = grid_of_pairs(n, rows, columns, n_classes)
    if y is not None:
        class_key(figure, "wrong class, most voted")
    low, high = images[chosen].min(), images[chosen].max()
    voted = votes.argmax(-1)
    most = int(votes[chosen].max())
    draws = np.unique(votes[chosen].sum(-1))
    unit = f"votes of {draws[0]:,}" if draws.size == 1 else "votes"
    axes = np.empty((n, 2), object)
    for cell, (example, (image_box, bar_box)) in enumerate(zip(chosen, boxes, strict=True)):
        picture, bars = axes[cell] = figure.add_axes(image_box), figure.add_axes(bar_box)
        draw_image(picture, images[example], low, high)
        truth = None if y is None else int(y[example])
        title = f"voted {voted[example]}\nχ² = {short(statistic[example])}"
        color = title_color(int(voted[example]), truth)
        title = title if truth is None else f"true {truth}, {title}"
        picture.set_title(title, loc="left", fontsize=9, color=color)
        _vote_bars(bars, votes[example], truth, most)
        if cell >= n - columns:
            bars.set_xlabel(unit, fontsize=8, labelpad=1)
        else:
            bars.set_xticklabels([])
        if cell % columns == 0:
            bars.set_ylabel("class", fontsize=8, labelpad=2)
    return axes


def vote_grid(images: Any, votes: Any, y: Any = None, n: int = 64) -> np.ndarray:
    """Draw the images on which posterior draws disagree, titled with the shares of the votes.

    More images at a glance than :func:`uncertain_examples`, which draws the votes as bars.

    Parameters
    ----------
    images : array_like, shape (examples, height, width) or (examples, height, width, 1)
        Grey images, drawn from the darkest to the brightest pixel shown.
    votes : array_like of int, shape (examples, classes)
        Votes per class, as ``prediction.label_votes`` or ``prediction.class_votes``.
    y : array_like of int, shape (examples,), optional
        True labels in 0…classes − 1.
    n : int, optional
        Number of images, at least 1; fewer if draws disagree on fewer. Default 64.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes, shape (at most n,)
        The images with more than one class among their votes, the smallest largest share first.
        Above each, from the left, the three classes of most votes, or two and the true one, with
        their shares; blue is the true class, vermilion a wrong class that got the most votes.

    Raises
    ------
    ValueError, TypeError
        If an argument does not have that shape, type or range, or every vote is unanimous.

    Examples
    --------
    >>> images = np.zeros((3, 8, 8, 1))
    >>> [ax] = vote_grid(images, [[10, 0], [4, 6], [0, 10]], y=[0, 0, 1])
    >>> ax.get_title(loc="left"), ax.get_title(loc="center")
    ('1: 60 %', '0: 40 %')
    """
    votes, statistic = _check_votes(votes)
    total, n_classes = votes.shape
    images = check_images(images, total)
    y = None if y is None else check_labels("y", y, total, n_classes)
    n = check_int("n", n, 1, None, "pass n=64")
    shares = votes / votes.sum(-1, keepdims=True)  # (examples, classes)
    order = np.lexsort((statistic, shares.max(-1)))
    chosen = order[shares.max(-1)[order] < 1][:n]
    if chosen.size == 0:
        rule, got = "differ on at least one example", "unanimous votes only"
        raise invalid("votes", rule, got, "count more draws, or use uncertain_examples")

    digits = len(str(n_classes - 1))
    side, gap, title = 1.05 + 0.15 * digits, 0.16, 0.24  # inches; three shares fit above a side
    columns = min(math.ceil(math.sqrt(chosen.size)), 8) if chosen.size > 3 else chosen.size
    rows = math.ceil(chosen.size / columns)
    head = 0.0 if y is None else 0.22
    width = max(columns * (side + gap) + gap, 2.9)
    height = rows * (side + title) + 0.1 + head
    figure = plt.figure(figsize=(width, height))
    if y is not None:
        class_key(figure, "wrong class, most voted")
    low, high = images[chosen].min(), images[chosen].max()
    places = ("left", "center", "right")
    axes = np.empty(chosen.size, object)
    for cell, example in enumerate(chosen):
        row, column = divmod(cell, columns)
        left, top = gap + column * (side + gap), head + row * (side + title) + title
        box = (left / width, 1 - (top + side) / height, side / width, side / height)
        ax = axes[cell] = figure.add_axes(box)
        draw_image(ax, images[example], low, high)
        truth = None if y is None else int(y[example])
        colors = class_colors(n_classes, int(votes[example].argmax()), truth)
        for place, k in zip(places, leading_classes(votes[example], truth, 3), strict=False):
            color = GREY if colors[k] == FAINT else INK if colors[k] == GREY else colors[k]
            text = f"{k}: {100 * shares[example, k]:.0f} %"
            ax.set_title(text, loc=place, fontsize=6.5, color=color, pad=2.5)
    return axes


def _uncertainty(by: Any, votes: np.ndarray, statistic: np.ndarray) -> np.ndarray:
    """Return one number per example (n,), large where the classifier is unsure."""
    if isinstance(by, str):
        if by == "chi_square":
            return -statistic
        if by == "entropy":
            from scipy.stats import entropy

            return entropy(votes, axis=-1)
        repair = "choose one, or pass summary(pred, y)['entropy_bits']"
        raise invalid("by", 'be "chi_square", "entropy" or an array', repr(by), repair)
    by = as_array("by", by)
    if by.shape != (len(votes),) or by.dtype.kind not in "fiu":
        raise invalid(
            "by",
            f"hold {len(votes)} numbers, one per row of `votes`",
            f"shape {by.shape} of dtype {by.dtype}",
            "pass an uncertainty of each example, large where unsure",
        )
    check_finite("by", by)
    return by.astype(float)


def _vote_bars(ax: Axes, votes: np.ndarray, truth: int | None, most: int) -> None:
    """Draw the votes (classes,) of one example as horizontal bars, class 0 at the top."""
    classes = classes_shown(votes, truth)
    colors = class_colors(len(votes), int(votes.argmax()), truth)
    ax.barh(np.arange(len(classes)), votes[classes], 0.8, color=[colors[k] for k in classes])
    class_axis(ax, classes, len(votes))
    ax.set_xlim(0, most)
    ax.set_xticks([0, most])


def _check_votes(votes: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the votes (examples, classes) and their chi-square (examples,)."""
    from pymc_bnn.uncertainty import chi_square

    with collected():  # few draws make a poor p-value, which is not shown
        return np.asarray(votes), chi_square(votes).statistic
