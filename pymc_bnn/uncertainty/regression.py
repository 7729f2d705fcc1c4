"""Regression: intervals of predicted values, how they score, and what their spread is made of.

Predictive samples have shape (draws, n): a new observation of each example under each posterior
draw, noise included, as ``prediction["y"].samples``; what `predict` returned will do as well, if it
kept its draws: of one variable, ``prediction["y"]``, or of all, where only one has values. Of
several outputs they have shape (draws, n, outputs), and answers keep that axis: nothing is
averaged over outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pymc_bnn._checks import invalid
from pymc_bnn._frames import column_names
from pymc_bnn.uncertainty.arrays import ONE_VARIABLE, as_numbers, kept_draws, one_variable
from pymc_bnn.uncertainty.intervals import tails, wilson

__all__ = [
    "Coverage",
    "VarianceParts",
    "by_output",
    "check_samples",
    "check_values",
    "coverage_of",
    "crps",
    "interval_coverage",
    "value_interval",
    "variance_parts",
]


class Coverage(NamedTuple):
    """How many observations lie inside their predictive intervals: a number, or (outputs,)."""

    value: float | np.ndarray
    """Share of the observations, in [0, 1]."""
    low: float | np.ndarray
    """Lower end of the share's 95 % score interval."""
    high: float | np.ndarray
    """Upper end of it."""


class VarianceParts(NamedTuple):
    """Standard deviations of a prediction, in the unit of y; their squares add up."""

    epistemic: np.ndarray
    """Shape (n, ...): of the mean function over posterior draws; more data would shrink it."""
    aleatoric: np.ndarray
    """Shape (n, ...): of the noise, root mean square over posterior draws."""
    total: np.ndarray
    """Shape (n, ...): of a new observation."""


def value_interval(samples: Any, level: float = 0.95) -> np.ndarray:
    """Return equal-tailed intervals of predicted values.

    Of predictive samples they are intervals for new observations; of draws of the mean function,
    credible intervals for that.

    Parameters
    ----------
    samples : array_like of shape (draws, n) or (draws, n, outputs), or prediction
        One value per posterior draw and example.
    level : float, optional
        Probability of the interval, in (0, 1). Default 0.95: from the 2.5 % to the 97.5 %
        quantile over draws, linearly interpolated.

    Returns
    -------
    numpy.ndarray of shape (n, 2) or (n, outputs, 2)
        Lower and upper ends, in the unit of the samples.

    Raises
    ------
    ValueError, TypeError
        If `samples` are not finite numbers of that shape, or `level` is outside (0, 1).

    References
    ----------
    Hyndman, R. J. & Fan, Y. (1996). Sample quantiles in statistical packages. The American
    Statistician 50, 361–365: definition 7.

    Examples
    --------
    >>> value_interval([[0.0], [1.0], [2.0], [3.0], [4.0]], level=0.5)
    array([[1., 3.]])
    """
    quantiles = tails(level)
    return np.moveaxis(np.quantile(check_samples("samples", samples), quantiles, axis=0), 0, -1)


def interval_coverage(samples: Any, y: Any, level: float = 0.95) -> Coverage:
    """Return the share of observations inside their predictive intervals, and how sure it is.

    A calibrated prediction covers a share of about `level`; less is too sure, more not sure
    enough. The intervals are those of `value_interval`, ends included.

    Parameters
    ----------
    samples : array_like of shape (draws, n) or (draws, n, outputs), or prediction
        Predictive samples of the observations: with their noise.
    y : array_like of shape (n,) or (n, outputs)
        The observations, which the fit did not see.
    level : float, optional
        Probability of the intervals, in (0, 1). Default 0.95.

    Returns
    -------
    Coverage
        `value`, and `low` and `high`, the ends of its 95 % score interval: of the chance in n
        observations alone, which are taken as independent given the fit. Of several outputs each
        is an array (outputs,).

    Raises
    ------
    ValueError, TypeError
        If `samples` and `y` are not finite numbers of those shapes, or `level` is outside (0, 1).

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference.
    JASA 22, 209–212. Gneiting, T. & Raftery, A. E. (2007). Strictly proper scoring rules,
    prediction, and estimation. JASA 102, 359–378: section 6.2, on coverage and width.

    Examples
    --------
    >>> draws = [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]
    >>> interval_coverage(draws, [1.2, 9.0]).value
    0.5
    """
    samples = check_samples("samples", samples)
    y = check_values("y", y, samples.shape[1:])
    return coverage_of(value_interval(samples, level), y)


