"""The contract of priors: what a spec is, and what it knows of the place where it is built.

The arguments of a spec are numbers, arrays, FanIn or other specs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import invalid
from pymc_bnn.priors.checks import Per, check_number
from pymc_bnn.priors.fan_in import FanIn
from pymc_bnn.priors.site import Site

__all__ = ["Place", "Prior", "check_argument", "check_support", "key", "mentions_fan_in"]


class Prior(ABC):
    """The distribution of a parameter, or of another prior's argument.

    A new prior that is one of PyMC's distributions is a few lines: see
    :class:`~pymc_bnn.priors.Distribution`. Any other is a frozen dataclass with
    ``eq=False`` that implements :meth:`build`. Its arguments may be numbers, arrays, :class:`FanIn`
    or other priors; ``build`` gets them resolved from ``place.argument``. A last field ``per`` lets
    it serve as a hyperparameter.

    Attributes
    ----------
    positive : bool
        Whether all draws are positive, as scales must be.
    unit : bool
        Whether all draws lie between 0 and 1, as probabilities must.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import pymc as pm
    >>> @dataclass(frozen=True, eq=False)
    ... class Logistic(Prior):
    ...     scale: Any = 1.0
    ...
    ...     def build(self, name, place):
    ...         scale = place.argument("scale", self.scale, positive=True)
    ...         return pm.Logistic(name, mu=0.0, s=scale, **place.settings(self))
    >>> Logistic(FanIn(2.0))
    Logistic(scale=FanIn(scale=2.0, decay=0.0, units=1.0))
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


class Place(ABC):
    """Where a prior stands: at a parameter, or at an argument of another prior.

    What :meth:`Prior.build` is given.

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
    """

    site: Site
    per: Per
    path: tuple[str, ...]
    start: np.ndarray | None

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the random variable."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of the random variable."""

    @property
    @abstractmethod
    def dims(self) -> tuple[str, ...]:
        """Names of its dimensions."""

    @property
    @abstractmethod
    def fan_in_scale(self) -> float:
        """1/√fan_in; for a number shared by the network, the geometric mean over its weights."""

    @abstractmethod
    def settings(self, prior: Prior) -> dict[str, Any]:
        """Return the shape, dims and initval to create `prior`'s random variable with."""

    @abstractmethod
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

    @abstractmethod
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
    if isinstance(value, Mapping):
        return tuple((name, key(value[name])) for name in sorted(value))
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
