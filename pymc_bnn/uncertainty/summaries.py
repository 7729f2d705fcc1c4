"""One table with a row per example, and how well its columns find the errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pymc_bnn._checks import check_seed, invalid
from pymc_bnn._warnings import warn
from pymc_bnn.uncertainty.arrays import as_numbers, check_choice, check_labels, check_probs
from pymc_bnn.uncertainty.entropies import entropy, information
from pymc_bnn.uncertainty.intervals import tails
from pymc_bnn.uncertainty.predictions import ClassPrediction, read_prediction
from pymc_bnn.uncertainty.scores import log_loss
from pymc_bnn.uncertainty.votes import count, draw_labels, evenness

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["error_detection", "summary"]

_VOTES = ("label", "class")


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

    check_choice("votes", votes, _VOTES)
    quantiles = tails(level)
    if hasattr(pred, "mean_probs"):
        mean, expected, counts, probs = read_prediction(pred, votes)
        y = None if y is None else check_labels("y", y, *mean.shape)
    else:
        probs = check_probs("pred", pred)
        y = None if y is None else check_labels("y", y, *probs.shape[1:])
        mean, expected = probs.mean(0), entropy(probs).mean(0)
        cast = (
            draw_labels(probs, np.random.default_rng(check_seed(random_seed)))
            if votes == "label"
            else probs.argmax(-1)
        )
        counts = count(cast, probs.shape[-1])

    rows = np.arange(len(mean))
    predicted = mean.argmax(-1)  # (n,)
    total = entropy(mean)  # (n,) nats
    statistic, p_value = evenness(counts)
    columns: dict[str, np.ndarray] = {}
    if y is not None:
        columns |= {"label": y, "correct": predicted == y}
    columns |= {
        "predicted": predicted,
        "voted": counts.argmax(-1),
        "probability": mean[rows, predicted],
    }
    if probs is not None:
        low, high = np.quantile(probs[:, rows, predicted], quantiles, axis=0)  # (n,), (n,)
        columns |= {"probability_low": low, "probability_high": high}
    columns |= {
        "vote_share": counts.max(-1) / counts.sum(-1),
        "chi_square": statistic,
        "p_value": p_value,
        "entropy_bits": total / np.log(2.0),
        "expected_entropy_bits": expected / np.log(2.0),
        "mutual_information_bits": information(total, expected) / np.log(2.0),
    }
    if y is not None:
        columns["nll"] = log_loss(mean, y)
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
        warn(
            f"there are no {lacking} among the {len(wrong)} examples; the AUROCs and the means"
            f" over {lacking} are NaN"
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
        as_numbers(f"summary_frame[{name!r}]", frame[name])
    return frame
