"""What a prediction is asked for: which data, which variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pymc_bnn._checks import check_finite, invalid
from pymc_bnn.decompose import Terms

__all__ = ["check_names"]


def check_names(terms: Terms, new_data: Mapping[str, Any] | None) -> dict[str, np.ndarray]:
    """Check new data against the model's: names, axes, numbers."""
    if new_data is None:
        return {}
    if not isinstance(new_data, Mapping) or len(new_data) == 0:
        raise invalid(
            "new_data",
            "be a dictionary of the model's data",
            type(new_data).__name__ if not isinstance(new_data, Mapping) else "an empty one",
            f"pass some of {[d.name for d in terms.data]} by name",
            TypeError,
        )
    known = {d.name: d for d in terms.data}
    unknown = [name for name in new_data if name not in known]
    if unknown:
        raise invalid("new_data", "name data of the model", unknown, f"choose from {sorted(known)}")
    given = {}
    for name, value in new_data.items():
        old, value = known[name].value, np.asarray(value)
        if value.ndim != old.ndim or value.shape[1:] != old.shape[1:]:
            expected = str(("n", *old.shape[1:])).replace("'", "")
            raise invalid(
                f"new_data['{name}']",
                f"have the shape {expected}",
                value.shape,
                "reshape it as the training data were",
            )
        if not (np.issubdtype(value.dtype, np.number) or value.dtype == bool):
            raise invalid(f"new_data['{name}']", "hold numbers", value.dtype, "convert it")
        integers = np.issubdtype(old.dtype, np.integer)
        if integers and not (np.issubdtype(value.dtype, np.integer) or value.dtype == bool):
            raise invalid(
                f"new_data['{name}']", "hold integers", value.dtype, "convert it by .astype(int)"
            )
        check_finite(f"new_data['{name}']", value)
        given[name] = value.astype(old.dtype)
        if integers and (given[name] != value).any():
            raise invalid(
                f"new_data['{name}']",
                f"fit {old.dtype}, the type of the training data",
                f"{value.dtype} in {value.min()}…{value.max()}",
                "convert it as the training data were",
            )
    return given
