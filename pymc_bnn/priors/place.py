"""Where priors stand in a network, and how they become random variables there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
from pytensor import config
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import invalid
from pymc_bnn._warnings import unheard
from pymc_bnn.graphs.start_values import move_initial_values
from pymc_bnn.priors.base import Place, Prior, check_support
from pymc_bnn.priors.checks import LEVELS, Per, check_number
from pymc_bnn.priors.fan_in import FanIn
from pymc_bnn.priors.sharing import Scope
from pymc_bnn.priors.site import Site

__all__ = ["PlaceInNetwork", "build"]


@dataclass(frozen=True)
class _Bound:
    """A limit of a hyperparameter's support."""

    spec: Any  # as the user wrote it
    value: Any  # a number, an array or a variable, which broadcasts to the hyperparameter
    start: np.ndarray | None  # where it starts, if that is known


@dataclass(frozen=True)
class PlaceInNetwork(Place):
    """A place among the sites of one network; see :class:`~pymc_bnn.priors.Place`.

    Attributes
    ----------
    site, per, path, start
        As of any place.
    scope : Scope
        What the parameters of the network share.
    lower, upper : bound or None
        What the support of a hyperparameter ends at, if the prior it belongs to says so.
    """

    site: Site
    per: Per
    path: tuple[str, ...]
    scope: Scope
    start: np.ndarray | None = None
    lower: _Bound | None = None
    upper: _Bound | None = None

    @property
    def name(self) -> str:
        """Name of the random variable."""
        site = self.site
        stem = {"network": site.prefix, "layer": f"{site.layer}_"}.get(self.per, f"{site.name}_")
        return stem + "_".join(self.path) if self.path else site.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the random variable."""
        if self.per == "weight":
            return self.site.shape
        return () if self._axis is None else (self.site.shape[self._axis],)

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of its dimensions."""
        if self.per == "weight":
            return self.site.dims
        return () if self._axis is None else (self.site.dims[self._axis],)

    @property
    def _axis(self) -> int | None:
        return self.site.input_axis if self.per == "unit" else None

    @property
    def _limits(self) -> tuple[Any, Any]:
        return tuple(None if bound is None else bound.spec for bound in (self.lower, self.upper))

    @property
    def fan_in_scale(self) -> float:
        """1/√fan_in; for a number shared by the network, the geometric mean over its weights."""
        if self.per != "network":
            return float(self.site.fan_in**-0.5)
        sites = [site for site in self.scope.sites if len(site.shape) > 1] or self.scope.sites
        return float(np.exp(np.mean([-0.5 * np.log(site.fan_in) for site in sites])))

    def settings(self, prior: Prior) -> dict[str, Any]:
        """Return the shape, dims and initval to create `prior`'s random variable with."""
        start = prior.start(self)
        for bound, clip, factor in ((self.upper, np.minimum, 0.5), (self.lower, np.maximum, 2.0)):
            if bound is not None and start is not None:
                start = None if bound.start is None else clip(start, factor * bound.start)
        if start is not None:
            start = np.asarray(start, dtype=config.floatX)
        return {"shape": self.shape, "dims": self.dims, "initval": start}

    def variable(
        self, name: str, prior: Prior, distribution: Any, **arguments: Any
    ) -> TensorVariable:
        """Register it; see :meth:`Place.variable`."""
        settings = self.settings(prior)
        if self.lower is None and self.upper is None:
            return distribution(name, **arguments, **settings)
        lower = 0.0 if self.lower is None else self.lower.value
        upper = None if self.upper is None else self.upper.value
        whole = distribution.dist(**arguments, shape=self.shape)
        # InverseGamma's quantiles are made of a Gamma variable, which PyMC takes for a mistake.
        with unheard("RandomVariables .* were found in the derived graph"):
            return pm.Truncated(name, whole, lower=lower, upper=upper, **settings)

    def argument(
        self,
        name: str,
        value: Any,
        positive: bool = False,
        unit: bool = False,
        start: Any = FanIn(1.0),  # noqa: B008 - frozen
        above: tuple[str, Any] | None = None,
        below: tuple[str, Any] | None = None,
    ) -> Any:
        """Resolve it; see :meth:`Place.argument`."""
        if isinstance(value, Prior):
            check_support(name, value, positive, unit)
            child = self._child(name, value, start, above, below)
            return _spread(self.scope.register(value, child, child._limits), child, self)
        if isinstance(value, FanIn):
            if self.per == "network":
                rule = "not depend on the layer in a prior per='network'"
                raise invalid(name, rule, value, "pass a number, or per='layer'")
            return self._of_fan_in(value)
        check_number(name, value, positive, unit)
        array = np.asarray(value, dtype=config.floatX)
        try:
            fits = np.broadcast_shapes(array.shape, self.shape) == self.shape
        except ValueError:
            fits = False
        if not fits:
            rule = f"broadcast to shape {self.shape} of {self.name!r}"
            repair = "pass a number, or give this parameter a prior of its own by name"
            raise invalid(name, rule, f"shape {array.shape}", repair)
        return array if array.ndim else float(array)

    def _of_fan_in(self, value: FanIn) -> float | np.ndarray:
        """Return a number, or one per input unit that broadcasts to what is here."""
        site = self.site
        if not value.decay or len(site.shape) < 2:
            return float(value.scale / np.sqrt(site.fan_in))
        if self._unit_axis is None:
            rule = "have no decay where units share one number"
            raise invalid(self.path[-1], rule, value, "pass per='unit', or FanIn without decay")
        n = site.shape[site.input_axis]
        shape = [1] * len(self.shape)
        shape[self._unit_axis] = n
        return value.of_units(n, site.fan_in).astype(config.floatX).reshape(shape)

    @property
    def _unit_axis(self) -> int | None:
        """Which axis of the random variable runs over the layer's inputs."""
        return self.site.input_axis if self.per == "weight" else 0 if self.per == "unit" else None

    def _child(self, name: str, prior: Prior, start: Any, above: Any, below: Any) -> PlaceInNetwork:
        """Return the place of an argument's prior."""
        per = self._per(prior)
        if LEVELS.index(per) < LEVELS.index(self.per):
            rule = f"be shared at least as widely as the prior it belongs to, per={self.per!r}"
            raise invalid(name, rule, f"per={per!r}", f"pass per={self.per!r} or wider")
        path = (*self.path, name)
        child = PlaceInNetwork(self.site, per, path, self.scope)
        if isinstance(start, FanIn):
            start = start.scale * child.fan_in_scale if prior.positive else None
        if start is not None:
            start = np.broadcast_to(start, child.shape)
        lower, upper = (
            None if other is None else self._bound(child, *other) for other in (above, below)
        )
        return PlaceInNetwork(self.site, per, path, self.scope, start, lower, upper)

    def _per(self, prior: Prior) -> Per:
        return prior.per or LEVELS[max(LEVELS.index(self.per), LEVELS.index("tensor"))]

    def _bound(self, child: PlaceInNetwork, name: str, value: Any) -> _Bound:
        """Return what the argument `name` of the prior here is to the hyperparameter `child`."""
        if not isinstance(value, Prior):
            number = child.argument(name, value, positive=True)
            return _Bound(value, number, np.asarray(number))
        other = PlaceInNetwork(self.site, self._per(value), (*self.path, name), self.scope)
        if LEVELS.index(other.per) < LEVELS.index(child.per):
            rule = f"not be shared more widely than `{name}`, which is per={other.per!r}"
            raise invalid(
                child.path[-1], rule, f"per={child.per!r}", f"pass per={other.per!r} or narrower"
            )
        known = self.scope.shared[other.name]
        start = known.place.settings(known.prior)["initval"]
        if start is not None:
            start = _spread(start, other, child)
        return _Bound(value, _spread(known.variable, other, child), start)


