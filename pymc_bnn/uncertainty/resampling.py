"""Intervals of any statistic of the examples by the bootstrap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pymc_bnn._checks import check_int, check_seed, invalid
from pymc_bnn.uncertainty.arrays import as_array, check_choice
from pymc_bnn.uncertainty.intervals import tails

__all__ = ["Interval", "bootstrap_interval"]

_METHODS = ("percentile", "basic")
_CELLS = 2**20  # examples resampled at once: 8 MB of row numbers


class Interval(NamedTuple):
    """A statistic and the ends of its interval."""

    value: float
    """The statistic of the examples as they are."""
    low: float
    """Lower end."""
    high: float
    """Upper end."""


def bootstrap_interval(
    statistic: Callable[..., Any],
    *arrays: Any,
    level: float = 0.95,
    repeats: int = 1000,
    method: str = "percentile",
    random_seed: int | np.random.Generator = 0,
) -> Interval:
    """Return a statistic and how much it would vary with other examples of the same kind.

    The `n` rows are drawn with replacement `repeats` times, the same rows of every array, and
    the statistic is taken of each draw. With its value ``t`` and the quantiles ``q`` of the
    draws at ``α/2`` and ``1 − α/2``, ``α = 1 − level``, the percentile interval is
    ``[q_{α/2}, q_{1−α/2}]`` and the basic one ``[2t − q_{1−α/2}, 2t − q_{α/2}]``. The basic one
    takes out the bias of a statistic that grows with the noise, as a calibration error does.

    Parameters
    ----------
    statistic : callable
        Takes the arrays in their order and returns a number. One with an argument `axis`, such
        as `numpy.mean`, is called on many resamples at once, the rows along that axis.
    *arrays : array_like of shape (n, …)
        One row per example in each.
    level : float, optional
        Share of the resamples inside the interval, in (0, 1). Default 0.95.
    repeats : int, optional
        Number of resamples, at least 2. Default 1000.
    method : {"percentile", "basic"}, optional
        The kind of interval. Default "percentile".
    random_seed : int or numpy.random.Generator, optional
        A non-negative seed, or a generator, which is advanced. Default 0.

    Returns
    -------
    Interval
        `value`, `low` and `high`.

    Raises
    ------
    ValueError, TypeError
        If the arrays are none, empty or of different lengths, if the statistic is no finite
        number, or an option is not as described.

    Notes
    -----
    ``repeats`` statistics of n rows; the mean of 10,000 numbers takes about 0.2 s. The interval
    covers what another test set would change, not what another training run would.

    References
    ----------
    Efron, B. & Tibshirani, R. J. (1993). An Introduction to the Bootstrap. Chapman & Hall:
    section 13.3 for the percentile interval. Computed by `scipy.stats.bootstrap`.

    Examples
    --------
    >>> value, low, high = bootstrap_interval(np.mean, [0.0, 1.0] * 50)
    >>> value, bool(0.38 < low < 0.42), bool(0.58 < high < 0.62)
    (0.5, True, True)
    """
    from scipy.stats import bootstrap

    if not callable(statistic):
        got, repair = f"a {type(statistic).__name__}", "pass numpy.mean, say, before the arrays"
        raise invalid("statistic", "be callable", got, repair, TypeError)
    tails(level)
    repeats = check_int("repeats", repeats, 2, None, "pass repeats=1000")
    check_choice("method", method, _METHODS)
    generator = np.random.default_rng(check_seed(random_seed))
    data = [as_array(f"arrays[{i}]", array) for i, array in enumerate(arrays)]
    shapes = [array.shape for array in data]
    if not data or any(s == () or s[0] == 0 or s[0] != shapes[0][0] for s in shapes):
        raise invalid(
            "arrays",
            "be arrays of the same number of rows, at least one",
            f"shapes {shapes}",
            "pass one row per example in each",
        )
    at_once = _takes_axis(statistic)
    value = statistic(*data, axis=0) if at_once else statistic(*data)
    if np.ndim(value) != 0 or not _finite(value):
        raise invalid("statistic", "return a finite number", repr(value), "reduce over the rows")
    n = len(data[0])
    if n == 1:  # every resample is the one example
        return Interval(float(value), float(value), float(value))

    def resampled(rows, axis=-1):  # rows: (n,) or (batch, n)
        taken = (array[rows] for array in data)
        found = statistic(*taken, axis=rows.ndim - 1) if at_once else statistic(*taken)
        if not _finite(found):
            raise invalid(
                "statistic",
                "return a finite number of every resample",
                "NaN or infinity of one",
                "give it more rows, or let it return a number where a group is empty",
            )
        return found

    interval = bootstrap(
        (np.arange(n),),
        resampled,
        n_resamples=repeats,
        batch=max(1, _CELLS // n),
        vectorized=at_once,
        confidence_level=level,
        method=method,
        rng=generator,
    ).confidence_interval
    return Interval(float(value), float(interval.low), float(interval.high))


def _finite(found: Any) -> bool:
    """Return whether numbers, or a number, are real and finite."""
    found = np.asarray(found)
    return found.dtype.kind in "fiub" and bool(np.isfinite(found).all())


def _takes_axis(function: Callable[..., Any]) -> bool:
    """Return whether a callable has an argument `axis`; a built-in may not say."""
    import inspect

    try:
        return "axis" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
