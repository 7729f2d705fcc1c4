"""Posterior means and standard deviations of weights, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from pymc_bnn._checks import invalid
from pymc_bnn.plots.style import (
    INK,
    KDE_DRAWS,
    SERIES,
    STYLES,
    check_mapping,
    frame_axes,
    log_ticks,
    thousands,
)
from pymc_bnn.uncertainty.arrays import as_numbers

__all__ = ["weight_posteriors"]

_REPAIR = "pass Snapshots(…).moments"


def weight_posteriors(moments: Mapping[Any, Mapping[str, tuple[Any, Any]]]) -> np.ndarray:
    """Draw densities of the posterior means and standard deviations of each layer's weights.

    Over several steps of a fit this shows which layers have learned, and how far their weights
    are from the start: a layer whose standard deviations return to the prior's says nothing.

    Parameters
    ----------
    moments : mapping from str or int to mapping from str to pair of array_like
        By step, such as "step 500" or 500, and by variable: the posterior means and standard
        deviations of its elements, two arrays of one shape. ``callbacks.Snapshots(…).moments``.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes, shape (steps, 2)
        Means at the left and standard deviations at the right; a row per step, a colour per
        variable. All curves are drawn equally high: widths compare, areas do not. Equal numbers,
        such as at the start, are a rod. Points, whose standard deviation is 0, have no curve at
        the right, where the axis is logarithmic if the standard deviations span a decade.

    Raises
    ------
    ValueError, TypeError
        If there is no step or variable, the arrays are empty or of two shapes, not finite, or a
        standard deviation is below 0.

    Notes
    -----
    Kernel estimates of at most 4,000 elements of a variable, drawn at random with a fixed seed.
    The axes leave out the outermost 0.2 % of the numbers at either side. Each rod of a panel is
    shorter than the one before, so that none hides another.

    Examples
    --------
    >>> start = {"conv1_W": ([-0.1, 0.0, 0.1], [0.1, 0.1, 0.1])}
    >>> later = {"conv1_W": ([-0.4, 0.1, 0.3], [0.05, 0.09, 0.07])}
    >>> axes = weight_posteriors({1: start, 500: later})
    >>> [ax.get_title(loc="left") for ax in axes[:, 0]]
    ['step 1', 'step 500']
    >>> axes[1, 1].get_xlabel()
    'posterior standard deviation'
    """
    rows = {
        f"step {step:,}" if isinstance(step, int | np.integer) else str(step): _pairs(step, pairs)
        for step, pairs in check_mapping("moments", moments, _REPAIR).items()
    }
    names = list(dict.fromkeys(name for pairs in rows.values() for name in pairs))
    styles = {
        name: {"color": SERIES[i % len(SERIES)], "linestyle": STYLES[i // len(SERIES) % 4]}
        for i, name in enumerate(names)
    }
    means, stds = (
        [pair[side] for pairs in rows.values() for pair in pairs.values()] for side in (0, 1)
    )
    stds = [std[std > 0] for std in stds if std.any()]
    limits = [_limits(means), _limits([np.log10(std) for std in stds])]
    logarithmic = bool(stds) and limits[1][1] - limits[1][0] >= 1
    if not logarithmic:
        limits[1] = _limits(stds, floor=0.0)

    size = (7.2, 0.8 + 1.45 * len(rows))
    grid = {"sharex": "col", "sharey": True, "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(len(rows), 2, figsize=size, **grid)
    for row, (title, pairs) in zip(axes, rows.items(), strict=True):
        row[0].set_title(title, loc="left", fontsize=9)
        for name, (mean, std) in pairs.items():
            _draw(row[0], mean, limits[0], styles[name])
            shown = np.log10(std[std > 0]) if logarithmic else std[std > 0]
            if shown.size:
                _draw(row[1], shown, limits[1], styles[name])
        for ax in row:
            frame_axes(ax, grid="x")
            ax.spines["left"].set_visible(False)
            ax.set_yticks([])
            ax.set_ylim(0, 1.1)
            ax.tick_params(labelsize=8)
    for ax, (low, high) in zip(axes[-1], limits, strict=True):
        ax.set_xlim(low, high)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(thousands))
    axes[-1, 0].set_xlabel("posterior mean of the weights")
    axes[-1, 1].set_xlabel("posterior standard deviation")
    if logarithmic:
        ticks = log_ticks(*(10.0 ** np.array(limits[1])))
        axes[-1, 1].set_xlabel("posterior standard deviation (logarithmic axis)")
        axes[-1, 1].xaxis.set_major_locator(FixedLocator(np.log10(ticks)))
        axes[-1, 1].xaxis.set_major_formatter(FuncFormatter(lambda v, _: thousands(10.0**v)))
    axes[0, 1].xaxis.set_minor_locator(NullLocator())
    figure.supylabel("density (curves equally high)", fontsize=9)
    handles = [plt.Line2D([], [], linewidth=1.8, label=name, **styles[name]) for name in names]
    place = {"loc": "outside upper center", "frameon": False, "fontsize": "small"}
    for columns in range(min(len(names), 5), 0, -1):  # as many as there is room for
        legend = figure.legend(handles=handles, ncols=columns, labelcolor=INK, **place)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            break
        legend.remove()
    return axes


def _pairs(step: Any, pairs: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return at most 4,000 means and standard deviations of each variable, checked."""
    rng = np.random.default_rng(0)
    found = {}
    for name, pair in check_mapping(f"moments[{step!r}]", pairs, _REPAIR).items():
        label = f"moments[{step!r}][{name!r}]"
        if not hasattr(pair, "__len__") or len(pair) != 2:
            got = f"a {type(pair).__name__}"
            raise invalid(label, "be a pair of arrays", got, _REPAIR, TypeError)
        mean, std = (as_numbers(label, part) for part in pair)
        if mean.shape != std.shape or mean.size == 0:
            rule, got = "be two arrays of one shape", f"shapes {mean.shape} and {std.shape}"
            raise invalid(label, rule, got, _REPAIR)
        if std.min() < 0:
            rule, got = "have standard deviations of at least 0", f"{std.min():.6g}"
            raise invalid(label, rule, got, _REPAIR)
        mean, std = mean.ravel(), std.ravel()
        if mean.size > KDE_DRAWS:
            some = rng.integers(mean.size, size=KDE_DRAWS)
            mean, std = mean[some], std[some]
        found[str(name)] = mean, std
    return found


