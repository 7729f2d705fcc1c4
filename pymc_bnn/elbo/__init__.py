"""The evidence lower bound as a graph: one file per estimator, graph in, graph out."""

from pymc_bnn.elbo.assemble import Elbo, assemble

__all__ = ["Elbo", "assemble"]
