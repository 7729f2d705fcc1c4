"""Prior specs: what turns a network's parameters into PyMC random variables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal

import numpy as np
import pymc as pm
from pytensor import config
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import invalid

__all__ = [
    "FanIn",
    "HalfNormal",
    "Normal",
    "Place",
    "Prior",
    "Site",
    "assign",
    "build",
    "fan_in_normal",
]

Per = Literal["weight", "unit", "tensor", "layer", "network"]
_LEVELS: tuple[Per, ...] = ("weight", "unit", "tensor", "layer", "network")  # narrow to wide


class Prior(ABC):
    """The distribution of a parameter, or of another prior's argument.

    A new prior is a frozen dataclass with ``eq=False`` that implements :meth:`build`. Its arguments
    may be numbers, arrays, :class:`FanIn` or other priors; ``build`` gets them resolved from
    :meth:`Place.argument`. A last field ``per`` lets it serve as a hyperparameter.

    Examples
    --------
    >>> @dataclass(frozen=True, eq=False)
    ... class Laplace(Prior):
    ...     scale: Any = 1.0
    ...
    ...     def build(self, name, place):
    ...         scale = place.argument("scale", self.scale, positive=True)
    ...         return pm.Laplace(name, mu=0.0, b=scale, **place.settings(self))
    >>> Laplace(HalfNormal(1.0, per="layer"))
    Laplace(scale=HalfNormal(sigma=1.0, per='layer'))
    """

    positive: ClassVar[bool] = False  # whether all its draws are positive, as scales must be
    per: Per | None = None

    @abstractmethod
    def build(self, name: str, place: Place) -> TensorVariable:
        """Register the random variable `name` in the model on the stack, and return it.

        Its shape, dims and start value are ``place.settings(self)``.
        """

    def start(self, place: Place) -> np.ndarray | None:
        """Return the start value at `place`, of ``place.shape``; None for the prior's own.

        Parameters start at random numbers with the fan-in scale, and scales at the fan-in scale
        itself, 1/√fan_in, rather than at the mode of a wide hyperprior.
        """
        if place.path:
            return np.full(place.shape, place.fan_in_scale) if self.positive else None
        if not self.positive:
            return place.site.start
        size = np.abs(place.site.start)
        return np.where(size > 0, size, place.fan_in_scale)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and _key(self) == _key(other)

    def __hash__(self) -> int:
        return hash((type(self), _key(self)))


@dataclass(frozen=True)
class FanIn:
    """A number that depends on the layer: scale/√fan_in.

    `fan_in` counts the inputs that one unit of the layer sums: the rows of a matrix, or height ×
    width × input channels of a kernel; a layer's bias has the fan-in of its weights. It is 1 for a
    table of embeddings, of which each input picks one row, and in a layer without weights, such as
    LayerNorm. A weighted sum of inputs of size 1 then has a standard deviation of about `scale`,
    whatever the width.

    Parameters
    ----------
    scale : float, optional
        Positive. Default 1.0.

    References
    ----------
    Neal, *Bayesian Learning for Neural Networks* (1996), section 2.1: weights whose variance is
    inversely proportional to the number of inputs give a limit for wide networks.

    Examples
    --------
    >>> Normal(sigma=FanIn(2.0))
    Normal(mu=0.0, sigma=FanIn(scale=2.0), per=None)
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        if np.ndim(self.scale) or not isinstance(self.scale, (int, float, np.number)):
            raise invalid("scale", "be a number", repr(self.scale), "pass FanIn(1.0)", TypeError)
        _check_number("scale", self.scale, positive=True)


@dataclass(frozen=True, eq=False)
class Normal(Prior):
    r"""Normal distribution of a parameter, :math:`w \sim \mathcal N(\mu, \sigma^2)`.

    Parameters
    ----------
    mu : float, array, FanIn or Prior, optional
        Mean. A prior makes it a learned variable. Default 0.0.
    sigma : float, array, FanIn or Prior, optional
        Standard deviation, positive, and a prior of positive numbers if it is one. Default 1.0.
    per : {None, "tensor", "layer", "network", "unit", "weight"}, optional
        Where this is the prior of another prior's argument: as for :class:`HalfNormal`.

    Raises
    ------
    ValueError, TypeError
        If an argument is of another kind, not finite, or a `sigma` is not positive.

    Examples
    --------
    >>> Normal(0.0, 0.1)
    Normal(mu=0.0, sigma=0.1, per=None)

    One learned mean for all weights, and a learned scale per tensor:

    >>> prior = Normal(mu=Normal(0.0, 1.0, per="network"), sigma=HalfNormal(1.0))
    """

    mu: Any = 0.0
    sigma: Any = 1.0
    per: Per | None = None

    def __post_init__(self) -> None:
        _check_argument(self, "mu")
        _check_argument(self, "sigma", positive=True)
        _check_per(self.per)

    def build(self, name: str, place: Place) -> TensorVariable:
        """Register the variable; see :meth:`Prior.build`."""
        mu = place.argument("mu", self.mu)
        sigma = place.argument("sigma", self.sigma, positive=True)
        return pm.Normal(name, mu=mu, sigma=sigma, **place.settings(self))


