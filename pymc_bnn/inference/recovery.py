"""Going on by itself after a step that is not finite: back some steps, at lower rates."""

from __future__ import annotations

from dataclasses import dataclass

from pymc_bnn._warnings import warn

__all__ = ["EVERY", "RATE", "Recovery", "say_recovered"]

EVERY = 500  # steps between those to which a run goes back
RATE = 0.5  # of the updates, by which each recovery lowers them


@dataclass(frozen=True)
class Recovery:
    """A step that was not finite, and where the run went on.

    Examples
    --------
    >>> Recovery(step=1234, back_to=1000, rate=0.5, why="the gradient of 'w' became NaN").rate
    0.5
    """

    step: int  # that was not finite
    back_to: int  # the step after which the run went on
    rate: float  # what all updates are multiplied by from there on
    why: str


def say_recovered(recovery: Recovery, number: int, most: int) -> None:
    """Warn that a fit went back.

    Examples
    --------
    >>> say_recovered(Recovery(7, 0, 0.5, "fit stopped at step 7: the gradient …"), 1, 3)
    Traceback (most recent call last):
        ...
    UserWarning: step 7 was not finite: the fit went back to step 0 and goes on at 0.5 of its \
rates (recovery 1 of 3). Why: the gradient …
    """
    why = recovery.why.splitlines()[0].partition(": ")[2]
    warn(
        f"step {recovery.step:,} was not finite: the fit went back to step {recovery.back_to:,} "
        f"and goes on at {recovery.rate:g} of its rates (recovery {number} of {most}). Why: {why}"
    )
