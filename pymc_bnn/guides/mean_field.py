"""The factorised Normal guide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from pymc_bnn.guides.base import Factorised, Graphs, Start
from pymc_bnn.model.terms import FreeVariable

__all__ = ["MeanField"]


@dataclass(frozen=True)
class MeanField(Factorised):
    r"""Independent Normal distributions, one per unconstrained number.

    :math:`q(z) = \prod_i \mathcal N(z_i \mid \mathrm{loc}_i, \mathrm{scale}_i^2)`, with
    :math:`\mathrm{scale} = \exp(\mathrm{log\_scale})`, so that one step of an optimiser changes
    a scale by the same share wherever it stands.

    Parameters
    ----------
    init_scale, relative_to
        See :class:`pymc_bnn.guides.Guide`.

    References
    ----------
    Kucukelbir et al., *Automatic differentiation variational inference*, JMLR 18 (2017), eq. 5.

    Examples
    --------
    >>> MeanField()
    MeanField(init_scale=0.1, relative_to='start')
    """

    def init(self, starts: Sequence[Start], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return loc and log_scale, each of the variable's shape."""
        [start] = starts
        return {"loc": start.loc, "log_scale": np.log(start.scale)}

    def mean_and_scale(
        self, variable: FreeVariable, params: Graphs
    ) -> tuple[TensorVariable, TensorVariable]:
        """Return loc and exp(log_scale)."""
        return params["loc"], pt.exp(params["log_scale"])