@dataclass(frozen=True, eq=False)
class HalfNormal(Prior):
    r"""Half-normal distribution, of a scale: :math:`\sigma \sim |\mathcal N(0, s^2)|`.

    Parameters
    ----------
    sigma : float, array, FanIn or Prior, optional
        The scale :math:`s`, positive; the mean is 0.80 of it. Default 1.0.
    per : {None, "tensor", "layer", "network", "unit", "weight"}, optional
        Which weights share one number, where this is the prior of another prior's argument:

        - "tensor": one for each weight matrix, kernel or bias, named ``<layer>_W_sigma``;
        - "layer": one for all tensors of a layer, ``<layer>_sigma``;
        - "network": one for all tensors that have this prior, ``sigma``;
        - "unit": one per input of a layer, ``<layer>_W_sigma`` with dims ``(<layer>_in,)``, which
          lets the fit switch off inputs; one per element for a bias;
        - "weight": one for each weight, with the weights' dims.

        The names end in the name of the argument, here "sigma". None, the default, means "tensor",
        or the level of the prior whose argument this is where that is wider.

    Raises
    ------
    ValueError, TypeError
        If `sigma` is not positive or of another kind, or `per` is unknown.

    References
    ----------
    Gelman, *Prior distributions for variance parameters in hierarchical models*, Bayesian Analysis
    1 (2006), section 3. MacKay, *Probable networks and plausible predictions*, Network 6 (1995),
    for a scale per input ("automatic relevance determination").

    Examples
    --------
    >>> Normal(sigma=HalfNormal(1.0, per="layer"))
    Normal(mu=0.0, sigma=HalfNormal(sigma=1.0, per='layer'), per=None)

    Hyperpriors nest to any depth; here the layers' scales learn their own scale:

    >>> prior = Normal(sigma=HalfNormal(HalfNormal(1.0, per="network"), per="layer"))
    """

    positive: ClassVar[bool] = True
    sigma: Any = 1.0
    per: Per | None = None

    def __post_init__(self) -> None:
        _check_argument(self, "sigma", positive=True)
        _check_per(self.per)

    def build(self, name: str, place: Place) -> TensorVariable:
        """Register the variable; see :meth:`Prior.build`."""
        sigma = place.argument("sigma", self.sigma, positive=True)
        return pm.HalfNormal(name, sigma=sigma, **place.settings(self))


