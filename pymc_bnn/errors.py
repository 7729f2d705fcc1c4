"""Errors that carry what was learned."""

from __future__ import annotations

from typing import Any

__all__ = ["NonFiniteError"]


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
