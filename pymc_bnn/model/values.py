"""Random variables and the values that they take: log-densities, and graphs of values alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.basic import transformed_conditional_logp
from pymc.logprob.utils import replace_rvs_by_values
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorVariable

from pymc_bnn.graphs.interpreted import without_c
from pymc_bnn.model.graphs import ModelGraphs
from pymc_bnn.model.numbers import wide_transform

__all__ = ["LogDensities", "RandomValues"]


class LogDensities(NamedTuple):
    """Elementwise log-densities, in the model's order."""

    free: list[TensorVariable]
    observed: list[TensorVariable]


@dataclass(frozen=True)
class RandomValues:
    """Which value each random variable of a model takes: an unconstrained one, or the data.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     s = pm.HalfNormal("s")
    ...     y = pm.Normal("y", s, observed=[0.0, 1.0])
    >>> values = RandomValues.of(model, ModelGraphs.of(model))
    >>> values.free
    [s_log__]
    >>> [len(own) for own in values.log_densities()]
    [1, 1]
    """

    rvs: ModelGraphs
    free: list[TensorVariable]  # unconstrained value of each free variable
    transforms: list[Any]  # of each free variable to it; None where there is none

    @classmethod
    def of(
        cls, model: pm.Model, rvs: ModelGraphs, values: Sequence[TensorVariable] = ()
    ) -> RandomValues:
        """Read them off a model, for graphs that were made of its own; values may be others."""
        transforms = [wide_transform(model.rvs_to_transforms[rv]) for rv in model.free_RVs]
        values = values or [model.rvs_to_values[rv] for rv in model.free_RVs]
        return cls(rvs, list(values), transforms)

    def in_own_space(self, logps: LogDensities) -> list[TensorVariable]:
        """Take the Jacobian away again from the log-densities of free variables."""
        found = [
            logp if transform is None else _without_jacobian(value, logp)
            for value, transform, logp in zip(self.free, self.transforms, logps.free, strict=True)
        ]
        return self.log_densities(jacobian=False).free if any(d is None for d in found) else found

    def log_densities(self, jacobian: bool = True) -> LogDensities:
        """Write the log-density of each variable at the values, elementwise.

        Without `jacobian` that of a free variable is one in its own space.
        """
        values, transforms = self._by_variable()
        with without_c():  # constants are folded
            logps = transformed_conditional_logp(
                list(values), rvs_to_values=values, rvs_to_transforms=transforms, jacobian=jacobian
            )
        n = len(self.free)
        return LogDensities(list(logps[:n]), list(logps[n:]))

    def put_into(
        self, graphs: Sequence[Variable], but: Sequence[Variable] = ()
    ) -> list[TensorVariable]:
        """Replace random variables in graphs by their values; those in `but` stay random."""
        values, transforms = self._by_variable()
        known = {rv: value for rv, value in values.items() if rv not in but}
        return replace_rvs_by_values(
            graphs,
            rvs_to_values=known,
            rvs_to_transforms={rv: transforms[rv] for rv in known},
        )

    def _by_variable(self) -> tuple[dict[Variable, Variable], dict[Variable, Any]]:
        free, observed = self.rvs.free, self.rvs.observed
        values = dict(zip([*free, *observed], [*self.free, *self.rvs.values], strict=True))
        transforms = dict(zip(free, self.transforms, strict=True))
        return values, {**transforms, **dict.fromkeys(observed)}


def _without_jacobian(value: TensorVariable, logp: TensorVariable) -> TensorVariable | None:
    """Return the first of the two terms that PyMC adds; None where that is not what it did."""
    if logp.owner is None or logp.owner.op != pt.add or len(logp.owner.inputs) != 2:
        return None
    density, jacobian = logp.owner.inputs
    name = jacobian.name or ""
    return density if name.startswith(f"{value.name}_") and name.endswith("_jacobian") else None
