"""The program of variational inference: stochastic gradient steps on the negative ELBO."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pymc_bnn.data.epochs import Counts
from pymc_bnn.data.gathering import ROWS, seen_by
from pymc_bnn.elbo import Elbo, ElboTerms
from pymc_bnn.guides import JointGuide
from pymc_bnn.guides.stacks import Stacks
from pymc_bnn.inference.metrics import Metrics
from pymc_bnn.inference.optimizer import let_fall, lowered
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.program import Program
from pymc_bnn.inference.redraw import redraw
from pymc_bnn.inference.row_steps import faster, first_state, step_on_rows
from pymc_bnn.inference.schedules import warmed
from pymc_bnn.inference.state import State
from pymc_bnn.posterior.of_guides import GuidePosterior
from pymc_bnn.runtime.precision import precision
from pymc_bnn.runtime.sharding import keep_replicated, replicate, split_rows
from pymc_bnn.runtime.stacking import stack_of, stacked

__all__ = ["VIProgram"]


@dataclass(frozen=True, eq=False, kw_only=True)
class VIProgram(Program):
    """Steps of an optimiser on −ELBO/N over the parameters of guides.

    Attributes
    ----------
    guide : JointGuide
        Whose parameters a state holds.
    elbo : Elbo
        The objective's parts at one draw.
    optimizer : optax.GradientTransformation
        For the loss −ELBO/N, so that learning rates mean the same for any N.
    kl_weight : float or callable
        A number, or a schedule of the step.
    weights_at : callable
        The same, at an array of steps.
    particles : int
        Draws of everything that is random, over which the ELBO is averaged.
    warmup : int
        First steps, in which the KL's weight rises to `kl_weight`.
    first : VIProgram, optional
        That of independent Normals, whose steps come first.

    Examples
    --------
    >>> VIProgram.__abstractmethods__
    frozenset()
    """

    guide: JointGuide
    elbo: Elbo
    optimizer: optax.GradientTransformation
    kl_weight: float | Callable[[Any], Any]
    weights_at: Callable[[Any], np.ndarray]
    particles: int = 1
    warmup: int = 0
    first: VIProgram | None = None

    @property
    def dropout(self) -> bool:
        """Whether the network has dropout, random in training."""
        return self.elbo.dropout

    @property
    def counts(self) -> Counts:
        """What steps have to know of sizes, and the KL's weight: no program is made for each."""
        weight = 1.0 if callable(self.kl_weight) else self.kl_weight
        return Counts.of(self.batches, self.problem.n, self.dtype, self.warmup, weight)

    def laid_out(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return data as steps in a loop have them: columns of a type are one table."""
        tables = self.problem.terms.tables if self.mesh is None else ()
        apart = set(data).difference(*tables)
        own = {name: value for name, value in data.items() if name in apart}
        return own | {stack_of(names): stacked(data, names) for names in tables}

    @property
    def stacks(self) -> Stacks:
        """Blocks that steps have as one: none where the optimiser is not ours."""
        return self.guide.stacks if self.method.optimizer is None else Stacks()

    def packed(self, state: State) -> State:
        """Return a state as steps in a loop have it: blocks that look alike are one."""
        return replace(state, params=self.stacks.pack(state.params))

    def unpacked(self, state: State) -> State:
        """Return a state whose parameters are those of the guide."""
        return replace(state, params=self.stacks.unpack(state.params))

    @property
    def key(self) -> Hashable | None:
        """What a step does: all that is neither an argument nor a part of a shape."""
        if self.mesh is not None or self.elbo.key is None:
            return None
        terms, plan = self.problem.terms, self.batches
        rows = self.room, self.exact, tuple(d.name for d in terms.data if d.per_example)
        order = terms.groups, self.guide.rows, plan is None or plan.per_epoch == 1
        weight = self.kl_weight if callable(self.kl_weight) else None
        own = self.optimizer, self.particles, weight, self.dtype, self.stacks
        return type(self), self.elbo.key, rows, order, type(plan), own

    def kl_weight_at(self, steps: Any) -> np.ndarray:
        """Return the KL's weight at an array of steps."""
        return self.weights_at(steps)

    def init(self, seed: int, params: Any = None) -> State:
        """Return the state before the first step: of the guide's first parameters, or others."""
        params = self.guide.first if params is None else params
        with precision(self.dtype):
            params = jax.tree.map(partial(_cast, self.dtype), params)
            packed, params = self.stacks.pack(params), replicate(params, None)
            packed = replicate({name: params.get(name, own) for name, own in packed.items()}, None)
            opt_state = first_state(self.optimizer, packed, self.elbo.latents, compiled=True)
            state = State(params, opt_state, jax.random.key(seed), jnp.int32(0))
            return replicate(state, self.mesh)

    def another(self, seed: int, start: Any = None) -> State:
        """Return a first state from other starts of the model's variables."""
        terms = redraw(self.problem.terms, seed)
        with precision(self.dtype):
            blocks = self.method.blocks(terms, start, self.dtype, seed)
        return self.init(seed, {block.name: block.params for block in blocks})

    def settle(self, state: State, steps: int) -> tuple[State, int]:
        """Let the default optimiser's rates fall over so many steps from here."""
        if self.method.optimizer is not None:
            return state, 0
        with precision(self.dtype):
            if self.elbo.latents:
                own, shared = state.opt_state["rows"], state.opt_state["shared"]
                own = let_fall(own, steps, state.step)
                fallen = {"shared": let_fall(shared, steps), "rows": own}
            else:
                fallen = let_fall(state.opt_state, steps)
            return replace(state, opt_state=replicate(fallen, self.mesh)), steps

    def take_over(self, state: State, *, exactly: bool = False) -> State:
        """Return the state from which to go on where the first program's steps have ended.

        `exactly` the same distribution, or one from which every parameter can leave.
        """
        posterior, terms = self.first.posterior(state), self.problem.terms
        with precision(self.dtype):
            blocks = self.method.blocks(terms, posterior, self.dtype, 0)
        params = {
            b.name: b.guide.independent(b.params)
            if exactly and b.guide.contains_mean_field
            else b.params
            for b in blocks
        }
        key, step = jax.random.clone(state.key), jnp.copy(state.step)  # a step uses up its state
        return replace(self.init(0, params), key=key, step=step)

    def going_on(self, plan: Plan) -> VIProgram:
        """Return the same program for more steps, its ELBO made before they are traced."""
        return replace(super().going_on(plan), elbo=self.elbo.now)

    def slower(self, rate: float) -> VIProgram:
        """Return the same program with all updates multiplied by a rate; states are the same."""
        first = self.first and self.first.slower(rate)
        return replace(self, optimizer=lowered(self.optimizer, rate), first=first)

    def posterior(self, state: State) -> GuidePosterior:
        """Return the posterior that a state stands for."""
        params = jax.device_get(state.params)
        return GuidePosterior(self.guide, params, self.elbo, self.problem)

    def noise(self, state: State, counts: Counts) -> dict[str, jax.Array]:
        """Return the noise of the state's next step, (particles, …) where there are several."""
        key = jax.random.fold_in(jax.random.fold_in(state.key, 0), state.step)
        # Where rows fill up, also of a batch that happens to have none: its program is the same.
        counted = None if self.exact and self.mesh is None else counts.capacity

        def draw(key: jax.Array) -> dict[str, jax.Array]:
            return self.elbo.draw_noise(key, self.room, counted=counted)

        if self.particles == 1:
            noise = draw(key)
        else:
            noise = jax.vmap(draw)(jax.random.split(key, self.particles))
        if self.mesh is not None:
            axis = int(self.particles > 1)
            for name in (n.name for n in self.elbo.noise if None in n.shape):
                noise[name] = split_rows(noise[name], self.mesh, axis)
        return noise

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
        if parts.row_kl is not None:
            divergence += (parts.row_kl * weights).sum()
        loss = (kl_weight * (divergence - log_prior) - log_likelihood) / n
        return loss, Metrics(-log_likelihood, divergence, log_prior)

    def gradient(
        self, state: State, batch: Any, weights: Any, counts: Counts
    ) -> tuple[Metrics, Any]:
        """Return metrics and gradient at the state's next step on a batch."""
        weight = self.kl_weight(state.step) if callable(self.kl_weight) else counts.kl_weight
        weight *= warmed(state.step, counts.warmup)
        params = seen_by(state.params, self.elbo.latents, batch)
        own = {name: value for name, value in batch.items() if name != ROWS}
        (_, metrics), gradient = jax.value_and_grad(self.loss, has_aux=True)(
            params, self.noise(state, counts), own, weights, weight, counts.total
        )
        if ROWS in batch:  # those that fill up count as none
            rows = jnp.where(weights > 0, batch[ROWS], self.guide.rows)
            gradient[ROWS] = {"": rows, "faster": faster(counts.batches)}
        return metrics, gradient

    def update(self, state: State, metrics: Metrics, gradient: Any) -> tuple[State, Metrics]:
        """Advance the state by a gradient."""
        params, gradient = self.stacks.pack(state.params), self.stacks.pack(gradient)
        if ROWS in gradient:
            params, opt_state = step_on_rows(
                self.optimizer, gradient, state.opt_state, params, self.elbo.latents, state.step
            )
        else:
            updates, opt_state = self.optimizer.update(gradient, state.opt_state, params)
            params = optax.apply_updates(params, updates)
        if not self.stacks.is_packed(state.params):
            params = self.stacks.unpack(params)
        kept = keep_replicated((params, opt_state, metrics), self.mesh)
        params, opt_state, metrics = kept
        return State(params, opt_state, state.key, state.step + 1), metrics


def _cast(dtype: str, value: Any) -> Any:
    """Return a start in the precision of the fit, on the device if it is there."""
    same = isinstance(value, jax.Array) and value.dtype == dtype
    return value if same else np.asarray(value, dtype)
