"""ELBOs along the training of one fit or of several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from pymc_bnn._checks import check_int, check_positive, invalid
from pymc_bnn.plots.histories import (
    common_examples,
    history_of,
    shown_range,
    smooth,
    steps_of,
    window_of,
)
from pymc_bnn.plots.style import (
    FAINT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SERIES,
    STYLES,
    axes_of,
    check_columns,
    check_mapping,
    frame_axes,
    legend_above,
    log_ticks,
    minus,
    short,
    thousands,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["elbo_curve", "elbo_curves", "held_out_curves"]

_TITLES = {"elbo": "ELBO"}


def elbo_curve(
    history: pd.DataFrame | Any,
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
    history : pandas.DataFrame or fit
        What `fit` returned, or its history: one row per step, indexed by step; the column elbo (or
        objective, of a fit with points or dropout, and so called in the picture) and, for `parts`,
        nll and kl, and log_prior where it is there, in nats over all data; epoch, if there, labels
        a second axis.
    n_examples : int, optional
        Number of training examples: the curves are divided by it, to nats per example. By default
        that of a fit; of a history alone there is none.
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
    history, n_examples = history_of(history), common_examples([history], n_examples)
    total = "objective" if "objective" in getattr(history, "columns", ()) else "elbo"
    columns = [total, "nll", "kl"] if parts else [total]
    if parts and "log_prior" in history:
        columns.append("log_prior")
    frame = check_columns("history", history, columns, "pass `fit(…).history`")
    per_example = n_examples is not None
    unit = 1
    if per_example:
        unit = check_int("n_examples", n_examples, 1, None, "pass the number of training examples")
    if n_classes is not None:
        n_classes = check_int("n_classes", n_classes, 2, None, "pass the number of classes")
        if not per_example:
            raise invalid(
                "n_classes",
                "come with `n_examples`",
                "`n_classes` alone",
                "pass n_examples=, the number of training examples, too",
            )
    raw, title = frame[total] / unit, _TITLES.get(total, total)
    steps, per_epoch = steps_of(history)
    stride = float(np.median(np.diff(steps))) if len(steps) > 1 else 1.0
    window = window_of(len(raw), per_epoch / stride)

    drawn = {title: (smooth(raw, window), INK)}
    if parts:
        drawn["−NLL"] = smooth(-frame["nll"] / unit, window), ORANGE
        drawn["−KL"] = smooth(-frame["kl"] / unit, window), PURPLE
        if "log_prior" in frame:
            drawn["log prior of points"] = smooth(frame["log_prior"] / unit, window), GREEN
    uniform = None if n_classes is None else -np.log(n_classes)
    seen = [raw.to_numpy(), *(values for values, _ in drawn.values())]
    low, high = shown_range(seen, uniform)

    ax = axes_of(ax, (6.4, 4.0))
    if window > 1:
        below = int((raw < low).sum())
        label = f"{title}, each step" + (f" ({below:,} below the axis)" if below else "")
        ax.plot(steps, raw, color=FAINT, linewidth=0.7, zorder=1, label=label)
    few = {"marker": "o", "markersize": 4} if len(raw) < 20 else {}
    for name, (values, color) in drawn.items():
        label = f"{name}, mean over {window * stride:,.0f} steps" if window > 1 else name
        ax.plot(steps, values, color=color, linewidth=1.8, zorder=3, label=label, **few)
    if uniform is not None:
        label = f"uniform predictor, −log {n_classes} = {minus(f'{uniform:.2f}')}"
        ax.axhline(uniform, color=GREY, linewidth=1.2, linestyle="--", zorder=2, label=label)
    ax.set_ylim(low, high)
    room = 2.0 if len(raw) == 1 else 1.03 if few else 1.0
    ax.set_xlim(0, max(steps[-1], 1) * room)
    with_epochs = per_epoch > 1 and steps[-1] >= per_epoch
    if with_epochs:
        functions = (lambda step: step / per_epoch, lambda epoch: epoch * per_epoch)
        ax.secondary_xaxis("top", functions=functions).set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    ax.xaxis.set_major_formatter(FuncFormatter(thousands))
    if high - low > 1000:
        ax.yaxis.set_major_formatter(FuncFormatter(thousands))
    else:
        ax.ticklabel_format(axis="y", useOffset=False)
    ax.set_xlabel("step")
    name = f"{title} and its parts" if parts else title
    ax.set_ylabel(f"{name} [nats per example]" if per_example else f"{name} [nats]")
    frame_axes(ax, top=with_epochs)
    legend_above(ax)
    return ax


def elbo_curves(
    histories: Mapping[str, pd.DataFrame | Any] | Any,
    n_examples: int | None = None,
    ax: Axes | None = None,
    *,
    steps_per_second: Mapping[str, float] | None = None,
    n_classes: int | None = None,
    legend: bool = True,
) -> Axes:
    """Draw the ELBOs of several fits, over their epochs or over the time they took.

    Each curve is the moving average of :func:`elbo_curve`. Where all of it is negative the axis is
    logarithmic in −ELBO, so that small differences show at the end, the highest values.

    Parameters
    ----------
    histories : mapping from str to pandas.DataFrame or fit, or Mixture
        What `fit` returned, or its history, by name. Only fits with an ELBO: an objective may not
        be ranked with it. Of a mixture its members, which may be ranked by their objective as well.
    n_examples : int, optional
        Number of training examples: the curves are divided by it, to nats per example. By default
        that of the fits.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    steps_per_second : mapping from str to float, optional
        Speed of each fit, above 0 (see :func:`pymc_bnn.efficiency.step_rates`): x is time then.
    n_classes : int, optional
        Number of classes `K`, at least 2; needs `n_examples`. A dashed line marks −log K, which a
        posterior equal to the prior scores about.
    legend : bool, optional
        Whether to draw a legend above the axes; False where several axes of a figure share one.

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
    total = "elbo"
    if hasattr(histories, "members"):
        total = histories.objective
        histories = {f"member {i}": member for i, member in enumerate(histories.members)}
    histories = check_mapping("histories", histories, "pass {'local': fitted.history}, say")
    unit, n_examples = 1, common_examples(list(histories.values()), n_examples)
    histories = {name: history_of(fit) for name, fit in histories.items()}
    if n_examples is not None:
        unit = check_int("n_examples", n_examples, 1, None, "pass the number of training examples")
    if n_classes is not None:
        n_classes = check_int("n_classes", n_classes, 2, None, "pass the number of classes")
        if n_examples is None:
            repair = "pass n_examples=, the number of training examples, too"
            raise invalid("n_classes", "come with `n_examples`", "`n_classes` alone", repair)
    if steps_per_second is not None:
        repair = "see efficiency.step_rates"
        speeds = check_mapping("steps_per_second", steps_per_second, repair)
        for name in histories:
            check_positive(f"steps_per_second[{name!r}]", speeds.get(name))
    by_epoch = all("epoch" in getattr(h, "columns", ()) for h in histories.values())
    curves = {}
    for name, history in histories.items():
        label = f"histories[{name!r}]"
        raw = check_columns(label, history, [total], "pass `fit(…).history`")[total] / unit
        steps, per_epoch = steps_of(history)
        stride = float(np.median(np.diff(steps))) if len(steps) > 1 else 1.0
        values = smooth(raw, window_of(len(raw), per_epoch / stride))
        x = steps / (per_epoch if by_epoch else 1)
        curves[name] = x if steps_per_second is None else steps / speeds[name], values
    longest = max(x[-1] for x, _ in curves.values())
    time = "seconds"
    if steps_per_second is not None and longest > 120:
        curves = {name: (x / 60, values) for name, (x, values) in curves.items()}
        longest, time = longest / 60, "minutes"
    ax = axes_of(ax, (6.4, 4.0))
    logarithmic = _draw_series(ax, curves, n_classes)
    ax.set_xlim(0, 1.02 * longest)
    ax.set_xlabel(time if steps_per_second else "epoch" if by_epoch else "step")
    name = _TITLES.get(total, total)
    said = f"\n(logarithmic in −{name})" if logarithmic else ""
    ax.set_ylabel(f"{name} [nats{' per example' if n_examples else ''}]{said}")
    frame_axes(ax)
    if legend:
        legend_above(ax)
    return ax


