"""Random numbers of a step: every one follows from a key and a counter."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from pymc_bnn._checks import check_seed

__all__ = ["seed_of", "standard_normal"]


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


def standard_normal(
    key: jax.Array, shapes: Mapping[str, tuple[int, ...]], dtype: str
) -> dict[str, jax.Array]:
    """Draw standard Normal noise for each variable, from a key of its own.

    Examples
    --------
    >>> standard_normal(jax.random.key(0), {"w": (2, 3)}, "float32")["w"].shape
    (2, 3)
    """
    return {
        name: jax.random.normal(jax.random.fold_in(key, i), shape, jnp.dtype(dtype))
        for i, (name, shape) in enumerate(shapes.items())
    }
