"""Images of noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pymc_bnn._checks import check_int, check_seed, invalid

__all__ = ["noise_images"]


def noise_images(
    n: int,
    shape: Sequence[int] = (28, 28, 1),
    kind: str = "normal",
    random_seed: int | np.random.Generator = 0,
) -> np.ndarray:
    """Make images of pure noise, which a classifier should decline to name.

    Parameters
    ----------
    n : int
        Number of images, at least 1.
    shape : sequence of int, optional
        Shape of one image. Default (28, 28, 1).
    kind : {"normal", "uniform"}, optional
        Pixels from N(0, 1), the default, or uniform on [0, 1).
    random_seed : int or numpy.random.Generator, optional
        A non-negative seed, or a generator, which is advanced. Default 0.

    Returns
    -------
    numpy.ndarray of float32, shape (n, *shape)
        Independent pixels; those of kind "normal" lie outside [0, 1] as well.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range.

    Examples
    --------
    >>> noise_images(5, shape=(8, 8, 1), kind="uniform").shape
    (5, 8, 8, 1)
    """
    n = check_int("n", n, 1, None, "pass a positive integer")
    repair = "pass shape=(28, 28, 1), say"
    if not isinstance(shape, Sequence) or isinstance(shape, str):
        raise invalid("shape", "be a sequence of integers", repr(shape), repair, TypeError)
    size = (n, *(check_int("shape", length, 1, None, repair) for length in shape))
    if not isinstance(kind, str) or kind not in ("normal", "uniform"):
        raise invalid("kind", 'be "normal" or "uniform"', repr(kind), 'pass kind="normal"')
    generator = np.random.default_rng(check_seed(random_seed))
    draw = generator.standard_normal if kind == "normal" else generator.random
    return draw(size, dtype=np.float32)
