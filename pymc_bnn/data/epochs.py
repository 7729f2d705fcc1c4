"""How steps go over the examples: epochs as permutations, streams as they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pymc_bnn.data.shuffle import shuffled
from pymc_bnn.runtime.noise import mix

__all__ = ["Counts", "EpochPlan", "StreamPlan"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Counts:
    """What a step has to know of sizes and lengths: arguments of programs, not built into them.

    Examples
    --------
    >>> rows, size = Counts.of(EpochPlan(n=4, batch_size=2)).at(np.array([1, 2], np.uint32), 0, 2)
    >>> rows.shape, int(size)
    ((2,), 2)
    """

    total: Any  # () number of all examples N, a float
    n: Any  # () of rows in memory
    batches: Any  # () of an epoch
    capacity: Any  # () rows of the largest batch
    warmup: Any  # () first steps, in which the KL's weight rises
    kl_weight: Any  # () that it rises to, a float

    @classmethod
    def of(
        cls,
        batches: EpochPlan | StreamPlan | None,
        n: int = 1,
        dtype: str = "float32",
        warmup: int = 0,
        kl_weight: float = 1.0,
    ) -> Counts:
        """Return those of a plan for `n` examples; without one they come whole."""
        numbers = [1, 0, 0]
        if batches is not None:
            held = batches.n if isinstance(batches, EpochPlan) else 1
            numbers = [held, batches.per_epoch, batches.capacity]
        whole = (np.int32(number) for number in (*numbers, warmup))
        return cls(np.asarray(n, dtype), *whole, np.asarray(kl_weight, dtype))

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