def coverage_of(intervals: np.ndarray, y: np.ndarray) -> Coverage:
    """Return the share of observations (n, ...) inside intervals (n, ..., 2), ends included."""
    inside = ((intervals[..., 0] <= y) & (y <= intervals[..., 1])).sum(axis=0)
    ends = np.array([wilson(count, len(y), 0.95) for count in inside.ravel()])
    low, high = ends.T.reshape(2, *inside.shape)
    each = inside / len(y), low, high
    return Coverage(*(each if inside.ndim else map(float, each)))


def crps(samples: Any, y: Any) -> np.ndarray:
    r"""Return the continuous ranked probability score of each observation, in the unit of y.

    .. math:: \mathrm{CRPS} = E|Y - y| - \tfrac12 E|Y - Y'|

    with Y, Y′ independent draws of the prediction: a strictly proper score, the smaller the
    better. It is the absolute error of a prediction without spread and, unlike the negative log
    predictive density, does not explode at one sure mistake.

    Parameters
    ----------
    samples : array_like of shape (draws, n) or (draws, n, outputs), or prediction
        Predictive samples of the observations, at least two draws: with their noise.
    y : array_like of shape (n,) or (n, outputs)
        The observations.

    Returns
    -------
    numpy.ndarray of shape (n,) or (n, outputs)
        The fair estimate: E|Y − Y′| is averaged over pairs of different draws. So its expectation
        is the score of the distribution that was drawn from, however few draws; that of a single
        observation may then be slightly negative.

    Raises
    ------
    ValueError, TypeError
        If `samples` and `y` are not finite numbers of those shapes, or there is only one draw.

    Notes
    -----
    The pairs are summed over sorted draws: O(draws · log draws) per example, in float64.

    References
    ----------
    Gneiting, T. & Raftery, A. E. (2007). Strictly proper scoring rules, prediction, and
    estimation. JASA 102, 359–378: equation 21, negated. Ferro, C. A. T. (2014). Fair scores for
    ensemble forecasts. QJRMS 140, 1917–1923: the estimate, for ensembles.

    Examples
    --------
    >>> crps([[0.0], [2.0]], [1.0])
    array([0.])
    >>> crps([[0.0], [0.0]], [1.0])
    array([1.])
    """
    samples = check_samples("samples", samples, least=2)
    y = check_values("y", y, samples.shape[1:])
    m = len(samples)
    # Of the sorted, Σ_{i<j} (x_j − x_i) = Σ_k (2k − m + 1) x_k, with k counted from 0.
    centred = np.sort(samples, axis=0) - samples.mean(axis=0)
    pairs = np.tensordot(2 * np.arange(m) - m + 1, centred, axes=1)  # (n, ...)
    return np.abs(samples - y).mean(axis=0) - pairs / (m * (m - 1))


