"""Intervals that hold the true value as often as promised: split conformal prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pymc_bnn._checks import invalid
from pymc_bnn._frames import check_aligned, column_names
from pymc_bnn.uncertainty.arrays import as_numbers, check_choice, check_share, one_variable
from pymc_bnn.uncertainty.prediction_sets import needed_rank
from pymc_bnn.uncertainty.regression import check_samples, check_values, value_interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ConformalValues", "conformal_values", "interval_summary"]


@dataclass(frozen=True)
class ConformalValues:
    """Makes intervals of values for new examples; from `conformal_values`.

    Examples
    --------
    >>> made = ConformalValues("normalised", coverage=0.9, threshold=2.0)
    >>> made.intervals([[0.0, 4.0], [2.0, 5.0]]).round(2)  # two draws of two examples
    array([[-1.83,  3.83],
           [ 3.09,  5.91]])
    """

    method: str
    """Kind of score, "normalised" or "quantile"; see `conformal_values`."""
    coverage: float
    """Promised share of intervals that hold the true value, in (0, 1)."""
    threshold: float | np.ndarray
    """Largest nonconformity score of a value inside: in standard deviations, or in the unit of y;
    (outputs,) of several."""

    def intervals(self, pred: Any) -> np.ndarray:
        """Return the interval of each new example.

        Parameters
        ----------
        pred : array_like of shape (draws, n) or (draws, n, outputs), or prediction
            Predictive samples, or what `predict` returned; "normalised" needs no kept draws.

        Returns
        -------
        numpy.ndarray of shape (n, 2) or (n, outputs, 2)
            Lower and upper ends, in the unit of y. Where "quantile" would draw them past each
            other both are the middle.

        Raises
        ------
        ValueError, TypeError
            If `pred` are not finite numbers of such a shape.
        """
        low, high, unit = _METHODS[self.method]("pred", pred, self.coverage)
        if np.shape(self.threshold) != low.shape[1:]:
            rule = f"predict the outputs of the calibration, {np.shape(self.threshold) or 'one'}"
            raise invalid("pred", rule, f"{low.shape[1:] or 'one'}", "choose the same outputs")
        low, high = low - self.threshold * unit, high + self.threshold * unit
        middle = (low + high) / 2
        return np.stack([np.minimum(low, middle), np.maximum(high, middle)], axis=-1)


def conformal_values(
    calibration_pred: Any, calibration_y: Any, coverage: float = 0.9, method: str = "quantile"
) -> ConformalValues:
    r"""Learn from observed examples how wide intervals must be to hold the true value.

    If the `n` calibration examples and the new ones are exchangeable, an interval holds the true
    value with probability ``⌈(n + 1)·coverage⌉/(n + 1)`` at least, whether or not the prediction
    is right, and with no more where values do not tie; better predictions make narrower intervals.
    The probability is over calibration and new examples together: for what one calibration set can
    do see `conformal_coverage_interval`.

    With mean m, standard deviation s and quantiles q of the predictive samples of an example, its
    true value y has the nonconformity score

    - "quantile": :math:`\max(q_{(1 - c)/2} - y,\; y - q_{(1 + c)/2})` at the `coverage` c
      (conformalised quantile regression): the model's own intervals, widened or narrowed by one
      number in the unit of y;
    - "normalised": :math:`|y - m|/s`: intervals m ± threshold · s, symmetric around the mean.

    The threshold is the ``⌈(n + 1)·coverage⌉``-th smallest score. Each output has its own: the
    promise is for each alone, not for all outputs of an example together.

    Parameters
    ----------
    calibration_pred : array_like of shape (draws, n) or (draws, n, outputs), or prediction
        Predictive samples of examples that took no part in training, with their noise, at least two
        draws. For "normalised" a prediction without kept draws will do.
    calibration_y : array_like of shape (n,) or (n, outputs)
        Their true values.
    coverage : float, optional
        Promised share of intervals that hold the true value, in (0, 1). Default 0.9.
    method : {"quantile", "normalised"}, optional
        Kind of score. Default "quantile".

    Returns
    -------
    ConformalValues
        Its method `intervals` makes the intervals of new examples.

    Raises
    ------
    ValueError, TypeError
        If predictions and values are not finite numbers of such shapes, an option is not as
        described, a standard deviation is 0, or there are fewer than ``coverage/(1 − coverage)``
        examples.

    References
    ----------
    Romano, Y., Patterson, E. & Candès, E. J. (2019). Conformalized quantile regression. NeurIPS:
    equation 6 and theorem 1. Lei, J., G'Sell, M., Rinaldo, A., Tibshirani, R. J. & Wasserman, L.
    (2018). Distribution-free predictive inference for regression. JASA 113, 1094–1111: section 5.2,
    normalised residuals, of a split sample.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> draws, y = rng.normal(size=(200, 1000)), 2 * rng.normal(size=1000)  # too sure by half
    >>> made = conformal_values(draws[:, :500], y[:500], coverage=0.9)
    >>> print(interval_summary(made.intervals(draws[:, 500:]), y[500:]).round(2))
    coverage      0.92
    below         0.05
    above         0.04
    mean_width    6.93
    dtype: float64
    """
    check_choice("method", method, _METHODS)
    coverage = check_share("coverage", coverage, "pass coverage=0.9")
    low, high, unit = _METHODS[method]("calibration_pred", calibration_pred, coverage)
    check_aligned("calibration_y", {"calibration_pred": calibration_pred, "y": calibration_y})
    y = check_values("calibration_y", calibration_y, low.shape)
    needed = needed_rank(len(y), coverage, "calibration_pred")
    scores = np.maximum(low - y, y - high) / unit
    threshold = np.sort(scores, axis=0)[needed - 1]
    return ConformalValues(method, coverage, threshold if threshold.ndim else float(threshold))


def interval_summary(intervals: Any, y: Any) -> pd.Series | pd.DataFrame:
    """Return how often intervals hold the true value, on which side they miss, and their width.

    Parameters
    ----------
    intervals : array_like of shape (n, 2) or (n, outputs, 2)
        Lower and upper ends, from `ConformalValues.intervals`, `value_interval` or
        ``prediction.interval``.
    y : array_like of shape (n,) or (n, outputs)
        The true values.

    Returns
    -------
    pandas.Series of float, or pandas.DataFrame
        coverage, the share of true values inside, ends included; below and above, the shares of
        true values below and above their interval; mean_width, in the unit of y. Of several outputs
        a row each.

    Raises
    ------
    ValueError, TypeError
        If `intervals` are not finite numbers of that shape, an upper end is below the lower one, or
        `y` are not numbers of their examples.

    Examples
    --------
    >>> print(interval_summary([[0.0, 1.0], [0.0, 3.0]], [0.5, 4.0]))
    coverage      0.5
    below         0.0
    above         0.5
    mean_width    2.0
    dtype: float64
    """
    import pandas as pd

    ends = as_numbers("intervals", intervals)
    if ends.ndim not in (2, 3) or ends.shape[-1] != 2 or ends.size == 0:
        rule, repair = "have shape (n, 2) or (n, outputs, 2)", "pass what `intervals` returned"
        raise invalid("intervals", rule, f"shape {ends.shape}", repair)
    low, high = np.moveaxis(ends, -1, 0)
    if (low > high).any():
        at = tuple(int(i) for i in np.argwhere(low > high)[0])
        rule, got = "have upper ends above lower ones", f"{ends[at].tolist()} at index {at}"
        raise invalid("intervals", rule, got, "put the lower end first")
    values = check_values("y", y, low.shape)
    below, above = (values < low).mean(axis=0), (values > high).mean(axis=0)
    inside = ((low <= values) & (values <= high)).mean(axis=0)
    found = {"coverage": inside, "below": below, "above": above}
    found["mean_width"] = (high - low).mean(axis=0)
    if low.ndim == 1:
        return pd.Series(found, dtype=float)
    names: Sequence[Any] = column_names(y) or range(low.shape[1])
    return pd.DataFrame(found, pd.Index(names, name="output"))


def _quantile(argument: str, pred: Any, coverage: float) -> tuple[Any, Any, Any]:
    """Return the ends of equal-tailed intervals, (n, ...), and a unit of 1."""
    low, high = np.moveaxis(value_interval(check_samples(argument, pred, 2), coverage), -1, 0)
    return low, high, 1.0


def _normalised(argument: str, pred: Any, coverage: float) -> tuple[Any, Any, Any]:
    """Return means twice, (n, ...), and standard deviations over draws."""
    one = one_variable(argument, pred, classes=False)
    if getattr(one, "samples", one) is None:
        moments = (as_numbers(f"{argument}.{name}", getattr(one, name)) for name in ("mean", "std"))
        mean, std = (np.moveaxis(values, one.rows or 0, 0) for values in moments)
    else:
        samples = check_samples(argument, one, 2)
        mean, std = samples.mean(axis=0), samples.std(axis=0, ddof=1)
    if (std == 0).any():
        at = tuple(int(i) for i in np.argwhere(std == 0)[0])
        rule, repair = "vary over draws", 'pass method="quantile", which needs no spread'
        raise invalid(argument, rule, f"a standard deviation of 0 at index {at}", repair)
    return mean, mean, std


_METHODS = {"quantile": _quantile, "normalised": _normalised}
