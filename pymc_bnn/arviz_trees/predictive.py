"""Predictive draws: of the fit's rows, and of new ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from pymc_bnn.arviz_trees.drawn import Drawn, check_size, to_group
from pymc_bnn.model.columns import class_names
from pymc_bnn.prediction.predict import predict, predictor_for
from pymc_bnn.prediction.requests import Request
from pymc_bnn.prediction.results import ClassPrediction

__all__ = ["FIT", "predictive"]

FIT = Request({}, None, False)  # the rows of the fit, whatever pm.set_data has put in their place


def predictive(
    drawn: Drawn,
    request: Request = FIT,
    var_names: Sequence[str] = (),
    batch_size: int = 256,
    progressbar: bool = False,
) -> xr.Dataset:
    """Return draws of what is observed, one for each draw of the parameters.

    Parameters
    ----------
    drawn : Drawn
        The parameters.
    request : Request, optional
        The rows; by default those of the fit.
    var_names : sequence of str, optional
        Deterministics to return beside.
    batch_size : int, optional
        Rows at once.
    progressbar : bool, optional
        Show, chain by chain, how many draws are done.

    Returns
    -------
    xarray.Dataset
        (chain, draw, *dims) each; of new rows also ``y_probs``, the probabilities of classes.

    Examples
    --------
    >>> predictive.__name__
    'predictive'
    """
    problem, new = drawn.problem, request is not FIT
    predictor, rows = predictor_for(problem, request, tuple(var_names))
    check_size(
        drawn.total, sum(rows.lengths[name] for name in predictor.observed), "predictions", 4
    )
    values: dict[str, list[np.ndarray]] = {}
    for chain, seed in drawn.each():
        options = {"random_seed": seed, "progressbar": progressbar}
        found = predict(chain, predictor, rows, drawn.draws, batch_size, **options)
        for name, prediction in found.variables.items():
            values.setdefault(name, []).append(prediction.samples)
            if new and isinstance(prediction, ClassPrediction):
                values.setdefault(f"{name}_probs", []).append(prediction.probs)
    dims, coords = {}, {}
    for name in predictor.classes:
        if new:
            own = problem.terms.dims.get(name, (f"{name}_dim_0",))
            dims[f"{name}_probs"] = [*own, f"{name}_class"]
            k = values[f"{name}_probs"][0].shape[-1]
            coords[f"{name}_class"] = class_names(problem.terms, name, k)
    arrays = {name: np.stack(each) for name, each in values.items()}
    return to_group(problem, arrays, new=new, dims=dims, coords=coords)
