"""The floor: the same network trained deterministically, in plain JAX with optax."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from workloads import RATE, Workload

__all__ = ["Steps", "forward", "next_batch"]

_ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu}


def forward(workload: Workload, weights: Any, x: jax.Array) -> jax.Array:
    """Return logits (batch, classes).

    Pooling is a reshape and a maximum, whose gradient is several times cheaper on CPU than that
    of `reduce_window`, and comes before the activation, with which it commutes.
    """
    activate = _ACTIVATIONS[workload.activation]
    for layer in workload.layers:
        kernel = weights[f"{layer.name}_W"]
        if layer.convolution:
            x = jax.lax.conv_general_dilated(
                x, kernel, (1, 1), layer.padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
        else:
            x = x.reshape(len(x), -1) @ kernel
        if layer.bias:
            x = x + weights[f"{layer.name}_b"]
        if layer.pool > 1:
            n, height, width, channels = x.shape
            side = layer.pool
            tiles = (n, height // side, side, width // side, side, channels)
            x = x.reshape(tiles).max(axis=(2, 4))
        if layer.activate:
            x = activate(x)
    return x


def next_batch(
    key: jax.Array, step: jax.Array, order: jax.Array, batch_size: int
) -> tuple[jax.Array, jax.Array]:
    """Return the epoch's permutation, anew at its first step, and the rows of the step's batch."""
    per_epoch = len(order) // batch_size
    epoch, position = step // per_epoch, step % per_epoch

    def shuffle() -> jax.Array:
        return jax.random.permutation(jax.random.fold_in(key, epoch), len(order)).astype(jnp.int32)

    order = jax.lax.cond(position == 0, shuffle, lambda: order)
    return order, jax.lax.dynamic_slice(order, (position * batch_size,), (batch_size,))


class Steps:
    """Deterministic training steps: dense in one compiled loop, convolutions from Python on CPU."""

    def __init__(self, workload: Workload, data: dict[str, np.ndarray]):
        self.workload, self.arrays = workload, data

    def build(self) -> int:
        """Compile by running the first unit; return how many steps are run at once."""
        workload, optimizer = self.workload, optax.adam(RATE)
        self.data = jnp.asarray(self.arrays["train_x"]), jnp.asarray(self.arrays["train_y"])
        weights = jax.tree.map(jnp.asarray, workload.starting_weights())
        order = jnp.zeros(len(self.data[0]), jnp.int32)
        key = jax.random.key(0)
        self.state = (weights, optimizer.init(weights), order, jnp.int32(0), jnp.float32(0))

        def loss(weights: Any, x: jax.Array, y: jax.Array) -> jax.Array:
            logits = forward(workload, weights, x)
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

        def step(state: Any, data: Any) -> Any:
            weights, memory, order, done, _ = state
            order, rows = next_batch(key, done, order, workload.batch_size)
            value, slope = jax.value_and_grad(loss)(weights, data[0][rows], data[1][rows])
            updates, memory = optimizer.update(slope, memory)
            return optax.apply_updates(weights, updates), memory, order, done + 1, value

        def many(state: Any, data: Any, steps: Any) -> Any:
            return jax.lax.fori_loop(0, steps, lambda _, state: step(state, data), state)

        self.from_python = workload.convolutional and jax.default_backend() == "cpu"
        self.step = jax.jit(step, donate_argnums=0)
        self.many = jax.jit(many, donate_argnums=0)
        self.run(1)
        return 1

    def run(self, steps: int) -> float:
        """Run steps; return the last loss per example."""
        if self.from_python:
            for _ in range(steps):
                self.state = self.step(self.state, self.data)
        else:
            self.state = self.many(self.state, self.data, steps)
        return float(jax.block_until_ready(self.state)[-1])