def fan_in_normal(scale: float = 1.0) -> Normal:
    """Return Normal(0, scale/√fan_in), under which signals keep their size from layer to layer.

    Parameters
    ----------
    scale : float, optional
        Positive; 1 to 3 is usual. Default 1.0.

    Returns
    -------
    Normal

    Examples
    --------
    >>> fan_in_normal(2.0)
    Normal(mu=0.0, sigma=FanIn(scale=2.0), per=None)
    """
    return Normal(0.0, FanIn(scale))


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
class _Scope:
    """What the parameters of one network share while they are built."""

    sites: tuple[Site, ...]
    shared: dict[str, tuple[Prior, int, TensorVariable]] = field(default_factory=dict)


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
    """

    site: Site
    per: Per
    path: tuple[str, ...]
    scope: _Scope

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
    def fan_in_scale(self) -> float:
        """1/√fan_in; for a number shared by the network, the geometric mean over its weights."""
        if self.per != "network":
            return float(self.site.fan_in**-0.5)
        sites = [site for site in self.scope.sites if len(site.shape) > 1] or self.scope.sites
        return float(np.exp(np.mean([-0.5 * np.log(site.fan_in) for site in sites])))

    def settings(self, prior: Prior) -> dict[str, Any]:
        """Return the shape, dims and initval to create `prior`'s random variable with."""
        start = prior.start(self)
        if start is not None:
            start = np.asarray(start, dtype=config.floatX)
        return {"shape": self.shape, "dims": self.dims, "initval": start}

    def argument(self, name: str, value: Any, positive: bool = False) -> Any:
        """Resolve a prior's argument: a number, an array, :class:`FanIn` or another prior.

        Parameters
        ----------
        name : str
            Name of the argument, which the name of a hyperparameter ends in.
        value : float, array, FanIn or Prior
            As the user wrote it.
        positive : bool, optional
            Whether only positive numbers make sense. Default False.

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
            return self._hyperparameter(name, value, positive)
        if isinstance(value, FanIn):
            if self.per == "network":
                rule = "not depend on the layer in a prior per='network'"
                raise invalid(name, rule, value, "pass a number, or per='layer'")
            return float(value.scale / np.sqrt(self.site.fan_in))
        _check_number(name, value, positive)
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

    def _hyperparameter(self, name: str, prior: Prior, positive: bool) -> TensorVariable:
        _check_positive_prior(name, prior, positive)
        here = _LEVELS.index(self.per)
        per = prior.per or _LEVELS[max(here, _LEVELS.index("tensor"))]
        if _LEVELS.index(per) < here:
            rule = f"be shared at least as widely as the prior it belongs to, per={self.per!r}"
            raise invalid(name, rule, f"per={per!r}", f"pass per={self.per!r} or wider")
        child = Place(self.site, per, (*self.path, name), self.scope)
        variable = _register(prior, child)
        if per == "unit" and self.per == "weight" and child._axis is not None:
            axes: list[Any] = ["x"] * len(self.shape)
            axes[child._axis] = 0
            return variable.dimshuffle(*axes)
        return variable


def assign(prior: Prior | Mapping[str, Prior], parameters: Sequence[str]) -> dict[str, Prior]:
    """Return the prior of each parameter.

    Parameters
    ----------
    prior : Prior or mapping from pattern to Prior
        One prior for all, or shell-style patterns such as ``"conv*"`` or ``"*_b"``, of which the
        first that matches a parameter's name wins.
    parameters : sequence of str
        Names of the parameters within the network, such as ``dense1_W``.

    Returns
    -------
    dict
        Prior by name, in the order of `parameters`.

    Raises
    ------
    ValueError
        If a parameter matches no pattern, a pattern no parameter, or earlier patterns leave a
        pattern other than ``"*"`` nothing.
    TypeError
        If something is not a prior.

    Examples
    --------
    >>> chosen = assign({"*_b": Normal(0, 1), "*": fan_in_normal()}, ["dense1_W", "dense1_b"])
    >>> chosen["dense1_b"]
    Normal(mu=0, sigma=1, per=None)
    """
    if not isinstance(prior, Mapping):
        _check_root("prior", prior)
        return dict.fromkeys(parameters, prior)
    for pattern, value in prior.items():
        if not isinstance(pattern, str):
            repair = "pass patterns such as '*_W'"
            raise invalid("prior", "have strings as keys", repr(pattern), repair, TypeError)
        _check_root(f"prior[{pattern!r}]", value)
    chosen: dict[str, Prior] = {}
    winners = set()
    for parameter in parameters:
        pattern = next((p for p in prior if fnmatchcase(parameter, p)), None)
        if pattern is None:
            rule = f"have a pattern for every parameter, among them {parameter!r}"
            raise invalid("prior", rule, list(prior), "add '*' as the last pattern")
        winners.add(pattern)
        chosen[parameter] = prior[pattern]
    for pattern in prior:
        if not any(fnmatchcase(parameter, pattern) for parameter in parameters):
            rule = f"have patterns that match a parameter of the network, {_listed(parameters)}"
            raise invalid("prior", rule, repr(pattern), "correct the pattern or drop it")
        if pattern not in winners and pattern != "*":
            rule = "have each pattern win a parameter; the first that matches wins"
            got = f"{pattern!r} after patterns that match the same names"
            raise invalid("prior", rule, got, "put it before them or drop it")
    return chosen


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
        One random variable per site, in the same order.

    Raises
    ------
    ValueError, TypeError
        If a prior does not fit, or a name is taken in the model.

    Examples
    --------
    >>> site = Site("w", "w", "w", "", (4,), ("w_dim_0",), 1, 0, np.zeros(4))
    >>> with pm.Model(coords={"w_dim_0": range(4)}) as model:
    ...     w = build([site], {"w": Normal(sigma=HalfNormal(1.0))})
    >>> [variable.name for variable in model.free_RVs]
    ['w_sigma', 'w']
    """
    sites = tuple(sites)
    scope = _Scope(sites)
    return [_register(priors[s.parameter], Place(s, "weight", (), scope)) for s in sites]


