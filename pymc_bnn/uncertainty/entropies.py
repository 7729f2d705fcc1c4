"""Entropy of a prediction: the total, what the likelihood and what the weights bring to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from pymc_bnn.uncertainty.arrays import check_choice, check_probs

__all__ = [
    "entropy",
    "expected_entropy",
    "information",
    "mutual_information",
    "predictive_entropy",
]

NATS_PER_UNIT = {"bits": float(np.log(2.0)), "nats": 1.0}


def predictive_entropy(probs: Any, unit: str = "bits") -> np.ndarray:
    """Return the entropy of the mean prediction: the total uncertainty.

    ``H[p̄] = −Σ_k p̄_k log p̄_k`` with ``p̄`` the mean over draws; ``0 log 0`` is 0. It is the sum
    of `expected_entropy` and `mutual_information`.

    Parameters
    ----------
    probs : array_like of shape (draws, n, classes)
        Class probabilities of each posterior draw.
    unit : {"bits", "nats"}, optional
        Logarithm to base 2 or e. Default "bits".

    Returns
    -------
    numpy.ndarray of shape (n,)
        In [0, log classes].

    Raises
    ------
    ValueError, TypeError
        If `probs` are not probabilities of that shape, or `unit` is unknown.

    References
    ----------
    Depeweg, S. et al. (2018). Decomposition of uncertainty in Bayesian deep learning for
    efficient and risk-sensitive learning. ICML: the total uncertainty of its section 3.

    Examples
    --------
    >>> predictive_entropy([[[1.0, 0.0]], [[0.0, 1.0]]])
    array([1.])
    """
    unit = _nats_per(unit)
    return entropy(check_probs("probs", probs).mean(0)) / unit


def expected_entropy(probs: Any, unit: str = "bits") -> np.ndarray:
    """Return the mean over draws of each draw's entropy: the aleatoric uncertainty.

    What would remain if the weights were known, ``E_w H[p(·|w)]``.

    Parameters
    ----------
    probs : array_like of shape (draws, n, classes)
        Class probabilities of each posterior draw.
    unit : {"bits", "nats"}, optional
        Logarithm to base 2 or e. Default "bits".

    Returns
    -------
    numpy.ndarray of shape (n,)
        In [0, log classes], never above `predictive_entropy` but for rounding.

    Raises
    ------
    ValueError, TypeError
        If `probs` are not probabilities of that shape, or `unit` is unknown.

    References
    ----------
    Depeweg, S. et al. (2018). Decomposition of uncertainty in Bayesian deep learning for
    efficient and risk-sensitive learning. ICML: the aleatoric part, section 3.

    Examples
    --------
    >>> expected_entropy([[[1.0, 0.0]], [[0.5, 0.5]]])
    array([0.5])
    """
    unit = _nats_per(unit)
    return entropy(check_probs("probs", probs)).mean(0) / unit


def mutual_information(probs: Any, unit: str = "bits") -> np.ndarray:
    """Return the information a label would give about the weights: the epistemic uncertainty.

    ``I[y; w] = H[p̄] − E_w H[p(·|w)]``: 0 when all draws agree, large when each draw is sure
    but of something else.

    Parameters
    ----------
    probs : array_like of shape (draws, n, classes)
        Class probabilities of each posterior draw.
    unit : {"bits", "nats"}, optional
        Logarithm to base 2 or e. Default "bits".

    Returns
    -------
    numpy.ndarray of shape (n,)
        In [0, log min(classes, draws)]; rounding below 0 is clipped.

    Raises
    ------
    ValueError, TypeError
        If `probs` are not probabilities of that shape, or `unit` is unknown.

    Notes
    -----
    The mean over `D` draws is noisy, which biases the estimate downwards by at most about
    ``(K − 1)/(2·D)`` nats, reached when every draw is one-hot.

    References
    ----------
    Houlsby, N. et al. (2011). Bayesian active learning for classification and preference
    learning. arXiv:1112.5745, equation 2.

    Examples
    --------
    >>> mutual_information([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]])
    array([1., 0.])
    """
    unit = _nats_per(unit)
    probs = check_probs("probs", probs)
    return information(entropy(probs.mean(0)), entropy(probs).mean(0)) / unit


def entropy(probs: np.ndarray) -> np.ndarray:
    """Return the entropy in nats over the last axis; 0 log 0 is 0."""
    logs = np.log(probs, out=np.zeros_like(probs), where=probs > 0)
    return 0.0 - (probs * logs).sum(-1)


def information(total: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return total minus expected entropy, rounding below 0 clipped."""
    return np.maximum(total - expected, 0.0)


def _nats_per(unit: Any) -> float:
    """Return how many nats the unit is."""
    return NATS_PER_UNIT[check_choice("unit", unit, NATS_PER_UNIT)]
