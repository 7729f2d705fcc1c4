"""Whose turn it is: several take part in one run of draws, each as often as its weight says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["Turns"]


class Turns:
    """An endless sequence of turns: each goes to the one that is furthest behind its share.

    Parameters
    ----------
    weights : sequence of float
        Shares, which sum to 1.

    Examples
    --------
    >>> turns = Turns((0.25, 0.75))
    >>> [turns[i] for i in range(4)]
    [(1, 0), (0, 0), (1, 1), (1, 2)]
    """

    def __init__(self, weights: Sequence[float]):
        self._weights = np.asarray(weights)
        self._counts = np.zeros(len(self._weights), int)
        self._turns: list[tuple[int, int]] = []

    def __getitem__(self, i: int) -> tuple[int, int]:
        """Return whose turn the i-th is, and how many it had before."""
        while len(self._turns) <= i:
            behind = self._weights * (len(self._turns) + 1) - self._counts
            chosen = int(np.argmax(behind))
            self._turns.append((chosen, int(self._counts[chosen])))
            self._counts[chosen] += 1
        return self._turns[i]
