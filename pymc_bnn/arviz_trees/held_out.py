"""The expected log predictive density by rows that a fit has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from arviz_stats.utils import ELPDData

from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.prediction.predict import ask_density, density

__all__ = ["held_out_elpd"]


def held_out_elpd(
    problem: Problem,
    posterior: Posterior,
    new_data: Mapping[str, Any],
    draws: int,
    seed: Any,
    progressbar: bool = False,
) -> ELPDData:
    """Score held-out rows; see :meth:`pymc_bnn.Approximation.elpd`.

    Examples
    --------
    >>> held_out_elpd.__name__
    'held_out_elpd'
    """
    asked = ask_density(problem, new_data)
    found = density(posterior, asked, draws, seed, progressbar)
    return ELPDData(
        elpd=float(found.sum()),
        se=float(np.sqrt(len(found) * found.var())),
        p=np.nan,  # what draws say of rows that they have seen is not asked
        n_samples=draws,
        n_data_points=len(found),
        scale="log",
        warning=False,
        good_k=np.nan,
        elpd_i=xr.DataArray(found, dims="row", name="elpd_i"),
    )
