"""How long a fit is, and how it goes over the data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jax.sharding import Mesh

from pymc_bnn._checks import check_int, invalid
from pymc_bnn.data.epochs import EpochPlan, StreamPlan

__all__ = ["Length", "Plan"]


@dataclass(frozen=True)
class Length:
    """How long to train, as it was asked for: in steps or in epochs.

    Examples
    --------
    >>> Length(epochs=3).steps_of(per_epoch=10)
    30
    """

    steps: int | None = None
    epochs: int | None = None

    def __post_init__(self):
        if (self.steps is None) == (self.epochs is None):
            raise invalid(
                "steps",
                "be given, or `epochs`, and not both",
                f"steps={self.steps} and epochs={self.epochs}",
                "pass one of them",
            )
        for name in ("steps", "epochs"):
            if getattr(self, name) is not None:
                check_int(name, getattr(self, name), 1, None, f"pass {name}=100, say")

    def steps_of(self, per_epoch: int) -> int:
        """Return the number of steps, where an epoch has so many.

        Examples
        --------
        >>> Length(steps=5).steps_of(10)
        5
        """
        return self.steps if self.steps is not None else self.epochs * per_epoch


@dataclass(frozen=True)
class Plan:
    """How a fit goes over the data, and for how many steps.

    Examples
    --------
    >>> Plan(EpochPlan(n=10, batch_size=4), steps=9).per_epoch
    3
    """

    batches: EpochPlan | StreamPlan | None  # None: all data in every step, not row by row
    steps: int
    mesh: Mesh | None = None  # devices over which the rows of a batch are split

    @classmethod
    def of(
        cls, batches: EpochPlan | StreamPlan | None, length: Length, mesh: Mesh | None = None
    ) -> Plan:
        """Return the plan of a fit as long as was asked for."""
        plan = cls(batches, 1, mesh)
        return replace(plan, steps=length.steps_of(plan.per_epoch))

    @property
    def per_epoch(self) -> int:
        """Steps of an epoch."""
        return 1 if self.batches is None else self.batches.per_epoch
