"""A random permutation of which any place is found without the others."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pymc_bnn.runtime.noise import mix

__all__ = ["shuffled"]

_ROUNDS = 24  # of them 12 pass the tests for 100 numbers; neighbours part in all but 2^-24 of cases


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
