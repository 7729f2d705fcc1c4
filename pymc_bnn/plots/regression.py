"""Predictions of numbers along one input: bands of what is not known and of what is noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from pymc_bnn._checks import check_finite, invalid
from pymc_bnn.plots.style import (
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    STYLES,
    axes_of,
    check_mapping,
    frame_axes,
    legend_above,
)

__all__ = ["band_panels", "compare_bands", "predictive_band"]

_BANDS = (GREEN, PURPLE, ORANGE, SKY)
_SIZE = (6.4, 4.2)
_WIDTH = 2  # standard deviations to either side


def predictive_band(
    x: Any,
    mean: Any,
    epistemic: Any,
    aleatoric: Any = None,
    *,
    data: tuple[Any, Any] | None = None,
    truth: Any = None,
    at_mean: Any = None,
    xlabel: str = "x",
    ylabel: str = "y",
    ylim: tuple[float, float] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw a predicted function with a band of ±2 standard deviations.

    With `aleatoric` there are two bands: inside, of the function, which more data would narrow;
    outside, of new observations, which the noise keeps wide.

    Parameters
    ----------
    x : array_like of shape (n,)
        Inputs, in any order; what goes with them is put in order with them.
    mean : array_like of shape (n,)
        Predicted mean, in the unit of y.
    epistemic : array_like of shape (n,)
        Standard deviation of the mean function over posterior draws.
    aleatoric : array_like of shape (n,) or (), optional
        Standard deviation of the noise; see `uncertainty.variance_parts`.
    data : (array_like, array_like), optional
        Inputs and outputs (m,) of the training data, drawn as points.
    truth : array_like of shape (n,), optional
        The true function, dashed.
    at_mean : array_like of shape (n,), optional
        The function of the posterior mean of the weights, dotted: a single network.
    xlabel, ylabel : str, optional
        Labels of the axes; name the units, as in "time [s]".
    ylim : (float, float), optional
        Limits of y; by default as far as the widest band runs.
    legend : bool, optional
        Whether to draw a legend above the axes, where it covers nothing; False where several
        axes of a figure share one.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        With lines and bands labelled for a legend.

    Raises
    ------
    ValueError, TypeError
        If an array is not finite or of another shape, all of `x` are equal, or a standard
        deviation is negative.

    Examples
    --------
    >>> ax = predictive_band([0.0, 1.0], [0.0, 0.0], [0.1, 0.5], 0.2, data=([0.0], [0.1]))
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['function ± 2 sd', 'new observation ± 2 sd', 'mean', 'data']
    >>> ax.get_ylabel()
    'y'
    """
    x, order = _check_inputs(x)
    mean = _along("mean", mean, order)
    epistemic = _along("epistemic", epistemic, order, spread=True)
    total = None
    if aleatoric is not None:
        total = np.hypot(epistemic, _along("aleatoric", aleatoric, order, spread=True))
    ax = axes_of(ax, _SIZE)
    low, high = mean - _WIDTH * epistemic, mean + _WIDTH * epistemic
    label = f"function ± {_WIDTH} sd"
    ax.fill_between(x, low, high, color=GREEN, alpha=0.45, linewidth=0, zorder=2, label=label)
    if total is not None:
        label = f"new observation ± {_WIDTH} sd"
        ends = mean - _WIDTH * total, mean + _WIDTH * total
        ax.fill_between(x, *ends, color=GREEN, alpha=0.18, linewidth=0, zorder=1, label=label)
    ax.plot(x, mean, color=GREEN, linewidth=1.8, zorder=4, label="mean")
    if at_mean is not None:
        single = _along("at_mean", at_mean, order)
        label = "at the mean of the weights"
        ax.plot(x, single, ":", color=PURPLE, linewidth=1.8, zorder=5, label=label)
    _draw_known(ax, x, order, data, truth)
    _finish(ax, x, xlabel, ylabel, ylim, legend)
    return ax


