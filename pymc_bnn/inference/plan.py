"""How long a fit is, and how it goes over the data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jax.sharding import Mesh

from pymc_bnn._checks import invalid, set_int
from pymc_bnn.data.epochs import EpochPlan, StreamPlan
from pymc_bnn.inference.convergence import Convergence
from pymc_bnn.inference.row_steps import faster

__all__ = ["Length", "Plan"]


@dataclass(frozen=True)
class Length:
    """How long to train, as it was asked for: in steps, in epochs, or until it has converged.

    Examples
    --------
    >>> Length(epochs=3).steps_of(per_epoch=10)
    30
    """

    steps: int | None = None
    epochs: int | None = None

    def __post_init__(self):
        if self.steps is not None and self.epochs is not None:
            raise invalid(
                "steps",
                "be given, or `epochs`, and not both",
                f"steps={self.steps} and epochs={self.epochs}",
                "pass one of them, or none to fit until the ELBO has stopped rising",
            )
        for name in ("steps", "epochs"):
            if getattr(self, name) is not None:
                set_int(self, name, 1, None, f"pass {name}=100, say")

    @property
    def whole_up_to(self) -> int:
        """How many rows a step takes all at once, unless a batch size is given.

        Where the fit goes on as long as it takes, less noise is worth more than cheaper steps.

        Examples
        --------
        >>> Length(steps=100).whole_up_to, Length().whole_up_to
        (256, 1024)
        """
        return 256 if self.steps or self.epochs else 1024

    @property
    def half(self) -> Length:
        """Half as long, for a fit that starts where another one ended.

        Examples
        --------
        >>> Length(steps=100).half, Length().half
        (Length(steps=50, epochs=None), Length(steps=None, epochs=None))
        """
        parts = (None if asked is None else -(-asked // 2) for asked in (self.steps, self.epochs))
        return Length(*parts)

    def longer(self, steps: int) -> str:
        """Say how to make a fit longer that had so many steps.

        Examples
        --------
        >>> Length(epochs=9).longer(900), Length().longer(900)
        ('pass more epochs, or none to go on until the ELBO has stopped rising', 'pass steps=1800')
        """
        if self.steps is None and self.epochs is None:
            return f"pass steps={2 * steps}"
        asked = "epochs" if self.steps is None else "steps"
        return f"pass more {asked}, or none to go on until the ELBO has stopped rising"

    def steps_of(self, per_epoch: int) -> int | None:
        """Return the number of steps, where an epoch has so many; None if none was asked for.

        Examples
        --------
        >>> Length(steps=5).steps_of(10)
        5
        """
        return self.steps if self.epochs is None else self.epochs * per_epoch


@dataclass(frozen=True)
class Plan:
    """How a fit goes over the data, and for how many steps.

    Examples
    --------
    >>> Plan(EpochPlan(n=10, batch_size=4), steps=9).per_epoch
    3
    """

    batches: EpochPlan | StreamPlan | None  # None: all data in every step, not row by row
    steps: int  # or the most there can be
    mesh: Mesh | None = None  # devices over which the rows of a batch are split
    convergence: Convergence | None = None  # what ends the fit, where its length was not given

    @classmethod
    def of(
        cls,
        batches: EpochPlan | StreamPlan | None,
        length: Length,
        mesh: Mesh | None = None,
        ends: Convergence | None = None,
        latents: bool = False,
    ) -> Plan:
        """Return the plan of a fit as long as was asked for, with `latents` of the rows or not."""
        plan = cls(batches, 1, mesh)
        steps = length.steps_of(plan.per_epoch)
        if steps is not None:
            return replace(plan, steps=steps)
        ends = ends or Convergence()
        if latents:
            ends = ends.seen_by_rows(plan.per_epoch, float(faster(plan.per_epoch)))
        return replace(plan, steps=ends.most_steps, convergence=ends)

    @property
    def per_epoch(self) -> int:
        """Steps of an epoch."""
        return 1 if self.batches is None else self.batches.per_epoch