def held_out_curves(
    histories: Mapping[str, pd.DataFrame], ax: Axes | None = None, *, n_classes: int | None = None
) -> Axes:
    """Draw the log predictive density of held-out examples along the training of several fits.

    Where all of it is negative the axis is logarithmic in its negative, as :func:`elbo_curves`
    does, so that small differences show at the end, the highest values.

    Parameters
    ----------
    histories : mapping from str to pandas.DataFrame
        By name, the columns step, increasing, and nll, the negative log predictive density per
        example in nats: ``callbacks.HeldOut(…).history``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    n_classes : int, optional
        Number of classes `K`, at least 2: a dashed line marks −log K, of the uniform predictor.

    Returns
    -------
    matplotlib.axes.Axes
        x: step; y: −nll, in nats per example. The legend gives the last values.

    Raises
    ------
    ValueError, TypeError
        If there is no history, a column is missing or not finite, or steps do not increase.

    Examples
    --------
    >>> import pandas as pd
    >>> history = pd.DataFrame({"step": [400, 800, 1200], "nll": [0.9, 0.2, 0.1]})
    >>> ax = held_out_curves({"LeNet5": history}, n_classes=10)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['LeNet5: −0.1 at the end', 'uniform predictor, −log 10 = −2.30']
    """
    repair = "pass {'fit': held_out.history}, say"
    if n_classes is not None:
        n_classes = check_int("n_classes", n_classes, 2, None, "pass the number of classes")
    curves = {}
    for name, history in check_mapping("histories", histories, repair).items():
        label = f"histories[{name!r}]"
        frame = check_columns(label, history, ["step", "nll"], "pass `HeldOut(…).history`")
        x = frame["step"].to_numpy()
        if (np.diff(x) <= 0).any():
            raise invalid(label, "have increasing steps", x[:5].tolist(), "sort it by step")
        curves[name] = x, -frame["nll"].to_numpy(float)
    ax = axes_of(ax, (6.4, 4.0))
    logarithmic = _draw_series(ax, curves, n_classes)
    ax.set_xlim(0, 1.02 * max(x[-1] for x, _ in curves.values()))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    ax.xaxis.set_major_formatter(FuncFormatter(thousands))
    ax.set_xlabel("step")
    unit = "nats per example, logarithmic axis" if logarithmic else "nats per example"
    ax.set_ylabel(f"held-out log predictive density\n[{unit}]")
    frame_axes(ax)
    legend_above(ax)
    return ax


