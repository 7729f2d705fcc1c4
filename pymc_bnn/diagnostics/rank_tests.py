"""Where true values lie among posterior draws: tests of it, and verdicts in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from pymc_bnn.diagnostics.checks.case import BAD, GOOD, LOOK

__all__ = ["LEVEL", "rank_table", "symmetry_test", "uniformity_test"]

LEVEL = 0.05  # chance that a table of exact posteriors has any verdict but good
_BAD = 0.001
_INTERVAL = 0.9  # central interval that the table tells of
_SEEN = 3.0  # standard errors of a width or a place that is worth words
_KNOTS = 50  # p-values that are computed, between which others are interpolated
_LEAST = 1e-15  # of an ordered value: below, that of all is below 1e-10 anyway


def uniformity_test(places: np.ndarray) -> np.ndarray:
    r"""Test whether numbers are uniform on (0, 1), with equal care of the ends and the middle.

    The statistic is the smallest two-sided p-value of an ordered value, each of which has a Beta
    distribution: what leaves the simultaneous band of a plot of their distribution function.

    Parameters
    ----------
    places : numpy.ndarray
        (n, k): n independent numbers of each of k kinds, none tied.

    Returns
    -------
    numpy.ndarray
        (k,) p-values, exact down to 1e-10.

    References
    ----------
    Aldor-Noiman et al., *The power to see: a new graphical test of normality*, The American
    Statistician 67 (2013); Säilynoja, Bürkner and Vehtari, *Graphical test for discrete uniformity
    and its applications in goodness-of-fit evaluation and multiple sample comparison*, Statistics
    and Computing 32 (2022). The p-value: Moscovich and Nadler, *Fast calculation of boundary
    crossing probabilities for Poisson processes*, Statistics and Probability Letters 123 (2017).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> good, narrow = rng.uniform(size=200), rng.beta(0.5, 0.5, size=200)
    >>> uniformity_test(np.stack([good, narrow], axis=1)) < 0.01
    array([False,  True])
    """
    ordered = np.sort(places, axis=0)
    n = len(ordered)
    i = np.arange(1, n + 1)[:, None]
    below, above = (f(i, n + 1 - i, ordered) for f in (special.betainc, special.betaincc))
    least = np.maximum(2 * np.minimum(below, above).min(axis=0), _LEAST)
    found = np.unique(least)
    knots = found[np.unique(np.linspace(0, len(found) - 1, _KNOTS).astype(int))]
    p = [_leaves_band(knot, n) for knot in knots]
    return np.exp(np.interp(np.log(least), np.log(knots), np.log(p)))


def _leaves_band(level: float, n: int) -> float:
    """Return how likely any of n ordered uniform numbers has a p-value of at most `level`."""
    i = np.arange(1, n + 1)
    low = special.betaincinv(i, n + 1 - i, level / 2)
    high = 1 - low[::-1]
    at = np.append(np.sort(np.concatenate([low, high])), 1.0)
    most = np.searchsorted(low, at, side="left")  # numbers that may lie before each of these
    least = np.searchsorted(high, at, side="right")
    most[-1] = least[-1] = n
    # A Poisson process of rate n that ends with n events is uniform numbers.
    chance, first = np.ones(1), 0  # of `first` events and more, in the band up to here
    for step, low_now, high_now in zip(np.diff(at, prepend=0.0), least, most, strict=True):
        if low_now > high_now:  # the band has no room
            return 1.0
        new = stats.poisson.pmf(np.arange(high_now - first + 1), n * step)
        chance = np.convolve(chance, new)[low_now - first : high_now - first + 1]
        first = low_now
    inside = chance[0] / stats.poisson.pmf(n, n)
    return float(np.clip(1 - inside, 1e-10, 1.0))


def symmetry_test(places: np.ndarray) -> np.ndarray:
    """Test whether numbers in (0, 1) are as likely near 0 as near 1, however many lie there.

    The statistic is the Kolmogorov–Smirnov distance of the numbers u from 1 − u. These two samples
    are mirror images, not independent, so that the two-sample test's own p-value does not hold. If
    the distribution is symmetric, the sides on which numbers lie, taken from the ends inwards, are
    tosses of a coin, and the distance is the largest excursion of their random walk.

    Parameters
    ----------
    places : numpy.ndarray
        (n, k): n independent numbers of each of k kinds, none tied.

    Returns
    -------
    numpy.ndarray
        (k,) p-values, exact.

    References
    ----------
    Yao, Vehtari, Simpson and Gelman, *Yes, but did it work?: evaluating variational inference*,
    ICML 2018, section 4. The p-value: Butler, *A test for symmetry using the sample distribution
    function*, The Annals of Mathematical Statistics 40 (1969).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> narrow, shifted = rng.beta(0.5, 0.5, size=200), rng.beta(2, 1, size=200)
    >>> symmetry_test(np.stack([narrow, shifted], axis=1)) < 0.01
    array([False,  True])
    """
    n = len(places)
    order = np.argsort(-np.abs(places - 0.5), axis=0)
    sides = np.take_along_axis(np.where(places > 0.5, 1, -1), order, axis=0)
    reached = np.abs(np.cumsum(sides, axis=0)).max(axis=0)
    p = {m: _reaches(m, n) for m in np.unique(reached)}
    return np.array([p[m] for m in reached])


def _reaches(m: int, n: int) -> float:
    """Return how likely a random walk of n steps of ±1 is ever as far as m from where it began."""
    k = np.arange(-(n // m) - 1, n // m + 2)  # mirror images
    # Its end lies strictly within m of 2 k m; an end of e has (n + e) / 2 steps up.
    up_to = np.ceil((n + 2 * k * m + m) / 2) - 1, np.floor((n + 2 * k * m - m) / 2)
    within = stats.binom.cdf(up_to[0], n, 0.5) - stats.binom.cdf(up_to[1], n, 0.5)
    stays = float(np.sum(np.where(k % 2, -1, 1) * within))
    return float(np.clip(1 - stays, 1e-10, 1.0))


def rank_table(places: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return a row for each variable: both tests of the entry that looks worst, and a verdict.

    Parameters
    ----------
    places : mapping from str to numpy.ndarray
        (n, *shape) each: the share of posterior draws below the true value in n simulations, ties
        broken at random; NaN where an entry is fixed.

    Returns
    -------
    pandas.DataFrame
        See :attr:`pymc_bnn.SimulationBasedCalibration.table`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> narrow, exact = rng.beta(0.3, 0.3, size=(200, 2)), rng.uniform(size=200)
    >>> table = rank_table({"b": narrow, "s": exact})
    >>> list(table["verdict"]), table.loc["b", "says"].split(":")[0]
    (['bad', 'good'], 'too narrow')
    """
    flat = {name: value.reshape(len(value), -1) for name, value in places.items()}
    free = {name: np.isfinite(value[0]) for name, value in flat.items()}
    flat = {name: value[:, free[name]] for name, value in flat.items() if free[name].any()}
    tests = 2 * sum(value.shape[1] for value in flat.values())  # which Bonferroni's rule divides by
    rows = {}
    for name, value in flat.items():
        uniform, symmetric = uniformity_test(value), symmetry_test(value)
        worst = int(np.argmin(np.minimum(uniform, symmetric)))
        index = np.unravel_index(np.flatnonzero(free[name])[worst], places[name].shape[1:])
        p = {"uniform_p": uniform[worst], "symmetric_p": symmetric[worst]}
        p = {test: float(min(one * tests, 1.0)) for test, one in p.items()}
        rows[name] = {
            "size": value.shape[1],
            "worst": f"{name}[{', '.join(map(str, index))}]" if index else name,
            **p,
            **_judged(value[:, worst], **p),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("variable")


def _judged(u: np.ndarray, uniform_p: float, symmetric_p: float) -> dict[str, Any]:
    """Return what is wrong with the places of an entry: numbers, a verdict, words."""
    outer = np.abs(2 * u - 1)
    inside, above = float((outer < _INTERVAL).mean()), float((u > 0.5).mean())
    least = min(uniform_p, symmetric_p)
    verdict = GOOD if least > LEVEL else LOOK if least > _BAD else BAD
    error = 1 / np.sqrt(12 * len(u))  # of a mean of uniform numbers
    wide, high = (outer.mean() - 0.5) / error, (u.mean() - 0.5) / error
    parts = []
    if verdict == GOOD:
        parts = ["no sign of a wrong width or place"]
    elif abs(wide) > _SEEN:
        word = "narrow: true values pile up at both ends" if wide > 0 else "wide: none lie far out"
        interval = f"the central {_INTERVAL:.0%} interval holds {inside:.0%} of them"
        parts.append(f"too {word}, {interval}")
    if verdict != GOOD and (symmetric_p <= LEVEL or abs(high) > _SEEN):
        if abs(high) > _SEEN:
            side, share = ("low", above) if high > 0 else ("high", 1 - above)
            where = "above" if high > 0 else "below"
            parts.append(f"too {side}: {share:.0%} of true values lie {where} the median")
        else:
            parts.append("lopsided: one end has more true values than the other")
    says = "; ".join(parts or ["ranks are not uniform: look at their picture"])
    return {"inside": inside, "above": above, "verdict": verdict, "says": says}
