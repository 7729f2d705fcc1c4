"""Random numbers of a step: every one follows from a key and a counter.

Noise for every weight is the main cost of a Bayesian step beside its matrix products, so that bits
come from a counter through two rounds of a 32-bit integer hash with words of the step's key between
them, ten times cheaper than threefry's twenty rounds. Keys of steps, draws and data orders are
threefry's. ``tests/runtime/test_noise.py`` holds moments, tails, and correlations across positions,
steps and seeds against what independent numbers show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal
from zlib import crc32

import jax
import jax.numpy as jnp
import numpy as np

from pymc_bnn._checks import check_seed

__all__ = ["Noise", "draw_noise", "key_of", "mix", "no_noise", "seed_of", "words_of"]

_FEW = 2**14  # numbers of a step, up to which one kernel for all of them is faster


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

    def draw(self, words: jax.Array, rows: int, dtype: str, first: Any = 0) -> jax.Array:
        """Draw it for a batch of so many examples.

        Parameters
        ----------
        words : jax.Array
            (2,) uint32 that say which stream of numbers; see :func:`words_of`.
        rows : int
            Number of examples.
        dtype : {"float32", "float64"}
            Of the result.
        first : int or jax.Array, optional
            Where in the stream to begin.

        Examples
        --------
        >>> words = words_of(jax.random.key(0))
        >>> Noise("r", (None, 2), "sign").draw(words, 5, "float32").shape
        (5, 2)
        """
        return self.of(words, _places(self.full_shape(rows), first), dtype)

    def of(self, words: jax.Array, places: jax.Array, dtype: str) -> jax.Array:
        """Draw the numbers at some places of a stream, in their shape.

        Examples
        --------
        >>> words, places = words_of(jax.random.key(0)), np.arange(3, dtype=np.uint32)
        >>> Noise("w", (3,)).of(words, places, "float32").shape
        (3,)
        """
        bits = _bits(words, places)
        if self.law == "sign":
            return jnp.where(bits >> 31, 1.0, -1.0).astype(dtype)
        if self.law == "keep":
            kept = bits < np.uint32(min(round(self.keep * 2**32), 2**32 - 1))
            return kept.astype(dtype) / self.keep
        # The middles of 2²⁴ or 2⁵³ cells of (−1, 1), and the Normal quantiles there.
        if dtype == "float64":
            low = mix(bits + np.uint32(0x9E3779B9))
            cell = (bits.astype(dtype) * 2**21) + (low >> 11).astype(dtype)
            uniform = (cell + 0.5) * 2.0**-52 - 1.0
        else:
            uniform = (bits >> 8).astype(dtype) * np.float32(2**-23) + np.float32(2**-24 - 1)
        return jax.lax.erf_inv(uniform) * np.asarray(np.sqrt(2), dtype)

    def full_shape(self, rows: int) -> tuple[int, ...]:
        """Return the shape for a batch of so many examples.

        Examples
        --------
        >>> Noise("r", (None, 2)).full_shape(5)
        (5, 2)
        """
        return tuple(rows if n is None else n for n in self.shape)


def draw_noise(
    key: jax.Array, noise: Sequence[Noise], rows: int, dtype: str, counted: Any = None
) -> dict[str, jax.Array]:
    """Draw every random input, one after the other from one stream; few numbers by one kernel.

    Parameters
    ----------
    key : jax.Array
        Which stream.
    noise : sequence of Noise
        What is drawn.
    rows : int
        Number of rows of what has some for each example.
    dtype : {"float32", "float64"}
        Of the results.
    counted : int or jax.Array, optional
        How many of these rows count, the others being there for the shape alone: all numbers but
        theirs are those of so many rows. All by default.

    Returns
    -------
    dict from str to jax.Array
        By name.

    Examples
    --------
    >>> key, noise = jax.random.key(0), [Noise("r", (None, 2)), Noise("w", (2, 3))]
    >>> few = draw_noise(key, noise, 5, "float32")
    >>> more = draw_noise(key, noise, 8, "float32", counted=jnp.int32(5))
    >>> bool((few["w"] == more["w"]).all() and (few["r"] == more["r"][:5]).all())
    True
    """
    words, drawn, first = words_of(key), {}, 0
    few = sum(math.prod(n.full_shape(rows)) for n in noise) <= _FEW
    for _, alike in groupby(noise, key=lambda n: (n.law, n.keep)):
        alike = list(alike)
        for group in [alike] if few else [[n] for n in alike]:
            shapes = [n.full_shape(rows) for n in group]
            places, first = _runs(group, shapes, first, rows if counted is None else counted)
            numbers = group[0].of(words, places, dtype)
            if jax.default_backend() == "cpu":
                # Drawn once: XLA would draw it again for everything that uses it.
                numbers = jax.lax.optimization_barrier(numbers)
            ends = np.cumsum([math.prod(shape) for shape in shapes])
            parts = [numbers] if len(group) == 1 else jnp.split(numbers, ends[:-1])
            for n, shape, part in zip(group, shapes, parts, strict=True):
                drawn[n.name] = part.reshape(shape)
    return drawn


def _runs(
    group: Sequence[Noise], shapes: Sequence[tuple[int, ...]], first: Any, counted: Any
) -> tuple[jax.Array, Any]:
    """Return places in the stream, of the shape of one or flat of several, and where they end."""
    runs: list[tuple[Any, int]] = []  # first places and lengths of what has no gap
    gap = True
    for n, shape in zip(group, shapes, strict=True):
        size = math.prod(shape)
        if gap:
            runs.append((first, size))
        else:
            runs[-1] = runs[-1][0], runs[-1][1] + size
        gap = None in n.shape and not isinstance(counted, int)
        if gap:
            of_a_row = math.prod(m for m in n.shape if m is not None)
            first = first + np.uint32(of_a_row) * jnp.asarray(counted, np.uint32)
        else:
            first = first + (size if isinstance(first, int) else np.uint32(size % 2**32))
    if len(group) == 1:
        return _places(shapes[0], runs[0][0]), first
    pieces = [_places((size,), start) for start, size in runs]
    return pieces[0] if len(pieces) == 1 else jnp.concatenate(pieces), first


def words_of(key: jax.Array) -> jax.Array:
    """Return the two words (2,) uint32 that a key stands for.

    Examples
    --------
    >>> words_of(jax.random.key(0)).shape
    (2,)
    """
    return jax.random.bits(key, (2,), np.uint32)


def _places(shape: tuple[int, ...], first: Any) -> jax.Array:
    """Return the places in a stream of the numbers of an array."""
    first = np.uint32(first % 2**32) if isinstance(first, int) else first
    return jax.lax.iota(np.uint32, math.prod(shape)).reshape(shape) + first


def _bits(words: jax.Array, places: jax.Array) -> jax.Array:
    """Return 32 random bits for each place in the stream."""
    return mix(mix(places + words[0]) + words[1])


def mix(x: jax.Array) -> jax.Array:
    """Mix 32 bits, one to one: one round of the hash.

    References
    ----------
    C. Wellons, *Prospecting for hash functions* (2018), ``lowbias32``.

    Examples
    --------
    >>> int(mix(np.uint32(1)))
    1753845952
    """
    x = jnp.asarray(x, np.uint32)
    x = (x ^ (x >> 16)) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * np.uint32(0x846CA68B)
    return x ^ (x >> 16)


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


def key_of(random_seed: Any, purpose: str) -> jax.Array:
    """Return the random key of a seed for one purpose: no two purposes share a number.

    A fit's own key is that of the seed, whose children 0, 1, 2, … its steps, its batches and those
    of other samples have.

    Parameters
    ----------
    random_seed : int, numpy.random.Generator or None
        As of :func:`seed_of`.
    purpose : str
        What the numbers are for: "predict", say.

    Examples
    --------
    >>> bool(key_of(1, "predict") == key_of(1, "elbo"))
    False
    """
    return jax.random.fold_in(jax.random.key(seed_of(random_seed)), crc32(purpose.encode()))
