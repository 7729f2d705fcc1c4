"""The default optimiser: Adam with a learning rate of their own for scales."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pymc_bnn.runtime.sharding import copied

__all__ = ["adam", "is_location", "learning_rate_of", "let_fall", "lowered"]

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


class Falling(NamedTuple):
    """State of Adam whose rate falls: the numbers of its schedule, and what Adam keeps."""

    peak: Any  # () the rate before it falls
    begin: Any  # () steps before it falls
    over: Any  # () steps over which it falls
    adam: Any


def adam(
    steps: int,
    learning_rate: float = 0.01,
    scale_learning_rate: float = 0.03,
    *,
    begin: int = 0,
    stretched: bool = False,
) -> optax.GradientTransformation:
    """Return the default optimiser: Adam, with a learning rate of their own for scales.

    Both rates fall to a hundredth along half a cosine. Where several parameters move each number
    of a block at once, as the entries of a matrix's rows do, each moves less: by one over the root
    of how many there are for each number, so that together they move it as far as its scale does.

    Parameters
    ----------
    steps : int
        Number of steps of the fit.
    learning_rate : float, optional
        Of the guide's locations, in units of the (unconstrained) variables per step.
    scale_learning_rate : float, optional
        Of everything else, such as the logarithms of the guide's scales: numbers without unit, per
        step.
    begin : int, optional
        Steps before the rates begin to fall. Default 0.
    stretched : bool, optional
        Whether locations whose posterior scale s is above 1 move s times as fast, so that numbers
        in the thousands are found as fast as those near 1. Default false.

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
    parts = {role: _together(_falling_adam(rate, begin, steps)) for role, rate in rates.items()}
    moved = optax.chain(optax.partition(parts, label), optax.stateless(_shared))
    return optax.chain(moved, optax.stateless(_stretched)) if stretched else moved


def _stretched(updates: Any, params: Any) -> Any:
    """Let locations move in proportion to their scales, where these are above 1.

    A rate in the variable's own units is right for numbers near 1; far from there a step is a
    share of what the posterior leaves open.
    """

    def of(role: str, update: Any, roles: Any) -> Any:
        log_scale = roles.get(role.replace("loc", "log_scale")) if is_location(role) else None
        return update if log_scale is None else update * jnp.maximum(jnp.exp(log_scale), 1)

    return {
        name: {role: of(role, update, params[name]) for role, update in roles.items()}
        for name, roles in updates.items()
    }


def _shared(updates: Any, params: Any) -> Any:
    """Let parameters of which there are several for each number of their block move less."""

    def of(update: Any, numbers: int) -> Any:
        return update / (update.size / numbers) ** 0.5 if 0 < numbers < update.size else update

    def of_block(roles: Any) -> Any:
        numbers = sum(update.size for role, update in roles.items() if is_location(role))
        return {role: of(update, numbers) for role, update in roles.items()}

    return {name: of_block(roles) for name, roles in updates.items()}


def let_fall(opt_state: Any, over: int, begin: Any = None) -> Any:
    """Return the default optimiser's state with rates that fall from its next step on.

    Where schedules go by another count than the optimiser's own, from the step `begin` of that.

    Examples
    --------
    >>> state = adam(1000).init({"mu": {"loc": jnp.zeros(2)}})
    >>> fallen = let_fall(state, 50)
    >>> [float(at) for _, at in optax.tree_utils.tree_get_all_with_path(fallen, "over")]
    [50.0, 50.0]
    """
    if begin is None:  # steps done, of each part the same
        begin = optax.tree_utils.tree_get_all_with_path(opt_state, "count")[0][1]
    like = optax.tree_utils.tree_get_all_with_path(opt_state, "over")[0][1]  # of rows several
    numbers = {"begin": np.asarray(begin), "over": over}
    numbers = {name: np.full(like.shape, n, like.dtype) for name, n in numbers.items()}
    fallen = optax.tree_utils.tree_set(opt_state, **numbers)
    return copied(fallen)  # each has its own: a step uses them up


def lowered(optimizer: optax.GradientTransformation, rate: float) -> optax.GradientTransformation:
    """Return an optimiser whose updates are multiplied by a rate, with the same state.

    Examples
    --------
    >>> slow = lowered(optax.sgd(1.0), 0.5)
    >>> float(slow.update(jnp.float32(4), slow.init(jnp.float32(0)))[0])
    -2.0
    """

    def update(updates: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        updates, state = optimizer.update(updates, state, params, **extra)
        return jax.tree.map(lambda u: u * jnp.asarray(rate, u.dtype), updates), state

    return optax.GradientTransformation(optimizer.init, update)


def learning_rate_of(opt_state: Any) -> float | None:
    """Return the learning rate of locations at the last step, where the state tells it.

    It does of the default optimiser, and of those of ``optax.inject_hyperparams``.

    Examples
    --------
    >>> params = {"mu": {"loc": jnp.zeros(2), "log_scale": jnp.zeros(2)}}
    >>> round(learning_rate_of(adam(1000).init(params)), 4)
    0.01
    >>> learning_rate_of(optax.sgd(0.1).init(params)) is None
    True
    """
    if isinstance(opt_state, dict):  # of what belongs to no row
        opt_state = opt_state["shared"]
    parts = jax.tree.leaves(opt_state, is_leaf=lambda part: isinstance(part, Falling))
    falling = [part for part in parts if isinstance(part, Falling)]
    if falling:  # that of locations is the first
        counts = optax.tree_utils.tree_get_all_with_path(falling[0].adam, "count")
        done = max(float(counts[0][1]) - 1, 0.0)
        return float(_fallen(done, *map(float, falling[0][:3])))
    rates = optax.tree_utils.tree_get_all_with_path(opt_state, "learning_rate")
    rates = [float(r) for _, r in rates if isinstance(r, float | jax.Array) and np.ndim(r) == 0]
    return rates[0] if len(set(rates)) == 1 else None


def _fallen(count: Any, peak: Any, begin: Any, over: Any) -> Any:
    """Return a rate that falls along half a cosine."""
    fallen = 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip(count - begin, 0, over) / over))
    return peak * ((1 - _LEAST) * fallen + _LEAST)


def _falling_adam(learning_rate: float, begin: int, steps: int) -> optax.GradientTransformation:
    """Return Adam whose rate falls; its numbers are kept in the state.

    Programs are so the same for all rates and numbers of steps.
    """

    def inner(peak: jax.Array, begin: jax.Array, over: jax.Array) -> optax.GradientTransformation:
        return optax.adam(lambda count: _fallen(count, peak, begin, over))

    def init(params: Any) -> Falling:
        dtype = jnp.result_type(float)
        numbers = [np.asarray(a, dtype) for a in (learning_rate, begin, max(steps - begin, 1))]
        return Falling(*numbers, inner(*numbers).init(params))

    def update(updates: Any, state: Falling, params: Any = None) -> tuple[Any, Falling]:
        *numbers, own = state
        updates, own = inner(*numbers).update(updates, own, params)
        return updates, Falling(*numbers, own)

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
