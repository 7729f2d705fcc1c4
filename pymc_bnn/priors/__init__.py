"""Prior specs: what turns a network's parameters into PyMC random variables.

Specs compose: an argument of a prior is a number, an array, :class:`FanIn` or another prior.
"""

from pymc_bnn.priors.base import Place, Prior
from pymc_bnn.priors.beta import Beta
from pymc_bnn.priors.default import default_prior
from pymc_bnn.priors.distribution import Argument, Distribution
from pymc_bnn.priors.fan_in import FanIn
from pymc_bnn.priors.flat import Flat
from pymc_bnn.priors.from_posterior import FromPosterior, from_posterior
from pymc_bnn.priors.from_weights import FromWeights, from_weights
from pymc_bnn.priors.heavy_tails import Laplace, StudentT
from pymc_bnn.priors.horseshoe import Horseshoe
from pymc_bnn.priors.normal import Normal, fan_in_normal
from pymc_bnn.priors.patterns import assign
from pymc_bnn.priors.place import build
from pymc_bnn.priors.scale_mixture import ScaleMixture, spike_and_slab
from pymc_bnn.priors.scales import Exponential, HalfCauchy, HalfNormal, InverseGamma, LogNormal
from pymc_bnn.priors.site import Site

__all__ = [
    "Argument",
    "Beta",
    "Distribution",
    "Exponential",
    "FanIn",
    "Flat",
    "FromPosterior",
    "FromWeights",
    "HalfCauchy",
    "HalfNormal",
    "Horseshoe",
    "InverseGamma",
    "Laplace",
    "LogNormal",
    "Normal",
    "Place",
    "Posterior",
    "Prior",
    "ScaleMixture",
    "Site",
    "StudentT",
    "assign",
    "build",
    "default_prior",
    "fan_in_normal",
    "from_posterior",
    "from_weights",
    "spike_and_slab",
]

Posterior = FromPosterior  # its name before


def __dir__() -> list[str]:  # what tab completion shows
    return sorted(__all__)
