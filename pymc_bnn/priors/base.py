"""What every prior is: a spec whose arguments are numbers, arrays, FanIn or other priors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import invalid
from pymc_bnn.priors.checks import Per, check_number, check_per

if TYPE_CHECKING:
    from pymc_bnn.priors.place import Place

__all__ = [
    "Argument",
    "Distribution",
    "FanIn",
    "Prior",
    "check_argument",
    "check_support",
    "key",
    "mentions_fan_in",
]


class Prior(ABC):
    """The distribution of a parameter, or of another prior's argument.

    A new prior that is one of PyMC's distributions is a few lines: see :class:`Distribution`. Any
    other is a frozen dataclass with ``eq=False`` that implements :meth:`build`. Its arguments may
    be numbers, arrays, :class:`FanIn` or other priors; ``build`` gets them resolved from
    ``place.argument``. A last field ``per`` lets it serve as a hyperparameter.

    Attributes
    ----------
    positive : bool
        Whether all draws are positive, as scales must be.
    unit : bool
        Whether all draws lie between 0 and 1, as probabilities must.

    Examples
    --------
    >>> import pymc as pm
    >>> @dataclass(frozen=True, eq=False)
    ... class Logistic(Prior):
    ...     scale: Any = 1.0
    ...
    ...     def build(self, name, place):
    ...         scale = place.argument("scale", self.scale, positive=True)
    ...         return pm.Logistic(name, mu=0.0, s=scale, **place.settings(self))
    >>> Logistic(FanIn(2.0))
    Logistic(scale=FanIn(scale=2.0))
    """

    positive: ClassVar[bool] = False
    unit: ClassVar[bool] = False
    per: Per | None = None

    @abstractmethod
    def build(self, name: str, place: Place) -> TensorVariable:
        """Register the variable `name` in the model on the stack, and return it.

        Its shape, dims and start value are ``place.settings(self)``; ``place.variable`` sets them,
        and truncates the distribution where another prior asks for that. It may be a
        ``pm.Deterministic`` of variables that ``place.argument`` registered.
        """

    def start(self, place: Place) -> np.ndarray | None:
        """Return the start value at `place`, of ``place.shape``; None for the prior's own.

        Parameters start at random numbers with the fan-in scale, and scales at the fan-in scale
        itself, 1/√fan_in, rather than at the mode of a wide hyperprior.
        """
        if place.path:
            return place.start
        if not self.positive:
            return place.site.start
        size = np.abs(place.site.start)
        return np.where(size > 0, size, place.fan_in_scale)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and key(self) == key(other)

    def __hash__(self) -> int:
        return hash((type(self), key(self)))


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

    Raises
    ------
    ValueError, TypeError
        If `scale` is not one positive number.

    References
    ----------
    Neal, *Bayesian Learning for Neural Networks* (1996), section 2.1: weights whose variance is
    inversely proportional to the number of inputs give a limit for wide networks.

    Examples
    --------
    >>> from pymc_bnn.priors import Normal
    >>> Normal(sigma=FanIn(2.0))
    Normal(mu=0.0, sigma=FanIn(scale=2.0), per=None)
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        if np.ndim(self.scale) or not isinstance(self.scale, (int, float, np.number)):
            raise invalid("scale", "be a number", repr(self.scale), "pass FanIn(1.0)", TypeError)
        check_number("scale", self.scale, positive=True)


@dataclass(frozen=True)
class Argument:
    """One argument of a :class:`Distribution`.

    Attributes
    ----------
    name : str
        The field that holds it; the names of hyperparameters end in it.
    positive : bool
        Whether only positive numbers make sense.
    keyword : str or None
        What PyMC calls it, where that is another name.
    start : float, FanIn or None
        Where it starts, if it is learned and positive; None for its prior's own start.
    """

    name: str
    positive: bool = False
    keyword: str | None = None
    start: float | FanIn | None = FanIn(1.0)


class Distribution(Prior):
    """A prior that is one of PyMC's distributions: a table of arguments, nothing else to write.

    Attributes
    ----------
    distribution : type
        The PyMC distribution.
    arguments : tuple of Argument
        One row for each of its arguments.

    Examples
    --------
    >>> import pymc as pm
    >>> @dataclass(frozen=True, eq=False)
    ... class Logistic(Distribution):
    ...     distribution = pm.Logistic
    ...     arguments = (Argument("mu"), Argument("scale", positive=True, keyword="s"))
    ...     mu: Any = 0.0
    ...     scale: Any = 1.0
    ...     per: Per | None = None
    >>> Logistic(scale=-1.0)
    Traceback (most recent call last):
    ValueError: `scale` must be positive and finite, got -1.0; pass a number, ... or a prior
    """

    distribution: ClassVar[Any]
    arguments: ClassVar[tuple[Argument, ...]] = ()

    def __post_init__(self) -> None:
        for argument in self.arguments:
            check_argument(argument.name, getattr(self, argument.name), argument.positive)
        check_per(self.per)

    def build(self, name: str, place: Place) -> TensorVariable:
        """Register the variable; see :meth:`Prior.build`."""
        resolved = {
            a.keyword or a.name: place.argument(
                a.name, getattr(self, a.name), a.positive, start=a.start
            )
            for a in self.arguments
        }
        return place.variable(name, self, self.distribution, **resolved)


def check_argument(name: str, value: Any, positive: bool = False, unit: bool = False) -> None:
    """Check an argument as far as it can be checked without knowing the parameter.

    Raises
    ------
    ValueError, TypeError
        If it is of no fit kind, not finite, or outside its support.

    Examples
    --------
    >>> check_argument("sigma", FanIn(1.0), positive=True)
    """
    if isinstance(value, Prior):
        check_support(name, value, positive, unit)
    elif not isinstance(value, FanIn):
        check_number(name, value, positive, unit)


def check_support(name: str, prior: Prior, positive: bool, unit: bool = False) -> None:
    """Raise if a prior draws numbers that the argument `name` cannot be.

    Examples
    --------
    >>> from pymc_bnn.priors import HalfNormal
    >>> check_support("sigma", HalfNormal(1.0), positive=True)
    """
    if unit and not prior.unit:
        raise invalid(name, "be between 0 and 1", prior, "use Beta, say")
    if positive and not prior.positive:
        raise invalid(name, "be positive", prior, "use HalfNormal, say")


def key(value: Any) -> Any:
    """Return something hashable that is equal for equal specs.

    Examples
    --------
    >>> key((1.0, np.zeros(2))) == key((1, np.zeros(2)))
    True
    """
    if isinstance(value, Prior):
        return type(value), tuple(key(getattr(value, f.name)) for f in fields(value))
    if isinstance(value, (tuple, list)):
        return tuple(map(key, value))
    if isinstance(value, np.ndarray):
        return value.shape, (value.astype(float) + 0.0).tobytes()  # −0.0 as 0.0
    return value


def mentions_fan_in(value: Any) -> bool:
    """Return whether a spec depends on the layer through :class:`FanIn`.

    Examples
    --------
    >>> mentions_fan_in((1.0, FanIn(2.0)))
    True
    """
    if isinstance(value, Prior):
        return any(mentions_fan_in(getattr(value, f.name)) for f in fields(value))
    if isinstance(value, (tuple, list)):
        return any(map(mentions_fan_in, value))
    return isinstance(value, FanIn)
