"""What the pictures share: colours, axes, numbers as text, checks, and `save`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from pymc_bnn._checks import check_finite, invalid
from pymc_bnn.uncertainty.arrays import as_array

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CORRECT",
    "ERROR",
    "FAINT",
    "GREEN",
    "GREY",
    "INK",
    "KDE_DRAWS",
    "MARKERS",
    "ORANGE",
    "PALE",
    "PURPLE",
    "SERIES",
    "SKY",
    "STYLES",
    "axes_of",
    "check_columns",
    "check_mapping",
    "check_scores",
    "frame_axes",
    "legend_above",
    "log_ticks",
    "minus",
    "save",
    "short",
    "thousands",
]

CORRECT, ERROR = "#0072B2", "#D55E00"
INK, GREY, FAINT, PALE = "#222222", "#767676", "#B5B5B5", "#D9D9D9"
ORANGE, PURPLE, GREEN, SKY = "#E69F00", "#CC79A7", "#009E73", "#56B4E9"
SERIES = (GREEN, PURPLE, ORANGE, SKY, INK, GREY)  # neither correct nor wrong
STYLES = ("-", "--", "-.", ":")
MARKERS = "osD^vP"
KDE_DRAWS = 4000
_DPI = 150
LABELS = {
    "chi_square": "chi-square of votes",
    "entropy_bits": "entropy [bits]",
    "expected_entropy_bits": "expected entropy (aleatoric) [bits]",
    "mutual_information_bits": "mutual information (epistemic) [bits]",
    "nll": "negative log-likelihood [nats]",
    "p_value": "p-value of an even vote",
    "probability": "probability of the predicted class",
    "vote_share": "share of votes of the voted class",
}


def save(figure_or_axes: Figure | Axes | np.ndarray, path: str | Path) -> Path:
    """Write a figure as a PNG of 150 dots per inch and close it.

    Parameters
    ----------
    figure_or_axes : matplotlib.figure.Figure, matplotlib.axes.Axes or array of them
        The figure, or axes of it.
    path : str or pathlib.Path
        File to write, ending in .png; its folder must exist.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    ValueError, TypeError
        If the first argument has no figure, or `path` does not end in .png.
    FileNotFoundError
        If the folder of `path` does not exist.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(plt.figure(), Path(folder) / "empty.png").name
    'empty.png'
    """
    first = figure_or_axes
    if isinstance(first, np.ndarray) and first.size:
        first = first.flat[0]
    if isinstance(first, Axes):
        first = first.get_figure(root=True)
    if not isinstance(first, Figure):
        raise invalid(
            "figure_or_axes",
            "be a matplotlib figure or axes",
            f"a {type(figure_or_axes).__name__}",
            "pass what a function of `plots` returned",
            TypeError,
        )
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise invalid("path", "end in .png", repr(path.name), f"pass '{path.stem}.png'")
    if not path.parent.is_dir():
        raise invalid(
            "path",
            "lie in a folder that exists",
            f"'{path}'",
            f"create '{path.parent}' first",
            FileNotFoundError,
        )
    first.savefig(path, dpi=_DPI)
    plt.close(first)
    return path


def axes_of(ax: Any, size: tuple[float, float]) -> Axes:
    """Return `ax`, or the axes of a new figure of that size in inches."""
    if ax is None:
        return plt.subplots(figsize=size, layout="constrained")[1]
    if not isinstance(ax, Axes):
        got = f"a {type(ax).__name__}"
        raise invalid("ax", "be matplotlib axes", got, "pass one of plt.subplots()", TypeError)
    return ax


def frame_axes(ax: Axes, grid: str = "y", top: bool = False) -> None:
    """Keep the lines of the axes that carry numbers, and a pale grid behind the data."""
    ax.spines["top"].set_visible(top)
    ax.spines["right"].set_visible(False)
    ax.grid(axis=grid, color=PALE, linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)


def legend_above(ax: Axes, ncols: int = 2, **options: Any) -> None:
    """Put a legend above the axes, where it covers nothing, in as many columns as there is room."""
    tops = [second.get_tightbbox().y1 - ax.bbox.y1 for second in ax.child_axes]  # an axis on top
    over = max(tops, default=0.0) / ax.get_figure(root=True).dpi
    above = offset_copy(ax.transAxes, ax.get_figure(root=True), 0.0, over)
    place = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.2}
    place["bbox_transform"] = above
    room = 1.1 * ax.get_window_extent().width  # the layout will widen the axes
    for columns in range(ncols, 0, -1):
        options |= {"ncols": columns, "frameon": False, "fontsize": "small"}
        if ax.legend(**place, **options).get_window_extent().width <= room:
            break


def minus(text: str) -> str:
    """Write the typographer's minus."""
    return text.replace("-", "−")