def _draw_series(
    ax: Axes, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], n_classes: int | None
) -> bool:
    """Draw curves (x, y) and the uniform predictor; return whether y is logarithmic in −y."""
    uniform = None if n_classes is None else -np.log(n_classes)
    logarithmic = bool(max(values.max() for _, values in curves.values()) < 0)
    for i, (name, (x, values)) in enumerate(curves.items()):
        style = {"color": SERIES[i % len(SERIES)], "linestyle": STYLES[i % len(STYLES)]}
        few = {"marker": "o", "markersize": 4} if len(x) < 20 else {}
        label = f"{name}: {short(values[-1])} at the end"
        ax.plot(x, values, linewidth=1.8, zorder=3, label=label, **style, **few)
    if uniform is not None:
        label = f"uniform predictor, −log {n_classes} = {minus(f'{uniform:.2f}')}"
        ax.axhline(uniform, color=GREY, linewidth=1.2, linestyle="--", zorder=2, label=label)
    if logarithmic:
        seen = [-np.log(-values) for _, values in curves.values()]
        low, high = shown_range(seen, None if uniform is None else -np.log(-uniform))
        ax.set_yscale("function", functions=(_minus_log_of_minus, lambda v: -np.exp(-v)))
        ax.set_ylim(-np.exp(-low), -np.exp(-high))
        ax.yaxis.set_major_locator(FixedLocator(-log_ticks(np.exp(-high), np.exp(-low))))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(FuncFormatter(thousands))
    else:
        ax.set_ylim(*shown_range([values for _, values in curves.values()], uniform))
    return logarithmic


def _minus_log_of_minus(values: np.ndarray) -> np.ndarray:
    """Return the position of negative values on an axis that is logarithmic in −value."""
    return -np.log(np.maximum(-np.asarray(values, float), 1e-30))
