"""Where priors stand in a network, and how they become random variables there."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pymc as pm
from pymc.distributions.truncated import TruncatedRV
from pytensor import config
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import invalid
from pymc_bnn.graphs.start_values import move_initial_values
from pymc_bnn.priors.base import FanIn, Prior, check_support, key, mentions_fan_in
from pymc_bnn.priors.checks import LEVELS, Per, check_number

__all__ = ["Place", "Site", "build"]


@dataclass(frozen=True, eq=False)
class Site:
    """A parameter of a network, as a prior sees it.

    Attributes
    ----------
    name : str
        Name of the random variable, with the network's prefix, such as ``net_dense1_W``.
    parameter : str
        Name within the network, ``dense1_W``, which patterns are matched with.
    layer : str
        Name of the layer, with the network's prefix, ``net_dense1``.
    prefix : str
        The network's prefix, ``net_``, or the empty string.
    shape : tuple of int
        Shape of the parameter.
    dims : tuple of str
        Names of its dimensions.
    fan_in : int
        Inputs that one unit of the layer sums; see :class:`FanIn`.
    input_axis : int or None
        The axis of the input units; for vectors their only one; None for scalars.
    start : ndarray
        Where optimisers start, of `shape`.
    """

    name: str
    parameter: str
    layer: str
    prefix: str
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    fan_in: int
    input_axis: int | None
    start: np.ndarray


@dataclass(frozen=True)
class _Bound:
    """A limit of a hyperparameter's support."""

    spec: Any  # as the user wrote it
    value: Any  # a number, an array or a variable, which broadcasts to the hyperparameter
    start: np.ndarray | None  # where it starts, if that is known


@dataclass(frozen=True)
class _Shared:
    """A random variable, and what it was made from."""

    prior: Prior
    place: Place
    variable: TensorVariable

    @property
    def limits(self) -> tuple[Any, Any]:
        return self.place._limits

    @property
    def fan_in(self) -> int:
        spec = (self.prior, *self.limits)
        return self.place.site.fan_in if mentions_fan_in(spec) else 0


