"""Pictures of a fit and of its predictions: matplotlib axes out, ready to annotate or to `save`.

Every function draws into `ax`, or into a new figure with a constrained layout, and leaves the
global settings of matplotlib alone. Blue is correct and vermilion is wrong in every picture;
all colours are of Okabe and Ito's palette, which colour-blind readers can tell apart.

Examples
--------
Without a screen, choose the backend that only writes files:

>>> import matplotlib
>>> matplotlib.use("Agg")
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import FuncNorm, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from pymc_bnn._checks import check_finite, check_int, invalid

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = [
    "confusion_matrix",
    "density_by_correctness",
    "dots",
    "elbo_curve",
    "elbo_curves",
    "mixture_density",
    "save",
    "scale_posteriors",
    "uncertain_examples",
]

_CORRECT, _ERROR = "#0072B2", "#D55E00"
_INK, _GREY, _FAINT, _PALE = "#222222", "#767676", "#B5B5B5", "#D9D9D9"
_NLL, _KL, _SCALE = "#E69F00", "#CC79A7", "#009E73"
_DPI = 150
_BINS = 12, 30  # fewest and most; twice the cube root of the examples between
_RUG = 30  # at most so many examples of a group are also marked one by one
_SHOWN_CLASSES = 10
_KDE_DRAWS = 4000
_LABELS = {
    "chi_square": "chi-square of votes",
    "entropy_bits": "entropy [bits]",
    "expected_entropy_bits": "expected entropy (aleatoric) [bits]",
    "mutual_information_bits": "mutual information (epistemic) [bits]",
    "nll": "negative log-likelihood [nats]",
    "p_value": "p-value of an even vote",
    "probability": "probability of the predicted class",
    "vote_share": "share of votes of the voted class",
}


def elbo_curve(
    history: pd.DataFrame,
    n_examples: int | None = None,
    ax: Axes | None = None,
    *,
    n_classes: int | None = None,
    parts: bool = False,
) -> Axes:
    """Draw the ELBO over the steps of a fit: raw estimates faint, their moving average bold.

    The average is centred, over one epoch but not less than 1/50 or more than 1/10 of the steps.
    With `n_classes` a dashed line marks the uniform predictor, ``−log K`` per example: a
    posterior equal to the prior scores about that, so a fit that ends below it is unfinished.

    Parameters
    ----------
    history : pandas.DataFrame
        One row per step, indexed by step; the column elbo (or objective, of a fit with points or
        dropout, and so called in the picture) and, for `parts`, nll and kl, and log_prior where
        it is there, in nats over all data; epoch, if there, labels a second axis. As
        ``fit(…).history``.
    n_examples : int, optional
        Number of training examples: the curves are divided by it, to nats per example.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    n_classes : int, optional
        Number of classes `K`, at least 2; needs `n_examples`.
    parts : bool, optional
        Also draw the averages of −NLL and −KL, which add up to the ELBO.

    Returns
    -------
    matplotlib.axes.Axes
        x: step; y: nats, or nats per example.

    Raises
    ------
    ValueError, TypeError
        If a column is missing or not finite, there is no row, or a number is out of range.

    Notes
    -----
    The first steps can lie a thousand times lower than the rest. Where they do, the axis shows
    1.5 times the range of all but the lowest tenth of the estimates, and the legend counts the
    steps below it.

    Examples
    --------
    >>> import pandas as pd
    >>> history = pd.DataFrame({"elbo": [-900.0, -300.0, -200.0]}, index=[1, 2, 3])
    >>> ax = elbo_curve(history, n_examples=100, n_classes=10)
    >>> ax.get_ylabel(), ax.get_xlabel()
    ('ELBO [nats per example]', 'step')
    """
    total = "objective" if "objective" in history else "elbo"
    columns = [total, "nll", "kl"] if parts else [total]
    if parts and "log_prior" in history:
        columns.append("log_prior")
    frame = _columns("history", history, columns, "pass `fit(…).history`")
    per_example = n_examples is not None
    unit = 1
    if per_example:
        unit = check_int("n_examples", n_examples, 1, None, "pass the number of training examples")
    if n_classes is not None:
        check_int("n_classes", n_classes, 2, None, "pass the number of classes")
        if not per_example:
            raise invalid(
                "n_classes",
                "come with `n_examples`",
                "`n_classes` alone",
                "pass n_examples=, the number of training examples, too",
            )
    raw, title = frame[total] / unit, {"elbo": "ELBO"}.get(total, total)
    steps, per_epoch = _steps(history)
    stride = float(np.median(np.diff(steps))) if len(steps) > 1 else 1.0
    window = _window(len(raw), per_epoch / stride)

    drawn = {title: (_smooth(raw, window), _INK)}
    if parts:
        drawn["−NLL"] = _smooth(-frame["nll"] / unit, window), _NLL
        drawn["−KL"] = _smooth(-frame["kl"] / unit, window), _KL
        if "log_prior" in frame:
            drawn["log prior of points"] = _smooth(frame["log_prior"] / unit, window), _SCALE
    uniform = None if n_classes is None else -np.log(n_classes)
    seen = [raw.to_numpy(), *(values for values, _ in drawn.values())]
    low, high = _shown_range(seen, uniform)

    ax = _axes(ax, (6.4, 4.0))
    if window > 1:
        below = int((raw < low).sum())
        label = f"{title}, each step" + (f" ({below:,} below the axis)" if below else "")
        ax.plot(steps, raw, color=_FAINT, linewidth=0.7, zorder=1, label=label)
    few = {"marker": "o", "markersize": 4} if len(raw) < 20 else {}
    for name, (values, color) in drawn.items():
        label = f"{name}, mean over {window * stride:,.0f} steps" if window > 1 else name
        ax.plot(steps, values, color=color, linewidth=1.8, zorder=3, label=label, **few)
    if uniform is not None:
        label = f"uniform predictor, −log {n_classes} = {_minus(f'{uniform:.2f}')}"
        ax.axhline(uniform, color=_GREY, linewidth=1.2, linestyle="--", zorder=2, label=label)
    ax.set_ylim(low, high)
    room = 2.0 if len(raw) == 1 else 1.03 if few else 1.0
    ax.set_xlim(0, max(steps[-1], 1) * room)
    with_epochs = per_epoch > 1 and steps[-1] >= per_epoch
    if with_epochs:
        functions = (lambda step: step / per_epoch, lambda epoch: epoch * per_epoch)
        ax.secondary_xaxis("top", functions=functions).set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    ax.xaxis.set_major_formatter(FuncFormatter(_thousands))
    if high - low > 1000:
        ax.yaxis.set_major_formatter(FuncFormatter(_thousands))
    else:
        ax.ticklabel_format(axis="y", useOffset=False)
    ax.set_xlabel("step")
    name = f"{title} and its parts" if parts else title
    ax.set_ylabel(f"{name} [nats per example]" if per_example else f"{name} [nats]")
    _frame(ax, top=with_epochs)
    ax.legend(loc="best", frameon=False, fontsize="small")
    return ax


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

    y, predicted = _label_array("y", y), _label_array("predicted", predicted)
    if y.shape != predicted.shape:
        raise invalid(
            "predicted",
            f"have shape {y.shape}, one label per label of `y`",
            f"shape {predicted.shape}",
            "pass as many predicted as true labels",
        )
    if n_classes is None:
        n_classes = max(int(y.max()), int(predicted.max()), 1) + 1
    n_classes = check_int("n_classes", n_classes, 2, None, "pass the number of classes")
    for name, labels in (("y", y), ("predicted", predicted)):
        if labels.max() >= n_classes:
            rule = f"hold class numbers in 0…{n_classes - 1}"
            raise invalid(name, rule, f"{labels.max()}", "pass a larger n_classes=")
    counts = count(y, predicted, labels=np.arange(n_classes))  # (classes, classes)
    diagonal = np.eye(n_classes, dtype=bool)
    errors = int(counts[~diagonal].sum())

    side = float(np.clip(1.4 + 0.42 * n_classes, 3.6, 12.0))
    ax = _axes(ax, (side, side))
    top_error = max(counts[~diagonal].max(), 9)
    shade = np.empty(counts.shape)  # luminance of the cells
    for color, hidden, norm in (
        (_ERROR, diagonal, FuncNorm((np.log1p, np.expm1), vmin=0, vmax=top_error)),
        (_CORRECT, ~diagonal, Normalize(0, max(counts[diagonal].max(), 1))),
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
    ax.grid(which="minor", color=_PALE, linewidth=0.6, zorder=2)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_color(_PALE)
    noun = "error" if errors == 1 else "errors"
    accuracy = f"{1 - errors / y.size:.{3 if y.size < 10_000 else 4}f}"
    ax.set_title(f"accuracy {accuracy}: {errors:,} {noun} in {y.size:,} predictions", fontsize=10)
    return ax


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
    needed = _columns("frame", frame, ["correct", column], "make it by summary(pred, y)")
    correct = needed["correct"].to_numpy()
    if correct.dtype != bool:
        raise invalid(
            "frame",
            "have a column correct of booleans",
            f"dtype {correct.dtype}",
            "make it by summary(pred, y)",
            TypeError,
        )
    values = needed[column].to_numpy(float)
    edges = _bin_edges(values)

    ax = _axes(ax, (6.0, 3.8))
    handles = []
    top = 0.0
    groups = (("correct", correct, _CORRECT), ("errors", ~correct, _ERROR))
    for order, (name, member, color) in enumerate(groups):
        group = values[member]
        if group.size == 0:
            handles.append(Patch(facecolor="none", edgecolor=color, label=f"{name}: none"))
            continue
        share = 100 * np.histogram(group, edges)[0] / group.size  # (bins,) per cent
        top = max(top, share.max())
        ax.stairs(share, edges, fill=True, color=color, alpha=0.35, zorder=2 + order)
        ax.stairs(share, edges, color=color, linewidth=1.4, zorder=4 + order)
        ax.axvline(group.mean(), color=color, linewidth=1.4, linestyle="--", zorder=6)
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
        label = f"{name}: n = {group.size:,}, mean {_short(group.mean())}"
        handles.append(Patch(facecolor=(color, 0.35), edgecolor=color, label=label))
    ax.set_yscale("function", functions=(lambda v: np.sqrt(np.maximum(v, 0)), np.square))
    ax.set_ylim(0, 1.15 * top)
    ticks = [0, 1, 5, 10, 20, 40, 60, 80, 100] if top > 30 else [0, 1, 2, 5, 10, 15, 20, 30]
    ax.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if tick <= 1.15 * top]))
    ax.yaxis.set_minor_locator(NullLocator())
    margin = 0.015 * (edges[-1] - edges[0])
    ax.set_xlim(edges[0] - margin, edges[-1] + margin)
    ax.set_xlabel(_LABELS.get(column, column))
    ax.set_ylabel("share of the group per bin [%]\n(square-root axis)")
    _frame(ax)
    place = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.2}
    ax.legend(handles=handles, ncols=2, frameon=False, fontsize="small", **place)
    return ax


def scale_posteriors(
    posterior: xr.DataTree | Mapping[str, Any],
    var_names: str | Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the posteriors of a hierarchical prior's scales, one row each, on one logarithmic axis.

    Scales of different layers often differ a hundredfold; on a logarithmic axis each is readable.
    The densities are kernel estimates of log scale, all drawn equally high: widths compare, areas
    do not.

    Parameters
    ----------
    posterior : xarray.DataTree, xarray.Dataset or mapping from str to array_like
        Draws of the scales, all above 0: what ``Approximation.sample`` returns, or arrays by
        name. The draws and elements of an array of scales are pooled into one density.
    var_names : str or sequence of str, optional
        Names of the scales, drawn from the top in this order; by default all there are.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        x: scale, in the unit of the parameter it scales; one row per name. The dot is the median,
        written at the right.

    Raises
    ------
    ValueError, TypeError
        If a name is unknown, there are no draws, or draws are not finite and above 0.

    Examples
    --------
    >>> draws = {"dense1_W_sigma": [0.09, 0.1, 0.12], "dense1_b_sigma": [1.1, 0.9, 1.0]}
    >>> ax = scale_posteriors(draws)
    >>> [text.get_text() for text in ax.texts]
    ['0.1', '1', 'median']
    """
    scales = _scales(posterior, var_names)
    rows = len(scales)
    ax = _axes(ax, (6.4, 1.0 + 0.5 * rows))
    curves = {name: _log_density(draws) for name, draws in scales.items()}
    low = min(grid[0] for grid, _ in curves.values())
    high = max(grid[-1] for grid, _ in curves.values())
    middle, half = np.sqrt(low * high), max(1.05 * np.sqrt(high / low), np.sqrt(6.0))
    right = {"transform": ax.get_yaxis_transform(), "fontsize": "small"}
    for row, (name, (grid, height)) in enumerate(curves.items()):
        base, median = rows - 1 - row, float(np.median(scales[name]))
        ax.axhline(base, color=_PALE, linewidth=0.8, zorder=1)
        ax.fill_between(grid, base, base + 0.8 * height, color=_SCALE, alpha=0.6, lw=0, zorder=2)
        ax.plot(grid, base + 0.8 * height, color=_SCALE, linewidth=1.2, zorder=3)
        ax.plot(median, base, "o", color=_INK, markersize=4, zorder=4)
        ax.text(1.015, base + 0.2, _short(median), va="center", **right)
    ax.text(1.015, rows - 0.05, "median", va="top", color=_GREY, **right)
    ax.set_xscale("log")
    ax.set_xlim(middle / half, middle * half)
    ax.set_ylim(-0.15, rows)
    if half < 1e3:  # below six decades ticks between the powers of ten
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if half < 30 else (1.0, 3.0)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_yticks(rows - 1 - np.arange(rows) + 0.2, list(scales))
    ax.set_xlabel("scale, in units of its parameter (logarithmic axis)")
    _frame(ax, grid="x")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax


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
        up to 10 that have votes, the true one among them if there is room.

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
    from pymc_bnn.uncertainty import chi_square

    with warnings.catch_warnings():  # few draws make a poor p-value, which is not shown
        warnings.simplefilter("ignore", UserWarning)
        statistic = chi_square(votes).statistic  # (examples,)
    votes = np.asarray(votes)
    total, n_classes = votes.shape
    images = _grey_images(images, total)
    if y is not None:
        y = _label_array("y", y)
        if y.shape != (total,) or y.max() >= n_classes:
            raise invalid(
                "y",
                f"hold {total} labels in 0…{n_classes - 1}, one per row of `votes`",
                f"{y.size} labels up to {y.max()}",
                "pass the labels of these examples",
            )
    n = min(check_int("n", n, 1, None, "pass n=16"), total)
    if columns is None:
        columns = math.ceil(math.sqrt(n))
    columns = min(check_int("columns", columns, 1, None, "pass columns=4"), n)
    chosen = np.argsort(-_uncertainty(by, votes, statistic), kind="stable")[:n]

    rows = math.ceil(n / columns)
    figure, boxes = _grid_of_pairs(n, rows, columns)
    if y is not None:
        keys = {"true class": _CORRECT, "wrong class, most voted": _ERROR}
        handles = [Patch(color=color, label=label) for label, color in keys.items()]
        place = {"loc": "upper left", "borderaxespad": 0.3, "handlelength": 1.0}
        figure.legend(handles=handles, ncols=2, frameon=False, fontsize=7.5, **place)
    low, high = images[chosen].min(), images[chosen].max()
    voted = votes.argmax(-1)
    most = int(votes[chosen].max())
    draws = np.unique(votes[chosen].sum(-1))
    unit = f"votes of {draws[0]:,}" if draws.size == 1 else "votes"
    axes = np.empty((n, 2), object)
    for cell, (example, (image_box, bar_box)) in enumerate(zip(chosen, boxes, strict=True)):
        picture, bars = axes[cell] = figure.add_axes(image_box), figure.add_axes(bar_box)
        picture.imshow(images[example], cmap="gray", vmin=low, vmax=max(high, low + 1e-6))
        picture.set_xticks([])
        picture.set_yticks([])
        picture.spines[:].set_visible(False)
        truth = None if y is None else int(y[example])
        title = f"voted {voted[example]}\nχ² = {_short(statistic[example])}"
        color = _INK if truth in (None, voted[example]) else _ERROR
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
    ...     ax = confusion_matrix([0, 1, 1], [0, 1, 0])
    ...     save(ax, Path(folder) / "confusion.png").name
    'confusion.png'
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


