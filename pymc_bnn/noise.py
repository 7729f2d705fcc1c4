"""Random numbers of a step: every one follows from a key and a counter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from pymc_bnn._checks import check_seed

__all__ = ["Noise", "draw_noise", "no_noise", "seed_of"]


@dataclass(frozen=True)
class Noise:
    """A random input of a graph: its name, its shape and what it is drawn from.

    Parameters
    ----------
    name : str
        Its name, unique in a graph.
    shape : tuple of int or None
        None stands for the number of examples of a batch.
    law : {"normal", "sign", "keep"}, optional
        Standard Normal; −1 or 1 with equal probability; 1/keep with probability keep, else 0.
    keep : float, optional
        That probability.

    Examples
    --------
    >>> Noise("w", (3, 2))
    Noise(name='w', shape=(3, 2), law='normal', keep=1.0)
    """

    name: str
    shape: tuple[int | None, ...]
    law: Literal["normal", "sign", "keep"] = "normal"
    keep: float = 1.0

    def draw(self, key: jax.Array, rows: int, dtype: str) -> jax.Array:
        """Draw it for a batch of so many examples.

        Examples
        --------
        >>> Noise("r", (None, 2), "sign").draw(jax.random.key(0), 5, "float32").shape
        (5, 2)
        """
        shape = self.full_shape(rows)
        if self.law == "normal":
            return jax.random.normal(key, shape, jnp.dtype(dtype))
        if self.law == "sign":
            return jax.random.rademacher(key, shape, jnp.dtype(dtype))
        return jax.random.bernoulli(key, self.keep, shape).astype(dtype) / self.keep

    def full_shape(self, rows: int) -> tuple[int, ...]:
        """Return the shape for a batch of so many examples.

        Examples
        --------
        >>> Noise("r", (None, 2)).full_shape(5)
        (5, 2)
        """
        return tuple(rows if n is None else n for n in self.shape)


def draw_noise(
    key: jax.Array, noise: Sequence[Noise], rows: int, dtype: str
) -> dict[str, jax.Array]:
    """Draw every random input, each from a key of its own.

    Examples
    --------
    >>> draw_noise(jax.random.key(0), [Noise("w", (2, 3))], 1, "float32")["w"].shape
    (2, 3)
    """
    return {n.name: n.draw(jax.random.fold_in(key, i), rows, dtype) for i, n in enumerate(noise)}


def no_noise(noise: Sequence[Noise], rows: int, dtype: str) -> dict[str, np.ndarray]:
    """Return noise without effect: Normals at zero, signs and kept shares at one.

    Examples
    --------
    >>> no_noise([Noise("w", (2,)), Noise("r", (None,), "sign")], 1, "float32")["w"]
    array([0., 0.], dtype=float32)
    """
    return {n.name: np.full(n.full_shape(rows), float(n.law != "normal"), dtype) for n in noise}


def seed_of(random_seed: int | np.random.Generator | None) -> int:
    """Return one non-negative integer seed; a Generator is advanced by one draw.

    Raises
    ------
    TypeError, ValueError
        If `random_seed` is neither an integer in 0…2**32 − 1 nor a Generator nor None.

    Examples
    --------
    >>> seed_of(7)
    7
    """
    if random_seed is None:
        random_seed = np.random.default_rng()
    seed = check_seed(random_seed)
    return int(seed.integers(2**32)) if isinstance(seed, np.random.Generator) else seed
