"""Weights of a trained network as the means of a prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import check_finite, invalid
from pymc_bnn.priors.base import Place, Prior, check_argument
from pymc_bnn.priors.by_name import array_at

__all__ = ["FromWeights", "from_weights"]


@dataclass(frozen=True, eq=False, repr=False)
class FromWeights(Prior):
    """Normal distributions around known weights, by name.

    Made by :func:`from_weights`.

    Parameters
    ----------
    weights : mapping from str to ndarray
        By the parameters' names.
    sigma : float, array, FanIn or Prior
        Standard deviation.

    Examples
    --------
    >>> FromWeights({"dense1_W": np.zeros((2, 3))}, 0.1)
    from_weights(<dense1_W>, sigma=0.1)
    """

    weights: Mapping[str, np.ndarray]
    sigma: Any

    def __post_init__(self) -> None:
        if not isinstance(self.weights, Mapping):
            rule, repair = "map names to arrays", "pass bnn.read_weights(path), or a dict"
            raise invalid("weights", rule, repr(type(self.weights).__name__), repair, TypeError)
        own = {str(name): np.asarray(array) for name, array in self.weights.items()}
        object.__setattr__(self, "weights", own)
        check_argument("sigma", self.sigma, positive=True)

    def __repr__(self) -> str:
        return f"from_weights(<{', '.join(self.weights)}>, sigma={self.sigma!r})"

    def start(self, place: Place) -> np.ndarray:
        """Return the weights."""
        array = array_at(place, self.weights, "weights")
        if array.dtype.kind not in "iuf":
            rule, repair = "hold numbers", "give this parameter another prior by name"
            raise invalid(
                f"weights[{place.site.parameter!r}]", rule, array.dtype, repair, TypeError
            )
        check_finite(f"weights[{place.site.parameter!r}]", array)
        return array

    def build(self, name: str, place: Place) -> TensorVariable:
        """Register the variable; see :meth:`Prior.build`."""
        mean = self.start(place).astype(float)
        sigma = place.argument("sigma", self.sigma, positive=True, start=None)
        return place.variable(name, self, pm.Normal, mu=mean, sigma=sigma)


def from_weights(weights: Mapping[str, Any], sigma: Any) -> FromWeights:
    r"""Return a prior around the weights of a trained network, :math:`w \sim N(w_0, \sigma^2)`.

    Each parameter is looked up by its name in the model or in the network, and starts there. Names
    that the network does not have are not looked at; parameters that have no weights need another
    prior, by pattern: ``{"out_*": Normal(), "*": from_weights(weights, 0.1)}``.

    Parameters
    ----------
    weights : mapping from str to array
        Such as :func:`pymc_bnn.read_weights` returns; of the parameters' shapes, matrices (in, out)
        and kernels (height, width, in, out). Finite.
    sigma : float, array, FanIn or Prior
        How far the new task may be from the old one: a positive number; FanIn(0.3), a third of
        what a layer's weights usually are; or a prior of positive numbers, such as
        ``HalfNormal(0.1, per="layer")``, of which the new data then decide.

    Returns
    -------
    FromWeights
        A prior for :func:`pymc_bnn.bayesian`.

    Raises
    ------
    TypeError, ValueError
        If `weights` is no mapping or `sigma` not positive; on building if a parameter has no
        weights, or some of another shape or that are not finite.

    See Also
    --------
    from_posterior : where an earlier fit says how sure it is of each weight.

    References
    ----------
    Li, Grandvalet and Davoine, *Explicit inductive bias for transfer learning with convolutional
    networks*, ICML 2018: their penalty L2-SP is the logarithm of this prior.

    Examples
    --------
    >>> from pymc_bnn import bayesian, networks
    >>> from pymc_bnn.priors import Normal
    >>> trained = {"dense1_W": np.full((2, 5), 0.3), "dense1_b": np.zeros(5)}
    >>> prior = {"dense1_*": from_weights(trained, 0.1), "*": Normal(0, 1)}
    >>> with pm.Model() as model:
    ...     output = bayesian(networks.mlp((2, 5, 1)), np.zeros((9, 2)), prior)
    >>> float(model.initial_point()["dense1_W"].mean().round(6))
    0.3
    """
    return FromWeights(weights, sigma)