def build(sites: Iterable[Site], priors: Mapping[str, Prior]) -> list[TensorVariable]:
    """Register the random variables of a network's parameters in the model on the stack.

    Parameters
    ----------
    sites : iterable of Site
        The parameters.
    priors : mapping from str to Prior
        The prior of each by ``site.parameter``; see :func:`assign`.

    Returns
    -------
    list of TensorVariable
        One per site, in the same order: a random variable, or a ``pm.Deterministic`` of some.

    Raises
    ------
    ValueError, TypeError
        If a prior does not fit, or a name is taken in the model.

    Examples
    --------
    >>> from pymc_bnn.priors import HalfNormal, Normal, Site
    >>> site = Site("w", "w", "w", "", (4,), ("w_dim_0",), 1, 0, np.zeros(4))
    >>> with pm.Model(coords={"w_dim_0": range(4)}) as model:
    ...     w = build([site], {"w": Normal(sigma=HalfNormal(1.0))})
    >>> [variable.name for variable in model.free_RVs]
    ['w_sigma', 'w']
    """
    sites = tuple(sites)
    scope = Scope(sites)
    model = pm.modelcontext(None)
    before = len(model.free_RVs)
    places = [PlaceInNetwork(site, "weight", (), scope) for site in sites]
    variables = [scope.register(priors[p.site.parameter], p, (None, None)) for p in places]
    move_initial_values(model, model.free_RVs[before:])
    return variables


def _spread(value: Any, source: PlaceInNetwork, target: PlaceInNetwork) -> Any:
    """Line up a number per unit with one per weight; wider ones broadcast by themselves."""
    if source.per != "unit" or target.per != "weight" or source._axis is None:
        return value
    shape = [1] * len(target.shape)
    shape[source._axis] = source.shape[0]
    if isinstance(value, np.ndarray):
        return value.reshape(shape)
    axes: list[Any] = ["x"] * len(shape)
    axes[source._axis] = 0
    return value.dimshuffle(*axes)
