"""When a fit of no given length is done: its noisy ELBO has stopped to rise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

__all__ = ["Convergence", "Rise", "enough", "rise"]

_BLOCKS = 20  # of a third, within which noise that hangs together averages out
_LEVEL = 0.05  # share of looks at an ELBO that has stopped rising which say that it rises
_NATS, _NATS_PER_EXAMPLE = 0.25, 0.0025  # rises that are not worth going on for


@dataclass(frozen=True)
class Rise:
    """How much the ELBO rose between the second and the last third of some steps, in nats.

    Examples
    --------
    >>> Rise(nats=5.0, error=1.0, enough=0.25).goes_on
    True
    """

    nats: float
    error: float  # standard error
    enough: float  # less than this is not worth going on for

    @property
    def goes_on(self) -> bool:
        """Whether it still rises: by more than noise does in 5 % of looks, and than matters."""
        least = stats.t.ppf(1 - _LEVEL, 2 * (_BLOCKS - 1)) * self.error
        return bool(self.nats > max(least, self.enough))


def rise(elbo: np.ndarray, n_examples: int = 1) -> Rise:
    """Return the rise of an ELBO from the second to the last third of its steps.

    Means of 20 blocks of each third are taken as independent, as they are where steps far apart
    say nothing of each other; then an ELBO that has stopped rising is taken for one that rises in
    5 % of looks.

    Parameters
    ----------
    elbo : numpy.ndarray
        (steps,) estimates in nats, at a constant weight of the KL and constant learning rates.
    n_examples : int, optional
        Number of examples.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=6000)
    >>> rise(noise).goes_on, rise(noise + np.arange(6000) / 1000).goes_on
    (False, True)
    """
    size = len(elbo) // (3 * _BLOCKS)
    if size < 1:
        return Rise(np.inf, 0.0, 0.0)
    blocks = np.asarray(elbo, float)[len(elbo) - 3 * _BLOCKS * size :]
    _, before, after = blocks.reshape(3, _BLOCKS, size).mean(axis=2)
    error = np.sqrt((before.var(ddof=1) + after.var(ddof=1)) / _BLOCKS)
    return Rise(float(after.mean() - before.mean()), float(error), enough(n_examples))


def enough(n_examples: int) -> float:
    """Return the rise of an ELBO, in nats, from which on it is worth going on for.

    Examples
    --------
    >>> enough(1), enough(1000)
    (0.25, 2.5)
    """
    return max(_NATS, _NATS_PER_EXAMPLE * n_examples)


@dataclass(frozen=True)
class Convergence:
    """How a fit of no given length goes, and when it ends.

    The KL's weight rises for `warmup` steps. Then steps are made at constant rates, `first` of
    them before the ELBO is looked at, and `growth` times as many before each other look, until it
    has stopped rising, or there were `most` steps. At last rates fall, over as many steps as
    there were before, times `falling`.

    Examples
    --------
    >>> ends = Convergence(warmup=4000, first=2000)
    >>> ends.look_after(6000), ends.look_after(7000)
    (7000, 8500)
    """

    warmup: int = 3000
    first: int = 2500
    growth: float = 1.5
    falling: float = 0.5
    most: int = 60_000

    def look_after(self, steps: int, constant: int | None = None) -> int:
        """Return the step of the next look after so many; all is constant after `constant`."""
        constant = self.warmup if constant is None else constant
        hold = self.first
        while constant + int(hold) <= steps:
            hold *= self.growth
        return constant + int(hold)

    def seen_by_rows(self, steps: int, faster: float) -> Convergence:
        """Return one for latents of rows, each of which one step in so many sees.

        That step moves them so many times as far: the first look waits until they have come as far
        as all that every step moves. Rates fall over twice as many steps, as the noise of each row
        is averaged by the steps that see it alone.

        Examples
        --------
        >>> ends = Convergence().seen_by_rows(80, faster=10.0)
        >>> ends.first, ends.falling
        (20000, 1.0)
        """
        first = min(int(self.first * steps / faster), self.most)
        return replace(self, first=first, falling=2 * self.falling)

    def fall_after(self, steps: int) -> int:
        """Return over how many steps rates fall after so many."""
        return int(self.falling * steps)

    @property
    def most_steps(self) -> int:
        """Return the most steps that there can be in all."""
        last = self.warmup
        while last < self.most:
            last = self.look_after(last)
        return last + self.fall_after(last)
