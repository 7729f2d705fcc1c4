"""Whether a graph works on each row by itself: an abstract interpretation along the rows' axis."""

from pymc_bnn.model.independence import indexing, shapes, values  # the rules
from pymc_bnn.model.independence.base import RowUse, row_use

__all__ = ["RowUse", "indexing", "row_use", "shapes", "values"]
