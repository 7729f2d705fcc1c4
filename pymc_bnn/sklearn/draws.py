"""Posterior draws that all rows share, and what the model's expressions are under each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import jax
import numpy as np

from pymc_bnn.data.padding import fill
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.model.problem import Problem
from pymc_bnn.result import Result
from pymc_bnn.runtime.compilation import Compiled
from pymc_bnn.runtime.noise import key_of
from pymc_bnn.runtime.precision import precision

__all__ = ["BLOCK", "SharedDraws"]

# A problem's functions by the names of what they give, for as long as it lives.
_KNOWN: WeakKeyDictionary[Problem, dict[tuple[str, ...], Compiled]] = WeakKeyDictionary()
BLOCK = 128  # rows of every call: one program, so that no row's numbers depend on its neighbours


class SharedDraws:
    """Draws of a fit's posterior, kept, at which expressions of any rows are evaluated.

    In double precision, in blocks of one size: what is said of a row depends neither on its place
    nor on the rows beside it.

    Parameters
    ----------
    fitted : Approximation, Mixture or Refined
        Whose model has data "x".
    names : sequence of str
        Its deterministics.
    draws : int
        How many; of members each has its share.
    seed : int
        Of the draws.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     line = pm.Deterministic("line", pm.Normal("b") * pm.Data("x", np.ones((9, 1)))[:, 0])
    ...     y = pm.Normal("y", line, observed=np.ones(9))
    >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
    >>> [(place, (line,))] = SharedDraws(fitted, ["line"], 50, 1).blocks(np.ones((3, 1)))
    >>> place, line.shape, line.dtype.name
    (slice(0, 3, None), (50, 128), 'float64')
    """

    def __init__(self, fitted: Result, names: Sequence[str], draws: int, seed: int):
        problem = fitted.problem
        with precision(problem.dtype):
            self.values = fitted.posterior.draw_many(key_of(seed, "predict"), draws)
        self.names, self._fitted = tuple(names), fitted

    def blocks(self, x: np.ndarray) -> Iterator[tuple[slice, tuple[np.ndarray, ...]]]:
        """Yield which rows of `x` a block has, and each expression, (draws, BLOCK, …).

        The last row is repeated to fill a block up: sums over draws are then rounded alike.
        """
        values = {name: np.asarray(value, float) for name, value in self.values.items()}
        for start in range(0, len(x), BLOCK):
            rows = np.asarray(x[start : start + BLOCK], float)
            with precision("float64"):
                found = self._compiled()(values, fill(rows, BLOCK))
            yield slice(start, start + len(rows)), tuple(np.asarray(part) for part in found)

    def reduced(self, x: np.ndarray, function: Callable[..., Any]) -> tuple[np.ndarray, ...]:
        """Return what a function makes of the expressions: a tuple of arrays (rows, …)."""
        parts = [
            [part[: place.stop - place.start] for part in function(*found)]
            for place, found in self.blocks(x)
        ]
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))

    @property
    def count(self) -> int:
        """How many draws there are."""
        return len(next(iter(self.values.values())))

    def _compiled(self) -> Compiled:
        known = _KNOWN.setdefault(self._fitted.problem, {})
        if self.names not in known:
            terms = self._fitted.problem.for_predictions
            names, x = [f.name for f in terms.free], next(d for d in terms.data if d.name == "x")
            graphs = [terms.deterministics[name] for name in self.names]
            inputs = [*terms.values, x.variable]
            each = jaxify(inputs, graphs, "float64", gradient=False)

            def function(values: dict[str, Any], rows: Any) -> Any:
                arrays = [values[name] for name in names]
                return jax.vmap(each, in_axes=(*[0] * len(arrays), None))(*arrays, rows)

            known[self.names] = Compiled(function)
        return known[self.names]
