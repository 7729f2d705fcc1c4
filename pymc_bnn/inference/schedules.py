"""The weight of the KL at each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pymc_bnn._checks import first_line, invalid

__all__ = ["kl_schedule", "warmed"]

_FIRST = 0.5


def warmed(step: Any, warmup: Any) -> Any:
    """Return the share of the KL's weight at a step: it rises geometrically from 0.5 to 1.

    Examples
    --------
    >>> warmed(np.array([0, 50, 100, 200]), 100).round(2).tolist()
    [0.5, 0.71, 1.0, 1.0]
    """
    xp = jnp if isinstance(step, jax.Array) else np
    left = xp.maximum(1 - step / xp.maximum(warmup, 1), 0) * (warmup > 0)
    return xp.exp(np.log(_FIRST) * left)


def kl_schedule(
    kl_weight: float | Callable[[Any], Any], steps: int, warmup: int = 0
) -> Callable[[Any], np.ndarray]:
    """Return the weight as a function of an array of steps, after looking at all of them.

    Raises
    ------
    ValueError
        If a schedule fails, or yields what is no weight.

    Examples
    --------
    >>> kl_schedule(0.5, 10)(np.arange(2))
    array([0.5, 0.5])
    """

    def weight_at(step: Any) -> np.ndarray:
        step = np.asarray(step)
        if not callable(kl_weight):
            return float(kl_weight) * np.asarray(warmed(step, warmup), float)
        each = jax.vmap(lambda s: jnp.asarray(kl_weight(s), "float32"))(step.reshape(-1))
        return np.asarray(each, float).reshape(step.shape)

    if callable(kl_weight):
        rule = "map steps to finite numbers of at least 0, and the last one to more"
        repair = "pass optax.linear_schedule(0.01, 1.0, 1000), say, or write it with jax.numpy"
        try:
            weights = weight_at(np.arange(steps))
        except Exception as error:
            got = f"one that raised {type(error).__name__}: {first_line(error)}"
            raise invalid("kl_weight", rule, got, repair) from error
        bad = ~np.isfinite(weights) | (weights < 0)
        bad[-1] |= weights[-1] == 0
        if bad.any():
            step = int(np.argmax(bad))
            raise invalid("kl_weight", rule, f"{weights[step]} at step {step}", repair)
    return weight_at