def compare_bands(
    x: Any,
    bands: Mapping[str, tuple[Any, Any]],
    *,
    data: tuple[Any, Any] | None = None,
    truth: Any = None,
    xlabel: str = "x",
    ylabel: str = "y",
    ylim: tuple[float, float] | None = None,
    legend: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw the bands of ±2 standard deviations of several methods over each other.

    The first is filled; of the others, each of its own colour and dashes, only mean and edges are
    drawn, so that none hides another.

    Parameters
    ----------
    x : array_like of shape (n,)
        Inputs, in any order; what goes with them is put in order with them.
    bands : mapping from str to (array_like, array_like)
        Mean and standard deviation (n,) by name, in the unit of y; four at most.
    data : (array_like, array_like), optional
        Inputs and outputs (m,) of the training data, drawn as points.
    truth : array_like of shape (n,), optional
        The true function, dashed.
    xlabel, ylabel : str, optional
        Labels of the axes; name the units, as in "time [s]".
    ylim : (float, float), optional
        Limits of y; by default as far as the widest band runs.
    legend : bool, optional
        Whether to draw a legend above the axes, where it covers nothing; False where several
        axes of a figure share one.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        Thick lines are means, thin ones edges.

    Raises
    ------
    ValueError, TypeError
        If `bands` is empty or holds more than four, an array is not finite or of another shape,
        all of `x` are equal, or a standard deviation is negative.

    Examples
    --------
    >>> bands = {"NUTS": ([0.0, 0.0], [0.2, 0.9]), "mean-field": ([0.0, 0.1], [0.2, 0.5])}
    >>> ax = compare_bands([0.0, 1.0], bands)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['NUTS: mean ± 2 sd', 'mean-field: mean ± 2 sd']
    """
    x, order = _check_inputs(x)
    bands = _check_bands("bands", bands, order)
    ax = axes_of(ax, _SIZE)
    for i, (name, (mean, std)) in enumerate(bands.items()):
        color, ends = _BANDS[i], (mean - _WIDTH * std, mean + _WIDTH * std)
        line = {"color": color, "linestyle": STYLES[i]}
        if i == 0:
            ax.fill_between(x, *ends, color=color, alpha=0.22, linewidth=0, zorder=1)
        label = f"{name}: mean ± {_WIDTH} sd"
        ax.plot(x, mean, linewidth=2.0, zorder=4 + i, label=label, **line)
        for end in ends:
            ax.plot(x, end, linewidth=1.1, zorder=3 + i, **line)
    _draw_known(ax, x, order, data, truth)
    _finish(ax, x, xlabel, ylabel, ylim, legend)
    return ax


def band_panels(
    x: Any,
    panels: Mapping[str, Mapping[str, tuple[Any, Any]]],
    *,
    data: tuple[Any, Any] | None = None,
    truth: Any = None,
    xlabel: str = "x",
    ylabel: str = "y",
    ylim: tuple[float, float] | None = None,
) -> np.ndarray:
    """Draw the bands of several methods once per model, in panels beside each other.

    Parameters
    ----------
    x : array_like of shape (n,)
        Inputs, in any order; what goes with them is put in order with them.
    panels : mapping from str to mapping from str to (array_like, array_like)
        By model and method: mean and standard deviation (n,), in the unit of y. Each panel is one
        of `compare_bands`; all have the same methods, in the same order.
    data : (array_like, array_like), optional
        Inputs and outputs (m,) of the training data, drawn as points.
    truth : array_like of shape (n,), optional
        The true function, dashed.
    xlabel, ylabel : str, optional
        Labels of the axes; name the units, as in "time [s]".
    ylim : (float, float), optional
        Limits of y; by default as far as the widest band runs.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes, shape (panels,)
        A panel per model, which is its title, with one y axis and one legend, below.

    Raises
    ------
    ValueError, TypeError
        If there is no panel, their methods differ, or as `compare_bands`.

    Examples
    --------
    >>> bands = {"NUTS": ([0.0, 0.0], [0.2, 0.9]), "mean-field": ([0.0, 0.1], [0.2, 0.5])}
    >>> axes = band_panels([0.0, 1.0], {"noise known": bands, "noise learned": bands})
    >>> [ax.get_title() for ax in axes]
    ['noise known', 'noise learned']
    """
    _, order = _check_inputs(x)
    panels = check_mapping("panels", panels, "pass {'noise known': {'NUTS': (mean, std)}}, say")
    methods = [
        list(_check_bands(f"panels[{name!r}]", bands, order)) for name, bands in panels.items()
    ]
    if any(names != methods[0] for names in methods):
        rule, repair = "have the same methods in each panel", "draw the others by compare_bands"
        raise invalid("panels", rule, methods, repair)
    layout = {"sharey": True, "squeeze": False, "layout": "constrained"}
    figure, grid = plt.subplots(1, len(panels), figsize=(5.0 * len(panels), 4.4), **layout)
    axes = grid[0]
    shared = {"data": data, "truth": truth, "xlabel": xlabel, "ylabel": ylabel, "ylim": ylim}
    for ax, (name, bands) in zip(axes, panels.items(), strict=True):
        compare_bands(x, bands, **shared, legend=False, ax=ax)
        ax.set_title(str(name))
        ax.label_outer()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return axes


def _draw_known(ax: Axes, x: np.ndarray, order: np.ndarray, data: Any, truth: Any) -> None:
    """Draw the true function and the data."""
    if truth is not None:
        truth = _along("truth", truth, order)
        ax.plot(x, truth, "--", color=GREY, linewidth=1.2, zorder=3, label="true function")
    if data is not None:
        at, y = (np.asarray(v) for v in _pair("data", data, "(x, y)"))
        if at.ndim != 1 or at.size == 0 or at.shape != y.shape:
            got = f"shapes {at.shape} and {y.shape}"
            raise invalid("data", "hold inputs and outputs of one shape (m,)", got, "drop axes")
        for values in (at, y):
            _check_numbers("data", values)
        points = {"color": INK, "markersize": 4.5, "markeredgecolor": "white", "zorder": 9}
        ax.plot(at, y, "o", markeredgewidth=0.6, label="data", **points)


def _finish(ax: Axes, x: np.ndarray, xlabel: str, ylabel: str, ylim: Any, legend: bool) -> None:
    """Set the axes' limits, labels and legend."""
    ax.set_xlim(x[0], x[-1])
    if ylim is not None:
        ax.set_ylim(*_pair("ylim", ylim, "(low, high)"))
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    frame_axes(ax)
    if legend:
        legend_above(ax, ncols=3)


def _check_inputs(x: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (n,) in increasing order, and the order that makes them so."""
    x = np.asarray(x)
    if x.ndim != 1 or x.size < 2:
        rule, repair = "have shape (n,) with n of at least 2", "pass one column of the inputs"
        raise invalid("x", rule, f"shape {x.shape}", repair)
    _check_numbers("x", x)
    if x.min() == x.max():
        raise invalid("x", "hold two different numbers at least", x[0], "pass a column that varies")
    order = np.argsort(x, kind="stable")
    return x[order].astype(float), order


def _check_bands(argument: str, bands: Any, order: np.ndarray) -> dict[str, tuple[Any, Any]]:
    """Return means and standard deviations (n,) by method, in that order."""
    bands = check_mapping(argument, bands, "pass {'NUTS': (mean, std)}, say")
    if len(bands) > len(_BANDS):
        rule, repair = f"hold at most {len(_BANDS)} methods", "draw the others into other axes"
        raise invalid(argument, rule, len(bands), repair)
    checked = {}
    for name, band in bands.items():
        label = f"{argument}[{name!r}]"
        mean, std = _pair(label, band, "(mean, standard deviation)")
        std = _along(f"{label}[1]", std, order, spread=True)
        checked[name] = _along(f"{label}[0]", mean, order), std
    return checked


def _along(argument: str, values: Any, order: np.ndarray, spread: bool = False) -> np.ndarray:
    """Return finite numbers (n,), in order; standard deviations may be one, and not below 0."""
    values = np.asarray(values)
    if values.shape != order.shape and not (spread and values.ndim == 0):
        rule = f"have shape {order.shape}, one number per input"
        raise invalid(argument, rule, f"shape {values.shape}", "evaluate it at `x`")
    _check_numbers(argument, values)
    if spread and values.min() < 0:
        rule, repair = "be 0 or above", "pass standard deviations"
        raise invalid(argument, rule, f"{values.min():.6g}", repair)
    return np.broadcast_to(values, order.shape)[order].astype(float)


def _pair(argument: str, value: Any, what: str) -> tuple[Any, Any]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        got = f"a {type(value).__name__}"
        raise invalid(argument, f"be a pair {what}", got, "pass two in brackets", TypeError)
    return value[0], value[1]


def _check_numbers(argument: str, values: np.ndarray) -> None:
    if values.dtype.kind not in "fiub":
        got = f"dtype {values.dtype}"
        raise invalid(argument, "hold numbers", got, "convert it by .astype(float)", TypeError)
    check_finite(argument, values)
