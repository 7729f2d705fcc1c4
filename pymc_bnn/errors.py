"""Errors that carry what was learned."""

from __future__ import annotations

from typing import Any

__all__ = ["DamagedError", "NonFiniteError", "StreamError"]


class DamagedError(ValueError):
    """What was saved is not as it was left: a file was changed, cut, added or taken away.

    Examples
    --------
    >>> issubclass(DamagedError, ValueError)
    True
    """


class NonFiniteError(FloatingPointError):
    """A fit met NaN or infinity; `approximation` holds the last finite state.

    Attributes
    ----------
    approximation : Approximation
        What `fit` would have returned at the last finite state.

    Examples
    --------
    >>> issubclass(NonFiniteError, FloatingPointError)
    True
    """

    def __init__(self, message: str, approximation: Any):
        super().__init__(message)
        self.approximation = approximation


class StreamError(RuntimeError):
    """An iterable of batches failed, stalled or ended too early.

    Attributes
    ----------
    approximation : Approximation or None
        In a fit: what was learned before, once a step was done.
    written : int or None
        In :meth:`Approximation.predict_to`: the number of examples in the store.

    Examples
    --------
    >>> issubclass(StreamError, RuntimeError)
    True
    """

    approximation: Any = None
    written: int | None = None
