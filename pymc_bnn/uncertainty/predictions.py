"""What a prediction is: an array of probabilities, or an object whose draws were streamed."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from pymc_bnn._checks import check_int, invalid
from pymc_bnn._frames import check_aligned
from pymc_bnn.uncertainty.arrays import (
    ONE_VARIABLE,
    as_numbers,
    check_labels,
    check_probs,
    check_votes,
    normalised,
    one_variable,
)
from pymc_bnn.uncertainty.entropies import entropy

__all__ = ["ClassPrediction", "read_labelled", "read_mean", "read_moments", "read_prediction"]


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


def read_prediction(
    pred: ClassPrediction, votes: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Return mean probabilities, expected entropy (nats), votes and kept draws, checked."""
    pred = one_variable("pred", pred, classes=True)
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
    mean = _streamed_mean("pred", pred)
    expected = _streamed_entropy("pred", pred, len(mean))
    name = f"pred.{votes}_votes"
    counts = check_votes(name, getattr(pred, f"{votes}_votes"))
    if counts.shape != mean.shape or (counts.sum(-1) != draws).any():
        raise invalid(
            name,
            f"have shape {mean.shape} and rows summing to the {draws} draws",
            f"shape {counts.shape}, rows summing to {counts.sum(-1).min()}…{counts.sum(-1).max()}",
            "count one vote per draw",
        )
    if pred.probs is None:
        return mean, expected, counts, None
    probs = check_probs("pred.probs", pred.probs)
    if probs.shape != (draws, *mean.shape):
        raise invalid(
            "pred.probs",
            f"have shape {(draws, *mean.shape)}",
            f"shape {probs.shape}",
            "keep every draw, or set it to None",
        )
    return mean, expected, counts, probs


def read_mean(argument: str, pred: ClassPrediction | Any) -> np.ndarray:
    """Return mean probabilities (n, classes) of draws, of their mean or of an object with them."""
    pred = one_variable(argument, pred, classes=True)
    if hasattr(pred, "mean_probs"):
        return _streamed_mean(argument, pred)
    probs = as_numbers(argument, pred, ONE_VARIABLE)
    if probs.ndim == 2:
        return normalised(argument, probs)
    if probs.ndim == 3:
        return normalised(argument, probs).mean(0)
    raise invalid(
        argument,
        "have shape (draws, n, classes) or (n, classes)",
        f"shape {probs.shape}",
        "pass what `predict` returned, or an array of probabilities",
    )


def read_labelled(pred: ClassPrediction | Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return mean probabilities (n, classes) and labels (n,), checked."""
    mean = read_mean("pred", pred)
    check_aligned("y", {"pred": pred, "y": y})
    return mean, check_labels("y", y, *mean.shape)


def read_moments(argument: str, pred: ClassPrediction | Any) -> tuple[np.ndarray, np.ndarray]:
    """Return mean probabilities (n, classes) and expected entropy (n,), nats, of draws."""
    pred = one_variable(argument, pred, classes=True)
    if hasattr(pred, "mean_probs") and hasattr(pred, "expected_entropy"):
        mean = _streamed_mean(argument, pred)
        return mean, _streamed_entropy(argument, pred, len(mean))
    mean = read_mean(argument, pred)
    if hasattr(pred, "mean_probs") or np.ndim(pred) == 2:
        raise invalid(
            argument,
            "hold posterior draws: means alone have no mutual information",
            f"mean probabilities of shape {mean.shape}",
            'pass shape (draws, n, classes), or another score, such as "entropy"',
        )
    return mean, entropy(check_probs(argument, pred)).mean(0)


def _streamed_mean(argument: str, pred: ClassPrediction) -> np.ndarray:
    """Return the mean probabilities (n, classes) of an object, each row normalised."""
    mean = as_numbers(f"{argument}.mean_probs", pred.mean_probs)
    if mean.ndim != 2:
        raise invalid(
            f"{argument}.mean_probs",
            "have shape (n, classes)",
            f"shape {mean.shape}",
            "average over draws",
        )
    return normalised(f"{argument}.mean_probs", mean)


def _streamed_entropy(argument: str, pred: ClassPrediction, n: int) -> np.ndarray:
    """Return the expected entropy (n,) of an object, nats."""
    expected = as_numbers(f"{argument}.expected_entropy", pred.expected_entropy)
    if expected.shape != (n,):
        raise invalid(
            f"{argument}.expected_entropy",
            f"have shape {(n,)}",
            f"shape {expected.shape}",
            "give one number per row of `mean_probs`",
        )
    return expected
