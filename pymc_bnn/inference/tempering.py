"""Which weight of the KL predicts rows best that a fit has not seen: a path of weights from 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pymc_bnn._warnings import warn
from pymc_bnn.inference.convergence import enough

__all__ = ["KL_WEIGHTS", "Tried", "path_frame", "walk", "warn_of_kl_weight", "warn_of_rise"]

KL_WEIGHTS = (1.0, 0.5, 0.25, 0.1, 0.05, 0.025, 0.01)
_WORSE = 2  # in a row, after which colder weights are not tried
# Of 200 rows of digits 20 were held out: a weight that was .046 nats per row worse than 1 was taken
# for the better one in 43 % of 2,000 draws of these rows where one error was enough, in 16 % where
# two were asked for. Few rows are wrong and lose much, so that errors look small without them.
_FEW = 10  # rows, of which 1/N may be meant as a cold weight
_ERRORS = 2.0  # standard errors by which a colder weight has to be better
_CLEAR = 3.0  # standard errors by which a colder weight's ELBO is the higher one: of many pairs


class Tried(NamedTuple):
    """A weight, the log-density (rows,) of each held-out row, and the ELBO of the other rows.

    The ELBO is unweighted, in nats, and comes with its standard error.

    Examples
    --------
    >>> Tried(1.0, np.array([-1.0, -3.0]), -100.0).score
    -2.0
    """

    kl_weight: float
    log_density: np.ndarray
    elbo: float
    elbo_se: float = 0.0

    @property
    def score(self) -> float:
        """Mean log-density of a row, in nats."""
        return float(self.log_density.mean())


def warn_of_kl_weight(weight: Any, n: int) -> None:
    """Warn of a number above 1, and of the 1/N of losses that are means over rows.

    Parameters
    ----------
    weight : float or callable
        What weighs the KL; of a schedule nothing is said.
    n : int
        Number N of all examples.

    Examples
    --------
    >>> warn_of_kl_weight(0.1, 1000)
    """
    if callable(weight):
        return
    if weight > 1:
        warn(
            f"`kl_weight` is {weight:g}: the prior counts {weight:g} times, which is wider than "
            "the posterior; 1 is Bayes' rule, below 1 is a cold posterior"
        )
    elif n >= _FEW and weight * n <= 1 + 1e-6:
        warn(
            f"`kl_weight` is {weight:g}, at most 1/N: the likelihood here is the sum over all "
            f"{n:,} rows already, not their mean, so that 1 is Bayes' rule, and {weight:g} leaves "
            "next to nothing of the prior"
        )


def walk(
    attempt: Callable[[float], Tried | None], weights: Sequence[float] = KL_WEIGHTS
) -> list[Tried]:
    """Try weights one after the other, until two in a row are worse than the best before them.

    Parameters
    ----------
    attempt : callable
        Fits at a weight; None ends the path.
    weights : sequence of float, optional
        From the largest to the smallest.

    Returns
    -------
    list of Tried
        In this order.

    Examples
    --------
    >>> found = walk(lambda w: Tried(w, np.full(9, -abs(w - 0.5)), 0.0))
    >>> [tried.kl_weight for tried in found]
    [1.0, 0.5, 0.25, 0.1]
    """
    found: list[Tried] = []
    best, worse = -np.inf, 0
    for weight in weights:
        tried = attempt(weight)
        if tried is None:
            break
        found.append(tried)
        worse = 0 if tried.score > best else worse + 1
        best = max(best, tried.score)
        if worse == _WORSE:
            break
    return found


def path_frame(tried: Sequence[Tried]) -> pd.DataFrame:
    """Return a row for each weight; the chosen one is the largest that may be as good as the best.

    As good: no further behind the best than two standard errors of the difference, row by row.

    Parameters
    ----------
    tried : sequence of Tried
        From the largest weight to the smallest.

    Returns
    -------
    pandas.DataFrame
        Index kl_weight; columns log_score (mean log-density of a held-out row, nats), log_score_se
        (its standard error), behind (how much lower than the best), behind_se (its standard error),
        elbo (unweighted, nats, of the rows that were fitted), elbo_se and chosen.

    Examples
    --------
    >>> rows = np.linspace(-2, 0, 9)
    >>> path = path_frame([Tried(1.0, rows - 1, -30.0), Tried(0.5, rows, -31.0)])
    >>> path["behind"].tolist(), path["chosen"].tolist()
    ([1.0, 0.0], [False, True])
    """
    scores = np.stack([t.log_density for t in tried]).astype(float)
    means, n = scores.mean(axis=1), scores.shape[1]
    best = int(np.argmax(means))
    with np.errstate(invalid="ignore"):  # densities of 0
        errors = scores.std(axis=1, ddof=1) / np.sqrt(n)
        differences = scores[best] - scores
        differences[best] = 0.0
        behind = differences.mean(axis=1)
        behind_errors = differences.std(axis=1, ddof=1) / np.sqrt(n)
    chosen = np.zeros(len(tried), bool)
    chosen[int(np.argmax(behind <= _ERRORS * behind_errors))] = True
    columns = {
        "log_score": means,
        "log_score_se": errors,
        "behind": behind,
        "behind_se": behind_errors,
        "elbo": [t.elbo for t in tried],
        "elbo_se": [t.elbo_se for t in tried],
        "chosen": chosen,
    }
    return pd.DataFrame(columns, pd.Index([t.kl_weight for t in tried], name="kl_weight"))


def warn_of_rise(path: pd.DataFrame, n_examples: int, repair: str) -> None:
    """Warn where a colder weight has a higher ELBO than a warmer one, whose fit was too short.

    Of fits that have converged the ELBO falls with the weight. A rise counts by which a fit of no
    given length would go on, and of three standard errors.

    Examples
    --------
    >>> path = path_frame([Tried(w, np.zeros(9), -w) for w in (1.0, 0.5)])
    >>> warn_of_rise(path, 9, "pass more steps")
    Traceback (most recent call last):
        ...
    UserWarning: the ELBO rose from -1 at kl_weight 1 to -0.5 at 0.5, where it falls between fits \
that have converged: colder weights may have been chosen for the steps made before them; pass more \
steps
    """
    elbo, variance = path["elbo"].to_numpy(), path["elbo_se"].to_numpy() ** 2
    rises = elbo[None] - elbo[:, None]  # from a weight to another
    error = np.sqrt(variance[None] + variance[:, None])
    least = np.maximum(_CLEAR * error, enough(n_examples))
    clear = np.triu(np.where(rises > least, rises, 0.0), 1)
    if clear.any():
        warm, cold = np.unravel_index(np.argmax(clear), clear.shape)
        weights = path.index
        warn(
            f"the ELBO rose from {elbo[warm]:,.6g} at kl_weight {weights[warm]:g} to "
            f"{elbo[cold]:,.6g} at {weights[cold]:g}, where it falls between fits that have "
            "converged: colder weights may have been chosen for the steps made before them; "
            f"{repair}"
        )
