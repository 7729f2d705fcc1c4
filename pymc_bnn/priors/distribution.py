"""Priors that are one of PyMC's distributions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pytensor.tensor.variable import TensorVariable

from pymc_bnn.priors.base import Place, Prior, check_argument
from pymc_bnn.priors.checks import check_per
from pymc_bnn.priors.fan_in import FanIn

__all__ = ["Argument", "Distribution"]


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
    start: float | FanIn | None = FanIn(1.0)  # noqa: RUF009 - frozen


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
    >>> from pymc_bnn.priors.checks import Per
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
