"""Whether uncertainty tells foreign images, of no class the network knows, from its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pymc_bnn._checks import check_int, check_seed, invalid
from pymc_bnn.uncertainty.arrays import rank
from pymc_bnn.uncertainty.intervals import tails
from pymc_bnn.uncertainty.predictions import ClassPrediction
from pymc_bnn.uncertainty.ranking import SCORES, read_score

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Detection", "detect", "detection_table"]

_KEPT = 0.95


class Detection(NamedTuple):
    """How well a score tells foreign images from those of the training's kind."""

    auroc: float
    """Area under the ROC curve, in [0, 1]: 0.5 is guessing, 1 perfect."""
    auroc_low: float
    """Lower end of its bootstrap interval."""
    auroc_high: float
    """Upper end."""
    fpr95: float
    """Share of the foreign images that pass where 95 % of the others do, in [0, 1]."""
    fpr95_low: float
    """Lower end of its bootstrap interval."""
    fpr95_high: float
    """Upper end."""


def detect(
    inside: ClassPrediction | Any,
    foreign: ClassPrediction | Any,
    score: str | tuple[Any, Any] = "entropy",
    *,
    level: float = 0.95,
    repeats: int = 1000,
    random_seed: int | np.random.Generator = 0,
) -> Detection:
    """Measure how well uncertainty tells foreign images from images of the training's kind.

    The area under the ROC curve is the probability that a foreign image, drawn at random, has a
    larger score than an image from inside, ties counting one half. For fpr95 the threshold ``t``
    is the smallest score at which at least 95 % of the images from inside have a score of at most
    ``t``; fpr95 is the share of foreign images with a score of at most ``t``, which would pass.

    Parameters
    ----------
    inside, foreign : array_like of shape (draws, n, classes) or (n, classes), or ClassPrediction
        Class probabilities of each posterior draw or their means, or what `predict` returned.
        The two may differ in the number of images.
    score : {"entropy", "mutual_information", "probability"} or pair of array_like, optional
        The uncertainty, see `uncertainty_score`, or the numbers themselves, of the images inside
        and of the foreign ones. Default "entropy".
    level : float, optional
        Level of the intervals, in (0, 1). Default 0.95.
    repeats : int, optional
        Number of resamples of the bootstrap, at least 2. Default 1000.
    random_seed : int or numpy.random.Generator, optional
        A non-negative seed, or a generator, which is advanced. Default 0.

    Returns
    -------
    Detection
        `auroc` and `fpr95`, each with `_low` and `_high`, the ends of a percentile interval from
        resampling the images of either group with replacement.

    Raises
    ------
    ValueError, TypeError
        If `inside` or `foreign` are not probabilities of such a shape, or an option is not as
        described.

    Notes
    -----
    Sorted once, then counted: 10,000 images beside 10,000, resampled 1000 times, take about half
    a second.

    References
    ----------
    Hendrycks, D. & Gimpel, K. (2017). A baseline for detecting misclassified and
    out-of-distribution examples in neural networks. ICLR: the area. Liang, S., Li, Y. &
    Srikant, R. (2018). Enhancing the reliability of out-of-distribution image detection in
    neural networks. ICLR: FPR at 95 % TPR.

    Examples
    --------
    >>> inside = [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]]
    >>> foreign = [[0.5, 0.5], [0.7, 0.3]]
    >>> found = detect(inside, foreign, "probability")
    >>> round(found.auroc, 4), found.fpr95
    (0.8333, 0.5)
    """
    options = _check_options(level, repeats, random_seed)
    pair = isinstance(score, tuple | list) and len(score) == 2
    if not isinstance(score, str) and (not pair or any(isinstance(part, str) for part in score)):
        raise invalid(
            "score",
            f"be one of {', '.join(SCORES)}, or a pair of arrays",
            repr(score) if pair else f"a {type(score).__name__}",
            'pass score="entropy", or the numbers of both groups',
            TypeError,
        )
    first, second = (score, score) if isinstance(score, str) else score
    return _detect(
        read_score("inside", inside, first), read_score("foreign", foreign, second), *options
    )


