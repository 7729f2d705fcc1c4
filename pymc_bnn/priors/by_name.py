"""Arrays of a parameter's own, found by its name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pymc as pm

from pymc_bnn._checks import invalid
from pymc_bnn.priors.base import Place

__all__ = ["array_at"]


def array_at(place: Place, arrays: Mapping[str, np.ndarray], argument: str) -> np.ndarray:
    """Return the array of a parameter: by its name in the model, or in the network.

    Raises
    ------
    ValueError
        If there is none, or one of another shape; `argument` is what the error calls the arrays.

    Examples
    --------
    >>> from pymc_bnn.priors.place import PlaceInNetwork
    >>> from pymc_bnn.priors.sharing import Scope
    >>> from pymc_bnn.priors.site import Site
    >>> site = Site("net_w", "w", "w", "net_", (2,), ("w_dim_0",), 1, 0, np.zeros(2))
    >>> place = PlaceInNetwork(site, "weight", (), Scope((site,)))
    >>> with pm.Model():
    ...     array_at(place, {"w": np.ones(2)}, "weights")
    array([1., 1.])
    """
    full = pm.modelcontext(None).name_for(place.name)
    name = next((n for n in (full, place.name, place.site.parameter) if n in arrays), None)
    if name is None:
        rule, repair = f"hold {full!r}", "give this parameter another prior by name"
        raise invalid(argument, rule, ", ".join(arrays), repair)
    array = np.asarray(arrays[name])
    if array.shape != place.shape:
        rule, repair = f"hold {name!r} of shape {place.shape}", "build the network as it was"
        raise invalid(argument, rule, f"shape {array.shape}", repair)
    return array
