"""Minibatches: epochs as permutations, and the check that rows may be taken apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pymc_bnn._checks import first_line, invalid
from pymc_bnn.runtime.noise import mix

__all__ = ["Counts", "EpochPlan", "StreamPlan", "check_rows", "shuffled"]

_REFERENCE_ROWS = 4096
_ROUNDS = 24  # of them 12 pass the tests for 100 numbers; neighbours part in all but 2^-24 of cases


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Counts:
    """What a step has to know of the data's size: arguments of programs, not built into them.

    Examples
    --------
    >>> rows, size = Counts.of(EpochPlan(n=4, batch_size=2)).at(np.array([1, 2], np.uint32), 0, 2)
    >>> rows.shape, int(size)
    ((2,), 2)
    """

    total: Any  # () number of examples N, a float
    n: Any  # () of them in memory
    batches: Any  # () of an epoch
    capacity: Any  # () rows of the largest batch

    @classmethod
    def of(
        cls, batches: EpochPlan | StreamPlan | None, n: int = 1, dtype: str = "float32"
    ) -> Counts:
        """Return those of a plan, or where there is none of `n` examples that come whole."""
        n = n if batches is None else batches.n
        numbers = [1, 0, 0]
        if batches is not None:
            held = batches.n if isinstance(batches, EpochPlan) else 1
            numbers = [held, batches.per_epoch, batches.capacity]
        return cls(np.asarray(n, dtype), *(np.int32(number) for number in numbers))

    def at(self, words: jax.Array, step: Any, room: int) -> tuple[jax.Array, jax.Array]:
        """Return the rows of the batch of a step.

        Parameters
        ----------
        words : jax.Array
            (2,) uint32, what the order of the data depends on.
        step : jax.Array
            () number of steps done before.
        room : int
            At least the capacity.

        Returns
        -------
        rows : jax.Array
            (room,) row numbers.
        size : jax.Array
            () how many of them count; the rest fills up.
        """
        step = jnp.asarray(step, np.int32)
        epoch, position = _divide(step, self.batches)
        base, extra = _divide(self.n, self.batches)
        start = position * base + jnp.minimum(position, extra)
        places = jnp.minimum(start + jnp.arange(room), self.n - 1)
        # A word of its own for each epoch: the hash is one to one.
        words = jnp.stack([words[0], mix(words[1] + jnp.asarray(epoch, np.uint32))])
        return shuffled(places, self.n, words), base + (position < extra)


def _divide(a: Any, b: Any) -> tuple[jax.Array, jax.Array]:
    """Return quotient and rest of what is not negative."""
    return jax.lax.div(a, b), jax.lax.rem(a, b)


@dataclass(frozen=True)
class EpochPlan:
    """How an epoch goes over `n` examples in batches of at most `batch_size`.

    Every epoch is a permutation without replacement, every example once. Its batches are
    balanced: ``ceil(n / batch_size)`` of them, whose sizes differ by at most one.

    Parameters
    ----------
    n : int
        Number of examples.
    batch_size : int
        Largest number of examples in a batch, in 1…n.

    Examples
    --------
    >>> EpochPlan(n=10, batch_size=4).sizes()
    [4, 3, 3]
    """

    n: int
    batch_size: int

    @property
    def per_epoch(self) -> int:
        """Number of batches of an epoch."""
        return -(-self.n // self.batch_size)

    @property
    def capacity(self) -> int:
        """Size of the largest batch."""
        return -(-self.n // self.per_epoch)

    def sizes(self) -> list[int]:
        """Return the number of examples of each batch of an epoch.

        Examples
        --------
        >>> EpochPlan(n=5, batch_size=5).sizes()
        [5]
        """
        base, extra = divmod(self.n, self.per_epoch)
        return [base + (i < extra) for i in range(self.per_epoch)]


@dataclass(frozen=True)
class StreamPlan:
    """How batches that come from outside go over `n` examples.

    Examples
    --------
    >>> StreamPlan(n=10, capacity=4, per_epoch=3).capacity
    4
    """

    n: int  # number of all examples
    capacity: int  # rows that every batch is padded to
    per_epoch: int  # batches of a pass, as far as is known
    length: int | None = None  # len() of the data


def shuffled(places: jax.Array, n: Any, words: jax.Array) -> jax.Array:
    """Return what stands at some places of a random permutation of 0…n − 1.

    No list of n numbers is made, so that a step needs nothing of the steps before. In each round
    a random involution pairs the numbers, and every pair is swapped or not by a random bit.

    Parameters
    ----------
    places : jax.Array
        Integers in 0…n − 1, of any shape.
    n : int or jax.Array
        Length of the permutation, at most 2**31 − 1.
    words : jax.Array
        (2,) uint32: which permutation.

    Returns
    -------
    jax.Array
        int32, of the shape of `places`.

    References
    ----------
    Hoang, Morris and Rogaway, *An enciphering scheme based on a card shuffle*, CRYPTO 2012,
    figure 1.

    Examples
    --------
    >>> sorted(shuffled(jnp.arange(5), 5, np.array([1, 2], np.uint32)).tolist())
    [0, 1, 2, 3, 4]
    """
    n = jnp.asarray(n, np.uint32)
    rounds = np.arange(_ROUNDS, dtype=np.uint32) * np.uint32(0x9E3779B9)
    keys = mix(mix(rounds + words[0]) + words[1])
    pivots, keys = keys % n, mix(keys)
    # Of places known beforehand XLA makes a chain whose compilation takes exponential time.
    x = jax.lax.optimization_barrier(jnp.asarray(places, np.uint32))
    for i in range(_ROUNDS):
        partner = jnp.where(pivots[i] >= x, pivots[i] - x, pivots[i] + n - x)
        swapped = mix(jnp.maximum(x, partner) + keys[i]) >> 31
        x = jnp.where(swapped == 1, partner, x)
    # Found once: XLA would do so again for everything that is gathered from there.
    return jax.lax.optimization_barrier(x.astype(np.int32))


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

    def evaluate(index: np.ndarray) -> np.ndarray:
        data = {name: value[index] for name, value in rows.items()}
        try:
            logp = np.asarray(row_logp({**data, **rest}))
        except (TypeError, ValueError, IndexError) as error:
            raise invalid(
                "batch_size",
                "be None where rows cannot be taken apart",
                f"a model that fails on {len(index)} of {n} rows ({first_line(error)})",
                repair,
            ) from error
        if logp.shape != index.shape:
            raise invalid(
                "batch_size",
                "be None where rows cannot be taken apart",
                f"a log-likelihood of shape {logp.shape} for {len(index)} rows",
                repair,
            )
        return logp

    full = evaluate(block)
    tolerance = 1e-7 + 1e-11 * np.abs(full) if exact else 2e-4 * (1 + np.abs(full))
    order = rng.permutation(len(block))
    size = min(batch_size, -(-len(block) // 2))  # fewer than all, or nothing is compared
    # The last batch overlaps with the one before, so that all have one size.
    starts = np.unique(np.minimum(np.arange(0, len(block), size), len(block) - size))
    for start in starts:
        chosen = order[start : start + size]
        alone, among = evaluate(block[chosen]), full[chosen]
        with np.errstate(invalid="ignore"):  # infinity of both
            gap = np.abs(among - alone)
        equal = (gap <= tolerance[chosen]) | (among == alone) | (np.isnan(among) & np.isnan(alone))
        if not equal.all():
            gap = np.where(np.isnan(gap), np.inf, gap)
            worst = int(np.argmax(np.where(equal, -1, gap)))
            raise invalid(
                "batch_size",
                "be None where the likelihood of a row depends on other rows",
                f"{alone[worst]:.6g} for row {block[chosen][worst]} in a batch and "
                f"{among[worst]:.6g} among all rows",
                repair,
            )
