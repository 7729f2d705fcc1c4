"""From a network to random variables of a PyMC model."""

from pymc_bnn.bayesian_network.network import bayesian
from pymc_bnn.bayesian_network.record import NetworkInput, network_inputs
from pymc_bnn.bayesian_network.scaling import Scale, standardise

__all__ = ["NetworkInput", "Scale", "bayesian", "network_inputs", "standardise"]
