"""What a method of inference is: an object of choices that compiles a problem to a program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import pymc as pm

from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.program import Program
from pymc_bnn.model.problem import Problem

__all__ = ["Method"]


class Method(ABC):
    """A way to find a posterior, with its options, which it checks when it is made.

    Examples
    --------
    >>> from pymc_bnn.inference.vi import VI
    >>> isinstance(VI(), Method)
    True
    """

    needs_rows = False  # whether a model is wanted by rows though each step uses all data

    def check(self, model: pm.Model) -> None:  # noqa: B027
        """Raise for options that do not suit a model, before any work is done."""

    @abstractmethod
    def compile(self, problem: Problem, plan: Plan, start: Any = None, seed: int = 0) -> Program:
        """Return what is pure and compiled: first state, step, and posterior of a state.

        Parameters
        ----------
        problem : Problem
            The model, prepared.
        plan : Plan
            How steps go over its data, and how many there are.
        start : mapping from str to array_like, or GuidePosterior, optional
            Values of variables by name, or a posterior to go on from.
        seed : int, optional
            Of random first parameters.

        Returns
        -------
        Program
            See there.
        """