def _register(prior: Prior, place: Place) -> TensorVariable:
    """Build the variable of `place`, or find it where another parameter built it already."""
    name, shared = place.name, place.scope.shared
    fan_in = place.site.fan_in if _mentions_fan_in(prior) else 0
    if place.per in {"layer", "network"} and name in shared:
        known, known_fan_in, variable = shared[name]
        if known != prior:
            rule = f"give parameters that share {name!r} equal priors of it"
            raise invalid("prior", rule, f"{known} and {prior}", "make them equal, or narrow `per`")
        if known_fan_in != fan_in:
            rule = f"not depend on the fan-in in {name!r}, which tensors of unequal fan-in share"
            raise invalid("prior", rule, prior, "pass a number, or per='tensor'")
        return variable
    model = pm.modelcontext(None)
    if model.named_vars.tree_contains(model.name_for(name)):
        rule = "tell the networks and variables of a model apart"
        got = f"the name {model.name_for(name)!r}, which exists already"
        raise invalid("name", rule, got, 'pass name="net2" to `bayesian`, say')
    variable = prior.build(name, place)
    shared[name] = (prior, fan_in, variable)
    return variable


def _check_root(argument: str, prior: Any) -> None:
    """Check the prior of a parameter."""
    if not isinstance(prior, Prior):
        rule = "be a prior, or a dict from name patterns to priors"
        if isinstance(prior, FanIn):
            repair = f"pass Normal(sigma={prior})"
        elif isinstance(prior, type) and issubclass(prior, Prior):
            repair = f"create one, as in {prior.__name__}()"
        else:
            repair = "pass Normal(0, 1), say"
        raise invalid(argument, rule, repr(prior), repair, TypeError)
    if prior.per not in {None, "weight"}:
        rule = "have a number per weight"
        got = f"per={prior.per!r}"
        raise invalid(argument, rule, got, "pass `per` to the prior of one of its arguments")


def _check_argument(prior: Prior, name: str, positive: bool = False) -> None:
    """Check an argument as far as it can be checked without knowing the parameter."""
    value = getattr(prior, name)
    if isinstance(value, Prior):
        _check_positive_prior(name, value, positive)
    elif not isinstance(value, FanIn):
        _check_number(name, value, positive)


def _check_positive_prior(name: str, prior: Prior, positive: bool) -> None:
    if positive and not prior.positive:
        raise invalid(name, "be positive", prior, "use HalfNormal, say")


def _check_number(name: str, value: Any, positive: bool) -> None:
    repair = "pass a number, an array, FanIn(…) or a prior"
    rule = "be positive and finite" if positive else "be finite"
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            raise TypeError
    except (TypeError, ValueError):
        rule = "be a number, an array, FanIn(…) or a prior"
        raise invalid(name, rule, repr(value), "pass 1.0, say", TypeError) from None
    if not np.isfinite(array).all() or (positive and not (array > 0).all()):
        raise invalid(name, rule, value, repair)


def _check_per(per: Any) -> None:
    if per is not None and per not in _LEVELS:
        rule = "be one of " + ", ".join(map(repr, _LEVELS))
        raise invalid("per", rule, repr(per), "choose one, or leave it out")


def _key(value: Any) -> Any:
    """Return something hashable that is equal for equal specs."""
    if isinstance(value, Prior):
        return type(value), tuple(_key(getattr(value, f.name)) for f in fields(value))
    if isinstance(value, (tuple, list)):
        return tuple(map(_key, value))
    if isinstance(value, np.ndarray):
        return value.shape, tuple(value.ravel().tolist())
    return value


def _mentions_fan_in(value: Any) -> bool:
    if isinstance(value, Prior):
        return any(_mentions_fan_in(getattr(value, f.name)) for f in fields(value))
    if isinstance(value, (tuple, list)):
        return any(map(_mentions_fan_in, value))
    return isinstance(value, FanIn)


def _listed(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
