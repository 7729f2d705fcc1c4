"""Sets of classes that hold the true one as often as promised: split conformal prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pymc_bnn._checks import check_int, check_seed, invalid
from pymc_bnn._frames import check_aligned
from pymc_bnn.uncertainty.arrays import as_array, check_choice, check_labels, check_share, rank
from pymc_bnn.uncertainty.intervals import tails
from pymc_bnn.uncertainty.predictions import ClassPrediction, read_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Conformal", "conformal", "conformal_coverage_interval", "set_summary"]


@dataclass(frozen=True)
class Conformal:
    """Makes sets of classes for new examples; from `conformal`.

    Examples
    --------
    >>> made = Conformal("lac", coverage=0.9, threshold=0.45, tie=1.0)
    >>> made.sets([[0.6, 0.4], [0.5, 0.5]])
    array([[ True, False],
           [False, False]])
    """

    method: str
    """Kind of score, "aps" or "lac"; see `conformal`."""
    coverage: float
    """Promised share of sets that hold the true class, in (0, 1)."""
    threshold: float
    """Largest nonconformity score that still belongs to the set."""
    tie: float
    """Where in [0, 1) a score equal to `threshold` is cut: random numbers up to it belong."""

    def sets(
        self, pred: ClassPrediction | Any, random_seed: int | np.random.Generator = 0
    ) -> np.ndarray:
        """Return the set of each new example.

        Parameters
        ----------
        pred : array_like of shape (draws, n, classes) or (n, classes), or ClassPrediction
            Class probabilities of each posterior draw or their means, or what `predict` returned.
        random_seed : int or numpy.random.Generator, optional
            A non-negative seed, or a generator, which is advanced. Default 0.

        Returns
        -------
        numpy.ndarray of bool, shape (n, classes)
            True for the classes in the set, which may be none.

        Raises
        ------
        ValueError, TypeError
            If `pred` are not probabilities of such a shape, or `random_seed` is not a seed.
        """
        scores, ties = _scores(self.method, read_mean("pred", pred), random_seed, stream=1)
        at_limit = (scores == self.threshold) & (ties[:, None] <= self.tie)
        return (scores < self.threshold) | at_limit


def conformal(
    calibration_pred: ClassPrediction | Any,
    calibration_y: Any,
    coverage: float = 0.9,
    method: str = "aps",
    random_seed: int | np.random.Generator = 0,
) -> Conformal:
    """Learn from labelled examples how large the sets must be to hold the true class.

    If the `n` calibration examples and the new ones are exchangeable, a set holds the true class
    with probability ``⌈(n + 1)·coverage⌉/(n + 1)``, whether or not the probabilities are right;
    better probabilities make smaller sets. The probability is over calibration and new examples
    together: for what one calibration set can do see `conformal_coverage_interval`.

    With ``p̄`` the mean over draws, a class `k` has the nonconformity score

    - "lac": ``1 − p̄_k``, which makes the smallest sets on average;
    - "aps": ``Σ_{j: p̄_j > p̄_k} p̄_j + u·p̄_k`` with one uniform number ``u`` per example (of
      equally likely classes the lower counts as likelier), which makes larger sets where the
      classifier is unsure and covers hard examples better.

    The threshold is the ``⌈(n + 1)·coverage⌉``-th smallest score of the true classes, and a set
    takes the classes up to it.

    Parameters
    ----------
    calibration_pred : array_like of shape (draws, n, classes) or (n, classes), or ClassPrediction
        Prediction of examples that took no part in training.
    calibration_y : array_like of int, shape (n,)
        Their true labels in 0…classes − 1.
    coverage : float, optional
        Promised share of sets that hold the true class, in (0, 1). Default 0.9.
    method : {"aps", "lac"}, optional
        Kind of score. Default "aps".
    random_seed : int or numpy.random.Generator, optional
        A non-negative seed, or a generator, which is advanced. Default 0. The same int in
        `Conformal.sets` gives other random numbers than here.

    Returns
    -------
    Conformal
        Its method `sets` makes the sets of new examples.

    Raises
    ------
    ValueError, TypeError
        If the prediction or its labels are not of such a shape, an option is not as described,
        or there are fewer than ``coverage/(1 − coverage)`` examples.

    Notes
    -----
    Equal scores, such as those of probabilities that round to 1, are put in a random order, so
    that the sets do not hold the true class more often than promised. Sets may be empty: where
    the classifier is right more often than `coverage`, that is the only way to keep it.

    References
    ----------
    Sadinle, M., Lei, J. & Wasserman, L. (2019). Least ambiguous set-valued classifiers with
    bounded error levels. JASA 114, 223–234. Romano, Y., Sesia, M. & Candès, E. J. (2020).
    Classification with valid and adaptive coverage. NeurIPS: the generalised inverse quantile
    score of section 2, algorithm 1. Vovk, V., Gammerman, A. & Shafer, G. (2005). Algorithmic
    Learning in a Random World: random order of ties, section 2.2.

    Examples
    --------
    >>> probs, y = [[0.9, 0.1]] * 9 + [[0.6, 0.4]], [0] * 9 + [1]
    >>> made = conformal(probs, y, coverage=0.9, method="lac")
    >>> round(made.threshold, 3)
    0.6
    >>> made.sets([[0.8, 0.2], [0.5, 0.5]])
    array([[ True, False],
           [ True,  True]])
    """
    check_choice("method", method, _METHODS)
    coverage = check_share("coverage", coverage, "pass coverage=0.9")
    mean = read_mean("calibration_pred", calibration_pred)
    check_aligned("calibration_y", {"calibration_pred": calibration_pred, "y": calibration_y})
    y = check_labels("calibration_y", calibration_y, *mean.shape)
    n = len(y)
    needed = needed_rank(n, coverage, "calibration_pred")
    scores, ties = _scores(method, mean, random_seed, stream=0)
    own = scores[np.arange(n), y]  # (n,)
    at = np.lexsort((ties, own))[needed - 1]
    return Conformal(method, coverage, float(own[at]), float(ties[at]))


def conformal_coverage_interval(
    n_calibration: int, n_test: int, coverage: float = 0.9, level: float = 0.95
) -> tuple[int, int]:
    """Return how many of `n_test` sets may hold the true class for the promise to be kept.

    The number is beta-binomial: ``n_test`` trials with a share drawn from ``Beta(k, n + 1 − k)``,
    where ``k = ⌈(n + 1)·coverage⌉`` and ``n`` is the number of calibration examples.

    Parameters
    ----------
    n_calibration : int
        Number of calibration examples, at least ``coverage/(1 − coverage)``.
    n_test : int
        Number of new examples, at least 1.
    coverage : float, optional
        Promised share of sets that hold the true class, in (0, 1). Default 0.9.
    level : float, optional
        Probability of the interval, in (0, 1). Default 0.95; at least that much is inside.

    Returns
    -------
    tuple of int
        The lower and the upper end, both included, in 0…n_test.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described.

    References
    ----------
    Vovk, V. (2012). Conditional validity of inductive conformal predictors. ACML. Angelopoulos,
    A. N. & Bates, S. (2023). Conformal prediction: a gentle introduction. Foundations and Trends
    in Machine Learning 16, 494–591: sections 3.2 and C.

    Examples
    --------
    >>> conformal_coverage_interval(1000, 1000, coverage=0.9)
    (873, 925)
    """
    from scipy.stats import betabinom

    n = check_int("n_calibration", n_calibration, 1, None, "pass the number of examples")
    n_test = check_int("n_test", n_test, 1, None, "pass the number of examples")
    coverage = check_share("coverage", coverage, "pass coverage=0.9")
    quantiles = tails(level)
    k = needed_rank(n, coverage, "n_calibration")
    low, high = betabinom(n_test, k, n + 1 - k).ppf(quantiles)
    return int(low), int(high)


def set_summary(sets: Any, y: Any) -> pd.Series:
    """Return how often sets hold the true class and how large they are.

    Parameters
    ----------
    sets : array_like of bool, shape (n, classes)
        True for the classes in the set, from `Conformal.sets`.
    y : array_like of int, shape (n,)
        True labels in 0…classes − 1.

    Returns
    -------
    pandas.Series of float
        coverage, the share of sets that hold the true class; mean_size, in [0, classes];
        share_empty and share_single, the shares of sets with no and with one class.

    Raises
    ------
    ValueError, TypeError
        If `sets` are not booleans of that shape, or `y` not labels of their examples.

    Examples
    --------
    >>> set_summary([[True, False], [True, True], [False, False]], [0, 1, 1]).round(3)
    coverage        0.667
    mean_size       1.000
    share_empty     0.333
    share_single    0.333
    dtype: float64
    """
    import pandas as pd

    sets = as_array("sets", sets)
    if sets.dtype != bool or sets.ndim != 2 or sets.size == 0:
        raise invalid(
            "sets",
            "be booleans of shape (n, classes), neither of them 0",
            f"shape {sets.shape}, dtype {sets.dtype}",
            "pass what `Conformal.sets` returned",
            TypeError if sets.dtype != bool else ValueError,
        )
    y = check_labels("y", y, *sets.shape)
    size = sets.sum(-1)
    shares = {
        "coverage": sets[np.arange(len(y)), y].mean(),
        "mean_size": size.mean(),
        "share_empty": (size == 0).mean(),
        "share_single": (size == 1).mean(),
    }
    return pd.Series(shares, dtype=float)


def _lac(mean: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return 1 − probability, (n, classes)."""
    return 1.0 - mean


