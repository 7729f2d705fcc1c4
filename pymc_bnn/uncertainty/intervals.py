"""Intervals: of class probabilities over posterior draws, and of a share over examples."""

from __future__ import annotations

from typing import Any

import numpy as np

from pymc_bnn.uncertainty.arrays import check_probs, check_share

__all__ = ["probability_interval", "tails", "wilson"]


def probability_interval(probs: Any, level: float = 0.95) -> np.ndarray:
    """Return equal-tailed posterior intervals of each class probability.

    Parameters
    ----------
    probs : array_like of shape (draws, n, classes)
        Class probabilities of each posterior draw.
    level : float, optional
        Posterior probability of the interval, in (0, 1). Default 0.95: from the 2.5 % to the
        97.5 % quantile over draws, linearly interpolated.

    Returns
    -------
    numpy.ndarray of shape (n, classes, 2)
        Lower and upper ends, in [0, 1].

    Raises
    ------
    ValueError, TypeError
        If `probs` are not probabilities of that shape, or `level` is outside (0, 1).

    Examples
    --------
    >>> draws = [[[0.1, 0.9]], [[0.2, 0.8]], [[0.3, 0.7]]]
    >>> probability_interval(draws, level=0.5)
    array([[[0.15, 0.25],
            [0.75, 0.85]]])
    """
    quantiles = tails(level)
    return np.moveaxis(np.quantile(check_probs("probs", probs), quantiles, axis=0), 0, -1)


def tails(level: Any) -> tuple[float, float]:
    """Return the probabilities of the two quantiles of an equal-tailed interval."""
    level = check_share("level", level, "pass level=0.95")
    return (1.0 - level) / 2.0, (1.0 + level) / 2.0


def wilson(successes: int, n: int, level: float) -> tuple[float, float]:
    """Return the score interval of a binomial proportion (Wilson 1927)."""
    from scipy.stats import binomtest

    low, high = binomtest(int(successes), int(n)).proportion_ci(level, method="wilson")
    return float(low), float(high)
