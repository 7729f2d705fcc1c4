"""Scales of hierarchical priors, and densities of scale mixtures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from pymc_bnn._checks import as_names, check_finite, invalid
from pymc_bnn.plots.style import (
    GREEN,
    GREY,
    INK,
    KDE_DRAWS,
    PALE,
    STYLES,
    axes_of,
    frame_axes,
    legend_above,
    short,
    thousands,
)
from pymc_bnn.uncertainty.arrays import as_numbers

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["mixture_density", "scale_posteriors"]


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
    ax = axes_of(ax, (6.4, 1.0 + 0.5 * rows))
    curves = {name: _log_density(draws) for name, draws in scales.items()}
    low = min(grid[0] for grid, _ in curves.values())
    high = max(grid[-1] for grid, _ in curves.values())
    middle, half = np.sqrt(low * high), max(1.05 * np.sqrt(high / low), np.sqrt(6.0))
    right = {"transform": ax.get_yaxis_transform(), "fontsize": "small"}
    for row, (name, (grid, height)) in enumerate(curves.items()):
        base, median = rows - 1 - row, float(np.median(scales[name]))
        ax.axhline(base, color=PALE, linewidth=0.8, zorder=1)
        ax.fill_between(grid, base, base + 0.8 * height, color=GREEN, alpha=0.6, lw=0, zorder=2)
        ax.plot(grid, base + 0.8 * height, color=GREEN, linewidth=1.2, zorder=3)
        ax.plot(median, base, "o", color=INK, markersize=4, zorder=4)
        ax.text(1.015, base + 0.2, short(median), va="center", **right)
    ax.text(1.015, rows - 0.05, "median", va="top", color=GREY, **right)
    ax.set_xscale("log")
    ax.set_xlim(middle / half, middle * half)
    ax.set_ylim(-0.15, rows)
    if half < 1e3:  # below six decades ticks between the powers of ten
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if half < 30 else (1.0, 3.0)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_yticks(rows - 1 - np.arange(rows) + 0.2, list(scales))
    ax.set_xlabel("scale, in units of its parameter (logarithmic axis)")
    frame_axes(ax, grid="x")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
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
        arrays[name] = as_numbers(name, value).ravel()
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

    ax = axes_of(ax, (6.4, 4.0))
    names = zip(["π", "σ₁", "σ₂"], (share, wide, narrow), strict=True)
    ax.plot(grid, middle, color=GREEN, linewidth=1.8, zorder=3, label="mixture")
    values = ", ".join(f"{name} = {short(np.median(v))}" for name, v in names)
    ax.set_xlabel(f"weight\n(mixture of {values})")
    if share.size > 1:
        band = {"color": GREEN, "alpha": 0.3, "lw": 0, "zorder": 2, "label": "90 % of draws"}
        ax.fill_between(grid[:, 0], low, high, **band)
    for i, sigma in enumerate(others):
        style = {"color": INK, "linestyle": STYLES[1 + i % 3], "linewidth": 1.2, "zorder": 4}
        ax.plot(grid, norm.pdf(grid, 0, sigma), label=f"Normal(0, {short(sigma)})", **style)
    top = max(middle.max(), *(norm.pdf(0, 0, sigma) for sigma in others), 0)
    ax.set_yscale("log")
    ax.set_ylim(0.3 * middle[-1], 2 * top)
    ax.set_xlim(-limit, limit)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6))
    ax.xaxis.set_major_formatter(FuncFormatter(thousands))
    ax.set_ylabel("density (logarithmic axis)")
    frame_axes(ax)
    legend_above(ax)
    return ax


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
    names = as_names("var_names", () if var_names is None else var_names) or list(found)
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
    if logs.size > KDE_DRAWS:
        logs = logs[np.linspace(0, logs.size - 1, KDE_DRAWS).astype(int)]
    kernel = gaussian_kde(logs)
    margin = 3.0 * np.sqrt(kernel.covariance[0, 0])
    grid = np.linspace(logs.min() - margin, logs.max() + margin, 401)
    density = kernel(grid)
    return np.exp(grid), density / density.max()
