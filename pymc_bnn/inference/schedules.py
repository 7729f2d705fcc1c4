"""The weight of the KL at each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pymc_bnn._checks import first_line, invalid

__all__ = ["kl_schedule"]


def kl_schedule(kl_weight: float | Callable[[Any], Any], steps: int) -> Callable[[Any], np.ndarray]:
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
            return np.full(step.shape, float(kl_weight))
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
