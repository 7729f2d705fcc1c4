"""The default optimiser: Adam with a learning rate of their own for scales."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

__all__ = ["adam", "is_location"]

_FEW = 2**14  # numbers, up to which they are updated as one vector
_LEAST = 0.01  # of the learning rate, at the last step


def is_location(role: str) -> bool:
    """Tell whether a guide's parameter is a location: its role is "loc", or "loc" and a name.

    Examples
    --------
    >>> is_location("loc"), is_location("loc dense1_W"), is_location("log_scale")
    (True, True, False)
    """
    return role.split()[0] == "loc"


def adam(
    steps: int, learning_rate: float = 0.01, scale_learning_rate: float = 0.03
) -> optax.GradientTransformation:
    """Return the default optimiser: Adam, with a learning rate of their own for scales.

    Both rates fall to a hundredth along half a cosine.

    Parameters
    ----------
    steps : int
        Number of steps of the fit.
    learning_rate : float, optional
        Of the guide's locations, in units of the (unconstrained) variables per step.
    scale_learning_rate : float, optional
        Of everything else, such as the logarithms of the guide's scales: numbers without unit, per
        step.

    Returns
    -------
    optax.GradientTransformation
        To be passed as ``fit(optimizer=…)`` or changed.

    References
    ----------
    Kingma and Ba, *Adam: a method for stochastic optimization*, ICLR 2015, algorithm 1.

    Examples
    --------
    >>> isinstance(adam(1000), optax.GradientTransformation)
    True
    """

    def label(params: Any) -> Any:
        return {
            name: {role: "loc" if is_location(role) else "scale" for role in roles}
            for name, roles in params.items()
        }

    rates = {"loc": learning_rate, "scale": scale_learning_rate}
    parts = {role: _together(_falling_adam(rate, steps)) for role, rate in rates.items()}
    return optax.partition(parts, label)


def _falling_adam(learning_rate: float, steps: int) -> optax.GradientTransformation:
    """Return Adam whose rate falls; its numbers are kept in the state.

    Programs are so the same for all rates and numbers of steps.
    """

    def inner(peak: jax.Array, last: jax.Array) -> optax.GradientTransformation:
        def rate(count: jax.Array) -> jax.Array:
            fallen = 0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(count, last) / last))
            return peak * ((1 - _LEAST) * fallen + _LEAST)

        return optax.adam(rate)

    def init(params: Any) -> Any:
        numbers = jnp.asarray(learning_rate, float), jnp.asarray(steps, float)
        return numbers, inner(*numbers).init(params)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        numbers, own = state
        updates, own = inner(*numbers).update(updates, own, params)
        return updates, (numbers, own)

    return optax.GradientTransformation(init, update)


def _together(inner: optax.GradientTransformation) -> optax.GradientTransformation:
    """Update few numbers as one vector: a small step's time goes into starting its kernels."""
    flat = optax.flatten(inner)

    def chosen(tree: Any) -> optax.GradientTransformation:
        sizes = [leaf.size for leaf in jax.tree.leaves(tree)]
        return flat if len(sizes) > 1 and sum(sizes) <= _FEW else inner

    def init(params: Any) -> Any:
        return chosen(params).init(params)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        return chosen(updates).update(updates, state, params)

    return optax.GradientTransformation(init, update)
