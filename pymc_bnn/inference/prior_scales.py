"""How wide priors are, in the unconstrained space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm

from pymc_bnn.graphs.interpreted import SIMPLIFIED, without_c
from pymc_bnn.model.sigmas import normal_sigmas
from pymc_bnn.model.terms import FreeVariable, ModelTerms

__all__ = ["prior_scales"]

_DRAWS, _NUMBERS = 1000, 10_000_000  # at most so many draws, and numbers at once


def prior_scales(
    terms: ModelTerms, values: Mapping[str, np.ndarray], dtype: str, names: Any = None
) -> dict[str, np.ndarray]:
    """Return prior standard deviations in the unconstrained space.

    Of Normal priors at `values` of their own parameters, of others from up to 1,000 prior draws;
    NaN where a prior cannot be drawn from.

    Parameters
    ----------
    terms : ModelTerms
        The model.
    values : mapping from str to numpy.ndarray
        Unconstrained values of all free variables.
    dtype : {"float32", "float64"}
        Precision; call it inside :func:`pymc_bnn.runtime.precision.precision`.
    names : iterable of str, optional
        Variables wanted beside those with Normal priors; all by default.

    Returns
    -------
    dict from str to numpy.ndarray
        They broadcast to the variables.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.StudentT("mu", nu=9), observed=np.zeros(4))
    >>> scale = prior_scales(decompose(model), {"mu": np.zeros(())}, "float32")["mu"]
    >>> bool(0.9 < scale < 1.4)
    True
    """
    scales = normal_sigmas(terms, values, dtype)
    asked = [f for f in terms.free if f.name not in scales and (names is None or f.name in names)]
    for together in _groups(asked):
        scales |= _stds(terms.model, together)
    return scales


def _groups(variables: Sequence[FreeVariable]) -> Iterator[list[FreeVariable]]:
    """Yield variables that are drawn at once, as many as memory allows."""
    group: list[FreeVariable] = []
    for f in variables:
        if group and sum(g.start.size for g in group) + f.start.size > _NUMBERS // _DRAWS:
            yield group
            group = []
        group.append(f)
    if group:
        yield group


def _stds(model: pm.Model, variables: Sequence[FreeVariable]) -> dict[str, np.ndarray]:
    values = []
    for rv in (model[f.name] for f in variables):
        transform = model.rvs_to_transforms[rv]
        values.append(rv if transform is None else transform.forward(rv, *rv.owner.inputs))
    numbers = max(sum(f.start.size for f in variables), 1)
    draws = max(min(_DRAWS, _NUMBERS // numbers), 10)
    try:
        with without_c():
            drawn = pm.draw(values, draws, random_seed=0, mode=SIMPLIFIED)
    except NotImplementedError:  # a flat prior has no scale
        if len(variables) > 1:
            return {name: std for f in variables for name, std in _stds(model, [f]).items()}
        return {f.name: np.full(np.shape(f.start), np.nan) for f in variables}
    return {f.name: np.std(d, axis=0) for f, d in zip(variables, drawn, strict=True)}
