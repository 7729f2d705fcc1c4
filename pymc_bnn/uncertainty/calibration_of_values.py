"""Whether predicted values are as spread as they should be: PIT, and coverage at many levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pymc_bnn._checks import check_seed, invalid
from pymc_bnn.uncertainty.intervals import tails
from pymc_bnn.uncertainty.regression import by_output, check_samples, check_values, coverage_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LEVELS", "coverage_table", "pit"]

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def pit(samples: Any, y: Any, random_seed: int | np.random.Generator = 0) -> np.ndarray:
    r"""Return the probability integral transform of each observation.

    That is where among its predictive samples an observation lies:

    .. math:: \mathrm{PIT} = \frac{\#\{Y_i < y\} + U\,(\#\{Y_i = y\} + 1)}{m + 1}

    with m draws Y and U uniform on (0, 1). If the observation and the draws are exchangeable, this
    is uniform, however few draws, and of counts as well. A histogram that is U-shaped says that
    predictions are too sure, one with a hump that they are not sure enough, a slope that they are
    too high (PIT near 0) or too low.

    Parameters
    ----------
    samples : array_like of shape (draws, n) or (draws, n, outputs), or prediction
        Predictive samples of the observations: with their noise.
    y : array_like of shape (n,) or (n, outputs)
        The observations, which the fit did not see.
    random_seed : int or numpy.random.Generator, optional
        A non-negative seed of U, or a generator, which is advanced. Default 0.

    Returns
    -------
    numpy.ndarray of shape (n,) or (n, outputs)
        Numbers in [0, 1].

    Raises
    ------
    ValueError, TypeError
        If `samples` and `y` are not finite numbers of those shapes, or `random_seed` is no seed.

    References
    ----------
    Dawid, A. P. (1984). Statistical theory: the prequential approach. JRSS A 147, 278–292.
    Czado, C., Gneiting, T. & Held, L. (2009). Predictive model assessment for count data.
    Biometrics 65, 1254–1261: the randomised transform, section 2.1.

    Examples
    --------
    >>> draws = np.arange(99.0)[:, None] * [1, 1]
    >>> pit(draws, [9.5, 200.0]).round(1)
    array([0.1, 1. ])
    """
    samples = check_samples("samples", samples)
    y = check_values("y", y, samples.shape[1:])
    u = np.random.default_rng(check_seed(random_seed)).random(y.shape)
    below, equal = (samples < y).sum(axis=0), (samples == y).sum(axis=0)
    return (below + u * (equal + 1)) / (len(samples) + 1)


def coverage_table(samples: Any, y: Any, levels: Sequence[float] = LEVELS) -> pd.DataFrame:
    """Tabulate which share of the observations equal-tailed intervals of many levels hold.

    Parameters
    ----------
    samples : array_like of shape (draws, n) or (draws, n, outputs), or prediction
        Predictive samples of the observations: with their noise.
    y : array_like of shape (n,) or (n, outputs)
        The observations, which the fit did not see.
    levels : sequence of float, optional
        Probabilities of the intervals, in (0, 1). Default 0.1, 0.2, …, 0.9 and 0.95.

    Returns
    -------
    pandas.DataFrame
        Index "level", columns coverage, its 95 % score interval low and high, and width, the mean
        width of the intervals in the unit of y. Of several outputs the index is "output" (the
        columns of `y`, or numbers) and "level".

    Raises
    ------
    ValueError, TypeError
        If `samples` and `y` are not finite numbers of those shapes, or a level is outside (0, 1).

    Notes
    -----
    Quantiles of m draws are a little too near to each other: a calibrated prediction covers
    (m − 1)/(m + 1) of the level, 0.88 of 0.9 with 100 draws.

    References
    ----------
    As `interval_coverage`, which gives a row of it.

    Examples
    --------
    >>> draws = np.random.default_rng(0).normal(size=(999, 400))
    >>> y = 1.5 * np.random.default_rng(1).normal(size=400)  # more spread than predicted
    >>> print(coverage_table(draws, y, [0.5, 0.9]).round(2))
           coverage   low  high  width
    level
    0.5        0.38  0.34  0.43   1.35
    0.9        0.79  0.75  0.83   3.28
    """
    import pandas as pd

    samples = check_samples("samples", samples)
    levels = list(levels) if hasattr(levels, "__iter__") else [levels]
    ends = [tails(level) for level in levels]
    if not ends:
        raise invalid("levels", "hold a level at least", "none", "pass levels=[0.5, 0.9], say")

    def of_one(samples: np.ndarray, y: np.ndarray) -> pd.DataFrame:
        quantiles = np.quantile(samples, ends, axis=0)  # (levels, 2, n)
        rows = [
            (*coverage_of(interval.T, y), np.diff(interval, axis=0).mean())
            for interval in quantiles
        ]
        index = pd.Index(levels, name="level", dtype=float)
        return pd.DataFrame(rows, index, ["coverage", "low", "high", "width"], dtype=float)

    return by_output(of_one, samples, y)
