"""A classifier that may refuse to answer: what it gets wrong by how much it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pymc_bnn._checks import invalid
from pymc_bnn.uncertainty.arrays import check_share, rank
from pymc_bnn.uncertainty.predictions import ClassPrediction, read_labelled
from pymc_bnn.uncertainty.ranking import uncertainty_score

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "abstains",
    "area_under_risk_coverage",
    "coverage_at_risk",
    "mean_risk",
    "refusal_threshold",
    "refuses",
    "risk_coverage",
]


def risk_coverage(
    pred: ClassPrediction | Any, y: Any, score: str | Any = "entropy"
) -> pd.DataFrame:
    """Tabulate the error rate among the answered examples as more and more are answered.

    The classifier answers where its uncertainty is at most a threshold and refuses elsewhere.

    Parameters
    ----------
    pred : array_like of shape (draws, n, classes) or (n, classes), or ClassPrediction
        Class probabilities of each posterior draw or their means, or what `predict` returned.
    y : array_like of int, shape (n,)
        True labels in 0…classes − 1.
    score : {"entropy", "mutual_information", "probability"} or array_like of shape (n,), optional
        The uncertainty, see `uncertainty_score`. Default "entropy".

    Returns
    -------
    pandas.DataFrame
        One row per number of examples that a threshold can answer, from the least to all. Examples
        of equal uncertainty are answered together, so that there are as many rows as distinct
        uncertainties. Index "answered", the number of them, in 1…n; columns

        - coverage: share answered, answered/n, in (0, 1];
        - risk: share of wrong predictions among the answered, in [0, 1];
        - threshold: the largest uncertainty answered, in the units of `score`.

    Raises
    ------
    ValueError, TypeError
        If `pred` are not probabilities of such a shape, `y` not labels of its examples, or
        `score` is not as described.

    References
    ----------
    El-Yaniv, R. & Wiener, Y. (2010). On the foundations of noise-free selective classification.
    JMLR 11, 1605–1641. Geifman, Y. & El-Yaniv, R. (2017). Selective classification for deep
    neural networks. NeurIPS: section 2.

    Examples
    --------
    >>> pred = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.4, 0.6]]
    >>> print(risk_coverage(pred, [0, 1, 1, 1], score="probability"))
              coverage  risk  threshold
    answered
    1             0.25  0.00        0.1
    2             0.50  0.00        0.2
    4             1.00  0.25        0.4
    """
    import pandas as pd

    answered, errors, threshold = _steps(*_ranked(pred, y, score))
    columns = {
        "coverage": answered / answered[-1],
        "risk": errors / answered,
        "threshold": threshold,
    }
    return pd.DataFrame(columns, index=pd.Index(answered, name="answered"))


def area_under_risk_coverage(
    pred: ClassPrediction | Any, y: Any, score: str | Any = "entropy", *, excess: bool = False
) -> float:
    """Return the mean risk over all coverages: small where the errors are the least sure.

    ``AURC = (1/n)·Σ_{k=1}^{n} r_k`` with ``r_k`` the error rate among the `k` examples of least
    uncertainty. An uncertainty that knows nothing has the error rate as its expectation; one that
    puts all ``m`` errors last has the optimum ``(1/n)·Σ_{k=n−m+1}^{n} (k − n + m)/k``, and
    ``excess=True`` takes that off.

    Parameters
    ----------
    pred : array_like of shape (draws, n, classes) or (n, classes), or ClassPrediction
        Class probabilities of each posterior draw or their means, or what `predict` returned.
    y : array_like of int, shape (n,)
        True labels in 0…classes − 1.
    score : {"entropy", "mutual_information", "probability"} or array_like of shape (n,), optional
        The uncertainty, see `uncertainty_score`. Default "entropy".
    excess : bool, optional
        Whether to return how far the area is from the optimum at this accuracy. Default False.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError, TypeError
        As `risk_coverage`.

    Notes
    -----
    Within examples of equal uncertainty ``r_k`` is its expectation over their random orders, so
    that the area does not depend on the order of the data.

    References
    ----------
    Geifman, Y. & El-Yaniv, R. (2017). Selective classification for deep neural networks.
    NeurIPS: the risk-coverage curve. Geifman, Y., Uziel, G. & El-Yaniv, R. (2019). Bias-reduced
    uncertainty estimation for deep neural classifiers. ICLR: AURC and excess AURC.

    Examples
    --------
    >>> pred = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]
    >>> area_under_risk_coverage(pred, [0, 1, 1, 1])
    0.0625
    >>> area_under_risk_coverage(pred, [0, 1, 1, 1], excess=True)
    0.0
    """
    uncertainty, wrong = _ranked(pred, y, score)
    area = mean_risk(uncertainty, wrong)
    # no uncertainty is better than knowing which predictions are wrong
    return area - mean_risk(wrong, wrong) if excess else area


def coverage_at_risk(
    pred: ClassPrediction | Any, y: Any, risk: float, score: str | Any = "entropy"
) -> float:
    """Return the largest share of examples that can be answered at an error rate of `risk`.

    Parameters
    ----------
    pred : array_like of shape (draws, n, classes) or (n, classes), or ClassPrediction
        Class probabilities of each posterior draw or their means, or what `predict` returned.
    y : array_like of int, shape (n,)
        True labels in 0…classes − 1.
    risk : float
        Share of wrong predictions among the answered that is still allowed, in [0, 1].
    score : {"entropy", "mutual_information", "probability"} or array_like of shape (n,), optional
        The uncertainty, see `uncertainty_score`. Default "entropy".

    Returns
    -------
    float
        The largest coverage of `risk_coverage` whose risk is at most `risk`; 0 without any.

    Raises
    ------
    ValueError, TypeError
        As `risk_coverage`, or if `risk` is not in [0, 1].

    Notes
    -----
    The coverage found on these labels; on others the risk at its threshold will differ.

    References
    ----------
    Geifman, Y. & El-Yaniv, R. (2017). Selective classification for deep neural networks.
    NeurIPS: the coverage at a desired risk, there with a guarantee.

    Examples
    --------
    >>> pred = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]
    >>> coverage_at_risk(pred, [0, 1, 1, 1], risk=0.1)
    0.75
    """
    risk = check_share("risk", risk, "pass risk=0.01, say", "[]")
    answered, errors, _ = _steps(*_ranked(pred, y, score))
    allowed = answered[errors / answered <= risk]
    return float(allowed.max(initial=0) / answered[-1])


def refusal_threshold(
    pred: ClassPrediction | Any, coverage: float, score: str | Any = "entropy"
) -> float:
    """Return the smallest threshold that answers at least a share `coverage` of the examples.

    Take it on validation data and use it in `refuses` on others.

    Parameters
    ----------
    pred : array_like of shape (draws, n, classes) or (n, classes), or ClassPrediction
        Class probabilities of each posterior draw or their means, or what `predict` returned.
    coverage : float
        Share to be answered, in (0, 1].
    score : {"entropy", "mutual_information", "probability"} or array_like of shape (n,), optional
        The uncertainty, see `uncertainty_score`. Default "entropy".

    Returns
    -------
    float
        In the units of `score`: the ``⌈coverage·n⌉``-th smallest uncertainty.

    Raises
    ------
    ValueError, TypeError
        If `pred` are not probabilities of such a shape, `coverage` is outside (0, 1], or `score`
        is not as described.

    Examples
    --------
    >>> pred = [[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.3, 0.7]]
    >>> round(refusal_threshold(pred, 0.75, score="probability"), 3)
    0.3
    """
    coverage = check_share("coverage", coverage, "pass coverage=0.9, say", "(]")
    uncertainty = np.sort(uncertainty_score(pred, score))
    return float(uncertainty[rank(coverage, len(uncertainty)) - 1])


def refuses(
    pred: ClassPrediction | Any, threshold: float, score: str | Any = "entropy"
) -> np.ndarray:
    """Return which examples the classifier refuses: those with more uncertainty than `threshold`.

    Parameters
    ----------
    pred : array_like of shape (draws, n, classes) or (n, classes), or ClassPrediction
        Class probabilities of each posterior draw or their means, or what `predict` returned.
    threshold : float
        The largest uncertainty that is answered, such as `refusal_threshold` returns.
    score : {"entropy", "mutual_information", "probability"} or array_like of shape (n,), optional
        The uncertainty, see `uncertainty_score`. Default "entropy".

    Returns
    -------
    numpy.ndarray of bool, shape (n,)
        True where it refuses.

    Raises
    ------
    ValueError, TypeError
        If `pred` are not probabilities of such a shape, `threshold` is not a number, or `score`
        is not as described.

    Examples
    --------
    >>> refuses([[0.9, 0.1], [0.5, 0.5]], threshold=0.3, score="probability")
    array([False,  True])
    """
    try:
        limit = float(threshold)
    except (TypeError, ValueError):
        limit = np.nan
    if np.isnan(limit):
        raise invalid(
            "threshold", "be a number", repr(threshold), "take it from `refusal_threshold`"
        )
    return uncertainty_score(pred, score) > limit


def mean_risk(uncertainty: np.ndarray, wrong: np.ndarray) -> float:
    """Return the area under the risk-coverage curve of uncertainties (n,) and errors (n,)."""
    answered, errors, _ = _steps(uncertainty, wrong)
    k = np.arange(1, len(wrong) + 1)
    # within ties the expected number of errors grows evenly
    return float(np.mean(np.interp(k, np.append(0, answered), np.append(0, errors)) / k))


def _ranked(pred: Any, y: Any, score: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the uncertainty of each example and whether its prediction is wrong, (n,), (n,)."""
    mean, y = read_labelled(pred, y)
    return uncertainty_score(pred, score), mean.argmax(-1) != y


def _steps(uncertainty: np.ndarray, wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how many are answered at each distinct uncertainty, their errors, and itself."""
    order = np.argsort(uncertainty, kind="stable")
    threshold = uncertainty[order]
    last = np.flatnonzero(np.append(threshold[1:] != threshold[:-1], True))  # of each tie
    return last + 1, np.cumsum(wrong[order])[last], threshold[last]


abstains = refuses  # the literature's word
