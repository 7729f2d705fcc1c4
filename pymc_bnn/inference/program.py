"""A fit as pure functions: the first state, a step, and the posterior that a state stands for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from pymc_bnn._checks import invalid
from pymc_bnn.data.epochs import Counts, EpochPlan, StreamPlan
from pymc_bnn.data.gathering import ROWS
from pymc_bnn.data.padding import room_of, round_up
from pymc_bnn.data.shuffle import shuffled
from pymc_bnn.inference.metrics import Metrics
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.state import State
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.runtime.noise import words_of
from pymc_bnn.runtime.sharding import split_rows
from pymc_bnn.runtime.stacking import stack_of

__all__ = ["Program"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Program(ABC):
    """Steps on a problem, made by a method for a plan; which rows they see is decided here.

    A method's own program says what a first state is, where a step goes, and what posterior a state
    stands for. All that says how many rows there are is an argument of the steps
    (:class:`pymc_bnn.data.epochs.Counts`), so that they are not compiled for each number.

    Attributes
    ----------
    problem : Problem
        The model, prepared.
    plan : Plan
        How steps go over its data.
    method : Method
        What made the program.

    Examples
    --------
    >>> sorted(Program.__abstractmethods__)
    ['gradient', 'init', 'kl_weight_at', 'posterior', 'update']
    """

    problem: Problem
    plan: Plan
    method: Any
    warmup: int = 0
    first: Program | None = None  # whose steps come first, from where this one's take over

    def __getstate__(self) -> dict[str, Any]:
        """Leave devices out of pickles: they belong to a process."""
        return {**self.__dict__, "plan": replace(self.plan, mesh=None)}

    @abstractmethod
    def init(self, seed: int) -> State:
        """Return the state before the first step."""

    def another(self, seed: int, start: Any = None) -> State:
        """Return a first state from elsewhere, for another member of a mixture.

        Raises
        ------
        ValueError
            Where the method knows but one start.
        """
        rule, repair = "be 1 for this method", "leave it out"
        raise invalid("members", rule, type(self.method).__name__, repair)

    @abstractmethod
    def gradient(
        self, state: State, batch: Any, weights: Any, counts: Counts
    ) -> tuple[Metrics, Any]:
        """Return metrics, and where the next step goes, by block of parameters.

        Of latents that belong to rows it is that of the batch's, whose numbers stand beside.
        """

    @abstractmethod
    def update(self, state: State, metrics: Metrics, gradient: Any) -> tuple[State, Metrics]:
        """Advance the state by a gradient."""

    @abstractmethod
    def posterior(self, state: State) -> Posterior:
        """Return the posterior that a state stands for."""

    @abstractmethod
    def kl_weight_at(self, steps: Any) -> np.ndarray:
        """Return the KL's weight at an array of steps."""

    def laid_out(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return data as steps in a loop have them."""
        return data

    def packed(self, state: State) -> State:
        """Return a state as steps in a loop have it."""
        return state

    def unpacked(self, state: State) -> State:
        """Return a state as all others have it."""
        return state

    @property
    def key(self) -> Hashable | None:
        """What a step does, but for its arguments; None where that cannot be told."""
        return None

    def take_over(self, state: State, *, exactly: bool = False) -> State:
        """Return the state from which to go on where the first program's steps have ended."""
        raise NotImplementedError

    @property
    def stages(self) -> tuple[Program, ...]:
        """The programs whose steps are made, one after the other."""
        return (self,) if self.first is None else (self.first, self)

    def settle(self, state: State, steps: int) -> tuple[State, int]:
        """Let rates fall over so many steps from here; return how many it takes: 0 if it cannot."""
        return state, 0

    def slower(self, rate: float) -> Program:
        """Return the same program with all updates multiplied by a rate; states stay as they are.

        Raises
        ------
        ValueError
            Where the method's steps have no rates.
        """
        rule, repair = "be 0 for this method", "leave it out"
        raise invalid("recover", rule, type(self.method).__name__, repair)

    def going_on(self, plan: Plan) -> Program:
        """Return the same program for more steps, of another plan and without stages before."""
        return replace(self, plan=plan, first=None)

    @property
    def dropout(self) -> bool:
        """Whether the network has dropout, which makes the objective no ELBO."""
        return False

    @property
    def batches(self) -> EpochPlan | StreamPlan | None:
        """How steps go over the data."""
        return self.plan.batches

    @property
    def mesh(self) -> Mesh | None:
        """Devices over which the rows of a batch are split."""
        return self.plan.mesh

    @property
    def dtype(self) -> str:
        """Precision."""
        return self.problem.dtype

    @property
    def exact(self) -> bool:
        """Whether a batch has no room for more rows than the largest has, but for devices.

        Samples of groups would be larger with it, and streams have one size anyway.
        """
        return bool(self.problem.terms.groups) or not isinstance(self.batches, EpochPlan)

    @property
    def room(self) -> int:
        """Rows that a batch is compiled for, of which not all count: as many for each device."""
        if self.batches is None:
            return 0
        rows, devices = self.batches.capacity, self.mesh.size if self.mesh is not None else 1
        return round_up(rows, devices) if self.exact else room_of(rows, devices)

    @property
    def counts(self) -> Counts:
        """What steps have to know of the data's size."""
        return Counts.of(self.batches, self.problem.n, self.dtype, self.warmup)

    def step(self, state: State, data: Any, counts: Counts) -> tuple[State, Metrics]:
        """Advance the state by one step, whose batch is chosen from all data."""
        return self.update(state, *self.gradient_of(state, data, counts))

    def step_on(
        self, state: State, batch: Any, size: Any, weight: Any, counts: Counts
    ) -> tuple[State, Metrics]:
        """Advance the state by one step on a given batch, whose first `size` rows have a weight."""
        return self.update(state, *self.gradient_on(state, batch, size, weight, counts))

    def gradient_of(self, state: State, data: Any, counts: Counts) -> tuple[Metrics, Any]:
        """Return metrics and gradient of :meth:`step`."""
        return self.gradient(state, *self.batch(state, data, counts), counts)

    def gradient_on(
        self, state: State, batch: Any, size: Any, weight: Any, counts: Counts
    ) -> tuple[Metrics, Any]:
        """Return metrics and gradient of :meth:`step_on`."""
        return self.gradient(state, batch, self.row_weights(size, weight), counts)

    def batch(
        self, state: State, data: Mapping[str, Any], counts: Counts
    ) -> tuple[dict[str, Any], Any]:
        """Return the data of the step's batch, and the weight of each row.

        The weights scale the batch's log-likelihood to the whole data: N over the batch's size.
        """
        if self.batches is None:
            return dict(data), 1.0
        rows = {d.name for d in self.problem.terms.data if d.per_example} | {ROWS}
        if self.batches.per_epoch == 1:  # of all rows, as they are
            batch = {k: split_rows(v, self.mesh) if k in rows else v for k, v in data.items()}
            return batch, self.row_weights(counts.n, np.ones((), self.dtype))
        words = words_of(jax.random.fold_in(state.key, 1))
        index, size = counts.at(words, state.step, self.room)
        index = split_rows(index, self.mesh)
        batch = {k: split_rows(v[index], self.mesh) if k in rows else v for k, v in data.items()}
        tables = {stack_of(names) for names in self.problem.terms.tables if names[0] in rows}
        batch |= {k: v[:, index] for k, v in data.items() if k in tables}
        for number, (names, n) in enumerate(self.problem.terms.groups):
            if n > self.room and self.mesh is None:  # a sample anew in every step
                key = jax.random.fold_in(jax.random.fold_in(state.key, 2 + number), state.step)
                part = shuffled(jnp.arange(self.room), n, words_of(key))
                batch |= {name: data[name][part] for name in names}
        return batch, self.row_weights(size, counts.n / size)

    def row_weights(self, size: Any, weight: Any) -> jax.Array:
        """Return the weights (room,) of a batch's rows, of which the first `size` count."""
        counted = jnp.arange(self.room) < size
        weights = jnp.where(counted, weight, 0.0).astype(self.dtype)
        return split_rows(weights, self.mesh)
