"""Parameters outside their support: looked for at draws of a guide, and named."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytensor.tensor as pt
from pymc.distributions.custom import CustomDistRV, CustomSymbolicDistRV

from pymc_bnn._checks import invalid
from pymc_bnn._warnings import warn
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.model.conditions import Condition, conditions, law_of, op_of
from pymc_bnn.model.terms import ModelTerms
from pymc_bnn.runtime.compilation import Compiled
from pymc_bnn.runtime.precision import precision

__all__ = ["DRAWS", "Support"]

Draw = Callable[[int], Mapping[str, Any]]

DRAWS = 200  # of the guide, at which conditions are looked at
_ROWS = 4096  # at most so many at a draw, or as many as it takes to see each in all draws together
_ABOVE = 1e-3  # nats above 0 that are more than rounding


class Support:
    """What is to be checked of a model's laws at draws of a guide; nothing for ordinary networks.

    Parameters
    ----------
    terms : ModelTerms
        The model.
    held : bool, optional
        As of :func:`conditions`.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Poisson("y", mu=pm.Normal("a"), observed=[0, 0])
    >>> support = Support(decompose(model))
    >>> support.check_start(lambda i: {"a": np.float64(1)}, {})
    >>> support.check_start(lambda i: {"a": np.float64(-i)}, {})
    Traceback (most recent call last):
        ...
    ValueError: `y` must be a Poisson with mu >= 0 wherever the guide starts, got mu from -199 to \
