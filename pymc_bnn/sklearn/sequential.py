"""One portion of the data after the other: what was learned so far is the prior of the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pymc as pm
from pytensor.tensor.variable import TensorVariable

from pymc_bnn.approximation import Approximation
from pymc_bnn.priors.base import Place
from pymc_bnn.priors.from_posterior import FromPosterior

__all__ = ["HeldPrior", "log_moments"]


@dataclass(frozen=True, eq=False, repr=False)
class HeldPrior(FromPosterior):
    """Normal priors with the moments of a fit, held as data: no program is made for each portion.

    Examples
    --------
    >>> from pymc_bnn import bayesian, networks
    >>> held = HeldPrior({"dense1_W": np.ones((2, 1)), "dense1_b": np.ones(1)},
    ...                  {"dense1_W": np.ones((2, 1)), "dense1_b": np.ones(1)})
    >>> with pm.Model() as model:
    ...     output = bayesian(networks.mlp((2, 1)), np.zeros((5, 2)), held)
    >>> [data.name for data in model.data_vars]
    ['dense1_W_prior_mu', 'dense1_W_prior_sigma', 'dense1_b_prior_mu', 'dense1_b_prior_sigma']
    """

    @classmethod
    def of(cls, fitted: Approximation) -> HeldPrior:
        """Return the prior that a fit's posterior makes."""
        means, stds = fitted.mean, fitted.std
        return cls(*({str(k): np.asarray(v) for k, v in m.items()} for m in (means, stds)))

    def build(self, name: str, place: Place) -> TensorVariable:
        """Register the variable, and its moments as data."""
        mean, std = self._find(place)
        mu, sigma = pm.Data(f"{name}_prior_mu", mean), pm.Data(f"{name}_prior_sigma", std)
        return pm.Normal(name, mu, sigma, **place.settings(self))


def log_moments(fitted: Approximation, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Return mean and standard deviation of the logarithm of a positive variable, if there is one.

    Examples
    --------
    >>> import pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", 0, pm.HalfNormal("s"), observed=np.tile([-2.0, 2.0], 50))
    >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
    >>> mean, std = log_moments(fitted, "s")
    >>> bool(abs(mean - np.log(2)) < 0.05), bool(0.05 < std < 0.1)
    (True, True)
    """
    means, stds = fitted.posterior.moments()
    if name not in means:
        return None
    return np.asarray(means[name], float), np.asarray(stds[name], float)
