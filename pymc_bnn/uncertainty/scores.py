"""Proper scoring rules: one number per example, the smaller the better."""

from __future__ import annotations

from typing import Any

import numpy as np

from pymc_bnn.uncertainty.predictions import ClassPrediction, read_labelled

__all__ = ["brier", "brier_score", "log_loss", "nlpd"]


def nlpd(pred: ClassPrediction | Any, y: Any) -> np.ndarray:
    """Return the negative log predictive density of each example's label, in nats.

    ``−log p̄_i,y_i`` with ``p̄`` the mean over draws of the probabilities: the log of the mean,
    not the mean of the logs. A strictly proper scoring rule: its expectation is smallest for
    the true probabilities and for no others.

    Parameters
    ----------
    pred : array_like of shape (draws, n, classes) or (n, classes), or ClassPrediction
        Class probabilities of each posterior draw or their means, or what `predict` returned.
    y : array_like of int, shape (n,)
        True labels in 0…classes − 1.

    Returns
    -------
    numpy.ndarray of shape (n,)
        In [0, 708.4] nats: a probability of 0 counts as 2.2e-308, the smallest normal number.

    Raises
    ------
    ValueError, TypeError
        If `pred` are not probabilities of such a shape, or `y` not labels of its examples.

    References
    ----------
    Gneiting, T. & Raftery, A. E. (2007). Strictly proper scoring rules, prediction, and
    estimation. JASA 102, 359–378: example 3, the logarithmic score, negated.

    Examples
    --------
    >>> nlpd([[0.5, 0.5], [0.9, 0.1]], [0, 1]).round(4)
    array([0.6931, 2.3026])
    """
    return log_loss(*read_labelled(pred, y))


def brier_score(pred: ClassPrediction | Any, y: Any) -> np.ndarray:
    """Return the Brier score of each example: the squared distance to the one-hot label.

    ``Σ_k (p̄_k − 1{y = k})²`` with ``p̄`` the mean over draws of the probabilities. A strictly
    proper scoring rule that, unlike `nlpd`, does not explode at one sure mistake.

    Parameters
    ----------
    pred : array_like of shape (draws, n, classes) or (n, classes), or ClassPrediction
        Class probabilities of each posterior draw or their means, or what `predict` returned.
    y : array_like of int, shape (n,)
        True labels in 0…classes − 1.

    Returns
    -------
    numpy.ndarray of shape (n,)
        In [0, 2], also for two classes. The mean is that of scikit-learn's `brier_score_loss`
        with ``scale_by_half=False``.

    Raises
    ------
    ValueError, TypeError
        If `pred` are not probabilities of such a shape, or `y` not labels of its examples.

    References
    ----------
    Brier, G. W. (1950). Verification of forecasts expressed in terms of probability. Monthly
    Weather Review 78, 1–3: equation 2, there the mean over examples. Gneiting, T. & Raftery,
    A. E. (2007). Strictly proper scoring rules, prediction, and estimation. JASA 102, 359–378:
    example 1, the quadratic score, negated.

    Examples
    --------
    >>> brier_score([[0.5, 0.5], [0.75, 0.25]], [0, 1])
    array([0.5  , 1.125])
    """
    return brier(*read_labelled(pred, y))


def log_loss(mean: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return `nlpd` of checked mean probabilities (n, classes) and labels (n,)."""
    probs = mean[np.arange(len(y)), y]
    return 0.0 - np.log(np.maximum(probs, np.finfo(np.float64).tiny))


def brier(mean: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return `brier_score` of checked mean probabilities (n, classes) and labels (n,)."""
    return ((mean - np.eye(mean.shape[1])[y]) ** 2).sum(-1)
