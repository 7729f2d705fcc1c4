"""The numbers of a prediction of a test set, each with its interval, in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pymc_bnn._checks import check_int, check_seed
from pymc_bnn._frames import check_aligned
from pymc_bnn.uncertainty.calibration import calibration_floor, expected_calibration_error
from pymc_bnn.uncertainty.entropies import entropy
from pymc_bnn.uncertainty.intervals import tails, wilson
from pymc_bnn.uncertainty.predictions import ClassPrediction, read_labelled
from pymc_bnn.uncertainty.regression import (
    by_output,
    check_samples,
    check_values,
    crps,
    interval_coverage,
    value_interval,
)
from pymc_bnn.uncertainty.resampling import bootstrap_interval
from pymc_bnn.uncertainty.scores import brier, log_loss
from pymc_bnn.uncertainty.selective import mean_risk

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["evaluate", "evaluate_values"]


def evaluate(
    pred: ClassPrediction | Any,
    y: Any,
    level: float = 0.95,
    bins: int = 15,
    *,
    repeats: int = 1000,
    random_seed: int | np.random.Generator = 0,
) -> pd.DataFrame:
    """Tabulate the scores of a classifier, each with what another test set would make of it.

    Parameters
    ----------
    pred : array_like of shape (draws, n, classes) or (n, classes), or ClassPrediction
        Class probabilities of each posterior draw or their means, or what `predict` returned.
    y : array_like of int, shape (n,)
        True labels in 0…classes − 1.
    level : float, optional
        Level of the intervals, in (0, 1). Default 0.95.
    bins : int, optional
        Number of bins of equal mass of the calibration error, at least 1. Default 15.
    repeats : int, optional
        Number of resamples of the bootstrap, at least 2. Default 1000.
    random_seed : int or numpy.random.Generator, optional
        A non-negative seed, or a generator, which is advanced. Default 0.

    Returns
    -------
    pandas.DataFrame
        Index "metric", columns value, low, high:

        - accuracy: share predicted right, with its Wilson score interval;
        - nll: mean of `nlpd`, nats; brier: mean of `brier_score`, in [0, 2];
        - ece: `calibration_error`, in [0, 1];
        - ece_floor: `calibration_floor`, the calibration error by chance alone and its range: an
          ece inside is no evidence of miscalibration;
        - aurc: `area_under_risk_coverage` with the entropy, in [0, 1].

        Intervals are of the percentile bootstrap over examples, that of the ece the basic one.

    Raises
    ------
    ValueError, TypeError
        If `pred` are not probabilities of such a shape, `y` not labels of its examples, or an
        option is not as described.

    Notes
    -----
    The ece of a finite sample is too large, and that of a resample more so. Its interval takes
    some of this out and may therefore lie below its value; it covers less often than `level` where
    the true error is below about twice the ece_floor, and there the floor is what to look at.
    About 3 s for 10,000 examples.

    Examples
    --------
    >>> table = evaluate([[0.9, 0.1], [0.2, 0.8]] * 50, [0, 1] * 49 + [1, 1], repeats=50)
    >>> print(table.loc[["accuracy", "brier"], "value"])
    metric
    accuracy    0.990
    brier       0.066
    Name: value, dtype: float64
    """
    mean, y = read_labelled(pred, y)
    tails(level)
    bins = check_int("bins", bins, 1, None, "pass bins=15")
    repeats = check_int("repeats", repeats, 2, None, "pass repeats=1000")
    seed = check_seed(random_seed)
    confidence, correct = mean.max(-1), mean.argmax(-1) == y

    def interval(statistic, *arrays, method="percentile"):
        return bootstrap_interval(
            statistic, *arrays, level=level, repeats=repeats, method=method, random_seed=seed
        )

    def ece(confidence, correct):
        return expected_calibration_error(confidence, correct, bins, "mass")

    value, low, high = interval(ece, confidence, correct, method="basic")
    rows = {
        "accuracy": (correct.mean(), *wilson(correct.sum(), len(y), level)),
        "nll": interval(np.mean, log_loss(mean, y)),
        "brier": interval(np.mean, brier(mean, y)),
        "ece": (value, max(low, 0.0), max(high, 0.0)),
        "ece_floor": calibration_floor(mean, bins, level=level, random_seed=seed),
        "aurc": interval(mean_risk, entropy(mean), ~correct),
    }
    return _table(rows)


def evaluate_values(
    samples: Any,
    y: Any,
    log_density: Any = None,
    level: float = 0.95,
    *,
    repeats: int = 1000,
    random_seed: int | np.random.Generator = 0,
) -> pd.DataFrame:
    """Tabulate the scores of predicted values, each with what another test set would make of it.

    Parameters
    ----------
    samples : array_like of shape (draws, n) or (draws, n, outputs), or prediction
        Predictive samples of the observations, with their noise, at least two draws: what
        `predict` returned, of one variable or of all where only one has values.
    y : array_like of shape (n,) or (n, outputs)
        The observations, which the fit did not see.
    log_density : array_like of shape (n,), optional
        Log predictive density of each example, of all its outputs, nats:
        ``prediction.log_density``.
    level : float, optional
        Probability of the predictive intervals, in (0, 1). Default 0.95.
    repeats : int, optional
        Number of resamples of the bootstrap, at least 2. Default 1000.
    random_seed : int or numpy.random.Generator, optional
        A non-negative seed, or a generator, which is advanced. Default 0.

    Returns
    -------
    pandas.DataFrame
        Index "metric", columns value, low, high, the ends of a 95 % interval:

        - rmse: root mean square error of the predictive mean, in the unit of y;
        - coverage: `interval_coverage`, the share of observations inside their predictive
          intervals, which a calibrated prediction brings near `level`;
        - width: mean width of these intervals, in the unit of y: of two predictions that cover as
          much the narrower one says more;
        - crps: mean of `crps`, in the unit of y;
        - nlpd: negative mean of `log_density`, nats; left out without it.

        The interval of the coverage is a Wilson score interval, the others are of the percentile
        bootstrap over examples. Of several outputs the index is "output" (the columns of `y`, or
        numbers) and "metric", with nlpd, which is of all outputs of an example, under "all".

    Raises
    ------
    ValueError, TypeError
        If `samples`, `y` and `log_density` are not finite numbers of those shapes, or an option is
        not as described.

    Examples
    --------
    >>> table = evaluate_values([[0.0, 1.0], [2.0, 3.0]], y=[1.0, 4.0], log_density=[-1.5, -2.5])
    >>> print(table["value"].round(3))
    metric
    rmse        1.414
    coverage    0.500
    width       1.900
    crps        0.500
    nlpd        2.000
    Name: value, dtype: float64
    """
    import pandas as pd

    samples = check_samples("samples", samples, least=2)
    check_aligned("log_density", {"y": y, "log_density": log_density})
    if log_density is not None:
        check_values("y", y, samples.shape[1:])
        log_density = check_values("log_density", log_density, samples.shape[1:2])
    tails(level)
    repeats = check_int("repeats", repeats, 2, None, "pass repeats=1000")
    seed = check_seed(random_seed)

    def interval(statistic, *arrays):
        return bootstrap_interval(statistic, *arrays, repeats=repeats, random_seed=seed)

    def scores(samples, y):
        rows = {
            "rmse": interval(_root_mean_square, samples.mean(axis=0) - y),
            "coverage": interval_coverage(samples, y, level),
            "width": interval(np.mean, np.diff(value_interval(samples, level))[:, 0]),
            "crps": interval(np.mean, crps(samples, y)),
        }
        return _table(rows)

    table = by_output(scores, samples, y)
    if log_density is None:
        return table
    density = _table({"nlpd": interval(np.mean, -log_density)})
    if samples.ndim > 2:
        density = pd.concat({"all": density}, names=["output"])
    return pd.concat([table, density])


def _root_mean_square(errors: np.ndarray, axis: int) -> Any:
    return np.sqrt(np.mean(errors**2, axis=axis))


def _table(rows: dict[str, tuple[float, float, float]]) -> pd.DataFrame:
    """Return a row per metric: its value, and the ends of its interval."""
    import pandas as pd

    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high"])
    return frame.rename_axis("metric").astype(float)
