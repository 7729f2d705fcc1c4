"""How sure a classifier is, from its posterior draws: votes, chi-square, entropies, intervals.

NumPy in, NumPy or pandas out. Probabilities have shape (draws, n, classes): `draws` posterior
draws, `n` examples, the class axis last. Each row of classes must sum to 1 within 1e-3 and is
normalised before use, so that float32 rounding leaves no trace.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from pymc_bnn._checks import check_finite, check_int, check_seed, invalid

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ChiSquare",
    "ClassPrediction",
    "chi_square",
    "class_votes",
    "count_votes",
    "error_detection",
    "expected_entropy",
    "label_votes",
    "mutual_information",
    "predictive_entropy",
    "probability_interval",
    "sample_labels",
    "summary",
]

_SUM_TOLERANCE = 1e-3
_MIN_DRAWS_PER_CLASS = 5
_NATS_PER_UNIT = {"bits": float(np.log(2.0)), "nats": 1.0}
_VOTES = ("label", "class")


class ClassPrediction(Protocol):
    """What `summary` reads from a prediction whose draws were streamed.

    Any object with these attributes will do; `draws` posterior draws over `n` examples and
    `K` classes.
    """

    @property
    def mean_probs(self) -> np.ndarray:
        """Mean over draws of the class probabilities, shape (n, K)."""

    @property
    def expected_entropy(self) -> np.ndarray:
        """Mean over draws of the entropy of each draw, shape (n,), nats."""

    @property
    def label_votes(self) -> np.ndarray:
        """Counts of one label sampled from each draw, integers of shape (n, K)."""

    @property
    def class_votes(self) -> np.ndarray:
        """Counts of each draw's most probable class, integers of shape (n, K)."""

    @property
    def draws(self) -> int:
        """Number of posterior draws."""

    @property
    def probs(self) -> np.ndarray | None:
        """Probabilities of every draw, shape (draws, n, K), or None when they were not kept."""


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
    return _sample_labels(
        _check_probs("probs", probs), np.random.default_rng(check_seed(random_seed))
    )


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
    probs = _check_probs("probs", probs)
    return _count(
        _sample_labels(probs, np.random.default_rng(check_seed(random_seed))), probs.shape[-1]
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
    probs = _check_probs("probs", probs)
    return _count(probs.argmax(-1), probs.shape[-1])


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
    labels = _as_array("labels", labels)
    if labels.ndim != 2 or labels.size == 0:
        raise invalid(
            "labels",
            "have shape (draws, n), neither of them 0",
            f"shape {labels.shape}",
            "use `labels[None]` for a single draw",
        )
    return _count(_check_labels("labels", labels, n_classes), n_classes)


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
    return _chi_square(_check_votes("votes", votes))


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
    unit = _check_unit(unit)
    return _entropy(_check_probs("probs", probs).mean(0)) / unit


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
    unit = _check_unit(unit)
    return _entropy(_check_probs("probs", probs)).mean(0) / unit


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
    unit = _check_unit(unit)
    probs = _check_probs("probs", probs)
    return _information(_entropy(probs.mean(0)), _entropy(probs).mean(0)) / unit


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
    tails = _tails(level)
    return np.moveaxis(np.quantile(_check_probs("probs", probs), tails, axis=0), 0, -1)


def summary(
    pred: ClassPrediction | Any,
    y: Any = None,
    *,
    votes: str = "label",
    level: float = 0.95,
    random_seed: int | np.random.Generator = 0,
) -> pd.DataFrame:
    """Tabulate what is predicted for each example, and how surely.

    Parameters
    ----------
    pred : array_like of shape (draws, n, classes) or ClassPrediction
        Class probabilities of each posterior draw, or an object with their summaries.
    y : array_like of int, shape (n,), optional
        True labels in 0…classes − 1.
    votes : {"label", "class"}, optional
        Whether a draw votes by a label sampled from it (`label_votes`, the default) or for its
        most probable class (`class_votes`).
    level : float, optional
        Posterior probability of the interval of the predicted class, in (0, 1). Default 0.95.
    random_seed : int or numpy.random.Generator, optional
        Seed of the label votes; not used with `votes="class"`, nor with a `ClassPrediction`,
        whose votes are already cast. Default 0.

    Returns
    -------
    pandas.DataFrame
        One row per example, index "example", with the columns

        - label, correct: the true label and whether it was predicted (with `y` only);
        - predicted: the class of the largest mean probability;
        - voted: the class with most votes, the lowest of them in a tie;
        - probability, probability_low, probability_high: mean over draws of the probability of
          the predicted class and its interval (no interval when the draws were not kept);
        - vote_share: share of the votes that went to the voted class, in [1/classes, 1];
        - chi_square, p_value: of the votes, see `chi_square`;
        - entropy_bits, expected_entropy_bits, mutual_information_bits: total, aleatoric and
          epistemic uncertainty;
        - nll: −log of the mean probability of the true label, nats (with `y` only). A
          probability of 0 counts as 2.2e-308, the smallest normal number, so that nll ≤ 708.4.

    Raises
    ------
    ValueError, TypeError
        If `pred`, `y` or an option is not as described.

    Warns
    -----
    UserWarning
        Below 5 draws per class, see `chi_square`.

    Examples
    --------
    >>> probs = [[[0.9, 0.1], [0.2, 0.8]]] * 10
    >>> frame = summary(probs, [0, 0], votes="class")
    >>> print(frame[["label", "correct", "predicted", "probability", "chi_square"]])
             label  correct  predicted  probability  chi_square
    example
    0            0     True          0          0.9        10.0
    1            0    False          1          0.8        10.0
    """
    import pandas as pd

    if not isinstance(votes, str) or votes not in _VOTES:
        raise invalid("votes", 'be "label" or "class"', repr(votes), 'pass votes="label"')
    tails = _tails(level)
    if hasattr(pred, "mean_probs"):
        mean, expected, counts, probs = _read_prediction(pred, votes)
        y = None if y is None else _check_y(y, *mean.shape)
    else:
        probs = _check_probs("pred", pred)
        y = None if y is None else _check_y(y, *probs.shape[1:])
        mean, expected = probs.mean(0), _entropy(probs).mean(0)
        cast = (
            _sample_labels(probs, np.random.default_rng(check_seed(random_seed)))
            if votes == "label"
            else probs.argmax(-1)
        )
        counts = _count(cast, probs.shape[-1])

    rows = np.arange(len(mean))
    predicted = mean.argmax(-1)  # (n,)
    entropy = _entropy(mean)  # (n,) nats
    statistic, p_value = _chi_square(counts)
    columns: dict[str, np.ndarray] = {}
    if y is not None:
        columns |= {"label": y, "correct": predicted == y}
    columns |= {
        "predicted": predicted,
        "voted": counts.argmax(-1),
        "probability": mean[rows, predicted],
    }
    if probs is not None:
        low, high = np.quantile(probs[:, rows, predicted], tails, axis=0)  # (n,), (n,)
        columns |= {"probability_low": low, "probability_high": high}
    columns |= {
        "vote_share": counts.max(-1) / counts.sum(-1),
        "chi_square": statistic,
        "p_value": p_value,
        "entropy_bits": entropy / np.log(2.0),
        "expected_entropy_bits": expected / np.log(2.0),
        "mutual_information_bits": _information(entropy, expected) / np.log(2.0),
    }
    if y is not None:
        columns["nll"] = 0.0 - np.log(np.maximum(mean[rows, y], np.finfo(np.float64).tiny))
    return pd.DataFrame(columns, index=pd.RangeIndex(len(mean), name="example"))


def error_detection(summary_frame: pd.DataFrame) -> pd.Series:
    """Measure how well the uncertainties find the errors.

    The area under the ROC curve is the probability that an error, drawn at random, looks less
    sure than a correct prediction, drawn at random: 0.5 is guessing, 1 is perfect.

    Parameters
    ----------
    summary_frame : pandas.DataFrame
        From `summary` with labels.

    Returns
    -------
    pandas.Series of float
        accuracy; auroc_chi_square (a low chi-square means unsure), auroc_entropy,
        auroc_mutual_information, auroc_probability (a low probability means unsure);
        chi_square_errors, chi_square_correct, entropy_bits_errors, entropy_bits_correct: means
        over the errors and over the correct predictions, NaN where there are none.

    Raises
    ------
    ValueError, TypeError
        If a column is missing or holds NaN, or the frame is empty.

    Warns
    -----
    UserWarning
        Without an error or without a correct prediction; the areas are then NaN.

    Examples
    --------
    >>> probs = [[[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]] * 10
    >>> found = error_detection(summary(probs, [0, 1, 1], votes="class"))
    >>> round(found["accuracy"], 3), found["auroc_entropy"]
    (np.float64(0.667), np.float64(1.0))
    """
    import pandas as pd
    from sklearn.metrics import roc_auc_score

    frame = _check_summary(summary_frame)
    wrong = ~frame["correct"].to_numpy()
    scores = {
        "auroc_chi_square": -frame["chi_square"],
        "auroc_entropy": frame["entropy_bits"],
        "auroc_mutual_information": frame["mutual_information_bits"],
        "auroc_probability": 1.0 - frame["probability"],
    }
    if wrong.all() or not wrong.any():
        lacking = "correct predictions" if wrong.all() else "errors"
        warnings.warn(
            f"there are no {lacking} among the {len(wrong)} examples; the AUROCs and the means"
            f" over {lacking} are NaN",
            UserWarning,
            stacklevel=2,
        )
        areas = dict.fromkeys(scores, np.nan)
    else:
        areas = {name: roc_auc_score(wrong, score) for name, score in scores.items()}
    means = {
        f"{column}_{group}": frame.loc[mask, column].mean()
        for column in ("chi_square", "entropy_bits")
        for group, mask in (("errors", wrong), ("correct", ~wrong))
    }
    return pd.Series({"accuracy": 1.0 - wrong.mean(), **areas, **means}, dtype=float)


def _entropy(probs: np.ndarray) -> np.ndarray:
    """Return the entropy in nats over the last axis; 0 log 0 is 0."""
    logs = np.log(probs, out=np.zeros_like(probs), where=probs > 0)
    return 0.0 - (probs * logs).sum(-1)


def _information(total: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return total minus expected entropy, rounding below 0 clipped."""
    return np.maximum(total - expected, 0.0)


def _sample_labels(probs: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Sample one label per draw and example, (draws, n), from checked probabilities."""
    cumulated = probs.cumsum(-1)
    total = cumulated[..., -1:]
    threshold = generator.random(total.shape) * total  # below the total, also after rounding
    return (cumulated > threshold).argmax(-1)


def _count(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Count checked labels (draws, n) into (n, n_classes)."""
    n = labels.shape[1]
    cells = np.arange(n) * n_classes + labels  # (draws, n)
    return np.bincount(cells.ravel(), minlength=n * n_classes).reshape(n, n_classes)


def _chi_square(votes: np.ndarray) -> ChiSquare:
    """Test checked votes (n, classes); its warning points two levels up, at the user."""
    from scipy.special import chdtrc

    n_classes = votes.shape[1]
    totals = votes.sum(-1)
    if totals.min() < _MIN_DRAWS_PER_CLASS * n_classes:
        warnings.warn(
            f"{totals.min()} draws over {n_classes} classes are fewer than"
            f" {_MIN_DRAWS_PER_CLASS} per class, where the chi-square p-value is a poor"
            f" approximation; use at least {_MIN_DRAWS_PER_CLASS * n_classes} draws",
            UserWarning,
            stacklevel=3,
        )
    expected = totals[:, None] / n_classes
    statistic = ((votes - expected) ** 2 / expected).sum(-1)
    return ChiSquare(statistic, chdtrc(n_classes - 1, statistic))


def _read_prediction(
    pred: ClassPrediction, votes: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Return mean probabilities, expected entropy (nats), votes and kept draws, checked."""
    names = ("mean_probs", "expected_entropy", "label_votes", "class_votes", "draws", "probs")
    missing = [name for name in names if not hasattr(pred, name)]
    if missing:
        raise invalid(
            "pred",
            "be an array of shape (draws, n, classes) or have the attributes of ClassPrediction",
            f"a {type(pred).__name__} without {', '.join(missing)}",
            "pass what `predict` returned, or an array of probabilities",
            TypeError,
        )
    draws = check_int("pred.draws", pred.draws, 1, None, "predict with at least one draw")
    mean = _as_array("pred.mean_probs", pred.mean_probs)
    if mean.ndim != 2:
        raise invalid(
            "pred.mean_probs",
            "have shape (n, classes)",
            f"shape {mean.shape}",
            "average over draws",
        )
    mean = _check_probs("pred.mean_probs", mean[None])[0]
    expected = _as_numbers("pred.expected_entropy", pred.expected_entropy)
    if expected.shape != mean.shape[:1]:
        raise invalid(
            "pred.expected_entropy",
            f"have shape {mean.shape[:1]}",
            f"shape {expected.shape}",
            "give one number per row of `mean_probs`",
        )
    name = f"pred.{votes}_votes"
    counts = _check_votes(name, getattr(pred, f"{votes}_votes"))
    if counts.shape != mean.shape or (counts.sum(-1) != draws).any():
        raise invalid(
            name,
            f"have shape {mean.shape} and rows summing to the {draws} draws",
            f"shape {counts.shape}, rows summing to {counts.sum(-1).min()}…{counts.sum(-1).max()}",
            "count one vote per draw",
        )
    if pred.probs is None:
        return mean, expected, counts, None
    probs = _check_probs("pred.probs", pred.probs)
    if probs.shape != (draws, *mean.shape):
        raise invalid(
            "pred.probs",
            f"have shape {(draws, *mean.shape)}",
            f"shape {probs.shape}",
            "keep every draw, or set it to None",
        )
    return mean, expected, counts, probs


def _as_array(argument: str, values: Any) -> np.ndarray:
    """Return an array, or one error for nested sequences of unequal length."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise invalid(
            argument,
            "be an array",
            f"a {type(values).__name__} that numpy refuses ({error})",
            "give all rows the same length",
        ) from None


def _as_numbers(argument: str, values: Any) -> np.ndarray:
    """Return a finite float64 array."""
    array = _as_array(argument, values)
    if array.dtype.kind not in "fiub":
        raise invalid(
            argument,
            "be an array of real numbers",
            f"a {type(values).__name__} (dtype {array.dtype})",
            "convert it with numpy.asarray(…, dtype=float)",
            TypeError,
        )
    check_finite(argument, array)
    return array.astype(np.float64, copy=False)


def _check_probs(argument: str, probs: Any) -> np.ndarray:
    """Return probabilities (draws, n, classes) as float64, each row normalised."""
    probs = _as_numbers(argument, probs)
    if probs.ndim != 3:
        raise invalid(
            argument,
            "have shape (draws, n, classes)",
            f"shape {probs.shape}",
            "use `probs[None]` for a single draw, `probs[:, None]` for a single example",
        )
    if probs.size == 0 or probs.shape[-1] < 2:
        raise invalid(
            argument,
            "hold at least one draw, one example and two classes",
            f"shape {probs.shape}",
            "pass probabilities of shape (draws, n, classes)",
        )
    if probs.min() < 0:
        at = tuple(int(i) for i in np.unravel_index(probs.argmin(), probs.shape))
        raise invalid(
            argument,
            "be non-negative",
            f"{probs.min():.6g} at index {at}",
            "pass probabilities, not logits: apply a softmax over the last axis",
        )
    total = probs.sum(-1)
    off = np.abs(total - 1.0)
    if off.max() > _SUM_TOLERANCE:
        at = tuple(int(i) for i in np.unravel_index(off.argmax(), off.shape))
        raise invalid(
            argument,
            f"sum to 1 over the last axis (within {_SUM_TOLERANCE})",
            f"{total[at]:.6g} at index {at}",
            "apply a softmax over the last axis, or move the class axis last",
        )
    return probs / total[..., None]


def _check_labels(argument: str, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Return integer labels in 0…n_classes − 1 as int64."""
    if labels.dtype.kind not in "iu":
        raise invalid(
            argument,
            "hold integers",
            f"dtype {labels.dtype}",
            f"convert it: {argument}.astype(int)",
            TypeError,
        )
    if labels.min() < 0 or labels.max() >= n_classes:
        raise invalid(
            argument,
            f"hold class numbers in 0…{n_classes - 1}",
            f"values in {labels.min()}…{labels.max()}",
            "number the classes from 0",
        )
    return labels.astype(np.int64)


def _check_y(y: Any, n: int, n_classes: int) -> np.ndarray:
    """Return true labels (n,) as int64."""
    y = _as_array("y", y)
    if y.shape != (n,):
        raise invalid(
            "y",
            f"have shape {(n,)}, one label per predicted example",
            f"shape {y.shape}",
            "pass the labels of the examples predicted",
        )
    return _check_labels("y", y, n_classes)


def _check_votes(argument: str, votes: Any) -> np.ndarray:
    """Return counts (n, classes) as int64, every example with at least one vote."""
    votes = _as_array(argument, votes)
    if votes.ndim != 2 or votes.size == 0 or votes.shape[1] < 2:
        raise invalid(
            argument,
            "have shape (n, classes) with at least one example and two classes",
            f"shape {votes.shape}",
            "count labels with `count_votes`",
        )
    if votes.dtype.kind not in "iu":
        raise invalid(
            argument,
            "hold integer counts",
            f"dtype {votes.dtype}",
            "count labels with `count_votes`",
            TypeError,
        )
    if votes.min() < 0 or votes.sum(-1).min() == 0:
        at = int(np.where((votes < 0).any(-1), -1, votes.sum(-1)).argmin())
        raise invalid(
            argument,
            "hold non-negative counts with at least one vote per example",
            f"{votes[at].tolist()} for example {at}",
            "count labels with `count_votes`",
        )
    return votes.astype(np.int64)


def _check_unit(unit: Any) -> float:
    """Return how many nats the unit is."""
    if not isinstance(unit, str) or unit not in _NATS_PER_UNIT:
        raise invalid("unit", 'be "bits" or "nats"', repr(unit), 'pass unit="bits"')
    return _NATS_PER_UNIT[unit]


def _tails(level: Any) -> tuple[float, float]:
    """Return the probabilities of the two quantiles of an equal-tailed interval."""
    try:
        inside = 0.0 < level < 1.0
    except (TypeError, ValueError):
        inside = False
    if not inside:
        raise invalid("level", "be a number in (0, 1)", repr(level), "pass level=0.95")
    return (1.0 - level) / 2.0, (1.0 + level) / 2.0


def _check_summary(frame: Any) -> pd.DataFrame:
    """Return the frame if the columns `error_detection` needs are there and finite."""
    import pandas as pd

    needed = ["correct", "chi_square", "entropy_bits", "mutual_information_bits", "probability"]
    if not isinstance(frame, pd.DataFrame):
        raise invalid(
            "summary_frame",
            "be a DataFrame from `summary`",
            f"a {type(frame).__name__}",
            "pass summary(pred, y)",
            TypeError,
        )
    missing = [name for name in needed if name not in frame]
    if missing or len(frame) == 0:
        raise invalid(
            "summary_frame",
            f"have rows and the columns {', '.join(needed)}",
            f"{len(frame)} rows, without {', '.join(missing)}" if missing else "no rows",
            "make it with labels: summary(pred, y)",
        )
    if frame["correct"].dtype != bool:
        raise invalid(
            "summary_frame",
            "have a column correct of booleans",
            f"dtype {frame['correct'].dtype}",
            "make it with labels: summary(pred, y)",
            TypeError,
        )
    for name in needed[1:]:
        check_finite(f"summary_frame[{name!r}]", frame[name].to_numpy())
    return frame
