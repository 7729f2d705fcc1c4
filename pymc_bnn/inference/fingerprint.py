"""What a fit is of, in words and hashes: its model, its data, its options."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import jax
import numpy as np
import pymc as pm
from pytensor.graph.basic import Variable

from pymc_bnn.inference.method import Method
from pymc_bnn.inference.state import State
from pymc_bnn.model.conditions import law_of, op_of
from pymc_bnn.model.problem import Problem
from pymc_bnn.saving.arrays import digest_of
from pymc_bnn.saving.definitions import words

__all__ = ["about_data", "about_fit", "about_method", "about_model", "about_state", "described"]

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_LOOKS = 0, 1, 10, 100, 1000, 10_000  # steps at which a schedule is looked at


def about_fit(problem: Problem, method: Method, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what has to agree for a fit to go on, by kind and by name.

    Examples
    --------
    >>> about_fit.__name__
    'about_fit'
    """
    own = {name: described(value) for name, value in options.items()}
    return {
        "model": about_model(problem.model),
        "data": about_data(problem),
        "options": about_method(method) | own,
    }


def about_model(model: pm.Model) -> dict[str, str]:
    """Return law, shape, and a hash of the definition of each variable, by its name.

    A definition is what stands between a variable and the named ones above it: operations and
    constants, but neither the values of `pm.Data` nor what is observed.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu", 0, 10), observed=np.zeros(3))
    >>> {name: text.split(" #")[0] for name, text in about_model(model).items()}
    {'mu': 'Normal ()', 'y': 'Normal (3,)'}
    """
    found = {}
    named = {variable: name for name, variable in model.named_vars.items()}
    for name, variable in model.named_vars.items():
        if variable in model.data_vars:
            continue
        random = variable in model.basic_RVs
        law = law_of(op_of(variable)) if random else "Deterministic or Potential"
        shape = tuple(s if s is not None else "?" for s in variable.type.shape)
        value = model.rvs_to_values.get(variable)
        transform = type(model.rvs_to_transforms.get(variable)).__name__
        start = described(model.rvs_to_initial_values.get(variable))
        kind = "" if value is None else str(value.type)
        others = {v: other for v, other in named.items() if v is not variable}
        text = "\n".join([*words(variable, others), transform, start, kind])
        found[name] = f"{law} {_shape(shape)} #{_hash(text.encode())}"
    return found


def about_data(problem: Problem) -> dict[str, str]:
    """Return type, shape and hash of the numbers of all data that a problem holds, by name.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(3))
    >>> about_data(Problem.of(decompose(model), None, "float32"))["y"][:12]
    'float64 (3,)'
    """
    return {name: described(value) for name, value in problem.terms.arrays().items()}


def about_method(method: Method) -> dict[str, str]:
    """Return the options of a method in words.

    Examples
    --------
    >>> from pymc_bnn.inference.vi import VI
    >>> about_method(VI(particles=3))["particles"]
    '3'
    """
    options = {"method": type(method).__qualname__}
    if is_dataclass(method):
        options |= {f.name: described(getattr(method, f.name)) for f in fields(method)}
    return options


def about_state(state: State, steps: int) -> str:
    """Return after which step a state was left, and a hash of its numbers.

    Examples
    --------
    >>> state = State({"b": {"loc": np.zeros(3)}}, (), np.zeros(2, "uint32"), np.int32(5))
    >>> about_state(state, 5).split(" #")[0]
    'at step 5'
    """
    leaves = [described(np.asarray(leaf)) for leaf in jax.tree.leaves(state)]
    return f"at step {steps:,} #{_hash(' '.join(leaves).encode())}"


def described(value: Any) -> str:
    """Return a text that is the same for equal options, in any process.

    Examples
    --------
    >>> described({"w": 1.5}), described(np.zeros(2))[:12]
    ("{'w': 1.5}", 'float64 (2,)')
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k!r}: {described(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Variable):
        return f"a graph #{_hash(' '.join(words(value, {})).encode())}"
    if hasattr(value, "moments"):
        means, stds = value.moments()
        return f"a posterior #{_hash(described([means, stds]).encode())}"
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
        return "[" + ", ".join(map(described, value)) + "]"
    if isinstance(value, str | int | float | bool | None):
        return repr(value)
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        return f"{array.dtype.name} {_shape(array.shape)} #{digest_of(array)[:16]}"
    if hasattr(value, "init") and hasattr(value, "update"):
        return "an optimiser"  # functions, of which nothing can be said
    if is_dataclass(value) and not isinstance(value, type):
        own = ", ".join(f"{f.name}={described(getattr(value, f.name))}" for f in fields(value))
        return f"{type(value).__qualname__}({own})"
    if callable(value):
        return f"a function #{_hash(_looks(value).encode())}"
    return _ADDRESS.sub("", repr(value))


def _looks(function: Callable[[Any], Any]) -> str:
    """Return what a schedule is at some steps."""
    return repr([float(function(np.int32(step))) for step in _LOOKS])


def _shape(shape: Any) -> str:
    return "(" + ", ".join(map(str, shape)) + (",)" if len(shape) == 1 else ")")


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
