"""The compiled minibatch loop: one immutable state in, the next one and its trace out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.extend.core import ClosedJaxpr, Jaxpr
from jax.sharding import Mesh

from pymc_bnn.data.epochs import EpochPlan, StreamPlan, shuffled
from pymc_bnn.data.passes import Passes
from pymc_bnn.elbo import Elbo, ElboTerms
from pymc_bnn.runtime.compilation import Compiled
from pymc_bnn.runtime.noise import words_of
from pymc_bnn.runtime.sharding import keep_replicated, replicate, split_rows

__all__ = ["Loop", "State", "Step", "StreamLoop", "all_finite", "copy_state"]

_TRACE_ROWS = 2048
_STREAMED_S = 1.0  # after which a stream hands back what it has done, however many steps were asked


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """All that the next step needs, and nothing else."""

    params: dict[str, dict[str, jax.Array]]  # of the guides, {block: {role: array}}
    opt_state: Any  # of the optimiser
    key: jax.Array  # random key; the step's number is folded in
    step: jax.Array  # () steps done


@dataclass(frozen=True, eq=False)
class Step:
    """One optimiser step on the negative ELBO, as a pure function of a state and the data."""

    elbo: Elbo
    optimizer: optax.GradientTransformation
    kl_weight: float | Callable[[Any], Any]  # a number, or a schedule of the step
    batches: EpochPlan | StreamPlan | None
    rows: frozenset[str]  # names of the data that vary per example
    dtype: str
    n: int  # the loss is the negative ELBO over n, so that learning rates mean the same for any n
    particles: int = 1  # draws of everything that is random, over which the ELBO is averaged
    groups: tuple[tuple[frozenset[str], int], ...] = ()  # other samples: their data, their lengths
    mesh: Mesh | None = None  # devices over which the rows of a batch are split

    @property
    def capacity(self) -> int:
        """Rows of a batch, filled up so that each device has as many."""
        rows = 0 if self.batches is None else self.batches.capacity
        return rows if self.mesh is None else -(-rows // self.mesh.size) * self.mesh.size

    def first_state(self, params: Any, seed: int) -> State:
        """Return the state before the first step."""
        params = jax.tree.map(lambda a: jnp.asarray(a, self.dtype), params)
        state = State(params, self.optimizer.init(params), jax.random.key(seed), jnp.int32(0))
        return replicate(state, self.mesh)

    def noise(self, state: State) -> dict[str, jax.Array]:
        """Return the noise of the state's next step, (particles, …) where there are several."""
        key = jax.random.fold_in(jax.random.fold_in(state.key, 0), state.step)
        rows = 0 if self.batches is None else self.batches.capacity
        if self.particles == 1:
            noise = self.elbo.draw_noise(key, rows, self.dtype)
        else:
            keys = jax.random.split(key, self.particles)
            noise = jax.vmap(lambda k: self.elbo.draw_noise(k, rows, self.dtype))(keys)
        if self.mesh is not None:  # the numbers of the rows that count are those of one device
            axis, more = int(self.particles > 1), self.capacity - rows
            for name in (n.name for n in self.elbo.noise if None in n.shape):
                fill = [(0, more if i == axis else 0) for i in range(noise[name].ndim)]
                noise[name] = split_rows(jnp.pad(noise[name], fill), self.mesh, axis)
        return noise

    def batch(self, state: State, data: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return the data of the step's batch, and the weight of each row.

        The weights scale the batch's log-likelihood to the whole data: N over the batch's size.
        """
        if self.batches is None or (self.batches.per_epoch == 1 and self.mesh is None):
            return data, 1.0
        if self.batches.per_epoch == 1:
            index, size = jnp.arange(self.batches.n), self.batches.n
        else:
            words = words_of(jax.random.fold_in(state.key, 1))
            index, size = self.batches.at(words, state.step)
        if self.mesh is not None:
            places = jnp.minimum(jnp.arange(self.capacity), self.batches.capacity - 1)
            index = split_rows(index[places], self.mesh)
        batch = {
            k: split_rows(v[index], self.mesh) if k in self.rows else v for k, v in data.items()
        }
        for number, (names, n) in enumerate(self.groups):
            if n > self.capacity and self.mesh is None:  # a sample anew in every step
                key = jax.random.fold_in(jax.random.fold_in(state.key, 2 + number), state.step)
                part = shuffled(jnp.arange(self.capacity), n, words_of(key))
                batch |= {name: data[name][part] for name in names}
        return batch, self.row_weights(size)

    def row_weights(self, size: Any, weight: Any = None) -> jax.Array:
        """Return the weights (capacity,) of a batch's rows, of which the first `size` count.

        They count N/size times, or `weight` times.
        """
        counted = jnp.arange(self.capacity) < size
        weight = self.batches.n / size if weight is None else weight
        weights = jnp.where(counted, weight, 0.0).astype(self.dtype)
        return split_rows(weights, self.mesh)

    def loss(
        self, params: Any, noise: Any, data: Any, weights: Any, kl_weight: Any
    ) -> tuple[Any, Any]:
        """Return the loss, and (3,) negative log-likelihood, KL and −log prior of points, nats."""
        if self.particles == 1:
            parts = self.elbo(params, noise, data)
        else:
            each = jax.vmap(self.elbo, in_axes=(None, 0, None))(params, noise, data)
            parts = ElboTerms(*(None if part is None else part.mean(axis=0) for part in each))
        log_likelihood = parts.rest
        if parts.row is not None:
            log_likelihood += (parts.row * weights).sum()
        divergence, log_prior = parts.kl.sum() - parts.potential, parts.log_prior.sum()
        loss = (kl_weight * (divergence - log_prior) - log_likelihood) / self.n
        return loss, jnp.stack([-log_likelihood, divergence, -log_prior])

    def gradient(self, state: State, data: Any) -> tuple[jax.Array, Any]:
        """Return the trace (3,) and the gradient at the state's next step."""
        return self.gradient_on(state, *self.batch(state, data))

    def gradient_on(self, state: State, batch: Any, weights: Any) -> tuple[jax.Array, Any]:
        """Return the same on a given batch, whose rows have given weights."""
        weight = self.kl_weight(state.step) if callable(self.kl_weight) else self.kl_weight
        (_, trace), gradient = jax.value_and_grad(self.loss, has_aux=True)(
            state.params, self.noise(state), batch, weights, weight
        )
        return trace, gradient

    def __call__(self, state: State, data: Any) -> tuple[State, jax.Array]:
        """Advance the state by one step."""
        return self.update(state, *self.gradient(state, data))

    def on_batch(self, state: State, batch: Any, size: Any, weight: Any) -> tuple[State, jax.Array]:
        """Advance the state by one step on a given batch, whose first `size` rows have a weight."""
        return self.update(state, *self.gradient_on(state, batch, self.row_weights(size, weight)))

    def update(self, state: State, trace: Any, gradient: Any) -> tuple[State, jax.Array]:
        """Advance the state by a gradient."""
        updates, opt_state = self.optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        params, opt_state, trace = keep_replicated((params, opt_state, trace), self.mesh)
        return State(params, opt_state, state.key, state.step + 1), trace


class Loop:
    """Runs steps in the way that is fastest here, without changing their numbers.

    Dense networks run in one compiled loop with a trip count that is an argument, so that every
    grouping of steps runs the same code. XLA's convolutions are some twenty times slower inside a
    loop body on CPU: there a step is compiled alone and called from Python.

    Parameters
    ----------
    step : Step
        The step.
    state : State
        A state, for its shapes.
    data : dict from str to jax.Array
        All data, on the device.
    """

    def __init__(self, step: Step, state: State, data: dict[str, jax.Array]):
        self._data = data
        self._step = Compiled(step, donate_argnums=0)
        traced = self._step.trace(state, data)
        self.from_python = jax.default_backend() == "cpu" and _has_convolution(traced)
        self._run = Compiled(_in_one_loop(step), donate_argnums=0)
        self._gradient = jax.jit(step.gradient)

    @property
    def last(self) -> dict[str, jax.Array]:
        """The data that the last step saw."""
        return self._data

    def advance(
        self, state: State, steps: int, interrupted: Callable[[], bool] | None = None
    ) -> tuple[State, np.ndarray]:
        """Run steps; return the state after them, and the trace (steps, 3).

        The state that was passed is used up. `interrupted` is for loops that wait.
        """
        if self.from_python:
            traces = []
            for _ in range(steps):
                state, trace = self._step(state, self._data)
                traces.append(trace)
            return state, np.stack(jax.device_get(traces))
        parts = []
        while steps:
            now = min(steps, _TRACE_ROWS)
            state, trace = self._run(state, self._data, now)
            parts.append(np.asarray(trace)[:now])
            steps -= now
        return state, np.concatenate(parts)

    def until_not_finite(self, state: State, steps: int) -> tuple[State, np.ndarray]:
        """Run single steps up to the last whose result is finite; return its state and traces."""
        traces = [np.zeros((0, 3))]
        for _ in range(steps):
            before = copy_state(state)
            state, trace = self.advance(state, 1)
            if not (np.isfinite(trace).all() and all_finite(state)):
                return before, np.concatenate(traces)
            traces.append(trace)
        return state, np.concatenate(traces)

    def not_finite(self, state: State) -> tuple[np.ndarray, list[str]]:
        """Return the next step's trace (3,), and the variables whose gradient is not finite."""
        trace, gradient = self._gradient(state, self._data)
        return np.asarray(trace), _not_finite(gradient)


class StreamLoop:
    """Runs steps on batches that a stream hands over; otherwise as :class:`Loop`.

    A step is compiled alone. Its result is looked at while the next one runs, so that no more than
    two batches are on the way and the first that is not finite is at hand.

    Parameters
    ----------
    step : Step
        The step; its `batches` say how many examples there are.
    rest : dict from str to jax.Array
        Data that do not vary per example, on the device.
    stream : Prefetcher
        Of batches.
    """

    def __init__(self, step: Step, rest: dict[str, jax.Array], stream: Any):
        def guarded(state: State, *batch: Any) -> tuple[State, jax.Array, jax.Array]:
            after, trace = step.on_batch(state, *batch)
            fine = [jnp.isfinite(leaf).all() for leaf in (trace, *jax.tree.leaves(after.params))]
            return after, trace, jnp.stack(fine).all()

        self._rest, self._stream, self._dtype = rest, stream, step.dtype
        self._passes = Passes(step.batches)
        self._step = Compiled(guarded)  # nothing donated: the state before is kept for a step
        self._gradient = jax.jit(
            lambda s, b, *rows: step.gradient_on(s, b, step.row_weights(*rows))
        )
        self._error: Exception | None = None

    @property
    def last(self) -> dict[str, jax.Array]:
        """The data of the batch whose step was not finite."""
        return self._bad[0]

    def advance(
        self, state: State, steps: int, interrupted: Callable[[], bool] | None = None
    ) -> tuple[State, np.ndarray]:
        """Run steps; return the state after them, and the trace (steps, 3).

        There are fewer steps than asked for where they take long, at Ctrl-C, and where the stream
        fails, whose error comes with the next call.
        """
        if self._error is not None:
            raise self._error
        began, traces, running = time.monotonic(), [np.zeros((0, 3))], None
        for _ in range(steps):
            try:
                batch = self._stream.take(interrupted or (lambda: False))
            except Exception as error:
                if running is None:
                    raise
                self._error = error
                break
            if batch is None:
                break
            weight = np.asarray(self._passes.weight(batch.size, batch.visit), self._dtype)
            batch = {**self._rest, **batch.rows}, np.int32(batch.size), weight
            after, trace, fine = self._step(state, *batch)
            if running is not None and not self._settle(running, traces):
                return state, np.concatenate(traces)
            state, running = after, (state, batch, trace, fine)
            if time.monotonic() - began > _STREAMED_S:
                break
        if running is not None:
            self._settle(running, traces)
        return state, np.concatenate(traces)

    def until_not_finite(self, state: State, steps: int) -> tuple[State, np.ndarray]:
        """Return the last finite state of the steps just run, and the traces up to it."""
        return self._last_finite

    def not_finite(self, state: State) -> tuple[np.ndarray, list[str]]:
        """Return the next step's trace (3,), and the variables whose gradient is not finite."""
        trace, gradient = self._gradient(state, *self._bad)
        return np.asarray(trace), _not_finite(gradient)

    def _settle(self, running: Any, traces: list[np.ndarray]) -> bool:
        """Wait for a step and keep its trace; if it is not finite keep what tells why."""
        before, batch, trace, fine = running
        if not bool(fine):
            self._last_finite, self._bad = (before, np.concatenate(traces)), batch
            trace = np.full(3, np.nan)
        traces.append(np.asarray(trace)[None])
        return bool(fine)


def copy_state(state: State) -> State:
    """Return a copy that outlives the state, which the next step uses up."""
    copy = replace(
        state,
        params=jax.tree.map(jnp.copy, state.params),
        opt_state=jax.tree.map(jnp.copy, state.opt_state),
        key=jax.random.clone(state.key),
        step=jnp.copy(state.step),
    )
    return jax.block_until_ready(copy)


def all_finite(state: State) -> bool:
    """Tell whether every parameter of the state is finite."""
    return all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(state.params))


