"""NumPyro in its best way: SVI with AutoNormal on pure functions."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax
from numpyro.infer import SVI, TraceMeanField_ELBO
from numpyro.infer.autoguide import AutoNormal
from numpyro.infer.initialization import init_to_value
from plain_jax import forward, next_batch
from workloads import PRIOR_SIGMA, RATE, START_SCALE, Workload

__all__ = ["Steps", "Training"]


class Training:
    """A plain JAX network in a NumPyro model, its SVI, and compiled steps over minibatches."""

    def __init__(
        self,
        workload: Workload,
        x: np.ndarray,
        y: np.ndarray,
        optimizer: Any,
        start_scale: float,
        batch_size: int | None = None,
    ):
        self.workload, self.n = workload, len(x)
        self.batch_size = batch_size or workload.batch_size
        self.data = jnp.asarray(x), jnp.asarray(y)
        values = jax.tree.map(jnp.asarray, workload.starting_weights())
        self.guide = AutoNormal(
            self.model, init_loc_fn=init_to_value(values=values), init_scale=start_scale
        )
        self.svi = SVI(self.model, self.guide, optimizer, TraceMeanField_ELBO())
        batch = jax.tree.map(lambda a: a[: self.batch_size], self.data)
        order = jnp.zeros(self.n, jnp.int32)
        self.state = (self.svi.init(jax.random.key(0), *batch), order, jnp.int32(0))
        self.from_python = workload.convolutional and jax.default_backend() == "cpu"
        self._step = jax.jit(self.step, donate_argnums=0)
        self._scan = jax.jit(self.scan, donate_argnums=0, static_argnums=2)

    def model(self, x: jax.Array, y: jax.Array | None = None) -> None:
        """Place the prior on every parameter, and observe the labels of a batch."""
        weights = {
            name: numpyro.sample(name, dist.Normal(0, PRIOR_SIGMA).expand(shape).to_event())
            for name, shape in self.workload.parameters().items()
        }
        logits = forward(self.workload, weights, x)
        with numpyro.plate("data", len(x)), numpyro.handlers.scale(scale=self.n / len(x)):
            numpyro.sample("y", dist.Categorical(logits=logits), obs=y)

    def step(self, state: Any, data: Any) -> tuple[Any, jax.Array]:
        """Take one minibatch of the epoch's permutation, and update."""
        svi_state, order, done = state
        order, rows = next_batch(jax.random.key(1), done, order, self.batch_size)
        svi_state, loss = self.svi.update(svi_state, data[0][rows], data[1][rows])
        return (svi_state, order, done + 1), loss

    def scan(self, state: Any, data: Any, steps: int) -> tuple[Any, jax.Array]:
        """Run steps inside `lax.scan`."""
        return jax.lax.scan(lambda state, _: self.step(state, data), state, None, length=steps)

    def advance(self, steps: int) -> float:
        """Run steps; return the last loss per example."""
        if self.from_python:
            losses = []
            for _ in range(steps):
                self.state, loss = self._step(self.state, self.data)
                losses.append(loss)
            losses = np.stack(jax.device_get(losses))
        else:
            self.state, losses = self._scan(self.state, self.data, steps)
        jax.block_until_ready(self.state)
        return float(losses[-1]) / self.n


class Steps:
    """NumPyro's best way: pure functions, epochs, a compiled loop where that is faster."""

    def __init__(self, workload: Workload, data: dict[str, np.ndarray]):
        self.workload, self.data = workload, data

    def build(self) -> int:
        """Compile by running the first unit; return how many steps are run at once."""
        x, y = self.data["train_x"], self.data["train_y"]
        self.training = Training(self.workload, x, y, optax.adam(RATE), START_SCALE)
        chunk = self.workload.chunk(jax.default_backend())
        self.unit = 1 if self.training.from_python else chunk
        self.run(self.unit)
        return self.unit

    def run(self, steps: int) -> float:
        """Run whole units; return the last loss per example."""
        for _ in range(steps // self.unit):
            loss = self.training.advance(self.unit)
        return loss