def variance_parts(means: Any, noise_stds: Any) -> VarianceParts:
    r"""Take the spread of new observations apart: what is not known, and what is noise.

    By the law of total variance, with f the mean and σ the noise's standard deviation,

    .. math:: \operatorname{Var} y = \operatorname{Var}_w f_w(x) + E_w\,\sigma_w^2(x),

    the epistemic part, over posterior draws w, and the aleatoric part.

    Parameters
    ----------
    means : array_like of shape (draws, n) or (draws, n, outputs), or prediction of one variable
        Mean function of each posterior draw, at least two of them.
    noise_stds : array_like, or prediction of one variable
        Standard deviation of the noise, 0 or more: a known number, or draws of it, as many, of
        shape (draws, n, …) or (draws, 1, …), for each example or for all; of several outputs with
        an axis for them, of length 1 where they share it. A prediction that has no axis of examples
        gets one. Draws of it need not be paired with those of the mean.

    Returns
    -------
    VarianceParts
        `epistemic`, `aleatoric` and `total` standard deviations, (n,) or (n, outputs). The variance
        over draws has the divisor draws − 1.

    Raises
    ------
    ValueError, TypeError
        If the arrays are not finite numbers of those shapes, or a standard deviation is negative.

    References
    ----------
    Depeweg, S. et al. (2018). Decomposition of uncertainty in Bayesian deep learning for
    efficient and risk-sensitive learning. ICML: section 3, the decomposition of the variance.
    Kendall, A. & Gal, Y. (2017). What uncertainties do we need in Bayesian deep learning for
    computer vision? NeurIPS: equation 9.

    Examples
    --------
    >>> parts = variance_parts([[0.0, 3.0], [0.0, 3.0]], noise_stds=0.5)
    >>> parts.epistemic, parts.aleatoric
    (array([0., 0.]), array([0.5, 0.5]))
    """
    names = [name for name, v in getattr(means, "variables", {}).items() if hasattr(v, "mean")]
    if names:
        rule, got = "be draws of the mean function alone", "a whole prediction"
        repair = f"choose its variable (predict has var_names=), as in prediction[{names[-1]!r}]"
        raise invalid("means", rule, got, repair, TypeError)
    means = check_samples("means", means, least=2)
    noise_stds = _noise(noise_stds, means.shape)
    if noise_stds.min() < 0:
        repair = "pass standard deviations, not their logarithms"
        raise invalid("noise_stds", "be 0 or above", f"{noise_stds.min():.6g}", repair)
    epistemic = means.var(axis=0, ddof=1)
    aleatoric = np.broadcast_to(noise_stds**2, means.shape).mean(axis=0)
    return VarianceParts(*np.sqrt([epistemic, aleatoric, epistemic + aleatoric]))


def _noise(noise: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return standard deviations that go with draws of that shape."""
    of_prediction = getattr(noise, "samples", None) is not None
    values = as_numbers("noise_stds", noise.samples if of_prediction else noise, ONE_VARIABLE)
    if of_prediction and getattr(noise, "rows", 0) is None:
        values = values[:, None]
    one_each = all(b in (a, 1) for a, b in zip(shape[1:], values.shape[1:], strict=False))
    fits = values.ndim == len(shape) and len(values) == shape[0] and one_each
    if values.ndim and not fits:
        raise invalid(
            "noise_stds",
            f"be a number or have shape {shape} or {(shape[0], *[1] * (len(shape) - 1))}",
            f"shape {values.shape}",
            "use `sigma[:, None]` for one number per draw",
        )
    return values


def check_samples(argument: str, samples: Any, least: int = 1) -> np.ndarray:
    """Return values (draws, n, ...) as float64, with at least so many draws and one example."""
    rows = getattr(one_variable(argument, samples, classes=False), "rows", 0)
    rows = rows if isinstance(rows, int) else 0  # of no prediction, or without examples
    samples = kept_draws(argument, samples, "samples", "(draws, n)")
    if samples.ndim < 2 or len(samples) < least or samples.size == 0:
        raise invalid(
            argument,
            f"have shape (draws, n) or (draws, n, outputs), at least {least} by 1",
            f"shape {samples.shape}",
            "pass values with one row per posterior draw",
        )
    return np.moveaxis(samples, rows + 1, 1) if rows else samples


def check_values(argument: str, values: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return numbers (n, ...) of the predicted examples as float64."""
    values = as_numbers(argument, values)
    if values.shape != shape:
        what = "example" if len(shape) == 1 else "example and output"
        raise invalid(
            argument,
            f"have shape {shape}, one value per predicted {what}",
            f"shape {values.shape}",
            "pass those of the examples predicted",
        )
    return values


def by_output(make: Callable[[np.ndarray, np.ndarray], Any], samples: np.ndarray, y: Any) -> Any:
    """Return a table of samples (draws, n); of several outputs each's, one below the other.

    Outputs are called as the columns of `y`, or by their numbers.
    """
    import pandas as pd

    values = check_values("y", y, samples.shape[1:])
    if samples.ndim == 2:
        return make(samples, values)
    if samples.ndim > 3:
        rule, repair = "have shape (draws, n) or (draws, n, outputs)", "choose outputs, or flatten"
        raise invalid("samples", rule, f"shape {samples.shape}", repair)
    names = column_names(y) or range(samples.shape[2])
    tables = {name: make(samples[..., j], values[:, j]) for j, name in enumerate(names)}
    return pd.concat(tables, names=["output"])
