"""Pieces of a fit that several tests put together by hand."""

from pymc_bnn.guides import JointGuide, assign_guides
from pymc_bnn.inference.start import starting_blocks
from pymc_bnn.model.decompose import decompose
from pymc_bnn.model.rows import find_rows
from pymc_bnn.runtime.precision import precision


def by_rows(model):
    """The model taken apart by rows."""
    return decompose(model, find_rows(model)[0])


def posterior_of(terms, guide=None, dtype="float64"):
    """The guides of a model that has been taken apart, at their first parameters."""
    guides = assign_guides(guide, [f.name for f in terms.free])
    with precision(dtype):
        return JointGuide(starting_blocks(terms, guides, None, dtype, 0), dtype)
