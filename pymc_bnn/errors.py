"""Errors that carry what was learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymc_bnn.approximation import Approximation

__all__ = ["NonFiniteError"]


class NonFiniteError(FloatingPointError):
    """A fit met NaN or infinity; `approximation` holds the last finite state.

    Examples
    --------
    >>> issubclass(NonFiniteError, FloatingPointError)
    True
    """

    def __init__(self, message: str, approximation: Approximation):
        super().__init__(message)
        self.approximation = approximation
