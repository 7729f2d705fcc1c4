"""Variational inference by stochastic gradients of the ELBO: the default method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import optax
import pymc as pm

from pymc_bnn._checks import check_positive, invalid, set_int
from pymc_bnn.elbo import Elbo, assemble, check_closed_forms, check_spec, needs_rows
from pymc_bnn.elbo.choose import Spec
from pymc_bnn.guides import Block, Guide, JointGuide, MeanField, assign_guides
from pymc_bnn.inference.method import Method
from pymc_bnn.inference.optimizer import adam
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.schedules import kl_schedule
from pymc_bnn.inference.stages import DRAWS, within
from pymc_bnn.inference.start import check_first, check_start, starting_blocks
from pymc_bnn.inference.vi_program import VIProgram
from pymc_bnn.model.problem import Problem
from pymc_bnn.model.terms import ModelTerms
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.runtime.precision import precision

__all__ = ["VI"]

_adam = lru_cache(64)(adam)  # one object for the same numbers: its steps are the same program


@dataclass(frozen=True)
class VI(Method):
    """Stochastic gradient steps on the ELBO over guides; fields are arguments of `pymc_bnn.fit`.

    Raises
    ------
    ValueError, TypeError
        For a bad option.

    Examples
    --------
    >>> VI(particles=8).particles
    8
    """

    guide: Guide | Mapping[str, Guide] | None = None
    estimator: Spec = "auto"
    particles: int = 1
    optimizer: optax.GradientTransformation | None = None
    learning_rate: float | None = None
    scale_learning_rate: float | None = None
    kl_weight: float | str | Callable[[Any], Any] = 1.0
    kl_warmup: int | str = "auto"

    def __post_init__(self):
        set_int(self, "particles", 1, None, "pass particles=1, or a few")
        if isinstance(self.kl_weight, str):  # "auto" is for `fit`, which looks for a number
            if self.kl_weight != "auto":
                rule, repair = 'be a number above 0, a schedule or "auto"', "pass kl_weight=1.0"
                raise invalid("kl_weight", rule, repr(self.kl_weight), repair)
        elif not callable(self.kl_weight):
            check_positive("kl_weight", self.kl_weight)
        if self.kl_warmup != "auto":
            repair = "pass kl_warmup=2000, or 0 for none"
            if isinstance(self.kl_warmup, str):
                rule = 'be a number of steps, or "auto"'
                raise invalid("kl_warmup", rule, repr(self.kl_warmup), repair)
            set_int(self, "kl_warmup", 0, None, repair)
            if callable(self.kl_weight) and self.kl_warmup:
                rule = "be left out where `kl_weight` is a schedule of its own"
                raise invalid("kl_warmup", rule, self.kl_warmup, "write it into the schedule")
        for name, rate in self.rates.items():
            check_positive(name, rate)
        if self.optimizer is not None and self.rates:
            raise invalid(
                "optimizer",
                "come without learning rates, which belong to the default optimiser",
                f"it and {self.rates}",
                "set the rates in the optimiser, or use optimizer=bnn.adam(steps, …)",
            )
        optimizer = self.optimizer
        if optimizer is not None and not isinstance(optimizer, optax.GradientTransformation):
            raise invalid(
                "optimizer",
                "be an optax.GradientTransformation",
                repr(optimizer),
                "pass optax.adam(0.01), say",
                TypeError,
            )
        check_spec(self.estimator)

    @property
    def rates(self) -> dict[str, float]:
        """The learning rates that were given."""
        rates = {
            "learning_rate": self.learning_rate,
            "scale_learning_rate": self.scale_learning_rate,
        }
        return {name: rate for name, rate in rates.items() if rate is not None}

    @property
    def needs_rows(self) -> bool:
        """Whether the model is wanted by rows even where all data are used in every step."""
        return needs_rows(self.estimator)

    def check(self, model: pm.Model, start: Any = None) -> None:
        """Raise for guides of other variables, and starts that are none of the model."""
        assign_guides(self.guide, [rv.name for rv in model.free_RVs])
        check_start(start, model)

    def by_rows(self, model: pm.Model) -> Set[str]:
        """Return the free variables whose guide has parameters for each number and no others."""
        assigned = assign_guides(self.guide, [rv.name for rv in model.free_RVs])
        return {name for name, (_, guide) in assigned.items() if type(guide) is MeanField}

    def blocks(self, terms: ModelTerms, start: Any, dtype: str, seed: int) -> tuple[Block, ...]:
        """Return the guides of all free variables, where they start."""
        assigned = assign_guides(self.guide, [f.name for f in terms.free])
        return starting_blocks(terms, assigned, start, dtype, seed)

    def warmup_of(self, plan: Plan, start: Any) -> int:
        """Return how many steps the KL's weight takes to rise."""
        if self.kl_warmup != "auto":
            if self.kl_warmup >= plan.steps:
                repair = "choose fewer, or more steps: until then the posterior is a cold one"
                rule = f"be below the number of steps, {plan.steps:,}"
                raise invalid("kl_warmup", rule, self.kl_warmup, repair)
            return self.kl_warmup
        if plan.convergence is None or callable(self.kl_weight) or isinstance(start, Posterior):
            return 0
        return plan.convergence.warmup

    def adam(self, plan: Plan) -> optax.GradientTransformation:
        """Return the default optimiser; where convergence ends the fit it says when rates fall."""
        begin = plan.steps if plan.convergence else 0
        rates = {name: float(rate) for name, rate in self.rates.items()}
        return _adam(plan.steps, begin=begin, stretched=self.learning_rate is None, **rates)

    def first(self, plan: Plan, start: Any) -> VI | None:
        """Return the method whose steps come first, if there is one: of independent Normals."""
        guide = within(self.guide)
        if guide is None or plan.convergence is None or isinstance(start, Posterior):
            return None
        return replace(self, guide=guide)

    def compile(self, problem: Problem, plan: Plan, start: Any = None, seed: int = 0) -> VIProgram:
        """Return the program: guides that start, the ELBO, a step of the optimiser.

        Raises
        ------
        ValueError
            Where guides, estimators or schedules do not suit the model or the number of steps.
        """
        terms, dtype = problem.terms, problem.dtype
        warmup = self.warmup_of(plan, start)
        with precision(dtype):
            guide = JointGuide(self.blocks(terms, start, dtype, seed), dtype)
            check_first(terms, guide, guide.first)
            elbo = assemble(terms, guide, dtype, self.estimator)
            check_closed_forms(terms)
        first = self.first(plan, start)
        first = first and first.compile(problem, plan, start, seed)
        particles = self.particles if first is None else max(self.particles, DRAWS)
        return self.program(problem, plan, guide, elbo, particles, warmup, first)

    def program(
        self,
        problem: Problem,
        plan: Plan,
        guide: JointGuide,
        elbo: Elbo,
        particles: int,
        warmup: int,
        first: VIProgram | None = None,
    ) -> VIProgram:
        """Return the program over guides and an ELBO that are there."""
        weight = self.kl_weight if callable(self.kl_weight) else float(self.kl_weight)
        return VIProgram(
            problem=problem,
            plan=plan,
            method=self,
            guide=guide,
            elbo=elbo,
            optimizer=self.optimizer or self.adam(plan),
            kl_weight=weight,
            weights_at=kl_schedule(weight, plan.steps, warmup),
            particles=particles,
            warmup=warmup,
            first=first,
        )
