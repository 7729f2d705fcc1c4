"""Whether predictions of held-out data are as sure as they deserve to be."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pymc_bnn.diagnostics.checks.case import BAD, GOOD, LOOK, Case, Finding
from pymc_bnn.prediction.predict import predict
from pymc_bnn.uncertainty.calibration import expected_calibration_error
from pymc_bnn.uncertainty.intervals import tails
from pymc_bnn.uncertainty.regression import value_interval

__all__ = ["calibration", "judged_classes", "judged_values"]

_DRAWS = 400  # of the posterior
_LEVEL = 0.9  # of predictive intervals
_EXPECTED = 0.95  # probability of what a fit that is right finds
_BINS, _ROWS = 15, 20  # of the calibration error, and the rows of each at least
_CLEAR = 0.05  # by which coverage or confidence are off where that matters
_TIMES = 1.5  # as far as expected: three standard errors
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

    Rows share what the fit does not know, so that their intervals do not hold independently: of an
    exact posterior of 8 slopes from 12 rows, 200 new rows were outside of what is expected of
    independent ones in half of 200 data sets. So what the fit expects is taken of its own draws,
    each for all rows: of the exact posterior the truth is one more such draw. "good" is inside the
    95 % interval of these; "bad" is further off by half and by 0.05.

    References
    ----------
    Gelman, Meng and Stern, *Posterior predictive assessment of model fitness via realized
    discrepancies*, Statistica Sinica 6 (1996), on held-out data.

    Examples
    --------
    >>> calibration.__name__
    'calibration'
    """
    held = case.held_out
    if held is None:
        return
    prediction = predict(case.posterior, held.predictor, held.rows, _DRAWS, random_seed=case.seed)
    for name, y in held.observed.items():
        found = prediction[name]
        if name in held.predictor.classes:
            yield judged_classes(name, found.mean_probs, found.samples, y.astype(int))
        elif y.ndim and found.samples.shape[1:] == y.shape:
            yield judged_values(name, found.samples, y)


def judged_values(name: str, samples: np.ndarray, y: np.ndarray) -> Finding:
    """Return the verdict on the share of observed values inside 90 % predictive intervals.

    Intervals are those of half of the draws; each of the other half says what their share may be if
    the fit is right: about 90 %, and more where values are counts.

    Parameters
    ----------
    name : str
        Of the variable.
    samples : numpy.ndarray
        (draws, rows, …) predicted, with noise; those of a draw belong together.
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
    n, half = len(y), len(samples) // 2
    y, samples = y.reshape(-1), samples.reshape(len(samples), -1)
    low, high = value_interval(samples[:half], _LEVEL).T
    share = float(((low <= y) & (y <= high)).mean())
    own = ((low <= samples[half:]) & (samples[half:] <= high)).mean(axis=1)
    at_least, at_most = np.quantile(own, tails(_EXPECTED))
    says = (
        f"{_LEVEL:.0%} intervals hold {share:.1%} of '{name}' in {n:,} held-out rows; if the fit "
        f"is right, {at_least:.1%} to {at_most:.1%}"
    )
    if share < at_least:
        verdict = _beyond(own.mean() - share, own.mean() - at_least)
        says += f": too narrow, {_TOO_SURE}"
    elif share > at_most:
        verdict = _beyond(share - own.mean(), at_most - own.mean())
        says += f": too wide, {_NOT_SURE}"
    else:
        verdict = GOOD
    return Finding(f"calibration of {name}", share, verdict, says)


def judged_classes(name: str, probs: np.ndarray, drawn: np.ndarray, labels: np.ndarray) -> Finding:
    """Return the verdict on the expected calibration error of predicted classes.

    The labels of each draw say what that may be if the fit is right.

    Parameters
    ----------
    name : str
        Of the variable.
    probs : numpy.ndarray
        (rows, classes) predicted.
    drawn : numpy.ndarray
        (draws, rows) predicted labels; those of a draw belong together.
    labels : numpy.ndarray
        (rows,) observed, from 0.

    Examples
    --------
    >>> labels = np.arange(400) % 10 // 7  # 70 % are 0
    >>> drawn = np.random.default_rng(0).uniform(size=(100, 400))
    >>> [judged_classes("y", np.tile([p, 1 - p], (400, 1)), 1 * (drawn > p), labels).verdict
    ...  for p in (0.7, 0.9)]
    ['good', 'bad']
    """
    n = len(labels)
    bins = int(np.clip(n // _ROWS, 1, _BINS))
    sure, top = probs.max(axis=-1), probs.argmax(axis=-1)
    error, *own = (
        expected_calibration_error(sure, top == y, bins, "mass") for y in (labels, *drawn)
    )
    at_most, usual = np.quantile(own, tails(_EXPECTED)[1]), np.mean(own)
    confidence, accuracy = float(sure.mean()), float((top == labels).mean())
    says = (
        f"expected calibration error {error:.3f} of '{name}' in {n:,} held-out rows, at most "
        f"{at_most:.3f} if the fit is right; {accuracy:.1%} are right where {confidence:.1%} are "
        "predicted to be"
    )
    if error <= at_most:
        return Finding(f"calibration of {name}", error, GOOD, says)
    if abs(confidence - accuracy) < error / 2:
        says += ": too sure of some, not sure enough of others; look at uncertainty.reliability"
    else:
        says += f": {_TOO_SURE if confidence > accuracy else _NOT_SURE}"
    verdict = _beyond(error - usual, at_most - usual)
    return Finding(f"calibration of {name}", error, verdict, says)


def _beyond(far: float, usual: float) -> str:
    """Return the verdict on a distance from what is expected, beyond what is usual at most."""
    return BAD if far > max(_CLEAR, _TIMES * usual) else LOOK
