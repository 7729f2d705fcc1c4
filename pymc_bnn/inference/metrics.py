"""What a step tells of the objective: its parts, apart from each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Metrics"]


class Metrics(NamedTuple):
    """Estimates of the objective's parts at one step or at several, of the full data, in nats.

    Examples
    --------
    >>> Metrics(nll=5.0, kl=1.0, log_prior=0.0).elbo
    -6.0
    """

    nll: Any  # negative log-likelihood
    kl: Any  # Kullback–Leibler divergence of all distributions, potentials subtracted
    log_prior: Any  # of points; 0 without

    @property
    def elbo(self) -> Any:
        """The unweighted ELBO; with points, the objective."""
        return -self.nll - self.kl + self.log_prior

    @property
    def finite(self) -> bool:
        """Whether all are finite numbers."""
        return all(bool(np.isfinite(part).all()) for part in self)

    @classmethod
    def join(cls, several: Iterable[Metrics]) -> Metrics:
        """Put the metrics of steps one after the other, (steps,) each.

        Examples
        --------
        >>> Metrics.join([]).nll.shape
        (0,)
        """
        parts = zip(*several, strict=True)
        joined = [np.concatenate([np.atleast_1d(np.asarray(p)) for p in part]) for part in parts]
        return cls(*(joined or [np.zeros(0)] * 3))

    def last(self, steps: int) -> Metrics:
        """Return those of the last so many steps.

        Examples
        --------
        >>> Metrics(*np.arange(12.0).reshape(3, 4)).last(2).kl.tolist()
        [6.0, 7.0]
        """
        return Metrics(*(part[max(len(part) - steps, 0) :] for part in self))