def detection_table(
    inside: ClassPrediction | Any,
    foreign: Mapping[str, ClassPrediction | Any],
    scores: Sequence[str] = tuple(SCORES),
    *,
    level: float = 0.95,
    repeats: int = 1000,
    random_seed: int | np.random.Generator = 0,
) -> pd.DataFrame:
    """Tabulate `detect` for several kinds of foreign images and several scores.

    Parameters
    ----------
    inside : array_like of shape (draws, n, classes) or (n, classes), or ClassPrediction
        Prediction of images of the training's kind.
    foreign : mapping of str to such predictions
        Name of each kind of foreign images, and their prediction.
    scores : sequence of str, optional
        Names of `uncertainty_score`. Default all of them; "mutual_information" needs draws.
    level, repeats, random_seed
        As in `detect`; an int seeds each cell alike.

    Returns
    -------
    pandas.DataFrame
        Index (foreign, score), columns the fields of `Detection`.

    Raises
    ------
    ValueError, TypeError
        As `detect`, or if `foreign` is no mapping with an entry, or `scores` are not names.

    Notes
    -----
    As many times `detect` as there are cells.

    Examples
    --------
    >>> foreign = {"noise": [[0.5, 0.5], [0.7, 0.3]]}
    >>> table = detection_table([[0.9, 0.1], [0.4, 0.6]], foreign, scores=("entropy",))
    >>> table["auroc"]
    foreign  score
    noise    entropy    0.75
    Name: auroc, dtype: float64
    """
    import pandas as pd

    options = _check_options(level, repeats, random_seed)
    if not isinstance(foreign, Mapping) or not foreign:
        raise invalid(
            "foreign",
            "be a mapping from names to predictions, not empty",
            repr(foreign) if isinstance(foreign, Mapping) else f"a {type(foreign).__name__}",
            'pass {"noise": prediction}',
            ValueError if isinstance(foreign, Mapping) else TypeError,
        )
    names = isinstance(scores, Sequence) and not isinstance(scores, str) and len(scores)
    if not names or any(not isinstance(score, str) or score not in SCORES for score in scores):
        raise invalid(
            "scores",
            f"be names among {', '.join(SCORES)}, at least one",
            repr(scores),
            'pass scores=("entropy",)',
        )
    known = {score: read_score("inside", inside, score) for score in scores}
    cells = {
        (name, score): _detect(
            known[score], read_score(f"foreign[{name!r}]", pred, score), *options
        )
        for name, pred in foreign.items()
        for score in scores
    }
    index = pd.MultiIndex.from_tuples(cells, names=["foreign", "score"])
    return pd.DataFrame(list(cells.values()), index=index, columns=list(Detection._fields))


def _detect(
    inside: np.ndarray,
    foreign: np.ndarray,
    quantiles: tuple[float, float],
    repeats: int,
    seed: int | np.random.Generator,
) -> Detection:
    """Return areas and shares of scores (n,), (m,) by counting at each distinct score."""
    generator = np.random.default_rng(seed)
    values, place = np.unique(np.concatenate([inside, foreign]), return_inverse=True)
    groups = place[: len(inside)], place[len(inside) :]

    def count(rows: np.ndarray) -> np.ndarray:
        return np.bincount(rows, minlength=len(values))

    def resample(rows: np.ndarray) -> np.ndarray:
        return count(rows[generator.integers(len(rows), size=len(rows))])

    value = _area_and_share(*map(count, groups))
    draws = [_area_and_share(*map(resample, groups)) for _ in range(repeats)]
    low, high = np.quantile(draws, quantiles, axis=0)  # (2,), (2,)
    (auroc, auroc_low, auroc_high), share = np.stack([value, low, high], axis=1).tolist()
    return Detection(auroc, auroc_low, auroc_high, *share)


def _area_and_share(inside: np.ndarray, foreign: np.ndarray) -> tuple[float, float]:
    """Return AUROC and fpr95 of the counts of each score, in increasing order of the scores."""
    upto = np.cumsum(inside)
    n, m = upto[-1], foreign.sum()
    auroc = (foreign * (upto - 0.5 * inside)).sum() / (n * m)
    threshold = np.searchsorted(upto, rank(_KEPT, n))  # the first score with so many inside
    return float(auroc), float(foreign[: threshold + 1].sum() / m)


def _check_options(
    level: Any, repeats: Any, random_seed: Any
) -> tuple[tuple[float, float], int, int | np.random.Generator]:
    """Return the quantiles of the interval, the number of resamples and the seed."""
    repeats = check_int("repeats", repeats, 2, None, "pass repeats=1000")
    return tails(level), repeats, check_seed(random_seed)
