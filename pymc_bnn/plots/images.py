"""What the pictures of single examples share: images, class colours, draws, layout."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pymc_bnn._checks import check_finite, invalid
from pymc_bnn.plots.style import CORRECT, ERROR, FAINT, GREY, INK
from pymc_bnn.uncertainty.arrays import as_array

__all__ = [
    "check_images",
    "class_axis",
    "class_colors",
    "class_key",
    "classes_shown",
    "draw_image",
    "grid_of_pairs",
    "leading_classes",
    "title_color",
]

_SHOWN_CLASSES = 10


def check_images(images: Any, n: int, of: str = "votes") -> np.ndarray:
    """Return `n` finite images (n, height, width)."""
    images = as_array("images", images)
    grey = images[..., 0] if images.ndim == 4 and images.shape[-1] == 1 else images
    if grey.ndim != 3 or grey.size == 0 or len(grey) != n:
        raise invalid(
            "images",
            f"have shape ({n}, height, width) or ({n}, height, width, 1), as many as `{of}`",
            f"shape {images.shape}",
            "pass the images of these examples, grey",
        )
    if grey.dtype.kind not in "fiub":
        raise invalid("images", "hold numbers", f"dtype {grey.dtype}", "convert it", TypeError)
    check_finite("images", grey)
    return grey.astype(float)


def class_colors(n_classes: int, top: int, truth: int | None) -> list[str]:
    """Return a colour per class: the truth blue, a wrong top class vermilion, the rest grey."""
    colors = [FAINT] * n_classes
    colors[top] = GREY if truth is None else ERROR
    if truth is not None:
        colors[truth] = CORRECT
    return colors


def class_key(figure: Figure, wrong: str, **options: Any) -> None:
    """Explain the colours of true and wrong classes in a legend of the figure."""
    keys = {"true class": CORRECT, wrong: ERROR}
    handles = [Patch(color=color, label=label) for label, color in keys.items()]
    style = {"ncols": 2, "frameon": False, "fontsize": 7.5, "handlelength": 1.0}
    place = {"loc": "upper left", "borderaxespad": 0.3}
    figure.legend(handles=handles, **style | place | options)


def leading_classes(weights: np.ndarray, truth: int | None, most: int) -> list[int]:
    """Return at most so many classes of the largest weights above 0, the truth among them."""
    first = [int(k) for k in np.argsort(-weights, kind="stable")[:most] if weights[k] > 0]
    return first if truth is None or truth in first else [*first[: most - 1], truth]


def classes_shown(weights: np.ndarray, truth: int | None) -> np.ndarray:
    """Return all classes in order, or of more than 10 the leading ones."""
    if len(weights) <= _SHOWN_CLASSES:
        return np.arange(len(weights))
    return np.sort(leading_classes(weights, truth, _SHOWN_CLASSES))


def class_axis(ax: Axes, classes: np.ndarray, n_classes: int) -> None:
    """Set the y axis of horizontal bars, the first class at the top."""
    ax.set_yticks(np.arange(len(classes)), [str(k) for k in classes], fontsize=7)
    ax.set_ylim(min(n_classes, _SHOWN_CLASSES) - 0.4, -0.6)
    ax.tick_params(axis="x", labelsize=7, length=2, pad=2)
    ax.tick_params(axis="y", length=0, pad=2)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(GREY)


def draw_image(ax: Axes, image: np.ndarray, low: float, high: float) -> None:
    """Draw a grey image between two brightnesses, without axes."""
    ax.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6))
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def title_color(top: int, truth: int | None) -> str:
    """Return the ink of a title: vermilion where the top class is wrong."""
    return INK if truth in (None, top) else ERROR


def grid_of_pairs(
    n: int, rows: int, columns: int, n_classes: int, bars: float = 0.85
) -> tuple[Figure, list[tuple[Any, Any]]]:
    """Return a figure and where the image and the bars of each cell go, as figure fractions."""
    side, cell_height = 1.0, 1.55  # inches
    gap = 0.25 + 0.06 * len(str(n_classes - 1))  # for the numbers of the classes
    cell_width = side + gap + bars + 0.25
    left, top, bottom = 0.12, 0.25, 0.3
    width, height = left + columns * cell_width, top + rows * cell_height + bottom
    figure = plt.figure(figsize=(width, height))
    boxes = []
    for cell in range(n):
        row, column = divmod(cell, columns)
        x = left + column * cell_width
        y = bottom + (rows - 1 - row) * cell_height + 0.15
        image = (x / width, y / height, side / width, side / height)
        chart = ((x + side + gap) / width, y / height, bars / width, side / height)
        boxes.append((image, chart))
    return figure, boxes
