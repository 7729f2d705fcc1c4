"""A model that was taken apart, without its numbers and with those of another time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pymc_bnn.model.columns import columns_of, coords_of
from pymc_bnn.model.inputs import checked_numbers
from pymc_bnn.model.terms import ModelTerms
from pymc_bnn.model.undivided import Undivided

__all__ = ["with_numbers", "without_numbers"]

_NOTHING = np.empty(0)


def without_numbers(terms: ModelTerms) -> ModelTerms:
    """Return the graphs alone: no model, no data, no initial values, no coords.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> without_numbers(decompose(model)).data[0].value.size
    0
    """
    return replace(
        terms,
        model=None,
        free=tuple(replace(f, start=_NOTHING) for f in terms.free),
        data=tuple(replace(d, value=_NOTHING, columns=None) for d in terms.data),
        coords={},
    )


def with_numbers(terms: ModelTerms, whole: Undivided) -> ModelTerms | None:
    """Return the same graphs with the numbers that a model has now; None if they have other types.

    Raises
    ------
    ValueError
        If data are not finite.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Data("y", np.zeros(4))
    ...     _ = pm.Normal("obs", pm.Normal("mu"), observed=y)
    >>> terms = decompose(model)
    >>> pm.set_data({"y": np.ones(4)}, model)
    >>> with_numbers(terms, Undivided(model)).data[0].value.tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    model, observations, data = whole.model, set(whole.roots), []
    for d in terms.data:
        value = checked_numbers(d.root, d.name, observations)
        if value.dtype.name != d.variable.type.dtype:
            return None
        data.append(replace(d, value=value, columns=columns_of(d.root, model)))
    return replace(
        terms,
        model=model,
        free=tuple(replace(f, start=np.asarray(whole.start[f.value.name])) for f in terms.free),
        data=tuple(data),
        coords=coords_of(model),
    )
