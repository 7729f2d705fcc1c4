"""Arguments as the other files want them: probabilities, labels, votes, shares, names."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from pymc_bnn._checks import check_finite, invalid

__all__ = [
    "ONE_VARIABLE",
    "as_array",
    "as_numbers",
    "check_choice",
    "check_classes",
    "check_labels",
    "check_probs",
    "check_share",
    "check_votes",
    "normalised",
    "one_variable",
    "rank",
]

SUM_TOLERANCE = 1e-3
ONE_VARIABLE = "pass an array, or what `predict` returned for one variable: prediction['y']"


def as_array(argument: str, values: Any) -> np.ndarray:
    """Return an array, or one error for nested sequences of unequal length, or masked numbers."""
    if np.ma.is_masked(values):
        got = f"{int(np.ma.getmaskarray(values).sum()):,} masked ones"
        raise invalid(argument, "hold no masked numbers", got, "drop them or fill them: .filled(…)")
    try:
        return np.asarray(values.to_numpy() if hasattr(values, "to_numpy") else values)
    except ValueError as error:
        raise invalid(
            argument,
            "be an array",
            f"a {type(values).__name__} that numpy refuses ({error})",
            "give all rows the same length",
        ) from None


def one_variable(argument: str, pred: Any, classes: bool) -> Any:
    """Return the one variable with classes, or with values, of what `predict` returned.

    Anything else comes back as it is; what predicts the other kind is refused.
    """
    variables = getattr(pred, "variables", None)
    if isinstance(variables, Mapping) and variables:
        kind = {
            name: v
            for name, v in variables.items()
            if hasattr(v, "samples") and hasattr(v, "mean_probs") == classes
        }
        if len(kind) > 1:
            got = f"{list(kind)} of one prediction"
            repair = f"choose one: prediction[{next(iter(kind))!r}]"
            raise invalid(argument, "be the prediction of one variable", got, repair)
        pred = next(iter(kind.values()), next(iter(variables.values())))
    if hasattr(pred, "samples") and hasattr(pred, "mean_probs") != classes:
        own, other = ("classes", "values")[:: 1 if classes else -1]
        names = "evaluate_values, interval_coverage, value_interval or crps"
        if not classes:
            names = "evaluate, summary or conformal"
        rule, got = f"predict {own}, which this is for", f"a {type(pred).__name__} of {other}"
        raise invalid(argument, rule, got, f"for {other} there is {names}", TypeError)
    return pred


def as_numbers(argument: str, values: Any, repair: str = "pass an array of numbers") -> np.ndarray:
    """Return a finite float64 array; `repair` is for what is no array at all."""
    array = as_array(argument, values)
    if array.dtype.kind not in "fiub":
        raise invalid(
            argument,
            "be an array of real numbers",
            f"a {type(values).__name__} (dtype {array.dtype})",
            "convert it with numpy.asarray(…, dtype=float)" if array.ndim else repair,
            TypeError,
        )
    check_finite(argument, array)
    return array.astype(np.float64, copy=False)


def kept_draws(argument: str, pred: Any, attribute: str, shape: str) -> np.ndarray:
    """Return the draws of an array, or of a prediction that kept its "probs" or "samples"."""
    pred = one_variable(argument, pred, classes=attribute == "probs")
    values = getattr(pred, attribute, pred)
    if values is None:
        rule, got = f"hold posterior draws, {shape}", "a prediction without draws"
        repair = "pass what predict(…, keep_draws=True) returned, or an array"
        raise invalid(argument, rule, got, repair)
    return as_numbers(argument, values, ONE_VARIABLE)


def check_probs(argument: str, probs: Any) -> np.ndarray:
    """Return probabilities (draws, n, classes) as float64, each row normalised.

    Of an array, or of a prediction that kept its draws.
    """
    probs = kept_draws(argument, probs, "probs", "(draws, n, classes)")
    if probs.ndim != 3:
        raise invalid(
            argument,
            "have shape (draws, n, classes)",
            f"shape {probs.shape}",
            "use `probs[None]` for a single draw, `probs[:, None]` for a single example",
        )
    return normalised(argument, probs)


def normalised(argument: str, probs: np.ndarray) -> np.ndarray:
    """Return probabilities with each row of the last axis divided by its sum."""
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
    if off.max() > SUM_TOLERANCE:
        at = tuple(int(i) for i in np.unravel_index(off.argmax(), off.shape))
        raise invalid(
            argument,
            f"sum to 1 over the last axis (within {SUM_TOLERANCE})",
            f"{total[at]:.6g} at index {at}",
            "apply a softmax over the last axis, or move the class axis last",
        )
    return probs / total[..., None]


def check_labels(
    argument: str, labels: Any, n: int | None = None, n_classes: int | None = None
) -> np.ndarray:
    """Return labels (n,) as int64; without `n`, of one example at least."""
    labels = as_array(argument, labels)
    if labels.ndim != 1 or labels.size == 0 or (n is not None and len(labels) != n):
        shape = "(n,) with at least one label" if n is None else f"{(n,)}, one label per example"
        repair = "pass the label of each example"
        raise invalid(argument, f"have shape {shape}", f"shape {labels.shape}", repair)
    return check_classes(argument, labels, n_classes)


def check_classes(argument: str, labels: np.ndarray, n_classes: int | None = None) -> np.ndarray:
    """Return labels of any shape in 0…n_classes − 1, or from 0 up, as int64."""
    if labels.dtype.kind not in "iu":
        raise invalid(
            argument,
            "hold integers",
            f"dtype {labels.dtype}",
            _as_classes(argument, labels),
            TypeError,
        )
    if labels.min() < 0 or (n_classes is not None and labels.max() >= n_classes):
        allowed = "of 0 or above" if n_classes is None else f"in 0…{n_classes - 1}"
        raise invalid(
            argument,
            f"hold class numbers {allowed}",
            f"values in {labels.min()}…{labels.max()}",
            "number the classes from 0, or raise their number",
        )
    return labels.astype(np.int64)


def _as_classes(argument: str, labels: np.ndarray) -> str:
    """Say how labels that are not integers become class numbers."""
    if labels.dtype.kind not in "bf":
        return f"number the classes from 0: pandas.Categorical({argument}, categories=…).codes"
    if labels.dtype.kind == "f" and (labels != np.trunc(labels)).any():
        return "this is for classes; for values there is evaluate_values"
    return f"convert it: {argument}.astype(int)"


def check_votes(argument: str, votes: Any) -> np.ndarray:
    """Return counts (n, classes) as int64, every example with at least one vote."""
    votes = as_array(argument, votes)
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


def check_choice(argument: str, value: Any, choices: Collection[str]) -> str:
    """Return `value` if it is one of the names."""
    if not isinstance(value, str) or value not in choices:
        rule = "be " + " or ".join(f'"{choice}"' for choice in choices)
        raise invalid(argument, rule, repr(value), f'pass {argument}="{next(iter(choices))}"')
    return value


def check_share(argument: str, value: Any, repair: str, ends: str = "()") -> float:
    """Return a number between 0 and 1; square brackets in `ends` let 0 or 1 itself pass."""
    try:
        above = value >= 0 if ends[0] == "[" else value > 0
        below = value <= 1 if ends[1] == "]" else value < 1
        good = bool(above and below) and not isinstance(value, bool | np.bool_)
    except (TypeError, ValueError):
        good = False
    if not good:
        raise invalid(argument, f"be a number in {ends[0]}0, 1{ends[1]}", repr(value), repair)
    return float(value)


def rank(share: float, n: int) -> int:
    """Return ⌈share·n⌉, at least 1, without the rounding of the product: 0.07·100 is 7, not 8."""
    return max(1, math.ceil(share * n - 1e-9))
