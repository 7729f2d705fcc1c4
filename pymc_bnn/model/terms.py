"""What a model is taken apart into: free variables, data, and log-densities as graphs."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.basic import NormalRV
from pytensor.tensor.variable import TensorVariable

from pymc_bnn.runtime.stacking import FEW as _FEW
from pymc_bnn.saving.models import is_absent

__all__ = ["Data", "FreeVariable", "ModelTerms", "Observed", "Sample"]


class Sample(NamedTuple):
    """Data of a model that run over the same rows."""

    data: Set[Variable]  # roots, or the inputs that stand for them
    n: int  # how many rows


@dataclass(frozen=True)
class FreeVariable:
    """A free variable of the model, in its unconstrained space."""

    name: str
    value: TensorVariable  # the unconstrained value, a root of every graph here
    start: np.ndarray  # initial value, unconstrained
    logp: TensorVariable  # elementwise log-prior, Jacobian of the transform included
    density: TensorVariable  # the same without the Jacobian: of the variable in its own space
    constrained: TensorVariable  # the variable itself as an expression of `value`
    family: type | None  # the op of its prior, where that is an elementary distribution
    parameters: tuple[TensorVariable, ...]  # of that op, as expressions of values and data
    transform: type | None  # of the constrained variable to `value`
    per_example: bool = False  # its first axis runs over the examples, as that of their data

    @property
    def row_logp(self) -> TensorVariable:
        """The log-prior of each entry along the first axis."""
        return self.logp.sum(axis=tuple(range(1, self.logp.type.ndim)))

    @property
    def spread(self) -> float:
        """Standard deviation of the initial values; 0 where all are equal."""
        # Rounding gives equal numbers a tiny one.
        known = self.start.size and np.isfinite(self.start).all()
        return float(np.std(self.start)) if known and np.ptp(self.start) > 0 else 0.0

    @property
    def normal(self) -> tuple[TensorVariable, TensorVariable] | None:
        """(mu, sigma) of an untransformed Normal prior; None for any other."""
        is_normal = self.family is not None and issubclass(self.family, NormalRV)
        return self.parameters if is_normal and self.transform is None else None


@dataclass(frozen=True)
class Data:
    """An array of numbers of the model, as an input of its graphs."""

    name: str
    variable: TensorVariable  # the input
    value: np.ndarray
    per_example: bool  # the first axis runs over the examples
    root: Variable  # the shared variable or constant of the model
    group: int | None = None  # the first axis runs over this one of the other samples
    columns: tuple | None = None  # their names, where they are known

    @property
    def absent(self) -> bool:
        """Whether they are known by type and shape only: of a fit that was saved without them."""
        return is_absent(self.root)


@dataclass(frozen=True)
class Observed:
    """An observed variable."""

    name: str
    rv: TensorVariable  # the random variable; its parameters are expressions of values and data
    value: TensorVariable  # what was observed, an expression of the data
    logp: TensorVariable  # elementwise log-likelihood
    per_example: bool
    multiplier: float  # of the term: `total_size` over the shape, where it was given
    root: Variable  # the data behind `value`, before casts
    n: int  # its number of rows, 1 for a scalar
    total: int  # the number that these stand for: the same, or the first of `total_size`


@dataclass(frozen=True)
class ModelTerms:
    """Everything that a fit needs to know of a model; made by ``decompose``."""

    model: pm.Model
    free: tuple[FreeVariable, ...]
    data: tuple[Data, ...]
    observed: tuple[Observed, ...]
    row_logp: TensorVariable | None  # (rows,) log-likelihood of each example, scaled to total_size
    row_density: TensorVariable | None  # (rows,) log-density of each example, unscaled
    rest_logp: TensorVariable  # () log-likelihood that does not come row by row
    potential_logp: TensorVariable  # () potentials that no example belongs to
    potentials: dict[str, TensorVariable]  # each one as the model has it
    deterministics: dict[str, TensorVariable]  # named expressions of values and data
    n_rows: int | None  # the number of examples taken row by row; None where nothing is
    n_found: int | None  # the number of examples, by rows or not; None where none are found
    unsure: str  # why rows have to be compared to see that they stand alone; empty where proven
    dims: dict[str, tuple[str, ...]]  # of the model's variables, where all are named
    coords: dict[str, list]  # as they were when the model was taken apart
    # Observed variables and deterministics, the observed ones they depend on still random; empty
    # where none depends on another.
    joint: dict[str, TensorVariable] = field(default_factory=dict)

    @property
    def values(self) -> list[TensorVariable]:
        """Unconstrained values, in the model's order."""
        return [f.value for f in self.free]

    @property
    def inputs(self) -> list[TensorVariable]:
        """Data inputs, in order."""
        return [d.variable for d in self.data]

    @property
    def n_observed(self) -> int:
        """The largest number of examples, or `total_size`, of a likelihood term; at least 1."""
        return max([o.total for o in self.observed], default=self.n_found or 1)

    @property
    def groups(self) -> tuple[tuple[frozenset[str], int], ...]:
        """Samples beside the examples of which a part will do: names of their data, lengths."""
        found: dict[int, list[Data]] = {}
        for d in self.data:
            if d.group is not None:
                found.setdefault(d.group, []).append(d)
        return tuple((frozenset(d.name for d in g), len(g[0].value)) for g in found.values())

    @property
    def tables(self) -> tuple[tuple[str, ...], ...]:
        """Columns that steps take as one, where there are many of a type."""
        alike: dict[Any, list[str]] = {}
        for d in self.data:
            if d.group is None and d.variable.type.ndim == 1:
                alike.setdefault((d.variable.type, d.per_example), []).append(d.name)
        return tuple(tuple(names) for names in alike.values() if len(names) >= _FEW)

    @property
    def latents(self) -> tuple[str, ...]:
        """Names of the free variables that belong to the examples, an entry to each."""
        return tuple(f.name for f in self.free if f.per_example)

    @cached_property
    def incomplete(self) -> bool:
        """Whether data of the model are absent."""
        model = self.model
        graphs = [*model.basic_RVs, *model.potentials, *model.rvs_to_values.values()]
        return any(map(is_absent, ancestors(graphs)))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the data's values by name; of rows that are absent one, for what needs none."""
        one_row = {d.name for d in self.data if d.absent and d.per_example}
        return {d.name: d.value[:1] if d.name in one_row else d.value for d in self.data}

    def values_of(self, values: Mapping[str, Any], rows: np.ndarray) -> dict[str, Any]:
        """Return values of the free variables as some rows see them; beyond the last the last."""
        seen = dict(values)
        for name in self.latents:
            seen[name] = values[name][np.minimum(rows, len(values[name]) - 1)]
        return seen
