"""Whether rows stand alone, seen from numbers: what they give in batches, and what among all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pymc_bnn._checks import first_line, invalid

__all__ = ["Compared", "check_rows", "compare_rows", "rows_agree"]

_REFERENCE_ROWS = 4096
_PREDICTED_ROWS = 2048
_ROUNDINGS = 200  # of the largest number of a prediction


class Compared(NamedTuple):
    """An output of the rows of a batch."""

    rows: np.ndarray  # (k,) their numbers
    among: np.ndarray  # (k, …) among all
    alone: np.ndarray  # (k, …) in the batch
    equal: np.ndarray  # (k, …) whether these are the same but for rounding


def compare_rows(
    evaluate: Callable[[np.ndarray], Sequence[np.ndarray]],
    rows: np.ndarray,
    order: np.ndarray,
    size: int,
    room: Callable[[np.ndarray], np.ndarray],
) -> Iterator[list[Compared]]:
    """Evaluate rows all together, then in batches in another order, and compare these.

    Parameters
    ----------
    evaluate : callable
        Maps row numbers (k,) to outputs, each with a row for each, (k, …).
    rows : numpy.ndarray
        (m,) numbers of the rows that are looked at.
    order : numpy.ndarray
        (m,) permutation of 0…m − 1, in which batches take them.
    size : int
        Rows of a batch, at least 1; at most half of them are taken.
    room : callable
        Maps an output of all rows to the difference that is rounding, broadcastable to it.

    Yields
    ------
    list of Compared
        For each batch, one for each output; equal nowhere if the output has no such rows.

    Examples
    --------
    >>> y = np.array([1.0, 2.0, 6.0])
    >>> centred = lambda rows: [y[rows] - y[rows].mean()]
    >>> batches = compare_rows(centred, np.arange(3), np.arange(3), 2, np.zeros_like)
    >>> [(output.among.tolist(), output.alone.tolist()) for [output] in batches]
    [([-2.0, -1.0], [-0.5, 0.5]), ([-1.0, 3.0], [-2.0, 2.0])]
    """
    m = len(rows)
    size = min(size, -(-m // 2))  # fewer than all, or nothing is compared
    whole = evaluate(rows)
    rooms = [np.broadcast_to(room(among), among.shape) for among in whole]
    # The last batch overlaps with the one before, so that all have one size.
    for start in np.unique(np.minimum(np.arange(0, m, size), m - size)):
        places = order[start : start + size]
        found = []
        for among, own, alone in zip(whole, rooms, evaluate(rows[places]), strict=True):
            fits = among.shape[:1] == (m,) and alone.shape == (size, *among.shape[1:])
            if fits:
                among = among[places]
            equal = _equal(among, alone, own[places]) if fits else np.zeros(1, bool)
            found.append(Compared(rows[places], among, alone, equal))
        yield found


def _equal(a: np.ndarray, b: np.ndarray, room: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # infinity of both
        gap = np.abs(np.subtract(a, b, dtype="float64"))
    return (np.isfinite(gap) & (gap <= room)) | (a == b) | (np.isnan(a) & np.isnan(b))


def rows_agree(
    evaluate: Callable[[np.ndarray], Sequence[np.ndarray]], n: int, size: int
) -> list[bool]:
    """Tell of each output whether rows in batches, in another order, are those of all rows.

    Up to 2,048 rows are looked at, evenly spaced. Numbers are equal up to 200 roundings of the
    output's largest finite one.

    Parameters
    ----------
    evaluate : callable
        Maps row numbers (k,) to outputs, each with a row for each, (k, …).
    n : int
        Number of all rows.
    size : int
        Rows of a batch.

    Returns
    -------
    list of bool
        One for each output; False where it has no rows.

    Examples
    --------
    >>> y = np.arange(5.0)
    >>> rows_agree(lambda rows: [2 * y[rows], y[rows] - y[rows].mean(), y[rows].sum()], 5, 2)
    [True, False, False]
    """
    rows = np.unique(np.linspace(0, n - 1, min(n, _PREDICTED_ROWS)).round().astype(int))
    order = np.arange(len(rows))[::-1]
    order = np.concatenate([order[::2], order[1::2]])
    batches = compare_rows(evaluate, rows, order, size, _roundings)
    equal = [[bool(output.equal.all()) for output in batch] for batch in batches]
    return [all(own) for own in zip(*equal, strict=True)]


def _roundings(output: np.ndarray) -> np.ndarray:
    eps = np.finfo(output.dtype).eps if np.issubdtype(output.dtype, np.floating) else 0.0
    return _ROUNDINGS * eps * np.abs(output[np.isfinite(output)]).max(initial=0.0)


def check_rows(
    row_logp: Callable[[Mapping[str, Any]], Any],
    rows: Mapping[str, np.ndarray],
    rest: Mapping[str, np.ndarray],
    rng: np.random.Generator,
    suspects: str,
    batch_size: int,
    exact: bool = True,
) -> None:
    """Check that the log-likelihood of each row is the same in batches in another order.

    This catches data that have as many rows as there are examples by coincidence (a table of
    groups), and layers that mix examples. Every row is compared, beyond 4,096 rows the first 2,048
    and as many others.

    Parameters
    ----------
    row_logp : callable
        Maps data ``{name: array}`` to the log-likelihood of each row (rows,).
    rows, rest : mapping from str to numpy.ndarray
        Data that vary per example, and other data.
    rng : numpy.random.Generator
        Shuffles the rows.
    suspects : str
        What the error lists: the data taken per example.
    batch_size : int
        Rows of a batch.
    exact : bool, optional
        Whether `row_logp` computes in float64.

    Raises
    ------
    ValueError
        If the two disagree, or a batch of rows does not fit the model.

    Examples
    --------
    >>> rows = {"y": np.arange(5.0)}
    >>> check_rows(lambda data: -data["y"] ** 2, rows, {}, np.random.default_rng(0), "y", 2)
    """
    n = len(next(iter(rows.values())))
    block = np.arange(n)
    if n > _REFERENCE_ROWS:
        half = _REFERENCE_ROWS // 2
        more = rng.choice(n - half, size=half, replace=False) + half
        block = np.concatenate([block[:half], np.sort(more)])
    repair = (
        f"taken per example are {suspects}: name the right ones by `rows=` or give them dims, "
        "or pass batch_size=None"
    )

    def evaluate(index: np.ndarray) -> list[np.ndarray]:
        rule = "be None where rows cannot be taken apart"
        data = {name: value[index] for name, value in rows.items()}
        try:
            logp = np.asarray(row_logp({**data, **rest}))
        except (TypeError, ValueError, IndexError) as error:
            got = f"a model that fails on {len(index)} of {n} rows ({first_line(error)})"
            raise invalid("batch_size", rule, got, repair) from error
        if logp.shape != index.shape:
            got = f"a log-likelihood of shape {logp.shape} for {len(index)} rows"
            raise invalid("batch_size", rule, got, repair)
        return [logp]

    def room(logp: np.ndarray) -> np.ndarray:
        return 1e-7 + 1e-11 * np.abs(logp) if exact else 2e-4 * (1 + np.abs(logp))

    order = rng.permutation(len(block))
    for [batch] in compare_rows(evaluate, block, order, batch_size, room):
        if batch.equal.all():
            continue
        with np.errstate(invalid="ignore"):
            gap = np.abs(batch.among - batch.alone)
        gap = np.where(np.isnan(gap), np.inf, gap)
        worst = int(np.argmax(np.where(batch.equal, -1, gap)))
        raise invalid(
            "batch_size",
            "be None where the likelihood of a row depends on other rows",
            f"{batch.alone[worst]:.6g} for row {batch.rows[worst]} in a batch and "
            f"{batch.among[worst]:.6g} among all rows",
            repair,
        )
