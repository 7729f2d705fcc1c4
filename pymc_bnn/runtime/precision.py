"""The precision of a fit: what JAX traces in it, and data cast to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np

from pymc_bnn._warnings import unheard

__all__ = ["held_as", "narrow", "precision"]


@contextmanager
def precision(dtype: str) -> Iterator[None]:
    """Trace and run JAX code in `dtype`, whatever PyTensor's ``floatX`` says.

    A Ctrl-C that comes while JAX compares keys of its caches, which makes it a ValueError, is a
    KeyboardInterrupt again.

    Parameters
    ----------
    dtype : {"float32", "float64"}
        With "float32" every 64-bit number of the graph becomes a 32-bit one.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> with precision("float32"):
    ...     jnp.ones(2).dtype.name
    'float32'
    """
    # A float64 graph traced in float32: each of its casts would warn once.
    with jax.enable_x64(dtype == "float64"), unheard("Explicitly requested dtype"):
        try:
            yield
        except ValueError as error:
            text = str(error)
            if "should be comparable" in text and "KeyboardInterrupt" in text:
                raise KeyboardInterrupt from error
            raise


def held_as(dtype: np.dtype, precision: str) -> np.dtype:
    """Return the type in which the device holds numbers of a type.

    Floating-point numbers have the precision of the fit, and beside "float32" integers have 32 bits
    at most.

    Examples
    --------
    >>> held_as(np.dtype("float64"), "float32"), held_as(np.dtype("int64"), "float32")
    (dtype('float32'), dtype('int32'))
    """
    with jax.enable_x64(precision == "float64"):
        return np.dtype(jax.dtypes.canonicalize_dtype(narrow(np.zeros(0, dtype), precision).dtype))


def narrow(value: np.ndarray, dtype: str) -> np.ndarray:
    """Cast floating-point data to the precision of the fit; integers stay.

    Examples
    --------
    >>> narrow(np.zeros(2), "float32").dtype.name
    'float32'
    """
    return value.astype(dtype) if np.issubdtype(value.dtype, np.floating) else value
