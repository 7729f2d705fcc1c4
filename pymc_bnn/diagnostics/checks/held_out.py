"""Data that a fit has not seen, with what was observed of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pymc_bnn._checks import invalid
from pymc_bnn.data.arrays import Origin
from pymc_bnn.model.problem import Problem
from pymc_bnn.prediction.predict import predictor_for
from pymc_bnn.prediction.predictor import Predictor
from pymc_bnn.prediction.requests import Request
from pymc_bnn.prediction.rows import Rows

__all__ = ["HeldOut"]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out data, read and checked.

    Attributes
    ----------
    request : Request
        The data as they were given.
    predictor, rows
        What predicts them, as of :func:`pymc_bnn.prediction.predict.predictor_for`.
    observed : dict from str to numpy.ndarray
        (rows, …) what was observed, by the name of the variable.

    Examples
    --------
    >>> HeldOut.__name__
    'HeldOut'
    """

    request: Request
    predictor: Predictor
    rows: Rows
    observed: dict[str, np.ndarray]

    @classmethod
    def of(cls, problem: Problem, data: Mapping[str, Any]) -> HeldOut:
        """Read data by name.

        Raises
        ------
        ValueError, TypeError
            As :meth:`pymc_bnn.Approximation.predict` does, and without any observed variable.

        Examples
        --------
        >>> import pymc as pm
        >>> from pymc_bnn.model.decompose import decompose
        >>> with pm.Model() as model:
        ...     x = pm.Data("x", np.zeros(4))
        ...     y = pm.Normal("y", pm.Normal("b") * x, observed=np.zeros(4))
        >>> HeldOut.of(Problem.of(decompose(model), None, "float32"), {"x": np.ones(4)})
        Traceback (most recent call last):
            ...
        ValueError: `data` must contain the observed variables, got ['x']; add ['y']
        """
        request = Request.of(problem, data, Origin("data"))
        predictor, rows = predictor_for(problem, request)
        names = {d.root: d.name for d in predictor.terms.data}
        asked = {name: names.get(o.root) for name, o in predictor.observed.items()}
        given = {k: request.values[name] for k, name in asked.items() if name in request.rows}
        if not given:
            rule, repair = "contain the observed variables", f"add {list(asked)}"
            raise invalid("data", rule, sorted(request.rows), repair)
        return cls(request, predictor, rows, given)
