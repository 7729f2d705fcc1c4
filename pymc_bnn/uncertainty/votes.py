"""One vote per posterior draw, and how far the votes are from an even one."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pymc_bnn._checks import check_int, check_seed, invalid
from pymc_bnn._warnings import warn
from pymc_bnn.uncertainty.arrays import as_array, check_classes, check_probs, check_votes

__all__ = [
    "ChiSquare",
    "chi_square",
    "class_votes",
    "count",
    "count_votes",
    "draw_labels",
    "evenness",
    "label_votes",
    "sample_labels",
]

MIN_DRAWS_PER_CLASS = 5


class ChiSquare(NamedTuple):
    """Chi-square statistics of votes and their p-values, one pair per example."""

    statistic: np.ndarray
    """Shape (n,), in [0, draws·(classes − 1)]."""
    p_value: np.ndarray
    """Shape (n,), in [0, 1]: small when the votes agree more than chance would."""


def sample_labels(probs: Any, random_seed: int | np.random.Generator) -> np.ndarray:
    """Sample one label from each posterior draw of each example.

    The labels are draws of the posterior predictive distribution: they carry both the
    uncertainty of the weights and that of the likelihood.

    Parameters
    ----------
    probs : array_like of shape (draws, n, classes)
        Class probabilities of each posterior draw.
    random_seed : int or numpy.random.Generator
        A non-negative seed, or a generator, which is advanced.

    Returns
    -------
    numpy.ndarray of int64, shape (draws, n)
        Labels in 0…classes − 1. A class of probability 0 is never sampled.

    Raises
    ------
    ValueError, TypeError
        If `probs` are not probabilities of that shape, or `random_seed` is not a seed.

    Notes
    -----
    The inverse of the cumulative distribution, at one uniform number per draw and example.

    Examples
    --------
    >>> sample_labels([[[0.0, 1.0], [1.0, 0.0]]], random_seed=1)
    array([[1, 0]])
    """
    return draw_labels(check_probs("probs", probs), np.random.default_rng(check_seed(random_seed)))


def label_votes(probs: Any, random_seed: int | np.random.Generator) -> np.ndarray:
    """Count, per class, the labels sampled from the draws: one vote per draw.

    Use these votes when the question is which label would be observed; `class_votes` leaves the
    noise of the likelihood out.

    Parameters
    ----------
    probs : array_like of shape (draws, n, classes)
        Class probabilities of each posterior draw.
    random_seed : int or numpy.random.Generator
        A non-negative seed, or a generator, which is advanced.

    Returns
    -------
    numpy.ndarray of int64, shape (n, classes)
        Counts; each row sums to `draws`.

    Raises
    ------
    ValueError, TypeError
        As `sample_labels`.

    Examples
    --------
    >>> label_votes([[[0.0, 1.0]], [[1.0, 0.0]], [[0.0, 1.0]]], random_seed=1)
    array([[1, 2]])
    """
    probs = check_probs("probs", probs)
    return count(
        draw_labels(probs, np.random.default_rng(check_seed(random_seed))), probs.shape[-1]
    )


def class_votes(probs: Any) -> np.ndarray:
    """Count, per class, the draws in which it is the most probable: one vote per draw.

    Parameters
    ----------
    probs : array_like of shape (draws, n, classes)
        Class probabilities of each posterior draw. A tie goes to the lowest class.

    Returns
    -------
    numpy.ndarray of int64, shape (n, classes)
        Counts; each row sums to `draws`.

    Raises
    ------
    ValueError, TypeError
        If `probs` are not probabilities of that shape.

    Examples
    --------
    >>> class_votes([[[0.4, 0.6]], [[0.9, 0.1]], [[0.2, 0.8]]])
    array([[1, 2]])
    """
    probs = check_probs("probs", probs)
    return count(probs.argmax(-1), probs.shape[-1])


def count_votes(labels: Any, n_classes: int) -> np.ndarray:
    """Count how often each class occurs among the draws of each example.

    Parameters
    ----------
    labels : array_like of int, shape (draws, n)
        Labels in 0…n_classes − 1, for instance posterior-predictive samples.
    n_classes : int
        Number of classes, at least 2.

    Returns
    -------
    numpy.ndarray of int64, shape (n, n_classes)
        Counts; each row sums to `draws`.

    Raises
    ------
    ValueError, TypeError
        If `labels` are not integers of that shape and range, or `n_classes` is below 2.

    Examples
    --------
    >>> count_votes([[0, 2], [0, 1], [1, 2]], n_classes=3)
    array([[2, 1, 0],
           [0, 1, 2]])
    """
    n_classes = check_int("n_classes", n_classes, 2, None, "pass the number of classes")
    labels = as_array("labels", labels)
    if labels.ndim != 2 or labels.size == 0:
        raise invalid(
            "labels",
            "have shape (draws, n), neither of them 0",
            f"shape {labels.shape}",
            "use `labels[None]` for a single draw",
        )
    return count(check_classes("labels", labels, n_classes), n_classes)


def chi_square(votes: Any) -> ChiSquare:
    """Test votes against a perfectly even vote; a large statistic means a sure classifier.

    With votes ``v_k`` out of ``D`` draws over ``K`` classes and ``e = D/K`` expected in each,
    the statistic is ``Σ_k (v_k − e)²/e``: 0 for an even vote, ``D·(K − 1)`` for a unanimous one.
    The p-value is the probability of a statistic at least as large if every class were equally
    likely, by the chi-square distribution with ``K − 1`` degrees of freedom.

    Parameters
    ----------
    votes : array_like of int, shape (n, classes)
        Counts, not labels: see `label_votes`, `class_votes`, `count_votes`.

    Returns
    -------
    ChiSquare
        `statistic` and `p_value`, each of shape (n,).

    Raises
    ------
    ValueError, TypeError
        If `votes` are not counts of that shape, or an example has no vote.

    Warns
    -----
    UserWarning
        Below 5 draws per class, where the chi-square distribution is a poor approximation.

    References
    ----------
    Pearson, K. (1900). On the criterion that a given system of deviations … Philosophical
    Magazine 50, 157–175: the statistic χ² and its distribution.

    Examples
    --------
    >>> statistic, p_value = chi_square([[5, 5], [8, 2], [10, 0]])
    >>> statistic
    array([ 0. ,  3.6, 10. ])
    >>> p_value.round(4)
    array([1.    , 0.0578, 0.0016])
    """
    return evenness(check_votes("votes", votes))


def draw_labels(probs: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Sample one label per draw and example, (draws, n), from checked probabilities."""
    cumulated = probs.cumsum(-1)
    total = cumulated[..., -1:]
    threshold = generator.random(total.shape) * total  # below the total, also after rounding
    return (cumulated > threshold).argmax(-1)


def count(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Count checked labels (draws, n) into (n, n_classes)."""
    n = labels.shape[1]
    cells = np.arange(n) * n_classes + labels  # (draws, n)
    return np.bincount(cells.ravel(), minlength=n * n_classes).reshape(n, n_classes)


def evenness(votes: np.ndarray) -> ChiSquare:
    """Test checked votes (n, classes); its warning points two levels up, at the user."""
    from scipy.special import chdtrc

    n_classes = votes.shape[1]
    totals = votes.sum(-1)
    if totals.min() < MIN_DRAWS_PER_CLASS * n_classes:
        warn(
            f"{totals.min()} draws over {n_classes} classes are fewer than"
            f" {MIN_DRAWS_PER_CLASS} per class, where the chi-square p-value is a poor"
            f" approximation; use at least {MIN_DRAWS_PER_CLASS * n_classes} draws"
        )
    expected = totals[:, None] / n_classes
    statistic = ((votes - expected) ** 2 / expected).sum(-1)
    return ChiSquare(statistic, chdtrc(n_classes - 1, statistic))