def _not_finite(gradient: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the names of the blocks whose gradient is not finite."""
    return [
        name
        for name, roles in jax.device_get(gradient).items()
        if not all(np.isfinite(g).all() for g in roles.values())
    ]


def _in_one_loop(step: Step) -> Callable[..., Any]:
    def run(state: State, data: Any, steps: Any) -> tuple[State, jax.Array]:
        def body(i: Any, carry: Any) -> Any:
            state, traces = carry
            state, trace = step(state, data)
            return state, jax.lax.dynamic_update_index_in_dim(traces, trace, i, 0)

        traces = jnp.zeros((_TRACE_ROWS, 3), step.dtype)
        return jax.lax.fori_loop(0, steps, body, (state, traces))

    return run


def _has_convolution(jaxpr: Jaxpr) -> bool:
    for equation in jaxpr.eqns:
        if equation.primitive.name == "conv_general_dilated":
            return True
        if any(_has_convolution(inner) for inner in _inner(equation.params.values())):
            return True
    return False


def _inner(values: Any) -> Iterator[Jaxpr]:
    for value in values:
        if isinstance(value, ClosedJaxpr):
            yield value.jaxpr
        elif isinstance(value, Jaxpr):
            yield value
        elif isinstance(value, tuple | list):
            yield from _inner(value)
