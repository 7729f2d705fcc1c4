"""A neutral judge of mean-field posteriors, whoever fitted them: plain JAX, fresh weight draws."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from plain_jax import forward
from workloads import PRIOR_SIGMA, Workload

__all__ = ["accuracy", "draw", "elbo"]


def draw(key: jax.Array, means: Any, scales: Any) -> Any:
    """Draw every parameter once from its independent Normal posterior."""
    keys = jax.random.split(key, len(means))
    return {
        name: means[name]
        + scales[name] * jax.random.normal(k, jnp.shape(means[name]), jnp.result_type(means[name]))
        for k, name in zip(keys, sorted(means), strict=True)
    }


def elbo(
    workload: Workload,
    means: dict[str, np.ndarray],
    scales: dict[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    visits: int,
    batch_size: int = 500,
) -> tuple[float, float]:
    """Return the unweighted ELBO on all of the data, in nats, and its standard error.

    Every example is visited `visits` times, each batch of each visit under a draw of its own; the
    KL to the Normal prior is in closed form.
    """

    @jax.jit
    def log_likelihood(key: jax.Array, posterior: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        logits = jax.nn.log_softmax(forward(workload, draw(key, *posterior), x))
        return jnp.take_along_axis(logits, y[:, None], axis=1).sum()

    posterior = jax.tree.map(jnp.asarray, (means, scales))
    sums = np.zeros(visits)
    for visit in range(visits):
        key = jax.random.fold_in(jax.random.key(7), visit)
        parts = [
            log_likelihood(
                jax.random.fold_in(key, start),
                posterior,
                x[start : start + batch_size],
                y[start : start + batch_size],
            )
            for start in range(0, len(x), batch_size)
        ]
        sums[visit] = np.sum(np.asarray(parts, float))
    divergence = 0.0
    for name, mean in means.items():
        share = (np.asarray(scales[name], float) / PRIOR_SIGMA) ** 2
        moved = (np.asarray(mean, float) / PRIOR_SIGMA) ** 2
        divergence += 0.5 * float((share + moved - 1 - np.log(share)).sum())
    error = float(sums.std(ddof=1) / np.sqrt(visits)) if visits > 1 else float("nan")
    return float(sums.mean() - divergence), error


def accuracy(
    workload: Workload,
    means: dict[str, np.ndarray],
    scales: dict[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    draws: int,
    batch_size: int = 500,
) -> float:
    """Return the accuracy of the mean prediction of `draws` posterior draws."""
    drawn = jax.jit(draw)
    probabilities = jax.jit(lambda w, x: jax.nn.softmax(forward(workload, w, x)))
    posterior = jax.tree.map(jnp.asarray, (means, scales))
    total = np.zeros((len(x), 10))
    for key in jax.random.split(jax.random.key(8), draws):
        each = partial(probabilities, drawn(key, *posterior))
        parts = [each(x[start : start + batch_size]) for start in range(0, len(x), batch_size)]
        total += np.concatenate(jax.device_get(parts))
    return float((total.argmax(axis=1) == y).mean())
