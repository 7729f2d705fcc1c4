"""Whether predictions of held-out data are as sure as they deserve to be."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pymc_bnn.diagnostics.checks.case import BAD, GOOD, LOOK, Case, Finding
from pymc_bnn.prediction.predict import predict
from pymc_bnn.uncertainty.calibration import calibration_error, calibration_floor
from pymc_bnn.uncertainty.intervals import wilson
from pymc_bnn.uncertainty.regression import value_interval

__all__ = ["calibration", "judged_classes", "judged_values"]

_DRAWS = 400  # of the posterior
_LEVEL = 0.9  # of predictive intervals
_BINS, _ROWS = 15, 20  # of the calibration error, and the rows of each at least
_CLEAR = 0.05  # by which coverage or confidence are off where that matters
_ERRORS = 3.0  # standard errors
_TOO_SURE = (
    "the fit is too sure: wider are members=, guide=bnn.guides.FullRank() or refine(), a noise "
    "that is learned where it was a number, and kl_weight=1 where it was less"
)
_NOT_SURE = (
    'the fit is not sure enough: sharper are kl_weight="auto", a noise that is learned and starts '
    "small (initval=) where it was a number, and a narrower prior (bnn.priors.FanIn)"
)


def calibration(case: Case) -> Iterator[Finding]:
    """Yield of each observed variable of held-out data whether its predictions are calibrated.

    Examples
    --------
    >>> calibration.__name__
    'calibration'
    """
    held = case.held_out
    if held is None:
        return
    kept = bool(held.predictor.others)
    options = {"keep_draws": kept, "random_seed": case.seed}
    prediction = predict(case.posterior, held.predictor, held.rows, _DRAWS, **options)
    for name, y in held.observed.items():
        if name in held.predictor.classes:
            probs = prediction[name].mean_probs
            yield judged_classes(name, probs, y.astype(int), case.seed)
        elif y.ndim and prediction[name].samples.shape[1:] == y.shape:
            yield judged_values(name, prediction[name].samples, y)


def judged_values(name: str, samples: np.ndarray, y: np.ndarray) -> Finding:
    """Return the verdict on the share of observed values inside 90 % predictive intervals.

    Intervals are those of half of the draws; what they should hold is the share that they hold of
    the other half: 90 %, and more where values are counts. "good" if the share's 95 % interval
    (Wilson's, of the rows as independent) has that inside, "bad" if it is off by 0.05 and three
    standard errors.

    Parameters
    ----------
    name : str
        Of the variable.
    samples : numpy.ndarray
        (draws, rows, …) predicted, with noise.
    y : numpy.ndarray
        (rows, …) observed.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> judged_values("y", rng.normal(size=(400, 200)), rng.normal(size=200)).verdict
    'good'
    >>> judged_values("y", rng.normal(size=(400, 200)), 2 * rng.normal(size=200)).verdict
    'bad'
    """
    n, draws = len(y), len(samples)
    y, samples = y.reshape(-1), samples.reshape(draws, -1)
    low, high = value_interval(samples[: draws // 2], _LEVEL).T
    others = samples[draws // 2 :]
    share = float(((low <= y) & (y <= high)).mean())
    own = float(((low <= others) & (others <= high)).mean())
    error = np.sqrt(max(own * (1 - own), share * (1 - share)) / n)
    low, high = wilson(round(share * n), n, 0.95)
    check = f"calibration of {name}"
    says = (
        f"{_LEVEL:.0%} intervals hold {share:.1%} of '{name}' in {n:,} held-out rows ({low:.1%} to "
        f"{high:.1%}), and {own:.1%} of what the fit itself predicts"
    )
    if low <= own <= high:
        return Finding(check, share, GOOD, says)
    says += f": too narrow, {_TOO_SURE}" if share < own else f": too wide, {_NOT_SURE}"
    bad = abs(share - own) > max(_CLEAR, _ERRORS * error)
    return Finding(check, share, BAD if bad else LOOK, says)


def judged_classes(name: str, probs: np.ndarray, labels: np.ndarray, seed: int = 0) -> Finding:
    """Return the verdict on the expected calibration error of predicted classes.

    "good" up to the 97.5 % quantile of what chance alone gives to a calibrated prediction, "bad" if
    it is above the mean of that by 0.05 and one and a half times the distance of the quantile.

    Parameters
    ----------
    name : str
        Of the variable.
    probs : numpy.ndarray
        (rows, classes) predicted.
    labels : numpy.ndarray
        (rows,) observed, from 0.
    seed : int, optional
        Of what chance gives.

    Examples
    --------
    >>> labels = np.arange(400) % 10 // 7  # 70 % are 0
    >>> judged_classes("y", np.tile([0.7, 0.3], (400, 1)), labels).verdict
    'good'
    >>> judged_classes("y", np.tile([0.9, 0.1], (400, 1)), labels).verdict
    'bad'
    """
    n = len(labels)
    bins = int(np.clip(n // _ROWS, 1, _BINS))
    error = calibration_error(probs, labels, bins)
    floor = calibration_floor(probs, bins, random_seed=seed)
    confidence = float(probs.max(axis=-1).mean())
    accuracy = float((probs.argmax(axis=-1) == labels).mean())
    check = f"calibration of {name}"
    says = (
        f"expected calibration error {error:.3f} of '{name}' in {n:,} held-out rows, by chance "
        f"alone {floor.low:.3f} to {floor.high:.3f}; {accuracy:.1%} are right where "
        f"{confidence:.1%} are predicted to be"
    )
    if error <= floor.high:
        return Finding(check, error, GOOD, says)
    if abs(confidence - accuracy) < error / 2:
        says += ": too sure of some, not sure enough of others; look at uncertainty.reliability"
    else:
        says += f": {_TOO_SURE if confidence > accuracy else _NOT_SURE}"
    far = max(_CLEAR, _ERRORS / 2 * (floor.high - floor.mean))
    return Finding(check, error, BAD if error - floor.mean > far else LOOK, says)
