"""Whether confidence is deserved: reliability, calibration error, and what of it is chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pymc_bnn._checks import check_int, check_seed
from pymc_bnn.uncertainty.arrays import check_choice
from pymc_bnn.uncertainty.intervals import tails, wilson
from pymc_bnn.uncertainty.predictions import ClassPrediction, read_labelled, read_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CalibrationFloor",
    "calibration_error",
    "calibration_floor",
    "expected_calibration_error",
    "reliability",
]

_STRATEGIES = ("mass", "width")


class CalibrationFloor(NamedTuple):
    """Calibration error of a perfectly calibrated classifier, by chance alone."""

    mean: float
    """Mean over the simulated label sets."""
    low: float
    """Lower quantile."""
    high: float
    """Upper quantile: chance alone exceeds it in (1 − level)/2 of the cases."""


def reliability(
    pred: ClassPrediction | Any,
    y: Any,
    bins: int = 15,
    strategy: str = "mass",
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """Tabulate how often the predicted class is right, by how confident the prediction was.

    The confidence of an example is its largest mean probability, ``max_k p̄_k``. In a calibrated
    classifier the accuracy of each bin is its mean confidence.

    Parameters
    ----------
    pred : array_like of shape (draws, n, classes) or (n, classes), or ClassPrediction
        Class probabilities of each posterior draw or their means, or what `predict` returned.
    y : array_like of int, shape (n,)
        True labels in 0…classes − 1.
    bins : int, optional
        Number of bins, at least 1. Default 15.
    strategy : {"mass", "width"}, optional
        "mass": bins of equal numbers of examples; "width": the confidences ``(b/bins,
        (b + 1)/bins]``. Default "mass".
    level : float, optional
        Confidence level of the accuracy's interval, in (0, 1). Default 0.95.

    Returns
    -------
    pandas.DataFrame
        One row per bin that holds an example, index "bin" in 0…bins − 1, with the columns

        - low, high: smallest and largest confidence of the bin's examples with "mass", the
          bin's limits with "width";
        - n: examples in the bin;
        - confidence: their mean confidence, in [1/classes, 1];
        - accuracy, accuracy_low, accuracy_high: share of them predicted right, with its Wilson
          score interval.

    Raises
    ------
    ValueError, TypeError
        If `pred` are not probabilities of such a shape, `y` not labels of its examples, or an
        option is not as described.

    Notes
    -----
    With "mass" the examples are sorted by confidence and divided as `numpy.array_split` does: sizes
    differ by at most 1. Examples of equal confidence may fall into neighbouring bins, at random but
    always alike, so that data sorted by label do not look less calibrated than they are.

    References
    ----------
    Guo, C. et al. (2017). On calibration of modern neural networks. ICML: section 2, "width".
    Nixon, J. et al. (2019). Measuring calibration in deep learning. CVPR workshops: bins of
    equal mass. Wilson, E. B. (1927). Probable inference … JASA 22, 209–212.

    Examples
    --------
    >>> table = reliability([[0.6, 0.4], [0.2, 0.8], [0.9, 0.1], [0.7, 0.3]], [0, 1, 0, 1], 2)
    >>> print(table[["low", "high", "n", "confidence", "accuracy"]])
         low  high  n  confidence  accuracy
    bin
    0    0.6   0.7  2        0.65       0.5
    1    0.8   0.9  2        0.85       1.0
    """
    import pandas as pd

    mean, y = read_labelled(pred, y)
    bins = _check_bins(bins, strategy)
    tails(level)
    confidence, correct = mean.max(-1), mean.argmax(-1) == y
    number = _bin_numbers(confidence, bins, strategy)
    edges = np.linspace(0.0, 1.0, bins + 1)
    rows = {}
    for b in np.unique(number):
        inside = number == b
        own, right = confidence[inside], int(correct[inside].sum())
        low, high = wilson(right, len(own), level)
        limits = (own.min(), own.max()) if strategy == "mass" else edges[b : b + 2]
        rows[b] = (*limits, len(own), own.mean(), right / len(own), low, high)
    columns = ["low", "high", "n", "confidence", "accuracy", "accuracy_low", "accuracy_high"]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return frame.rename_axis("bin")


def calibration_error(
    pred: ClassPrediction | Any, y: Any, bins: int = 15, strategy: str = "mass"
) -> float:
    """Return the expected calibration error of the predicted class.

    ``ECE = Σ_b (n_b/n)·|accuracy_b − confidence_b|`` over the bins of `reliability`.

    Parameters
    ----------
    pred : array_like of shape (draws, n, classes) or (n, classes), or ClassPrediction
        Class probabilities of each posterior draw or their means, or what `predict` returned.
    y : array_like of int, shape (n,)
        True labels in 0…classes − 1.
    bins : int, optional
        Number of bins, at least 1. Default 15.
    strategy : {"mass", "width"}, optional
        Bins of equal numbers of examples or of equal width, see `reliability`. Default "mass".

    Returns
    -------
    float
        In [0, 1]. Chance keeps it above 0 in a finite sample: compare it with `calibration_floor`.

    Raises
    ------
    ValueError, TypeError
        As `reliability`.

    References
    ----------
    Guo, C. et al. (2017). On calibration of modern neural networks. ICML: equation 3. Nixon, J.
    et al. (2019). Measuring calibration in deep learning. CVPR workshops: bins of equal mass.

    Examples
    --------
    >>> pred = [[0.6, 0.4], [0.2, 0.8], [0.9, 0.1], [0.7, 0.3]]
    >>> round(calibration_error(pred, [0, 1, 0, 1], bins=2), 3)
    0.15
    """
    mean, y = read_labelled(pred, y)
    bins = _check_bins(bins, strategy)
    return expected_calibration_error(mean.max(-1), mean.argmax(-1) == y, bins, strategy)


def calibration_floor(
    pred: ClassPrediction | Any,
    bins: int = 15,
    strategy: str = "mass",
    *,
    repeats: int = 200,
    level: float = 0.95,
    random_seed: int | np.random.Generator = 0,
) -> CalibrationFloor:
    """Return the calibration error that these confidences show by chance if they are deserved.

    Whether each prediction is right is drawn with its confidence as the probability, which is
    what a perfectly calibrated classifier would see, and `calibration_error` is taken of that.

    Parameters
    ----------
    pred : array_like of shape (draws, n, classes) or (n, classes), or ClassPrediction
        Class probabilities of each posterior draw or their means, or what `predict` returned.
    bins : int, optional
        Number of bins, at least 1. Default 15.
    strategy : {"mass", "width"}, optional
        Bins of equal numbers of examples or of equal width, see `reliability`. Default "mass".
    repeats : int, optional
        Number of simulated label sets, at least 2. Default 200.
    level : float, optional
        Share of the simulated errors inside [low, high], in (0, 1). Default 0.95.
    random_seed : int or numpy.random.Generator, optional
        A non-negative seed, or a generator, which is advanced. Default 0.

    Returns
    -------
    CalibrationFloor
        `mean`, `low` and `high` of the simulated errors, each in [0, 1].

    Raises
    ------
    ValueError, TypeError
        If `pred` are not probabilities of such a shape, or an option is not as described.

    Notes
    -----
    ``repeats·n`` random numbers: 0.1 s for 10,000 examples.

    References
    ----------
    Vaicenavicius, J. et al. (2019). Evaluating model calibration in classification. AISTATS:
    the same resampling, as a test of calibration.

    Examples
    --------
    >>> floor = calibration_floor([[0.7, 0.3]] * 1000, bins=1)
    >>> bool(abs(floor.mean - (2 / np.pi * 0.7 * 0.3 / 1000) ** 0.5) < 0.002)
    True
    """
    confidence = read_mean("pred", pred).max(-1)
    bins = _check_bins(bins, strategy)
    repeats = check_int("repeats", repeats, 2, None, "pass repeats=200")
    quantiles = tails(level)
    generator = np.random.default_rng(check_seed(random_seed))
    number = _bin_numbers(confidence, bins, strategy)
    errors = [
        _error(confidence, generator.random(len(confidence)) < confidence, number)
        for _ in range(repeats)
    ]
    low, high = np.quantile(errors, quantiles)
    return CalibrationFloor(float(np.mean(errors)), float(low), float(high))


def expected_calibration_error(
    confidence: np.ndarray, correct: np.ndarray, bins: int, strategy: str
) -> float:
    """Return the calibration error of confidences (n,) and whether each was right (n,)."""
    return _error(confidence, correct, _bin_numbers(confidence, bins, strategy))


def _error(confidence: np.ndarray, correct: np.ndarray, number: np.ndarray) -> float:
    """Return the calibration error of examples (n,) in the numbered bins (n,)."""
    gaps = np.bincount(number, weights=correct - confidence)  # n_b·(accuracy_b − confidence_b)
    return float(np.abs(gaps).sum() / len(number))


def _bin_numbers(confidence: np.ndarray, bins: int, strategy: str) -> np.ndarray:
    """Return the bin of each example, in 0…bins − 1, (n,)."""
    if strategy == "width":
        edges = np.linspace(0.0, 1.0, bins + 1)
        return np.searchsorted(edges, confidence, side="left") - 1
    number = np.empty(len(confidence), dtype=np.int64)
    shuffled = np.random.default_rng(0).permutation(len(confidence))
    order = shuffled[np.argsort(confidence[shuffled], kind="stable")]
    for b, part in enumerate(np.array_split(order, bins)):
        number[part] = b
    return number


def _check_bins(bins: Any, strategy: Any) -> int:
    """Return the number of bins if it and the strategy are as they should be."""
    check_choice("strategy", strategy, _STRATEGIES)
    return check_int("bins", bins, 1, None, "pass bins=15")
