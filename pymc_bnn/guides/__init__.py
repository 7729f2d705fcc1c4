"""Families of approximate posteriors, one file each."""

from pymc_bnn.guides.base import Block, Factorised, Guide, GuideDraw, Start
from pymc_bnn.guides.delta import Delta
from pymc_bnn.guides.full_rank import FullRank
from pymc_bnn.guides.joint import JointGuide, assign_guides, make_blocks
from pymc_bnn.guides.low_rank import LowRank
from pymc_bnn.guides.mean_field import MeanField
from pymc_bnn.guides.variational_dropout import VariationalDropout

__all__ = [
    "Block",
    "Delta",
    "Drawn",
    "Factorised",
    "FullRank",
    "Guide",
    "GuideDraw",
    "JointGuide",
    "LowRank",
    "MeanField",
    "Posterior",
    "Start",
    "VariationalDropout",
    "assign_guides",
    "make_blocks",
]

Drawn = GuideDraw  # its name before
Posterior = JointGuide  # its name before


def __dir__() -> list[str]:  # what tab completion shows
    return sorted(__all__)
