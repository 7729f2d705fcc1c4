"""One number per example to rank by, the larger the less sure: what may be refused or foreign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pymc_bnn._checks import invalid
from pymc_bnn.uncertainty.arrays import as_numbers, check_choice
from pymc_bnn.uncertainty.entropies import entropy, information
from pymc_bnn.uncertainty.predictions import ClassPrediction, read_mean, read_moments

__all__ = ["SCORES", "read_score", "uncertainty_score"]


def _entropy(argument: str, pred: Any) -> np.ndarray:
    return entropy(read_mean(argument, pred)) / np.log(2.0)


def _mutual_information(argument: str, pred: Any) -> np.ndarray:
    mean, expected = read_moments(argument, pred)
    return information(entropy(mean), expected) / np.log(2.0)


def _probability(argument: str, pred: Any) -> np.ndarray:
    return 1.0 - read_mean(argument, pred).max(-1)


SCORES: dict[str, Callable[[str, Any], np.ndarray]] = {
    "entropy": _entropy,
    "mutual_information": _mutual_information,
    "probability": _probability,
}
"""Name → function of the argument's name, for its errors, and of the prediction."""


def uncertainty_score(pred: ClassPrediction | Any, score: str | Any = "entropy") -> np.ndarray:
    """Return how unsure each prediction is, one number per example, to rank them by.

    Parameters
    ----------
    pred : array_like of shape (draws, n, classes) or (n, classes), or ClassPrediction
        Class probabilities of each posterior draw or their means, or what `predict` returned.
    score : {"entropy", "mutual_information", "probability"} or array_like of shape (n,), optional
        `predictive_entropy` in bits, `mutual_information` in bits (of draws only), 1 − the
        largest mean probability, or numbers of your own, larger where less sure. Default
        "entropy".

    Returns
    -------
    numpy.ndarray of shape (n,)
        In [0, log2 classes] bits for the first two, in [0, 1 − 1/classes] for the third.

    Raises
    ------
    ValueError, TypeError
        If `pred` are not probabilities of such a shape, or `score` is neither of these names nor
        finite numbers, one per example, or it needs draws where `pred` holds their means.

    Notes
    -----
    "probability" cannot tell examples whose probability rounds to 1; "entropy" still can.

    Examples
    --------
    >>> uncertainty_score([[0.5, 0.5], [1.0, 0.0]])
    array([1., 0.])
    >>> uncertainty_score([[0.5, 0.5], [1.0, 0.0]], "probability")
    array([0.5, 0. ])
    """
    return read_score("pred", pred, score)


def read_score(argument: str, pred: ClassPrediction | Any, score: Any) -> np.ndarray:
    """Return the score (n,) of that name, or the user's own, checked."""
    if isinstance(score, str):
        return SCORES[check_choice("score", score, SCORES)](argument, pred)
    n = len(read_mean(argument, pred))
    numbers = as_numbers("score", score)
    if numbers.shape != (n,):
        raise invalid(
            "score",
            f"be one of {', '.join(SCORES)}, or numbers of shape {(n,)}, one per example",
            f"shape {numbers.shape}",
            'pass score="entropy"',
        )
    return numbers
