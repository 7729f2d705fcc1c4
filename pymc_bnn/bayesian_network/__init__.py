"""From a network to random variables of a PyMC model."""

from pymc_bnn.bayesian_network.network import NetworkInput, bayesian, network_inputs

__all__ = ["NetworkInput", "bayesian", "network_inputs"]
