"""What a run leaves beside its state."""

from __future__ import annotations

from dataclasses import dataclass

from pymc_bnn.inference.convergence import Rise
from pymc_bnn.inference.metrics import Metrics
from pymc_bnn.inference.recovery import Recovery
from pymc_bnn.inference.stages import Gain

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
    rise: Rise | None = None  # of the ELBO at the last look, where convergence ends the fit
    settled: int | None = None  # the step after which rates fell, where that was found
    gain: Gain | None = None  # of the ELBO over independent Normals, where their steps came first
    recoveries: tuple[Recovery, ...] = ()  # times that it went back, as a step was not finite

    @property
    def converged(self) -> bool | None:
        """Whether the ELBO had stopped rising; None where nobody looked."""
        return None if self.settled is None else not self.rise.goes_on

    @property
    def ended(self) -> str:
        """What is said of its end: that it had converged, or not, where that was looked at."""
        return {None: "", True: " (converged)", False: " (not converged)"}[self.converged]

    @property
    def steps(self) -> int:
        """Number of steps done."""
        return len(self.metrics.nll)
