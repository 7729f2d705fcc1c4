"""Choices of a fit as named specifications: guides, estimators, methods, plans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from pymc_bnn._checks import invalid
from pymc_bnn.data.epochs import EpochPlan, StreamPlan
from pymc_bnn.elbo.base import Estimator
from pymc_bnn.guides import Guide
from pymc_bnn.inference.convergence import Convergence, Rise
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.recovery import Recovery
from pymc_bnn.inference.stages import Gain
from pymc_bnn.inference.vi import VI

__all__ = [
    "NotDefinedError",
    "OtherOptimizer",
    "RecordedWeights",
    "check_known",
    "from_spec",
    "to_spec",
]

_RECORDS: dict[str, type] = {
    cls.__name__: cls for cls in (EpochPlan, StreamPlan, Convergence, Rise, Gain, Recovery, VI)
}
_OPEN = (Guide, Estimator)  # families that users may extend


class NotDefinedError(ValueError):
    """A fit with a guide or an estimator whose class this process does not know."""


class RecordedWeights:
    """The KL's weights of a schedule that was a function: those of its steps are known.

    Parameters
    ----------
    weights : numpy.ndarray
        (steps,) of each step; later ones have the last.

    Examples
    --------
    >>> RecordedWeights(np.array([0.5, 1.0]))(np.array([0, 1, 7])).tolist()
    [0.5, 1.0, 1.0]
    """

    def __init__(self, weights: np.ndarray):
        self.weights = np.asarray(weights, float)

    def __call__(self, step: Any) -> Any:
        """Return the weight at a step, or at each of an array."""
        if isinstance(step, int | np.ndarray | np.generic):
            return self.weights[np.minimum(np.asarray(step), len(self.weights) - 1)]
        return jnp.asarray(self.weights, "float32")[jnp.minimum(step, len(self.weights) - 1)]


def check_known(program: Any) -> None:
    """Raise for a program that was loaded, of functions that no file holds: it cannot go on.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> check_known(SimpleNamespace(optimizer=optax.adam(0.1), kl_weight=1.0))
    """
    if isinstance(program.optimizer, OtherOptimizer):
        program.optimizer.init(None)  # which says what to do
    if isinstance(program.kl_weight, RecordedWeights):
        rule, got = "be known to go on", "a schedule, of which the steps of the fit were saved"
        repair = "pass start=fitted, with that kl_weight, to fit"
        raise invalid("kl_weight", rule, got, repair)


class OtherOptimizer(optax.GradientTransformation):
    """Stands for an optimiser that was passed to `fit`, which no file holds.

    Examples
    --------
    >>> OtherOptimizer.named().init({})
    Traceback (most recent call last):
        ...
    ValueError: `optimizer` must be known to go on, got a fit that was saved with one of its own; \
pass start=fitted, with that optimizer, to fit
    """

    @classmethod
    def named(cls) -> OtherOptimizer:
        """Return one whose functions say so."""

        def refuse(*_: Any) -> Any:
            got = "a fit that was saved with one of its own"
            repair = "pass start=fitted, with that optimizer, to fit"
            raise invalid("optimizer", "be known to go on", got, repair)

        return cls(refuse, refuse)


def to_spec(value: Any, what: str) -> Any:
    """Describe a choice: numbers, texts, and dataclasses of these.

    Parameters
    ----------
    value : object
        The choice.
    what : str
        What errors call it.

    Raises
    ------
    TypeError
        For what no file can hold.

    Examples
    --------
    >>> from pymc_bnn.guides import LowRank
    >>> to_spec(LowRank(2), "guide")["with"]["rank"]
    2
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else {"float": repr(value)}
    if isinstance(value, optax.GradientTransformation):  # a pair of functions, and so a tuple
        return {"class": "OtherOptimizer"}
    if isinstance(value, tuple | list):
        return {"tuple": [to_spec(v, what) for v in value]}
    if isinstance(value, Mapping) and all(isinstance(k, str) for k in value):
        return {"map": {k: to_spec(v, what) for k, v in value.items()}}
    if isinstance(value, Plan):
        batches, ends = to_spec(value.batches, what), to_spec(value.convergence, what)
        return {"class": "Plan", "with": {"batches": batches, "steps": value.steps, "ends": ends}}
    kind = type(value)
    if callable(value) and not isinstance(value, Guide | Estimator):
        return {"class": "RecordedWeights"}
    known = _RECORDS.get(kind.__name__) is kind or isinstance(value, _OPEN)
    if known and (is_dataclass(value) or not vars(value)):
        names = [f.name for f in fields(value)] if is_dataclass(value) else []
        own = {name: to_spec(getattr(value, name), what) for name in names}
        return {"class": _name(kind), "with": own}
    rule, repair = (
        "be made of numbers, texts and dataclasses of them to be saved",
        "use cloudpickle",
    )
    raise invalid(what, rule, f"{value!r:.80}", repair, TypeError)


def from_spec(written: Any, weights: np.ndarray | None = None) -> Any:
    """Return the choice that was described.

    Parameters
    ----------
    written : object
        From :func:`to_spec`.
    weights : numpy.ndarray, optional
        The KL's weights of each step, where a function chose them.

    Raises
    ------
    ValueError
        For a guide or an estimator whose class is not defined in this process.

    Examples
    --------
    >>> from pymc_bnn.guides import LowRank
    >>> from_spec(to_spec(LowRank(2), "guide"))
    LowRank(init_scale=0.1, relative_to='start', rank=2)
    """
    if not isinstance(written, dict):
        return written
    if "float" in written:
        return float(written["float"])
    if "tuple" in written:
        return tuple(from_spec(v, weights) for v in written["tuple"])
    if "map" in written:
        return {str(k): from_spec(v, weights) for k, v in written["map"].items()}
    name = written["class"]
    if name == "OtherOptimizer":
        return OtherOptimizer.named()
    if name == "RecordedWeights":
        return RecordedWeights(weights)
    own = {str(k): from_spec(v, weights) for k, v in written["with"].items()}
    if name == "Plan":
        return Plan(own["batches"], int(own["steps"]), convergence=own["ends"])
    cls = _RECORDS.get(name) or _open(name)
    return cls(**own)


def _name(kind: type) -> str:
    ours = kind.__module__.startswith("pymc_bnn.")
    return kind.__name__ if ours else f"{kind.__module__}.{kind.__qualname__}"


def _open(name: str) -> type:
    """Return a guide's or an estimator's class that this process knows; nothing is imported."""
    found = {_name(kind): kind for base in _OPEN for kind in _below(base)}
    if name not in found:
        rule, repair = (
            "be of guides and estimators that are defined here",
            "define or import it first",
        )
        raise invalid("path", rule, f"a fit with {str(name)!r:.80}", repair, NotDefinedError)
    return found[name]


def _below(base: type) -> Iterator[type]:
    for kind in base.__subclasses__():
        yield kind
        yield from _below(kind)