def _axes(ax: Any, size: tuple[float, float]) -> Axes:
    """Return `ax`, or the axes of a new figure of that size in inches."""
    if ax is None:
        return plt.subplots(figsize=size, layout="constrained")[1]
    if not isinstance(ax, Axes):
        got = f"a {type(ax).__name__}"
        raise invalid("ax", "be matplotlib axes", got, "pass one of plt.subplots()", TypeError)
    return ax


def _frame(ax: Axes, grid: str = "y", top: bool = False) -> None:
    """Keep the lines of the axes that carry numbers, and a pale grid behind the data."""
    ax.spines["top"].set_visible(top)
    ax.spines["right"].set_visible(False)
    ax.grid(axis=grid, color=_PALE, linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)


def _minus(text: str) -> str:
    """Write the typographer's minus."""
    return text.replace("-", "−")


def _thousands(value: float, _: Any = None) -> str:
    """Write a tick with separators of thousands."""
    return _minus(f"{round(value, 10) + 0.0:,.10g}")


def _short(value: float) -> str:
    """Write three digits, or all of an integer part that is longer."""
    return _minus(f"{value:,.0f}" if abs(value) >= 100 else f"{value + 0.0:.3g}")


def _columns(argument: str, frame: Any, names: Sequence[str], repair: str) -> pd.DataFrame:
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
    for name in frame:
        if frame[name].dtype.kind not in "fiub":
            label = f"{argument}[{name!r}]"
            raise invalid(label, "hold numbers", f"dtype {frame[name].dtype}", repair, TypeError)
        check_finite(f"{argument}[{name!r}]", frame[name].to_numpy())
    return frame