@dataclass(frozen=True)
class _Scope:
    """What the parameters of one network share while they are built."""

    sites: tuple[Site, ...]
    shared: dict[str, _Shared] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Where a prior stands: at a parameter, or at an argument of another prior.

    Attributes
    ----------
    site : Site
        The parameter; where several share this variable, the first of them.
    per : {"weight", "unit", "tensor", "layer", "network"}
        Which weights share one number here.
    path : tuple of str
        Names of the arguments that lead here from the parameter's prior; empty for that itself.
    start : ndarray or None
        Where a hyperparameter starts, if the prior it belongs to says so; of `shape`.
    lower, upper : bound or None
        What the support of a hyperparameter ends at, if the prior it belongs to says so.
    """

    site: Site
    per: Per
    path: tuple[str, ...]
    scope: _Scope
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
        """Register `distribution`, truncated where `prior` has to stay below or above another.

        Parameters
        ----------
        name : str
            As :meth:`Prior.build` got it.
        prior : Prior
            The prior that is being built.
        distribution : type
            A PyMC distribution.
        **arguments : float, ndarray or TensorVariable
            Its arguments, resolved by :meth:`argument`, which broadcast to ``self.shape``.

        Returns
        -------
        TensorVariable
            The random variable, with the shape, dims and start value of :meth:`settings`.
        """
        settings = self.settings(prior)
        if self.lower is None and self.upper is None:
            return distribution(name, **arguments, **settings)
        lower = 0.0 if self.lower is None else self.lower.value
        upper = None if self.upper is None else self.upper.value
        whole = distribution.dist(**arguments, shape=self.shape)
        with warnings.catch_warnings():
            # InverseGamma's quantiles are made of a Gamma variable, which PyMC takes for a mistake.
            warnings.filterwarnings("ignore", "RandomVariables .* were found in the derived graph")
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
        """Resolve a prior's argument: a number, an array, :class:`FanIn` or another prior.

        Parameters
        ----------
        name : str
            Name of the argument, which the name of a hyperparameter ends in.
        value : float, array, FanIn or Prior
            As the user wrote it.
        positive : bool, optional
            Whether only positive numbers make sense. Default False.
        unit : bool, optional
            Whether only numbers between 0 and 1 make sense. Default False.
        start : float, array, FanIn or None, optional
            Where it starts, if it is learned. FanIn counts for positive numbers only; None is for
            its prior's own start. Default FanIn(1.0).
        above, below : (str, float, array, FanIn or Prior), optional
            Name and value of another positive argument that a learned one has to stay above or
            below: its prior is truncated there, and normalised. Resolve a learned other first.

        Returns
        -------
        float, ndarray or TensorVariable
            Broadcasts to ``self.shape``.

        Raises
        ------
        ValueError, TypeError
            If the value does not fit this place.
        """
        if isinstance(value, Prior):
            check_support(name, value, positive, unit)
            child = self._child(name, value, start, above, below)
            return _spread(_register(value, child), child, self)
        if isinstance(value, FanIn):
            if self.per == "network":
                rule = "not depend on the layer in a prior per='network'"
                raise invalid(name, rule, value, "pass a number, or per='layer'")
            return float(value.scale / np.sqrt(self.site.fan_in))
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

    def _child(self, name: str, prior: Prior, start: Any, above: Any, below: Any) -> Place:
        """Return the place of an argument's prior."""
        per = self._per(prior)
        if LEVELS.index(per) < LEVELS.index(self.per):
            rule = f"be shared at least as widely as the prior it belongs to, per={self.per!r}"
            raise invalid(name, rule, f"per={per!r}", f"pass per={self.per!r} or wider")
        path = (*self.path, name)
        child = Place(self.site, per, path, self.scope)
        if isinstance(start, FanIn):
            start = start.scale * child.fan_in_scale if prior.positive else None
        if start is not None:
            start = np.broadcast_to(start, child.shape)
        lower, upper = (
            None if other is None else self._bound(child, *other) for other in (above, below)
        )
        return Place(self.site, per, path, self.scope, start, lower, upper)

    def _per(self, prior: Prior) -> Per:
        return prior.per or LEVELS[max(LEVELS.index(self.per), LEVELS.index("tensor"))]

    def _bound(self, child: Place, name: str, value: Any) -> _Bound:
        """Return what the argument `name` of the prior here is to the hyperparameter `child`."""
        if not isinstance(value, Prior):
            number = child.argument(name, value, positive=True)
            return _Bound(value, number, np.asarray(number))
        other = Place(self.site, self._per(value), (*self.path, name), self.scope)
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
    >>> from pymc_bnn.priors import HalfNormal, Normal
    >>> site = Site("w", "w", "w", "", (4,), ("w_dim_0",), 1, 0, np.zeros(4))
    >>> with pm.Model(coords={"w_dim_0": range(4)}) as model:
    ...     w = build([site], {"w": Normal(sigma=HalfNormal(1.0))})
    >>> [variable.name for variable in model.free_RVs]
    ['w_sigma', 'w']
    """
    sites = tuple(sites)
    scope = _Scope(sites)
    model = pm.modelcontext(None)
    before = len(model.free_RVs)
    variables = [_register(priors[s.parameter], Place(s, "weight", (), scope)) for s in sites]
    move_initial_values(model, model.free_RVs[before:])
    return variables


def _register(prior: Prior, place: Place) -> TensorVariable:
    """Build the variable of `place`, or find it where another parameter built it already."""
    name, shared = place.name, place.scope.shared
    if place.per in {"layer", "network"} and name in shared:
        known, new = shared[name], _Shared(prior, place, shared[name].variable)
        if known.prior != prior or key(known.limits) != key(new.limits):
            rule = f"give parameters that share {name!r} equal priors of it"
            got = f"{_described(known)} and {_described(new)}"
            raise invalid("prior", rule, got, "make them equal, or narrow `per`")
        if known.fan_in != new.fan_in:
            rule = f"not depend on the fan-in in {name!r}, which tensors of unequal fan-in share"
            raise invalid("prior", rule, prior, "pass a number, or per='tensor'")
        return known.variable
    model = pm.modelcontext(None)
    if model.named_vars.tree_contains(model.name_for(name)):
        rule = "tell the networks and variables of a model apart"
        got = f"the name {model.name_for(name)!r}, which exists already"
        raise invalid("name", rule, got, 'pass name="net2" to `bayesian`, say')
    variable = prior.build(name, place)
    bounded = place.lower is not None or place.upper is not None
    if bounded and not (variable.owner and isinstance(variable.owner.op, TruncatedRV)):
        rule = "be a prior that can be truncated"
        repair = "use HalfNormal, say, or build it by place.variable"
        raise invalid(place.path[-1], rule, prior, repair)
    shared[name] = _Shared(prior, place, variable)
    return variable


def _spread(value: Any, source: Place, target: Place) -> Any:
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


def _described(shared: _Shared) -> str:
    lower, upper = shared.limits
    above = "" if lower is None else f" above {lower}"
    return f"{shared.prior}{above}" + ("" if upper is None else f" below {upper}")
