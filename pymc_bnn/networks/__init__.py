"""Networks of pytensor-ml layers: a builder for each kind."""

from pymc_bnn.networks.builders import Network, convnet, lenet5, mlp

__all__ = ["Network", "convnet", "lenet5", "mlp"]