def thousands(value: float, _: Any = None) -> str:
    """Write a tick with separators of thousands."""
    return minus(f"{round(value, 10) + 0.0:,.10g}")


def short(value: float) -> str:
    """Write three digits, or all of an integer part that is longer."""
    return minus(f"{value:,.0f}" if abs(value) >= 100 else f"{value + 0.0:.3g}")


def log_ticks(low: float, high: float) -> np.ndarray:
    """Return round numbers between two positive ones, about as many for any ratio of them."""
    decades = 10.0 ** np.arange(math.floor(np.log10(low)), math.ceil(np.log10(high)) + 1)
    ratio = high / low
    subs = [1.0] if ratio > 300 else [1, 2, 5] if ratio > 10 else [1, 1.5, 2, 3, 4, 5, 7]
    if ratio < 2:
        subs = np.arange(10, 100, 1 if ratio < 1.3 else 2) / 10
    ticks = np.outer(decades, subs).ravel()
    return ticks[(ticks >= low) & (ticks <= high)]


def check_columns(argument: str, frame: Any, names: Sequence[str], repair: str) -> pd.DataFrame:
    """Return the named columns if they are there, numeric and finite, with at least one row."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        got = f"a {type(frame).__name__}"
        raise invalid(argument, "be a pandas DataFrame", got, repair, TypeError)
    missing = [str(name) for name in names if name not in frame]
    if missing or len(frame) == 0:
        lacks = f"none named {', '.join(missing)}" if missing else "no rows"
        rule = f"have rows and the columns {', '.join(map(str, names))}"
        raise invalid(argument, rule, lacks, repair)
    frame = frame[list(dict.fromkeys(names))]
    if not frame.columns.is_unique:
        twice = list(frame.columns[frame.columns.duplicated()])
        raise invalid(argument, "have each column once", f"{twice} twice", "rename one")
    for name in frame:
        if frame[name].dtype.kind not in "fiub":
            label = f"{argument}[{name!r}]"
            raise invalid(label, "hold numbers", f"dtype {frame[name].dtype}", repair, TypeError)
        check_finite(f"{argument}[{name!r}]", frame[name].to_numpy())
    return frame


def check_mapping(argument: str, value: Any, repair: str) -> dict[str, Any]:
    """Return a mapping from names to data, of which there is at least one, as a dict."""
    if not isinstance(value, Mapping) or not value:
        got = "an empty one" if isinstance(value, Mapping) else f"a {type(value).__name__}"
        raise invalid(argument, "map names to data, one at least", got, repair)
    return dict(value)


def check_scores(argument: str, value: Any) -> dict[str, np.ndarray]:
    """Return a mapping from names to finite numbers (n,), at least one each."""
    found = {}
    for name, scores in check_mapping(argument, value, "pass {'digits': numbers}, say").items():
        label = f"{argument}[{name!r}]"
        scores = as_array(label, scores)
        if scores.ndim != 1 or scores.size == 0 or scores.dtype.kind not in "fiub":
            got = f"shape {scores.shape} of dtype {scores.dtype}"
            raise invalid(label, "hold numbers of shape (n,)", got, "pass one per example")
        check_finite(label, scores)
        found[name] = scores.astype(float)
    return found
