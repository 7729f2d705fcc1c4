"""Which parameter has which prior, by name pattern."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pymc_bnn._checks import by_pattern, invalid
from pymc_bnn.priors.base import Prior
from pymc_bnn.priors.fan_in import FanIn

__all__ = ["assign"]


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
    >>> from pymc_bnn.priors import Normal, fan_in_normal
    >>> chosen = assign({"*_b": Normal(0, 1), "*": fan_in_normal()}, ["dense1_W", "dense1_b"])
    >>> chosen["dense1_b"]
    Normal(mu=0, sigma=1, per=None)
    """
    if not isinstance(prior, Mapping):
        _check_root("prior", prior)
        return dict.fromkeys(parameters, prior)
    for pattern, value in prior.items():
        _check_root(f"prior[{pattern!r}]", value)
    what = "a parameter of the network"
    chosen = by_pattern("prior", prior, parameters, noun="parameter", what=what, every=True)
    return {name: own for name, (_, own) in chosen.items()}


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
