"""Yesterday's posterior as today's prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import invalid
from pymc_bnn.priors.base import Place, Prior
from pymc_bnn.priors.by_name import array_at

__all__ = ["FromPosterior", "from_posterior"]


@dataclass(frozen=True, eq=False, repr=False)
class FromPosterior(Prior):
    """Normal distributions with the means and standard deviations of a fit, by name.

    Made by :func:`from_posterior`.

    Parameters
    ----------
    means, stds : mapping from str to ndarray
        Posterior mean and standard deviation of each variable.

    Raises
    ------
    ValueError
        On building, if a parameter is not among the variables, or of another shape, or has a
        standard deviation that is not positive.

    Examples
    --------
    >>> FromPosterior({"dense1_W": np.zeros((2, 3))}, {"dense1_W": np.ones((2, 3))})
    from_posterior(<dense1_W>)
    """

    means: Mapping[str, np.ndarray]
    stds: Mapping[str, np.ndarray]

    def __repr__(self) -> str:
        return f"from_posterior(<{', '.join(self.means)}>)"

    def start(self, place: Place) -> np.ndarray:
        """Return the posterior mean."""
        return self._find(place)[0]

    def build(self, name: str, place: Place) -> TensorVariable:
        """Register the variable; see :meth:`Prior.build`."""
        mean, std = self._find(place)
        return pm.Normal(name, mu=mean, sigma=std, **place.settings(self))

    def _find(self, place: Place) -> tuple[np.ndarray, np.ndarray]:
        """Return the moments of the parameter, looked up by its name in the model."""
        mean, std = (array_at(place, moments, "fitted") for moments in (self.means, self.stds))
        good = np.isfinite(mean) & np.isfinite(std) & (std > 0)
        if not good.all():
            rule = f"have finite means and positive standard deviations of {place.name!r}"
            got = f"{int((~good).sum())} of {good.size} that are not, as of a point estimate"
            raise invalid("fitted", rule, got, "give this parameter another prior by name")
        return mean, std


def from_posterior(fitted: Any) -> FromPosterior:
    """Return a prior: independent normal distributions with a fit's posterior moments.

    For data that arrive in portions: fit the first, then build the same network with this prior
    and fit the next. Each parameter is looked up by its name in the model, so that the new network
    needs the old one's `name`; other variables of the fit (hyperparameters, noise scales) are not
    looked at. What the fit knew of correlations between weights, and of other shapes than the
    normal, is lost. Parameters that the fit does not have, or has as a point, need another prior,
    by pattern: ``{"dense3_*": Normal(), "*": from_posterior(fitted)}``.

    Parameters
    ----------
    fitted : Approximation, or any object with `mean` and `std`
        What ``pymc_bnn.fit`` returned. `mean` and `std` are mappings from variables' names to
        arrays of posterior means and standard deviations, such as ``xarray.Dataset``.

    Returns
    -------
    FromPosterior
        A prior for :func:`pymc_bnn.bayesian`. Its parameters start at the posterior means.

    Raises
    ------
    TypeError
        If `fitted` has no mappings `mean` and `std`.
    ValueError
        If they hold different variables; on building also as :class:`FromPosterior`.

    Notes
    -----
    Positive parameters become normal ones. Under :class:`Horseshoe` the weights are deterministic
    and not among the moments of a fit; pass those of draws:
    ``SimpleNamespace(mean=posterior.mean(...), std=posterior.std(...))``.

    References
    ----------
    Nguyen, Li, Bui and Turner, *Variational continual learning*, ICLR 2018, equation 2.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from pymc_bnn import networks
    >>> from pymc_bnn.bayesian_network import bayesian
    >>> moments = {"dense1_W": np.ones((2, 1)), "dense1_b": np.ones(1), "noise": np.ones(())}
    >>> prior = from_posterior(SimpleNamespace(mean=moments, std=moments))
    >>> with pm.Model() as model:
    ...     output = bayesian(networks.mlp((2, 1)), np.zeros((5, 2)), prior)
    >>> [variable.name for variable in model.free_RVs]
    ['dense1_W', 'dense1_b']
    """
    means, stds = getattr(fitted, "mean", None), getattr(fitted, "std", None)
    if not isinstance(means, Mapping) or not isinstance(stds, Mapping):
        rule = "have mappings `mean` and `std` from variables' names to arrays"
        repair = "pass what `fit` returned"
        raise invalid("fitted", rule, repr(type(fitted).__name__), repair, TypeError)
    if set(means) != set(stds):
        rule, got = "have `mean` and `std` of the same variables", sorted(set(means) ^ set(stds))
        raise invalid("fitted", rule, f"one without the other of {got}", "pass both")
    return FromPosterior(
        {str(name): np.asarray(means[name]) for name in means},
        {str(name): np.asarray(stds[name]) for name in means},
    )
