"""Minibatches: epochs as permutations, and the check that rows may be taken apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pymc_bnn._checks import invalid

__all__ = ["Batches", "check_rows"]

_REFERENCE_ROWS = 4096


@dataclass(frozen=True)
class Batches:
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
    >>> Batches(n=10, batch_size=4).sizes()
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
        >>> Batches(n=5, batch_size=5).sizes()
        [5]
        """
        base, extra = divmod(self.n, self.per_epoch)
        return [base + (i < extra) for i in range(self.per_epoch)]

    def first_order(self) -> np.ndarray:
        """Return room for an epoch's order, (n + 1,): one more, so that every slice fits.

        Examples
        --------
        >>> Batches(n=3, batch_size=2).first_order().shape
        (4,)
        """
        return np.zeros(self.n + 1, np.int32)

    def at(
        self, key: jax.Array, step: jax.Array, order: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return the epoch's order, and the rows of the batch of this step.

        Parameters
        ----------
        key : jax.Array
            Random key of the data order; the epoch's number is folded in.
        step : jax.Array
            () number of steps done before.
        order : jax.Array
            (n + 1,) the order that the step before returned.

        Returns
        -------
        order : jax.Array
            (n + 1,) the order of the current epoch.
        rows : jax.Array
            (capacity,) row numbers.
        size : jax.Array
            () how many of them count; the rest fills up.

        Examples
        --------
        >>> batches = Batches(n=4, batch_size=2)
        >>> order, rows, size = batches.at(jax.random.key(0), 0, batches.first_order())
        >>> rows.shape, int(size)
        ((2,), 2)
        """
        epoch, position = step // self.per_epoch, step % self.per_epoch

        def shuffle() -> jax.Array:
            rows = jax.random.permutation(jax.random.fold_in(key, epoch), self.n)
            return jnp.append(rows.astype(jnp.int32), jnp.int32(0))

        order = jax.lax.cond(position == 0, shuffle, lambda: jnp.asarray(order, jnp.int32))
        base, extra = divmod(self.n, self.per_epoch)
        start = position * base + jnp.minimum(position, extra)
        rows = jax.lax.dynamic_slice(order, (start,), (self.capacity,))
        return order, rows, base + (position < extra)


def check_rows(
    row_logp: Callable[[Mapping[str, Any]], Any],
    rows: Mapping[str, np.ndarray],
    rest: Mapping[str, np.ndarray],
    rng: np.random.Generator,
    suspects: str,
) -> None:
    """Check that the log-likelihood of a few rows alone equals those rows of the full one.

    This catches data that have as many rows as there are examples by coincidence (a table of
    groups), and layers that mix examples. Beyond 4,096 rows the full likelihood is that of 4,096
    random rows, in random order.

    Parameters
    ----------
    row_logp : callable
        Maps data ``{name: array}`` to the log-likelihood of each row (rows,).
    rows, rest : mapping from str to numpy.ndarray
        Data that vary per example, and other data.
    rng : numpy.random.Generator
        Chooses the rows.
    suspects : str
        What the error lists: the data taken per example.

    Raises
    ------
    ValueError
        If the two disagree, or a batch of rows does not fit the model.

    Examples
    --------
    >>> rows = {"y": np.arange(5.0)}
    >>> check_rows(lambda data: -data["y"] ** 2, rows, {}, np.random.default_rng(0), "y")
    """
    n = len(next(iter(rows.values())))
    block = rng.permutation(n)[:_REFERENCE_ROWS]
    chosen = np.sort(rng.choice(len(block), size=min(5, len(block)), replace=False))
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
                f"a model that fails on {len(index)} of {n} rows ({str(error).splitlines()[0]})",
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

    full, alone = evaluate(block)[chosen], evaluate(block[chosen])
    tolerance = 2e-4 * (1 + np.abs(full))
    equal = (np.abs(full - alone) <= tolerance) | (full == alone)
    if not equal.all():
        worst = int(np.argmax(np.where(np.isnan(full - alone), np.inf, np.abs(full - alone))))
        raise invalid(
            "batch_size",
            "be None where the likelihood of a row depends on other rows",
            f"{alone[worst]:.6g} for row {block[chosen][worst]} alone and {full[worst]:.6g} among "
            "all rows",
            repair,
        )