def _limits(values: list[np.ndarray], floor: float | None = None) -> tuple[float, float]:
    """Return limits that show all but the outermost 0.2 % of each array."""
    if not values:
        return 0.0, 1.0
    low = min(np.quantile(v, 0.002) for v in values) if floor is None else floor
    high = max(np.quantile(v, 0.998) for v in values)
    pad = 0.08 * (high - low) or 0.1 * abs(high) or 0.1
    return low - pad if floor is None else floor, high + pad


def _draw(
    ax: plt.Axes, values: np.ndarray, limits: tuple[float, float], style: dict[str, Any]
) -> None:
    """Draw a density of height 1, or a rod where all numbers are equal."""
    from scipy.stats import gaussian_kde

    width = min(values.std(), np.subtract(*np.quantile(values, [0.75, 0.25])) / 1.34)
    width = width or values.std()
    if width <= 2e-3 * (limits[1] - limits[0]):
        rods = sum(len(line.get_xdata()) == 2 for line in ax.get_lines())
        ax.plot([np.median(values)] * 2, [0, 0.8**rods], linewidth=2.5, **style)
        return
    kernel = gaussian_kde(values, 0.9 * values.size**-0.2 * width / values.std(ddof=1))
    low, high = np.clip([values.min() - 3 * width, values.max() + 3 * width], *limits)
    grid = np.linspace(low, high, 301)
    density = kernel(grid)
    density /= density.max()
    ax.plot(grid, density, linewidth=1.5, **style)
