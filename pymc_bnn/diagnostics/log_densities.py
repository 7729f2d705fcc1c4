"""Log-densities of a model at draws of its posterior: some draws by some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pymc_bnn.inference.log_joint import log_parts
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.runtime.compilation import Compiled
from pymc_bnn.runtime.precision import precision

__all__ = ["Densities", "LogDensities", "in_batches"]

_NUMBERS, _ROWS = 100_000, 4096  # of the data evaluated at once
_WEIGHTS, _DRAWS = 4_000_000, 128  # numbers drawn at once, and draws
_CELLS = 2**16  # draws by rows evaluated at once

Arrays = dict[str, np.ndarray]


class Densities(NamedTuple):
    """Log-densities of some draws, in nats.

    Examples
    --------
    >>> Densities(np.zeros(3), {}, {}).joint.shape
    (3,)
    """

    joint: np.ndarray  # (draws,) of parameters and all data, unconstrained, with Jacobians
    likelihood: Arrays  # (draws, n, …) of each value of an observed variable, unscaled
    prior: Arrays  # (draws,) of a free variable in its own space, without Jacobian


class LogDensities:
    """The log-densities of a model at draws of its free variables, in float64, compiled once.

    Parameters
    ----------
    problem : Problem
        The model, with all its data.
    pointwise : bool, optional
        Whether each value's likelihood and each variable's prior are to be returned as well. The
        joint density then counts each value once, whatever its `total_size`.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", 0, pm.HalfNormal("s"), observed=np.ones(9))
    >>> problem = Problem.of(decompose(model), None, "float32")
    >>> found = LogDensities(problem, pointwise=True)({"s": np.array([0.5, 0.0])})
    >>> bool(np.isclose(found.joint[0], model.compile_logp()({"s_log__": 0.5})))
    True
    >>> found.likelihood["y"].shape, found.prior["s"].shape
    ((2, 9), (2,))
    """

    def __init__(self, problem: Problem, pointwise: bool = False):
        terms = problem.terms
        self._parts = list(_parts(problem))
        self._observed = terms.observed if pointwise else ()
        self._free = terms.free if pointwise else ()
        also = [*(o.logp for o in self._observed), *(f.density.sum() for f in self._free)]
        lifted = log_parts(terms, "float64", gradient=False, also=also)
        self._rows = int(terms.row_logp is not None)

        def density(values: Arrays, data: Arrays, counted: Any) -> Any:
            whole, *found = jax.vmap(lambda z: lifted(z, data))(values)
            by_row = [jnp.where(counted, row, 0.0).sum(axis=1) for row in found[: self._rows]]
            return whole, by_row, found[self._rows :]

        self._compiled = Compiled(density)

    @property
    def rows(self) -> int:
        """How many rows are evaluated at once."""
        return len(self._parts[0][1])

    def __call__(self, values: Arrays) -> Densities:
        """Return the log-densities of draws, (draws, …) of each free variable."""
        wide = {name: np.asarray(value, "float64") for name, value in values.items()}
        with precision("float64"):
            each = [jax.device_get(self._compiled(wide, *part)) for part in self._parts]
        joint = each[0][0] + sum(np.sum(by_row, axis=0) for _, by_row, _ in each)
        also, likelihood = [found for *_, found in each], {}
        for i, o in enumerate(self._observed):
            rows = [
                np.asarray(found[i])[:, counted]
                for found, (_, counted) in zip(also, self._parts, strict=True)
                if o.per_example
            ]
            likelihood[o.name] = np.concatenate(rows, axis=1) if rows else also[0][i]
        for o in self._observed:
            own = likelihood[o.name]
            joint = joint - (o.multiplier - 1) * own.reshape(len(own), -1).sum(axis=1)
        prior = zip(self._free, also[0][len(self._observed) :], strict=True)
        return Densities(np.asarray(joint), likelihood, {f.name: v for f, v in prior})


def in_batches(
    problem: Problem,
    posterior: Posterior,
    key: jax.Array | None,
    draws: Sequence[int],
    rows: int = 1,
) -> Iterator[tuple[int, Arrays]]:
    """Yield draws by variable, as many at a time as memory allows, and how many of them count.

    The last batch is filled up with its last draw, so that all have one shape.

    Parameters
    ----------
    problem : Problem
        The model.
    posterior : Posterior
        Of which draws are taken.
    key : jax.Array or None
        Of all draws; None where the posterior knows which they are.
    draws : range
        Their numbers.
    rows : int, optional
        Of data that each draw is evaluated on at once.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> fitted = bnn.fit(model, steps=9, random_seed=1, progressbar=False)
    >>> batches = in_batches(fitted.problem, fitted.posterior, jax.random.key(0), range(200))
    >>> [(count, drawn["mu"].shape) for count, drawn in batches]
    [(128, (128,)), (72, (128,))]
    """
    numbers = sum(f.start.size for f in problem.terms.free)
    most = min(_WEIGHTS // max(numbers, 1), _CELLS // max(rows, 1), _DRAWS, len(draws))
    size = max(most, 1)
    for i in range(0, len(draws), size):
        own = draws[i : i + size]
        with precision(problem.dtype):  # left before the caller goes on, who may not come back
            drawn = posterior.draw_numbers(key, [*own, *[own[-1]] * (size - len(own))])
        yield len(own), drawn


def _parts(problem: Problem) -> Iterator[tuple[Arrays, np.ndarray]]:
    """Yield the data, some rows at a time, and which of these count; of other samples all."""
    terms, arrays = problem.terms, problem.terms.arrays()
    n = terms.n_rows if terms.row_logp is not None else None
    if not n or terms.latents:
        yield arrays, np.ones(n or 1, bool)
        return
    by_row = [d.name for d in terms.data if d.per_example]
    numbers = sum(arrays[name].size for name in by_row) / n
    size = int(np.clip(_NUMBERS / max(numbers, 1), 1, min(_ROWS, n)))
    for i in range(0, n, size):
        index = np.minimum(np.arange(i, i + size), n - 1)
        part = {name: arrays[name][index] for name in by_row}
        yield {**arrays, **part}, np.arange(i, i + size) < n
