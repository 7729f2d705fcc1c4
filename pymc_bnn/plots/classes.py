"""Predicted classes against true ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import FuncNorm, LinearSegmentedColormap, Normalize
from matplotlib.ticker import MaxNLocator

from pymc_bnn._checks import check_int
from pymc_bnn.plots.style import CORRECT, ERROR, INK, PALE, axes_of
from pymc_bnn.uncertainty.arrays import check_classes, check_labels

__all__ = ["confusion_matrix"]


def confusion_matrix(
    y: Any, predicted: Any, n_classes: int | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how many examples of each class were predicted as each class.

    Correct predictions, on the diagonal, are blue in proportion to their count. Errors are
    vermilion on a logarithmic scale of their own, so that a single one still shows.

    Parameters
    ----------
    y : array_like of int, shape (n,)
        True labels in 0…n_classes − 1.
    predicted : array_like of int, shape (n,)
        Predicted labels in 0…n_classes − 1.
    n_classes : int, optional
        Number of classes, at least 2; by default the largest label plus 1.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        Rows: true labels; columns: predicted labels. Two images, the errors and the diagonal,
        each masked where the other one is. Counts above 0 are written into their cells, unless
        the cells are too small to be read.

    Raises
    ------
    ValueError, TypeError
        If the labels are not integers of that shape and range.

    Examples
    --------
    >>> ax = confusion_matrix([0, 0, 1, 1], [0, 1, 1, 1])
    >>> ax.get_title()
    'accuracy 0.750: 1 error in 4 predictions'
    >>> [text.get_text() for text in ax.texts]
    ['1', '1', '2']
    """
    from sklearn.metrics import confusion_matrix as count

    y = check_labels("y", y)
    predicted = check_labels("predicted", predicted, len(y))
    if n_classes is None:
        n_classes = max(int(y.max()), int(predicted.max()), 1) + 1
    n_classes = check_int("n_classes", n_classes, 2, None, "pass the number of classes")
    check_classes("y", y, n_classes)
    check_classes("predicted", predicted, n_classes)
    counts = count(y, predicted, labels=np.arange(n_classes))  # (classes, classes)
    diagonal = np.eye(n_classes, dtype=bool)
    errors = int(counts[~diagonal].sum())

    side = float(np.clip(1.4 + 0.42 * n_classes, 3.6, 12.0))
    ax = axes_of(ax, (side, side))
    top_error = max(counts[~diagonal].max(), 9)
    shade = np.empty(counts.shape)  # luminance of the cells
    for color, hidden, norm in (
        (ERROR, diagonal, FuncNorm((np.log1p, np.expm1), vmin=0, vmax=top_error)),
        (CORRECT, ~diagonal, Normalize(0, max(counts[diagonal].max(), 1))),
    ):
        cmap = LinearSegmentedColormap.from_list("count", ["white", color])
        ax.imshow(np.ma.array(counts, mask=hidden), cmap=cmap, norm=norm, zorder=1)
        shade[~hidden] = cmap(norm(counts[~hidden])) @ [0.299, 0.587, 0.114, 0.0]
    _write_counts(ax, counts, shade)
    edges = np.arange(n_classes + 1) - 0.5
    for axis, name in ((ax.xaxis, "predicted label"), (ax.yaxis, "true label")):
        axis.set_label_text(name)
        if n_classes <= 30:
            axis.set_ticks(np.arange(n_classes))
        else:
            axis.set_major_locator(MaxNLocator(nbins=20, integer=True))
        axis.set_ticks(edges, minor=True)
    ax.grid(which="minor", color=PALE, linewidth=0.6, zorder=2)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_color(PALE)
    noun = "error" if errors == 1 else "errors"
    accuracy = f"{1 - errors / y.size:.{3 if y.size < 10_000 else 4}f}"
    ax.set_title(f"accuracy {accuracy}: {errors:,} {noun} in {y.size:,} predictions", fontsize=10)
    return ax


def _write_counts(ax: Axes, counts: np.ndarray, shade: np.ndarray) -> None:
    """Write the counts above 0 (classes, classes) in a size that fits, white on dark cells."""
    figure = ax.get_figure(root=True)
    box = ax.get_position()
    inches = figure.get_size_inches() * (box.width, box.height)
    cell = 72 * inches.min() / len(counts)  # points
    size = min(10.0, 0.5 * cell, cell / (0.62 * max(len(f"{counts.max()}"), 2)))
    if size < 4.0:
        return
    for row, column in np.argwhere(counts > 0):
        ink = "white" if shade[row, column] < 0.55 else INK
        style = {"ha": "center", "va": "center", "fontsize": size, "color": ink, "zorder": 3}
        ax.text(column, row, f"{counts[row, column]}", **style)
