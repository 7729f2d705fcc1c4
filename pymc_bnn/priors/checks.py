"""Checks of priors' arguments that need to know nothing of priors."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pytensor.graph.basic import Variable

from pymc_bnn._checks import invalid

__all__ = ["LEVELS", "Per", "check_number", "check_per"]

Per = Literal["weight", "unit", "tensor", "layer", "network"]
LEVELS: tuple[Per, ...] = ("weight", "unit", "tensor", "layer", "network")  # narrow to wide


def check_number(name: str, value: Any, positive: bool = False, unit: bool = False) -> None:
    """Raise unless `value` is a finite number or an array of such, in its support.

    Examples
    --------
    >>> check_number("sigma", 0.1, positive=True)
    """
    repair = "pass a number, an array, FanIn(…) or a prior"
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            raise TypeError
    except (TypeError, ValueError):
        rule = "be a number, an array, FanIn(…) or a prior"
        repair = "pass 0.5, say" if unit else "pass 1.0, say"
        if isinstance(value, Variable):
            repair += "; what is learned is a prior, as in priors.Normal(0, priors.HalfNormal(1.0))"
        raise invalid(name, rule, repr(value), repair, TypeError) from None
    finite = np.isfinite(array).all()
    if unit and not (finite and ((array > 0) & (array < 1)).all()):
        raise invalid(name, "be between 0 and 1, both excluded", value, "pass 0.5, say")
    if not finite or (positive and not (array > 0).all()):
        raise invalid(name, "be positive and finite" if positive else "be finite", value, repair)


def check_per(per: Any) -> None:
    """Raise unless `per` is None or one of the levels.

    Examples
    --------
    >>> check_per("layer")
    """
    if per is not None and per not in LEVELS:
        rule = "be one of " + ", ".join(map(repr, LEVELS))
        raise invalid("per", rule, repr(per), "choose one, or leave it out")
