"""What a method of inference is: an object of choices that compiles a problem to a program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Set
from dataclasses import fields
from typing import Any

import pymc as pm

from pymc_bnn._checks import invalid
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.program import Program
from pymc_bnn.model.problem import Problem

__all__ = ["Method", "chosen"]


class Method(ABC):
    """A way to find a posterior, with its options, which it checks when it is made.

    Examples
    --------
    >>> from pymc_bnn.inference.vi import VI
    >>> isinstance(VI(), Method)
    True
    """

    needs_rows = False  # whether a model is wanted by rows though each step uses all data

    def by_rows(self, model: pm.Model) -> Set[str]:
        """Return the free variables that batches may take by rows, where these own them."""
        return frozenset()

    def check(self, model: pm.Model, start: Any = None) -> None:  # noqa: B027
        """Raise for options and starts that do not suit a model, before any work is done."""

    @abstractmethod
    def compile(self, problem: Problem, plan: Plan, start: Any = None, seed: int = 0) -> Program:
        """Return what is pure and compiled: first state, step, and posterior of a state.

        Parameters
        ----------
        problem : Problem
            The model, prepared.
        plan : Plan
            How steps go over its data, and how many there are.
        start : mapping from str to array_like, or Posterior, optional
            Values of variables by name, or a posterior to go on from.
        seed : int, optional
            Of random first parameters.

        Returns
        -------
        Program
            See there.
        """


def chosen(method: Method | None, default: type, options: dict[str, Any]) -> Method:
    """Return a method that was passed, or the default one with options; not both.

    Examples
    --------
    >>> from pymc_bnn.inference.vi import VI
    >>> chosen(None, VI, {"particles": 3}).particles
    3
    """
    if method is None:
        return default(**options)
    if not isinstance(method, Method):
        got, repair = repr(method), "pass bnn.VI(…), or leave it out"
        raise invalid("method", "be a Method", got, repair, TypeError)
    usual = {f.name: f.default for f in fields(default)}
    given = [k for k, v in options.items() if v is not usual[k] and v != usual[k]]
    if given:
        rule, repair = "come without options of the default one", f"set {given} in the method"
        raise invalid("method", rule, f"it and {given}", repair)
    return method