0 in 100% of 200 draws (it depends on 'a'); pass pm.math.exp(…) of a free number, or give 'a' a \
prior that is positive (HalfNormal, Gamma)
    """

    def __init__(self, terms: ModelTerms, held: bool = True):
        self.terms = terms
        self.conditions = conditions(terms, held)
        suspects = {c.variable for c in self.conditions}
        self.discrete = [
            o
            for o in terms.observed
            if o.rv.type.dtype.startswith(("int", "uint", "bool"))
            and (o.name in suspects or isinstance(op_of(o.rv), CustomDistRV | CustomSymbolicDistRV))
        ]
        self._function: Any = None

    def check_start(self, draw: Draw, data: Mapping[str, Any]) -> None:
        """Raise ValueError where a condition does not hold at a draw of the guide's start.

        Parameters
        ----------
        draw : callable
            Maps a number in 0…199 to unconstrained values of all free variables.
        data : mapping from str to array
            That replaces the model's own.
        """
        for c, share, low, high in self._broken(*self._look(draw, data)[:3])[:1]:
            rule = f"be a {c.law} with {c.rule} wherever the guide starts"
            raise invalid(c.variable, rule, _got(c, share, low, high), _repair(c))

    def warn_at_end(self, draw: Draw, data: Mapping[str, Any]) -> None:
        """Warn where a condition does not hold at a draw of a fit, or a probability is above 1."""
        *looks, most = self._look(draw, data)
        broken = self._broken(*looks)
        for c, share, low, high in broken:
            warn(
                f"the fit has {_got(c, share, low, high)}, and '{c.variable}' is a {c.law} with "
                f"{c.rule}: PyMC's log-probability is -inf there, and this fit's ELBO is not to be "
                f"trusted; {_repair(c)}"
            )
        for o, above in zip(self.discrete, (most > _ABOVE).T, strict=True):
            if above.any() and o.name not in {c.variable for c, *_ in broken}:
                warn(
                    f"the log-probability of the discrete '{o.name}' is above 0 in "
                    f"{_percent(above.mean())} of {DRAWS} draws of the fit: its probabilities do "
                    f"not add up to 1; check the parameters of its {law_of(op_of(o.rv))}"
                )

    def complaint(self, draw: Draw, data: Mapping[str, Any]) -> tuple[str, str] | None:
        """Return which condition does not hold, if any, and the repair."""
        for c, share, low, high in self._broken(*self._look(draw, data)[:3])[:1]:
            got = _got(c, share, low, high)
            return f"'{c.variable}' is a {c.law} with {c.rule}, and the guide has {got}", _repair(c)
        return None

    def _look(self, draw: Draw, data: Mapping[str, Any]) -> list[np.ndarray]:
        """Return (draws, conditions) whether they hold and bounds; (draws, discrete) maxima.

        Each draw sees some rows of large data, all draws together each row.
        """
        if not self.conditions and not self.discrete:
            return [np.zeros((0, 0))] * 4
        if self._function is None:
            self._function = self._compile()
        arrays = {**self.terms.arrays(), **data}
        rows = {d.name: np.asarray(arrays[d.name]) for d in self.terms.data if d.per_example}
        n = min((len(value) for value in rows.values()), default=0)
        size = min(n, max(_ROWS, -(-n // DRAWS)))
        found = []
        for i in range(DRAWS):
            values = draw(i)
            if size < n:
                index = (i * size + np.arange(size)) % n
                values = self.terms.values_of(values, index)
                arrays |= {name: value[index] for name, value in rows.items()}
            with precision("float64"):
                flat = [np.asarray(values[f.name], f.value.type.dtype) for f in self.terms.free]
                flat += [np.asarray(arrays[d.name]) for d in self.terms.data]
                found.append([np.asarray(part) for part in self._function(*flat)])
        return [np.stack(parts) for parts in zip(*found, strict=True)]

    def _broken(
        self, holds: np.ndarray, low: np.ndarray, high: np.ndarray
    ) -> list[tuple[Condition, float, float, float]]:
        """Return conditions that do not hold, the share of draws, and bounds of the number.

        The worst first; of those that name one rule of one variable, the worst one.
        """
        worst: dict[Any, Any] = {}
        for k, c in enumerate(self.conditions):
            share = 1 - holds[:, k].mean()
            if share > worst.get((c.variable, c.rule), (c, 0.0))[1]:
                worst[c.variable, c.rule] = c, share, low[:, k].min(), high[:, k].max()
        return sorted(worst.values(), key=lambda found: -found[1])

    def _compile(self) -> Compiled:
        """Compile: per condition whether it holds and bounds, per discrete variable its maximum."""
        nothing = pt.constant(np.nan)
        numbers = [nothing if c.number is None else c.number for c in self.conditions]
        outputs = [
            [c.holds for c in self.conditions],
            [x.min() for x in numbers],
            [x.max() for x in numbers],
            [o.logp.max() for o in self.discrete],
        ]
        flat = [x.astype("float64") for group in outputs for x in group]
        lifted = jaxify([*self.terms.values, *self.terms.inputs], flat, "float64", gradient=False)
        ends = np.cumsum([len(group) for group in outputs])[:-1]

        def function(*arguments: Any) -> list[Any]:
            found = list(lifted(*arguments))
            groups = (found[i:j] for i, j in pairwise([0, *ends, len(found)]))
            return [jnp.stack(g) if g else jnp.zeros(0) for g in groups]

        return Compiled(function)


def _got(c: Condition, share: float, low: float, high: float) -> str:
    """Say how a condition is broken."""
    names = re.findall(r"sum\(\w+\)|[A-Za-z_]\w*", c.rule)
    what = names[0] if len(names) == 1 else "values"
    if np.isfinite([low, high]).all():
        got = f"{what} {low:.4g}" if low == high else f"{what} from {low:.4g} to {high:.4g}"
    else:
        got = "others" if c.number is None or "posdef" in c.rule else f"{what} NaN"
    got += f" in {_percent(share)} of {DRAWS} draws"
    if c.of:
        some = ", ".join(f"'{name}'" for name in c.of[:3]) + (", …" if len(c.of) > 3 else "")
        got += f" (it depends on {some})"
    return got


def _percent(share: float) -> str:
    return f"{share:.0%}" if share > 0.01 else f"{share:.1%}"


def _repair(c: Condition) -> str:
    """Say what to write instead."""
    whose = f"'{c.of[0]}'" if len(c.of) == 1 else "the variables that it depends on"
    prior = f"or give {whose} a prior"
    if not c.of:
        return "correct the numbers, which no free variable changes"
    if "posdef" in c.rule:
        return "build it from pm.LKJCholeskyCov, or add a small number to its diagonal"
    if "lower" in c.rule:
        return "write upper=lower + pm.math.exp(…), or correct the bounds"
    if c.law.startswith("Ordered"):
        return (
            "give cutpoints transform=pm.distributions.transforms.ordered and an initval that grows"
        )
    if c.law == "Categorical":
        return (
            "log p may be NaN: did you mean logit_p? Pass logit_p=, or p=pm.math.softmax(…, "
            f"axis=-1), {prior} that adds up to 1 (Dirichlet)"
        )
    if "weights" in c.rule:
        links = "pm.math.softmax(…, axis=-1), or of two weights pm.math.sigmoid(…)"
        return f"pass {links}, {prior} in 0…1"
    if c.law == "NegativeBinomial":
        return f"pass mu and alpha as pm.math.exp(…), {prior} that is positive (HalfNormal, Gamma)"
    if "sum" in c.rule or (c.law == "Multinomial" and "p" in c.rule):
        return f"pass pm.math.softmax(…, axis=-1), {prior} that adds up to 1 (Dirichlet)"
    if re.search(r"0 <=? ?\w+ ?<=? ?1", c.rule):
        own = "logit_p= instead of p=, or " if c.law in ("Bernoulli", "Binomial") else ""
        return f"pass {own}pm.math.sigmoid(…) of a free number, {prior} in 0…1 (Beta, Uniform)"
    if c.rule.startswith("-1 <"):
        return f"pass pm.math.tanh(…) of a free number, {prior} in -1…1"
    if re.search(">=? ?0", c.rule):
        return f"pass pm.math.exp(…) of a free number, {prior} that is positive (HalfNormal, Gamma)"
    return f"{prior.removeprefix('or ')} that keeps to it"
