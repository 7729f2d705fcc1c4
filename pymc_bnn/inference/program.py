"""A fit as pure functions: the first state, a step, and the posterior that a state stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from pymc_bnn.data.epochs import Counts, EpochPlan, StreamPlan
from pymc_bnn.data.padding import room_of
from pymc_bnn.data.shuffle import shuffled
from pymc_bnn.elbo import Elbo, ElboTerms
from pymc_bnn.guides import JointGuide
from pymc_bnn.inference.metrics import Metrics
from pymc_bnn.inference.state import State
from pymc_bnn.posterior.of_guides import GuidePosterior
from pymc_bnn.runtime.noise import words_of
from pymc_bnn.runtime.precision import precision
from pymc_bnn.runtime.sharding import keep_replicated, replicate, split_rows

__all__ = ["Program"]


@dataclass(frozen=True, eq=False)
class Program:
    """Stochastic steps on the negative ELBO of a problem, made by a method for a plan.

    Attributes
    ----------
    elbo : Elbo
        The objective's parts at one draw.
    optimizer : optax.GradientTransformation
        For the loss −ELBO/N.
    kl_weight : float or callable
        A number, or a schedule of the step.
    batches : EpochPlan, StreamPlan or None
        How steps go over the data.
    rows : frozenset of str
        Names of the data that vary per example.
    dtype : str
        Precision.
    n : int
        The loss is the negative ELBO over n, so that learning rates mean the same for any n; an
        argument of the steps, as all that says how many rows there are (:class:`Counts`), so that
        it is not compiled for each.
    particles : int
        Draws of everything that is random, over which the ELBO is averaged.
    groups : tuple
        Samples beside the examples: names of their data, lengths.
    mesh : jax.sharding.Mesh, optional
        Devices over which the rows of a batch are split.
    guide : JointGuide, optional
        Whose parameters a state holds.
    kl_weights : callable, optional
        The KL's weight at an array of steps.
    method : Method, optional
        What made the program.

    Examples
    --------
    >>> Program.__name__
    'Program'
    """

    elbo: Elbo
    optimizer: optax.GradientTransformation
    kl_weight: float | Callable[[Any], Any]
    batches: EpochPlan | StreamPlan | None
    rows: frozenset[str]
    dtype: str
    n: int
    particles: int = 1
    groups: tuple[tuple[frozenset[str], int], ...] = ()
    mesh: Mesh | None = None
    guide: JointGuide | None = None
    kl_weights: Callable[[Any], np.ndarray] | None = None
    method: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave devices out of pickles: they belong to a process."""
        return {**self.__dict__, "mesh": None}

    @property
    def per_epoch(self) -> int:
        """Steps of an epoch."""
        return 1 if self.batches is None else self.batches.per_epoch

    @property
    def room(self) -> int:
        """Rows that a batch is compiled for, of which not all count: as many for each device."""
        if self.batches is None:
            return 0
        rows, devices = self.batches.capacity, self.mesh.size if self.mesh is not None else 1
        # Samples of groups would be larger with the batch, and streams have one size anyway.
        exact = bool(self.groups) or isinstance(self.batches, StreamPlan)
        return -(-rows // devices) * devices if exact else room_of(rows, devices)

    @property
    def counts(self) -> Counts:
        """What steps have to know of the data's size."""
        return Counts.of(self.batches, self.n, self.dtype)

    def init(self, seed: int, params: Any = None) -> State:
        """Return the state before the first step: of the guide's first parameters, or others."""
        params = self.guide.first if params is None else params
        with precision(self.dtype):
            params = jax.tree.map(lambda a: jnp.asarray(a, self.dtype), params)
            state = State(params, self.optimizer.init(params), jax.random.key(seed), jnp.int32(0))
            return replicate(state, self.mesh)

    def posterior(self, state: State) -> GuidePosterior:
        """Return the posterior that a state stands for."""
        return GuidePosterior(self.guide, jax.device_get(state.params), self.elbo)

    def step(self, state: State, data: Any, counts: Counts) -> tuple[State, Metrics]:
        """Advance the state by one step, whose batch is chosen from all data."""
        return self.update(state, *self.gradient(state, *self.batch(state, data, counts), counts))

    def step_on(
        self, state: State, batch: Any, size: Any, weight: Any, counts: Counts
    ) -> tuple[State, Metrics]:
        """Advance the state by one step on a given batch, whose first `size` rows have a weight."""
        weights = self.row_weights(size, weight)
        return self.update(state, *self.gradient(state, batch, weights, counts))

    def noise(self, state: State, counts: Counts) -> dict[str, jax.Array]:
        """Return the noise of the state's next step, (particles, …) where there are several."""
        key = jax.random.fold_in(jax.random.fold_in(state.key, 0), state.step)
        whole = self.batches is None or self.room == self.batches.capacity

        def draw(key: jax.Array) -> dict[str, jax.Array]:
            counted = None if whole else counts.capacity
            return self.elbo.draw_noise(key, self.room, self.dtype, counted=counted)

        if self.particles == 1:
            noise = draw(key)
        else:
            noise = jax.vmap(draw)(jax.random.split(key, self.particles))
        if self.mesh is not None:
            axis = int(self.particles > 1)
            for name in (n.name for n in self.elbo.noise if None in n.shape):
                noise[name] = split_rows(noise[name], self.mesh, axis)
        return noise

    def batch(
        self, state: State, data: Mapping[str, Any], counts: Counts
    ) -> tuple[dict[str, Any], Any]:
        """Return the data of the step's batch, and the weight of each row.

        The weights scale the batch's log-likelihood to the whole data: N over the batch's size.
        """
        if self.batches is None:
            return dict(data), 1.0
        if self.batches.per_epoch == 1:  # of all rows, as they are
            batch = {k: split_rows(v, self.mesh) if k in self.rows else v for k, v in data.items()}
            return batch, self.row_weights(counts.n, np.ones((), self.dtype))
        words = words_of(jax.random.fold_in(state.key, 1))
        index, size = counts.at(words, state.step, self.room)
        index = split_rows(index, self.mesh)
        batch = {
            k: split_rows(v[index], self.mesh) if k in self.rows else v for k, v in data.items()
        }
        for number, (names, n) in enumerate(self.groups):
            if n > self.room and self.mesh is None:  # a sample anew in every step
                key = jax.random.fold_in(jax.random.fold_in(state.key, 2 + number), state.step)
                part = shuffled(jnp.arange(self.room), n, words_of(key))
                batch |= {name: data[name][part] for name in names}
        return batch, self.row_weights(size, counts.total / size)

    def row_weights(self, size: Any, weight: Any) -> jax.Array:
        """Return the weights (room,) of a batch's rows, of which the first `size` count."""
        counted = jnp.arange(self.room) < size
        weights = jnp.where(counted, weight, 0.0).astype(self.dtype)
        return split_rows(weights, self.mesh)

    def loss(
        self, params: Any, noise: Any, data: Any, weights: Any, kl_weight: Any, n: Any
    ) -> tuple[Any, Metrics]:
        """Return the loss, and the parts of the objective of `n` examples."""
        if self.particles == 1:
            parts = self.elbo(params, noise, data)
        else:
            each = jax.vmap(self.elbo, in_axes=(None, 0, None))(params, noise, data)
            parts = ElboTerms(*(None if part is None else part.mean(axis=0) for part in each))
        log_likelihood = parts.rest
        if parts.row is not None:
            log_likelihood += (parts.row * weights).sum()
        divergence, log_prior = parts.kl.sum() - parts.potential, parts.log_prior.sum()
        loss = (kl_weight * (divergence - log_prior) - log_likelihood) / n
        return loss, Metrics(-log_likelihood, divergence, log_prior)

    def gradient(
        self, state: State, batch: Any, weights: Any, counts: Counts
    ) -> tuple[Metrics, Any]:
        """Return metrics and gradient at the state's next step on a batch."""
        weight = self.kl_weight(state.step) if callable(self.kl_weight) else self.kl_weight
        (_, metrics), gradient = jax.value_and_grad(self.loss, has_aux=True)(
            state.params, self.noise(state, counts), batch, weights, weight, counts.total
        )
        return metrics, gradient

    def update(self, state: State, metrics: Metrics, gradient: Any) -> tuple[State, Metrics]:
        """Advance the state by a gradient."""
        updates, opt_state = self.optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        kept = keep_replicated((params, opt_state, metrics), self.mesh)
        params, opt_state, metrics = kept
        return State(params, opt_state, state.key, state.step + 1), metrics
