"""What a run leaves beside its state."""

from __future__ import annotations

from dataclasses import dataclass

from pymc_bnn.inference.metrics import Metrics

__all__ = ["Record"]


@dataclass(frozen=True)
class Record:
    """What happened in a run.

    Examples
    --------
    >>> Record(Metrics.join([])).steps
    0
    """

    metrics: Metrics  # (steps,) each
    interrupted: bool = False  # whether Ctrl-C ended it before its last step

    @property
    def steps(self) -> int:
        """Number of steps done."""
        return len(self.metrics.nll)
