"""What a guide is: a family of distributions over some free variables, written as graphs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import check_positive, invalid
from pymc_bnn.model.terms import FreeVariable

__all__ = ["Block", "Factorised", "Guide", "GuideDraw", "Start"]

LOG_2PI = float(np.log(2 * np.pi))
Graphs = Mapping[str, TensorVariable]


@dataclass(frozen=True)
class Start:
    """Where the guide of a free variable starts, in the unconstrained space."""

    free: FreeVariable
    loc: np.ndarray  # of the variable's shape
    scale: np.ndarray  # first posterior scale, above 0, of the variable's shape


@dataclass(frozen=True)
class GuideDraw:
    """A free variable as the guide draws it, in the unconstrained space, as graphs."""

    draw: TensorVariable
    mean: TensorVariable
    scale: TensorVariable  # standard deviation; broadcasts to the variable
    # Standard Normal noise with draw = mean + scale · noise, where every number of the variable is
    # independent of all others; None where that does not hold.
    noise: TensorVariable | None


@dataclass(frozen=True)
class Guide(ABC):
    """A family of approximate posteriors.

    A new guide is a frozen dataclass that implements these methods, or :class:`Factorised`'s two
    where every number has a Normal distribution of its own. `variables` are the free variables
    that one distribution covers: a single one, or, with ``joint``, all whose names match the
    pattern that the guide was given for.

    Parameters
    ----------
    init_scale : float, optional
        First posterior scales, relative to a scale of the variable; above 0. Default 0.1.
    relative_to : {"start", "prior", "one"}, optional
        Which: the spread of the initial values (1/√fan_in for the weights of networks), or the
        prior's scale where they are constant, at most 1; the prior's scale; or 1.

    Examples
    --------
    >>> from pymc_bnn import guides
    >>> guides.MeanField(init_scale=0.5, relative_to="prior")
    MeanField(init_scale=0.5, relative_to='prior')
    """

    point: ClassVar[bool] = False  # whether it has no spread at all
    # Whether each number alone is Normal: closed forms of the KL, and moments in the model's own
    # space, are those of a Normal; else both are taken from draws.
    normal: ClassVar[bool] = False
    # Whether independent Normals are among its distributions: a fit of no given length then
    # starts from theirs (see :mod:`pymc_bnn.inference.stages`).
    contains_mean_field: ClassVar[bool] = False

    init_scale: float = field(default=0.1, kw_only=True)
    relative_to: Literal["start", "prior", "one"] = field(default="start", kw_only=True)

    def __post_init__(self) -> None:
        check_positive("init_scale", self.init_scale)
        if self.relative_to not in ("start", "prior", "one"):
            rule = 'be "start", "prior" or "one"'
            raise invalid("relative_to", rule, repr(self.relative_to), "choose one of them")

    @property
    def joint(self) -> bool:
        """Whether one distribution covers all variables of a pattern."""
        return False

    @abstractmethod
    def init(self, starts: Sequence[Start], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the first parameters, by role. Roles named "loc" get the rate of locations."""

    def independent(self, params: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return parameters of the same means and scales under which all numbers are independent.

        Of guides that contain mean-field ones.
        """
        raise NotImplementedError(f"{type(self).__name__} does not contain independent Normals")

    @abstractmethod
    def noise(self, variables: Sequence[FreeVariable]) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the standard Normal noise that one draw needs, by name."""

    @abstractmethod
    def draw(
        self, variables: Sequence[FreeVariable], params: Graphs, noise: Graphs
    ) -> dict[str, GuideDraw]:
        """Write one draw of each variable as graphs of the parameters and the noise."""

    @abstractmethod
    def entropy(self, variables: Sequence[FreeVariable], params: Graphs) -> TensorVariable:
        """Write the entropy () in nats as a graph of the parameters."""

    @abstractmethod
    def log_density(
        self, variables: Sequence[FreeVariable], values: Graphs, params: Graphs
    ) -> TensorVariable:
        """Write the log-density () at values of the variables as a graph of the parameters."""


@dataclass(frozen=True)
class Factorised(Guide):
    """A guide under which every number has a Normal distribution of its own.

    A subclass implements :meth:`init` and :meth:`mean_and_scale`.

    Examples
    --------
    One scale for all numbers of a variable:

    >>> class OneScale(Factorised):
    ...     def init(self, starts, rng):
    ...         [start] = starts
    ...         return {"loc": start.loc, "log_scale": np.log(start.scale).mean()}
    ...
    ...     def mean_and_scale(self, variable, params):
    ...         return params["loc"], pt.exp(params["log_scale"])
    """

    normal: ClassVar[bool] = True

    @abstractmethod
    def mean_and_scale(
        self, variable: FreeVariable, params: Graphs
    ) -> tuple[TensorVariable, TensorVariable]:
        """Write the mean and the standard deviation of a variable; both broadcast to it."""

    def noise(self, variables: Sequence[FreeVariable]) -> dict[str, tuple[int, ...]]:
        """Return one number per number."""
        return {v.name: v.start.shape for v in variables}

    def draw(
        self, variables: Sequence[FreeVariable], params: Graphs, noise: Graphs
    ) -> dict[str, GuideDraw]:
        """Write mean + scale · noise."""
        drawn = {}
        for v in variables:
            mean, scale = self.mean_and_scale(v, params)
            drawn[v.name] = GuideDraw(mean + scale * noise[v.name], mean, scale, noise[v.name])
        return drawn

    def entropy(self, variables: Sequence[FreeVariable], params: Graphs) -> TensorVariable:
        r"""Write :math:`\sum_i \log s_i + \tfrac12 \log 2\pi e`."""
        total = pt.constant(0.0)
        for v in variables:
            _, scale = self.mean_and_scale(v, params)
            size = int(np.prod(v.start.shape))
            count = size / np.prod(scale.type.shape, dtype=float)  # one scale may serve many
            total += pt.log(scale).sum() * count + 0.5 * size * (LOG_2PI + 1)
        return total

    def log_density(
        self, variables: Sequence[FreeVariable], values: Graphs, params: Graphs
    ) -> TensorVariable:
        """Write the sum of Normal log-densities."""
        total = pt.constant(0.0)
        for v in variables:
            total += self.log_densities(v, values[v.name], params).sum()
        return total

    def log_densities(
        self, variable: FreeVariable, value: TensorVariable, params: Graphs
    ) -> TensorVariable:
        """Write the Normal log-density of each number of a variable."""
        mean, scale = self.mean_and_scale(variable, params)
        z = (value - mean) / scale
        return -0.5 * z**2 - pt.log(scale) - 0.5 * LOG_2PI


@dataclass(frozen=True)
class Block:
    """Free variables with the guide that covers them."""

    name: str  # the variable's, or the pattern of a joint guide
    guide: Guide
    variables: tuple[FreeVariable, ...]
    params: dict[str, np.ndarray]  # first parameters

    @property
    def rows(self) -> int:
        """How many examples its variables belong to, an entry to each; 0 where to none."""
        return len(self.variables[0].start) if self.variables[0].per_example else 0

    def any_rows(self, shape: tuple[int, ...]) -> tuple[int | None, ...]:
        """Return a shape with None in place of the number of examples."""
        return (None, *shape[1:]) if self.rows else shape

    def roots(self, suffix: str = "") -> dict[str, TensorVariable]:
        """Return fresh inputs of a graph for the parameters."""
        dtype = self.variables[0].value.type.dtype
        return {
            role: pt.TensorType(dtype, self.any_rows(np.shape(value)))(  # pt.tensor takes "0/…"
                f"{self.name}/{role}{suffix}"  # for a type
            )
            for role, value in self.params.items()
        }
