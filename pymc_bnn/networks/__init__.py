"""Networks of pytensor-ml layers: a builder for each kind, nothing Bayesian yet."""

from pymc_bnn.networks.convnet import convnet
from pymc_bnn.networks.lenet import lenet5
from pymc_bnn.networks.mlp import mlp
from pymc_bnn.networks.network import Network

__all__ = ["Network", "convnet", "lenet5", "mlp"]


def __dir__() -> list[str]:  # what tab completion shows
    return sorted(__all__)
