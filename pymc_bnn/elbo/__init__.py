"""The evidence lower bound as a graph: one file per estimator, graph in, graph out."""

from pymc_bnn.elbo.assemble import assemble
from pymc_bnn.elbo.base import Estimator
from pymc_bnn.elbo.choose import ESTIMATORS, check_spec, needs_rows
from pymc_bnn.elbo.function import Elbo, ElboTerms
from pymc_bnn.elbo.sign import check_closed_forms, check_sign
from pymc_bnn.model.layers import NormalWeight, find_layers

__all__ = [
    "ESTIMATORS",
    "Elbo",
    "ElboTerms",
    "Estimator",
    "NormalWeight",
    "Part",
    "Parts",
    "assemble",
    "check_closed_forms",
    "check_sign",
    "check_spec",
    "find_layers",
    "needs_rows",
]

# Their names before.
Part, Parts = NormalWeight, ElboTerms


def __dir__() -> list[str]:  # what tab completion shows
    return sorted(__all__)
