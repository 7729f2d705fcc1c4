"""NumPyro as its users write it: Flax layers under a prior, `plate` subsampling, `SVI.run`."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax
from numpyro.contrib.module import random_flax_module
from numpyro.infer import SVI, TraceMeanField_ELBO
from numpyro.infer.autoguide import AutoNormal
from numpyro.infer.initialization import init_to_sample
from workloads import PRIOR_SIGMA, RATE, START_SCALE, Workload

__all__ = ["Network", "Steps"]


class Network(nn.Module):
    """The workload in Flax layers."""

    workload: Workload

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return logits (batch, classes)."""
        activate = {"tanh": nn.tanh, "relu": nn.relu}[self.workload.activation]
        for layer in self.workload.layers:
            out = layer.shape[-1]
            if layer.convolution:
                kernel, padding = layer.shape[:2], layer.padding
                x = nn.Conv(out, kernel, padding=padding, use_bias=layer.bias, name=layer.name)(x)
            else:
                x = nn.Dense(out, use_bias=layer.bias, name=layer.name)(x.reshape(len(x), -1))
            x = activate(x) if layer.activate else x
            if layer.pool > 1:
                window = (layer.pool, layer.pool)
                x = nn.max_pool(x, window, strides=window)
        return x


class Steps:
    """Steps of `SVI.run`.

    `SVI.run` steps a jitted update from Python while its progress bar is on (the default) and runs
    a `lax.scan` with it off. Either compiles anew in every call, so that here its body is compiled
    once: by `jax.jit` of the update, or of the whole `SVI.run(progress_bar=False)`.
    """

    def __init__(self, workload: Workload, data: dict[str, np.ndarray], progress_bar: bool = True):
        self.workload, self.arrays, self.progress_bar = workload, data, progress_bar

    def model(self, x: jax.Array, y: jax.Array | None = None) -> None:
        """Place the prior on a Flax network, and subsample."""
        shape = (1, *self.workload.input_shape)
        prior = dist.Normal(0, PRIOR_SIGMA)
        network = random_flax_module("net", Network(self.workload), prior, input_shape=shape)
        with numpyro.plate("data", len(x), subsample_size=self.workload.batch_size):
            batch_x = numpyro.subsample(x, event_dim=x.ndim - 1)
            batch_y = None if y is None else numpyro.subsample(y, event_dim=0)
            numpyro.sample("y", dist.Categorical(logits=network(batch_x)), obs=batch_y)

    def build(self) -> int:
        """Compile by running the first unit; return how many steps are run at once."""
        self.data = jnp.asarray(self.arrays["train_x"]), jnp.asarray(self.arrays["train_y"])
        guide = AutoNormal(self.model, init_loc_fn=init_to_sample, init_scale=START_SCALE)
        svi = SVI(self.model, guide, optax.adam(RATE), TraceMeanField_ELBO())
        key = jax.random.key(0)
        self.state = svi.init(key, *self.data)
        # XLA unrolls a loop of one iteration, which would hide what loops do to convolutions.
        loop = 3 if jax.default_backend() == "cpu" else self.workload.chunk("gpu")
        self.unit = 1 if self.progress_bar else loop

        def scan(state: Any, x: jax.Array, y: jax.Array) -> tuple[Any, jax.Array]:
            result = svi.run(key, self.unit, x, y, progress_bar=False, init_state=state)
            return result.state, result.losses[-1]

        self.update = jax.jit(svi.update if self.progress_bar else scan)
        self.run(self.unit)
        return self.unit

    def run(self, steps: int) -> float:
        """Run whole units; return the last loss per example."""
        for _ in range(steps // self.unit):
            self.state, loss = self.update(self.state, *self.data)
        jax.block_until_ready(self.state)
        return float(loss) / len(self.data[0])