def _aps(mean: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return the probability of the likelier classes and a share `u` of the own, (n, classes).

    Taken as 1 − that of the less likely ones, which is exactly 1 for impossible classes.
    """
    order = np.argsort(-mean, axis=-1, kind="stable")[:, ::-1]  # the least likely first
    upto = np.cumsum(np.take_along_axis(mean, order, -1), axis=-1)
    below = np.empty_like(mean)
    np.put_along_axis(below, order, upto, -1)  # own probability included
    return 1.0 - (below - u[:, None] * mean)


_METHODS = {"aps": _aps, "lac": _lac}


def _scores(
    method: str, mean: np.ndarray, random_seed: int | np.random.Generator, stream: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores (n, classes) and uniform numbers (n,) that order equal ones."""
    seed = check_seed(random_seed)
    own = seed if isinstance(seed, np.random.Generator) else [seed, stream]
    u, ties = np.random.default_rng(own).random((2, len(mean)))
    return _METHODS[method](mean, u), ties


def needed_rank(n: int, coverage: float, argument: str) -> int:
    """Return ⌈(n + 1)·coverage⌉ if there are so many calibration examples."""
    needed = rank(coverage, n + 1)
    if needed > n:
        raise invalid(
            argument,
            f"have at least {math.ceil(coverage / (1 - coverage) - 1e-9)} examples"
            f" for a coverage of {coverage}",
            n,
            "lower the coverage or label more examples",
        )
    return needed
