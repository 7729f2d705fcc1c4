"""What a traced program is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr

__all__ = ["largest", "operations_of"]


def operations_of(jaxpr: Jaxpr) -> Iterator[Any]:
    """Yield the equations of a program, and those of loops, branches and functions within it.

    Examples
    --------
    >>> import jax
    >>> twice = jax.make_jaxpr(lambda x: jax.lax.fori_loop(0, 2, lambda i, y: y * x, x))(2.0)
    >>> sorted({equation.primitive.name for equation in operations_of(twice.jaxpr)})
    ['add', 'mul', 'scan']
    """
    for equation in jaxpr.eqns:
        yield equation
        for inner in _inner(equation.params.values()):
            yield from operations_of(inner)


def largest(jaxpr: Jaxpr) -> int:
    """Return how many elements the largest array has that a program makes.

    Examples
    --------
    >>> import jax
    >>> largest(jax.make_jaxpr(lambda x: (x[:, None] * x).sum())(jax.numpy.ones(3)).jaxpr)
    9
    """
    made = (variable.aval for one in operations_of(jaxpr) for variable in one.outvars)
    return max((getattr(aval, "size", 1) for aval in made), default=0)


def _inner(values: Any) -> Iterator[Jaxpr]:
    for value in values:
        if isinstance(value, ClosedJaxpr):
            yield value.jaxpr
        elif isinstance(value, Jaxpr):
            yield value
        elif isinstance(value, tuple | list):
            yield from _inner(value)
