"""What the parameters of one network share: the variables of their hyperparameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pymc as pm
from pymc.distributions.truncated import TruncatedRV
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import invalid
from pymc_bnn.priors.base import Place, Prior, key, mentions_fan_in
from pymc_bnn.priors.site import Site

__all__ = ["Scope", "Shared"]


@dataclass(frozen=True)
class Shared:
    """A random variable, and what it was made from."""

    prior: Prior
    place: Place
    limits: tuple[Any, Any]  # what it has to stay above and below, as the user wrote it
    variable: TensorVariable

    @property
    def fan_in(self) -> int:
        """Fan-in that it depends on, or 0."""
        return self.place.site.fan_in if mentions_fan_in((self.prior, *self.limits)) else 0


@dataclass(frozen=True)
class Scope:
    """What the parameters of one network share while they are built."""

    sites: tuple[Site, ...]
    shared: dict[str, Shared] = field(default_factory=dict)

    def register(self, prior: Prior, place: Place, limits: tuple[Any, Any]) -> TensorVariable:
        """Build the variable of `place`, or find it where another parameter built it already."""
        name, shared = place.name, self.shared
        if place.per in {"layer", "network"} and name in shared:
            known, new = shared[name], Shared(prior, place, limits, shared[name].variable)
            if known.prior != prior or key(known.limits) != key(new.limits):
                rule = f"give parameters that share {name!r} equal priors of it"
                got = f"{_described(known)} and {_described(new)}"
                raise invalid("prior", rule, got, "make them equal, or narrow `per`")
            if known.fan_in != new.fan_in:
                rule = (
                    f"not depend on the fan-in in {name!r}, which tensors of unequal fan-in share"
                )
                raise invalid("prior", rule, prior, "pass a number, or per='tensor'")
            return known.variable
        model = pm.modelcontext(None)
        if model.named_vars.tree_contains(model.name_for(name)):
            rule = "tell the networks and variables of a model apart"
            got = f"the name {model.name_for(name)!r}, which exists already"
            raise invalid("name", rule, got, 'pass name="net2" to `bayesian`, say')
        variable = prior.build(name, place)
        bounded = any(limit is not None for limit in limits)
        if bounded and not (variable.owner and isinstance(variable.owner.op, TruncatedRV)):
            rule = "be a prior that can be truncated"
            repair = "use HalfNormal, say, or build it by place.variable"
            raise invalid(place.path[-1], rule, prior, repair)
        shared[name] = Shared(prior, place, limits, variable)
        return variable


def _described(shared: Shared) -> str:
    lower, upper = shared.limits
    above = "" if lower is None else f" above {lower}"
    return f"{shared.prior}{above}" + ("" if upper is None else f" below {upper}")
