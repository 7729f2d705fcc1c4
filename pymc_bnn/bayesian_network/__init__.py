"""From a network to random variables of a PyMC model."""

from pymc_bnn.bayesian_network.network import bayesian
from pymc_bnn.bayesian_network.record import NetworkInput, network_inputs

__all__ = ["NetworkInput", "bayesian", "network_inputs"]