def _steps(history: pd.DataFrame) -> tuple[np.ndarray, float]:
    """Return the step of each row and the number of steps per epoch, 1 where unknown."""
    steps = history.index.to_numpy()
    if steps.dtype.kind not in "iuf" or (np.diff(steps) <= 0).any() or steps[0] < 0:
        raise invalid(
            "history",
            "be indexed by increasing step numbers",
            f"an index of dtype {steps.dtype}",
            "pass `fit(…).history`, or history.reset_index(drop=True)",
        )
    if "epoch" not in history:
        return steps, 1.0
    epoch = float(history["epoch"].iloc[-1])
    return steps, steps[-1] / epoch if epoch > 0 else 1.0


def _window(rows: int, per_epoch: float) -> int:
    """Return over how many rows to average: an epoch, within 1/50 and 1/10 of all."""
    return int(max(1, min(max(rows // 50, round(per_epoch)), rows // 10)))


def _smooth(values: pd.Series, window: int) -> np.ndarray:
    """Return the centred moving average, over what there is near the ends."""
    return values.rolling(window, center=True, min_periods=1).mean().to_numpy()


def _shown_range(curves: Sequence[np.ndarray], level: float | None) -> tuple[float, float]:
    """Return the limits of y that show the curves, less where one dives, and a level, if any."""
    lows, highs = [], []
    for values in curves:
        bottom, top = values.min(), values.max()
        most = top - np.quantile(values, 0.1)  # the range of all but the lowest tenth
        lows.append(bottom if top - bottom <= 2.5 * most else top - 1.5 * most)
        highs.append(top)
    low = min(lows if level is None else [*lows, level])
    high = max(highs if level is None else [*highs, level])
    pad = 0.05 * (high - low) or 0.05 * max(abs(high), 1.0)
    return low - pad, high + pad


def _label_array(argument: str, labels: Any) -> np.ndarray:
    """Return non-negative integer labels (n,)."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.size == 0:
        rule = "have shape (n,) with at least one label"
        raise invalid(argument, rule, f"shape {labels.shape}", "pass a list of labels")
    if labels.dtype.kind not in "iu":
        repair = f"convert it: {argument}.astype(int)"
        raise invalid(argument, "hold integers", f"dtype {labels.dtype}", repair, TypeError)
    if labels.min() < 0:
        raise invalid(argument, "be 0 or above", f"{labels.min()}", "number the classes from 0")
    return labels


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
        ink = "white" if shade[row, column] < 0.55 else _INK
        style = {"ha": "center", "va": "center", "fontsize": size, "color": ink, "zorder": 3}
        ax.text(column, row, f"{counts[row, column]}", **style)


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


def _scales(posterior: Any, var_names: str | Sequence[str] | None) -> dict[str, np.ndarray]:
    """Return the draws of each scale, flat and above 0."""
    found: Any = posterior
    if isinstance(getattr(found, "children", None), Mapping) and "posterior" in found.children:
        found = found["posterior"]
    found = getattr(found, "data_vars", found)
    if not isinstance(found, Mapping) or not found:
        raise invalid(
            "posterior",
            "be a DataTree with a posterior, or a mapping from name to draws",
            f"a {type(posterior).__name__}" + (" without variables" if not found else ""),
            "pass what `Approximation.sample` returned",
            TypeError,
        )
    names = [var_names] if isinstance(var_names, str) else list(var_names or found)
    unknown = [name for name in names if name not in found]
    if unknown:
        known = ", ".join(map(str, found))
        raise invalid("var_names", "name variables of the posterior", unknown, f"choose of {known}")
    scales = {}
    for name in names:
        draws = np.asarray(found[name])
        if draws.dtype.kind not in "fiu" or draws.size == 0:
            got = f"shape {draws.shape} of dtype {draws.dtype}"
            raise invalid(f"posterior[{name!r}]", "hold draws", got, "sample at least one draw")
        check_finite(f"posterior[{name!r}]", draws)
        if draws.min() <= 0:
            raise invalid(
                f"posterior[{name!r}]",
                "be above 0, as scales are",
                f"{draws.min():.6g}",
                "choose the scales by var_names=",
            )
        scales[name] = draws.ravel().astype(float)
    return scales


def _log_density(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a grid of scales and the density of log scale there, at most 1; a point's is a rod."""
    from scipy.stats import gaussian_kde

    logs = np.log(draws)
    if np.ptp(logs) <= 1e-9 * max(np.abs(logs).max(), 1.0):
        return draws[[0, 0]], np.array([0.0, 1.0])
    if logs.size > _KDE_DRAWS:
        logs = logs[np.linspace(0, logs.size - 1, _KDE_DRAWS).astype(int)]
    kernel = gaussian_kde(logs)
    margin = 3.0 * np.sqrt(kernel.covariance[0, 0])
    grid = np.linspace(logs.min() - margin, logs.max() + margin, 401)
    density = kernel(grid)
    return np.exp(grid), density / density.max()


def _grey_images(images: Any, n: int) -> np.ndarray:
    """Return `n` finite images (n, height, width)."""
    images = np.asarray(images)
    grey = images[..., 0] if images.ndim == 4 and images.shape[-1] == 1 else images
    if grey.ndim != 3 or grey.size == 0 or len(grey) != n:
        raise invalid(
            "images",
            f"have shape ({n}, height, width) or ({n}, height, width, 1), as many as `votes`",
            f"shape {images.shape}",
            "pass the images that were voted on, grey",
        )
    if grey.dtype.kind not in "fiub":
        raise invalid("images", "hold numbers", f"dtype {grey.dtype}", "convert it", TypeError)
    check_finite("images", grey)
    return grey.astype(float)


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
    by = np.asarray(by)
    if by.shape != (len(votes),) or by.dtype.kind not in "fiu":
        raise invalid(
            "by",
            f"hold {len(votes)} numbers, one per row of `votes`",
            f"shape {by.shape} of dtype {by.dtype}",
            "pass an uncertainty of each example, large where unsure",
        )
    check_finite("by", by)
    return by.astype(float)


def _grid_of_pairs(n: int, rows: int, columns: int) -> tuple[Figure, list[tuple[Any, Any]]]:
    """Return a figure and where the image and the bars of each cell go, as figure fractions."""
    side, gap, bars, cell_width, cell_height = 1.0, 0.3, 0.85, 2.4, 1.55  # inches
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


def _vote_bars(ax: Axes, votes: np.ndarray, truth: int | None, most: int) -> None:
    """Draw the votes (classes,) of one example as horizontal bars, class 0 at the top."""
    voted = int(votes.argmax())
    slots = min(len(votes), _SHOWN_CLASSES)
    classes = np.arange(slots)
    if len(votes) > slots:  # those with votes, and the truth
        rank = votes + 0.5 * (np.arange(len(votes)) == truth)
        first = np.argsort(-rank, kind="stable")[:slots]
        classes = np.sort(first[rank[first] > 0])
    colors = {voted: _GREY if truth is None else _ERROR}
    if truth is not None:
        colors[truth] = _CORRECT
    places = np.arange(len(classes))
    ax.barh(places, votes[classes], 0.8, color=[colors.get(int(k), _FAINT) for k in classes])
    ax.set_yticks(places, [str(k) for k in classes], fontsize=7)
    ax.set_ylim(slots - 0.4, -0.6)
    ax.set_xlim(0, most)
    ax.set_xticks([0, most])
    ax.tick_params(axis="x", labelsize=7, length=2, pad=2)
    ax.tick_params(axis="y", length=0, pad=2)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(_GREY)


_SERIES = (_SCALE, _KL, _NLL, "#56B4E9", _INK, _GREY)  # neither correct nor wrong
_STYLES = ("-", "--", "-.", ":")
_MARKERS = "osD^vP"


def elbo_curves(
    histories: Mapping[str, pd.DataFrame],
    n_examples: int | None = None,
    ax: Axes | None = None,
    *,
    steps_per_second: Mapping[str, float] | None = None,
    n_classes: int | None = None,
) -> Axes:
    """Draw the ELBOs of several fits, over their epochs or over the time they took.

    Each curve is the moving average of :func:`elbo_curve`. Where all of it is negative the axis is
    logarithmic in −ELBO, so that small differences show at the end, the highest values.

    Parameters
    ----------
    histories : mapping from str to pandas.DataFrame
        ``fit(…).history`` by name. Only fits with an ELBO: an objective may not be ranked with it.
    n_examples : int, optional
        Number of training examples: the curves are divided by it, to nats per example.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    steps_per_second : mapping from str to float, optional
        Speed of each fit, above 0 (see :func:`pymc_bnn.efficiency.step_rates`): x is time then.
    n_classes : int, optional
        Number of classes `K`, at least 2; needs `n_examples`. A dashed line marks −log K, which a
        posterior equal to the prior scores about.

    Returns
    -------
    matplotlib.axes.Axes
        x: epoch (step, where epochs are unknown), or seconds or minutes; y: nats, or nats per
        example.

    Raises
    ------
    ValueError, TypeError
        If there is no history, a column is missing, or a speed is missing or not above 0.

    Examples
    --------
    >>> import pandas as pd
    >>> slow = pd.DataFrame({"elbo": [-90.0, -30.0, -20.0]}, index=[1, 2, 3])
    >>> speeds = {"slow": 0.5, "fast": 1.0}
    >>> ax = elbo_curves({"slow": slow, "fast": slow / 2}, steps_per_second=speeds)
    >>> ax.get_xlabel(), ax.get_ylabel().splitlines()
    ('seconds', ['ELBO [nats]', '(logarithmic in −ELBO)'])
    """
    if not isinstance(histories, Mapping) or not histories:
        rule, repair = "map names to histories", "pass {'local': fitted.history}, say"
        raise invalid("histories", rule, repr(histories), repair)
    unit = 1
    if n_examples is not None:
        unit = check_int("n_examples", n_examples, 1, None, "pass the number of training examples")
    if n_classes is not None:
        check_int("n_classes", n_classes, 2, None, "pass the number of classes")
        if n_examples is None:
            repair = "pass n_examples=, the number of training examples, too"
            raise invalid("n_classes", "come with `n_examples`", "`n_classes` alone", repair)
    if steps_per_second is not None:
        speeds = {name: steps_per_second.get(name) for name in histories}
        wrong = {k: v for k, v in speeds.items() if v is None or not 0 < v < np.inf}
        if wrong:
            rule = "give every fit a speed above 0"
            raise invalid("steps_per_second", rule, wrong, "see efficiency.step_rates")
    by_epoch = all("epoch" in getattr(h, "columns", ()) for h in histories.values())
    curves = {}
    for name, history in histories.items():
        label = f"histories[{name!r}]"
        raw = _columns(label, history, ["elbo"], "pass `fit(…).history`")["elbo"] / unit
        steps, per_epoch = _steps(history)
        stride = float(np.median(np.diff(steps))) if len(steps) > 1 else 1.0
        values = _smooth(raw, _window(len(raw), per_epoch / stride))
        x = steps / (per_epoch if by_epoch else 1)
        curves[name] = x if steps_per_second is None else steps / speeds[name], values
    longest = max(x[-1] for x, _ in curves.values())
    time = "seconds"
    if steps_per_second is not None and longest > 120:
        curves = {name: (x / 60, values) for name, (x, values) in curves.items()}
        longest, time = longest / 60, "minutes"
    uniform = None if n_classes is None else -np.log(n_classes)
    logarithmic = max(values.max() for _, values in curves.values()) < 0

    ax = _axes(ax, (6.4, 4.0))
    for i, (name, (x, values)) in enumerate(curves.items()):
        style = {"color": _SERIES[i % len(_SERIES)], "linestyle": _STYLES[i % len(_STYLES)]}
        few = {"marker": "o", "markersize": 4} if len(x) < 20 else {}
        label = f"{name}: {_short(values[-1])} at the end"
        ax.plot(x, values, linewidth=1.8, zorder=3, label=label, **style, **few)
    if uniform is not None:
        label = f"uniform predictor, −log {n_classes} = {_minus(f'{uniform:.2f}')}"
        ax.axhline(uniform, color=_GREY, linewidth=1.2, linestyle="--", zorder=2, label=label)
    if logarithmic:
        seen = [-np.log(-values) for _, values in curves.values()]
        low, high = _shown_range(seen, None if uniform is None else -np.log(-uniform))
        ax.set_yscale("function", functions=(_minus_log_of_minus, lambda v: -np.exp(-v)))
        ax.set_ylim(-np.exp(-low), -np.exp(-high))
        ax.yaxis.set_major_locator(FixedLocator(-_log_ticks(np.exp(-high), np.exp(-low))))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(FuncFormatter(_thousands))
    else:
        ax.set_ylim(*_shown_range([values for _, values in curves.values()], uniform))
    ax.set_xlim(0, 1.02 * longest)
    ax.set_xlabel(time if steps_per_second else "epoch" if by_epoch else "step")
    name = "ELBO [nats per example]" if n_examples else "ELBO [nats]"
    ax.set_ylabel(name + ("\n(logarithmic in −ELBO)" if logarithmic else ""))
    _frame(ax)
    ax.legend(loc="best", fontsize="small", edgecolor="none", framealpha=0.9)
    return ax


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
    frame = _columns("table", table, list(getattr(table, "columns", ())), "pass numbers")
    if log and (frame.to_numpy() <= 0).any():
        lowest = f"{frame.to_numpy().min():.6g}"
        raise invalid("table", "be above 0 on a logarithmic axis", lowest, "pass log=False")
    rows, columns = frame.shape
    ax = _axes(ax, (6.4, 1.2 + 0.32 * rows))
    places = np.arange(rows)[::-1]
    if line is not None:
        ax.axvline(line[0], color=_GREY, linewidth=1.2, linestyle="--", zorder=2, label=line[1])
    for i, column in enumerate(frame):
        style = {"color": _INK if columns == 1 else _SERIES[i % len(_SERIES)], "zorder": 3}
        at = places + (0.0 if columns == 1 else 0.5 * (0.5 - (i + 0.5) / columns))
        if errors is not None:
            ax.errorbar(frame[column], at, xerr=errors[column], fmt="none", **style)
        marker = _MARKERS[i % len(_MARKERS)]
        ax.plot(frame[column], at, marker, markersize=6, label=str(column), **style)
    if columns == 1:
        right = {"transform": ax.get_yaxis_transform(), "fontsize": "small", "va": "center"}
        for place, value in zip(places, frame.iloc[:, 0], strict=True):
            ax.text(1.015, place, _short(value), **right)
    if log:
        ax.set_xscale("log")
    ax.margins(x=0.08)
    ax.autoscale_view()
    if log:
        ax.xaxis.set_major_locator(FixedLocator(_log_ticks(*ax.get_xlim())))
        ax.xaxis.set_minor_locator(NullLocator())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6))
    ax.xaxis.set_major_formatter(FuncFormatter(_thousands))
    ax.set_ylim(-0.6, rows - 0.4)
    ax.set_yticks(places, [str(name) for name in frame.index])
    ax.set_xlabel(xlabel)
    _frame(ax, grid="both")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    if columns > 1 or line is not None:
        place = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.2}
        handles, labels = ax.get_legend_handles_labels()
        kept = [(h, t) for h, t in zip(handles, labels, strict=True) if columns > 1 or t == line[1]]
        ax.legend(*zip(*kept, strict=True), ncols=5, frameon=False, fontsize="small", **place)
    return ax


def mixture_density(
    weight: Any,
    sigma_1: Any,
    sigma_2: Any,
    ax: Axes | None = None,
    *,
    normals: Sequence[float] = (1.0,),
) -> Axes:
    r"""Draw the density of a weight under a scale mixture, beside Normal distributions.

    The density :math:`\pi\,\mathcal N(w; 0, \sigma_1^2) + (1 - \pi)\,\mathcal N(w; 0, \sigma_2^2)`
    of a fixed mixture, or the median over posterior draws of a learned one, with the band that
    holds 90 % of them, on a logarithmic axis, where spike and tails both show.

    Parameters
    ----------
    weight, sigma_1, sigma_2 : float or array_like of the same size
        π in 0…1, and the two standard deviations, above 0: numbers or draws.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    normals : sequence of float, optional
        Standard deviations, above 0, of the Normal distributions to compare with.

    Returns
    -------
    matplotlib.axes.Axes
        x: the weight, to four times the wide component's standard deviation; y: its density.

    Raises
    ------
    ValueError
        If the arguments differ in size, are not finite or outside their range.

    Examples
    --------
    >>> ax = mixture_density(0.5, 10.0, 1.0)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['mixture', 'Normal(0, 1)']
    >>> ax.get_xlabel().splitlines()
    ['weight', '(mixture of π = 0.5, σ₁ = 10, σ₂ = 1)']
    """
    from scipy.stats import norm

    arrays = {"weight": weight, "sigma_1": sigma_1, "sigma_2": sigma_2, "normals": normals}
    for name, value in arrays.items():
        arrays[name] = np.asarray(value, float).ravel()
        check_finite(name, arrays[name])
    share, wide, narrow, others = arrays.values()
    if not share.size == wide.size == narrow.size > 0:
        sizes = f"sizes {share.size}, {wide.size} and {narrow.size}"
        raise invalid("weight", "have the size of the sigmas", sizes, "pass draws of the same fit")
    if share.min() < 0 or share.max() > 1:
        raise invalid("weight", "lie in 0…1", f"{share.min()}…{share.max()}", "pass the share π")
    for name in ("sigma_1", "sigma_2", "normals"):
        if arrays[name].size and arrays[name].min() <= 0:
            raise invalid(name, "be above 0", arrays[name].min(), "pass standard deviations")
    limit = 4 * float(np.median(np.maximum(wide, narrow)))
    half = np.concatenate([[0.0], np.geomspace(0.01 * np.median(narrow), limit, 300)])
    grid = np.concatenate([-half[:0:-1], half])[:, None]  # (points, 1)
    density = share * norm.pdf(grid, 0, wide) + (1 - share) * norm.pdf(grid, 0, narrow)
    low, middle, high = np.quantile(density, [0.05, 0.5, 0.95], axis=1)

    ax = _axes(ax, (6.4, 4.0))
    names = zip(["π", "σ₁", "σ₂"], (share, wide, narrow), strict=True)
    ax.plot(grid, middle, color=_SCALE, linewidth=1.8, zorder=3, label="mixture")
    values = ", ".join(f"{name} = {_short(np.median(v))}" for name, v in names)
    ax.set_xlabel(f"weight\n(mixture of {values})")
    if share.size > 1:
        band = {"color": _SCALE, "alpha": 0.3, "lw": 0, "zorder": 2, "label": "90 % of draws"}
        ax.fill_between(grid[:, 0], low, high, **band)
    for i, sigma in enumerate(others):
        style = {"color": _INK, "linestyle": _STYLES[1 + i % 3], "linewidth": 1.2, "zorder": 4}
        ax.plot(grid, norm.pdf(grid, 0, sigma), label=f"Normal(0, {_short(sigma)})", **style)
    top = max(middle.max(), *(norm.pdf(0, 0, sigma) for sigma in others), 0)
    ax.set_yscale("log")
    ax.set_ylim(0.3 * middle[-1], 2 * top)
    ax.set_xlim(-limit, limit)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6))
    ax.xaxis.set_major_formatter(FuncFormatter(_thousands))
    ax.set_ylabel("density (logarithmic axis)")
    _frame(ax)
    place = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.2}
    ax.legend(ncols=2, frameon=False, fontsize="small", **place)
    return ax


def _log_ticks(low: float, high: float) -> np.ndarray:
    """Return round numbers between two positive ones, about as many for any ratio of them."""
    decades = 10.0 ** np.arange(math.floor(np.log10(low)), math.ceil(np.log10(high)) + 1)
    ratio = high / low
    subs = [1.0] if ratio > 300 else [1, 2, 5] if ratio > 10 else [1, 1.5, 2, 3, 4, 5, 7]
    if ratio < 2:
        subs = np.arange(10, 100, 1 if ratio < 1.3 else 2) / 10
    ticks = np.outer(decades, subs).ravel()
    return ticks[(ticks >= low) & (ticks <= high)]


def _minus_log_of_minus(values: np.ndarray) -> np.ndarray:
    """Return the position of negative values on an axis that is logarithmic in −value."""
    return -np.log(np.maximum(-np.asarray(values, float), 1e-30))
