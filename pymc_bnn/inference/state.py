"""All that the next step needs: on the device, and as a result keeps it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pymc_bnn.runtime.compilation import Compiled
from pymc_bnn.runtime.sharding import copied

__all__ = ["State", "all_finite", "copy_state", "of_host", "on_host"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """All that the next step needs, and nothing else."""

    params: dict[str, dict[str, jax.Array]]  # of the guides, {block: {role: array}}
    opt_state: Any  # of the optimiser
    key: jax.Array  # random key; the step's number is folded in
    step: jax.Array  # () steps done


def copy_state(state: State, spare: State | None = None) -> State:
    """Return a copy that outlives the state, which the next step uses up.

    Parameters
    ----------
    state : State
        What is copied.
    spare : State, optional
        One of the same shapes that nobody needs any more: it is used up, and the copy has its
        memory. New memory takes three times as long, as the system hands it out page by page.

    Examples
    --------
    >>> state = State({}, (), jax.random.key(0), jnp.int32(3))
    >>> int(copy_state(state).step)
    3
    """
    if spare is None:
        return jax.block_until_ready(copied(state))
    return jax.block_until_ready(_overwrite(spare, state))


def _copies(spare: State, state: State) -> State:
    return jax.tree.map(jnp.copy, state)


_overwrite = Compiled(_copies, donate_argnums=0)


def all_finite(state: State) -> bool:
    """Tell whether every parameter of the state is finite.

    Examples
    --------
    >>> all_finite(State({"b": {"loc": jnp.array(jnp.nan)}}, (), jax.random.key(0), jnp.int32(0)))
    False
    """
    leaves = jax.tree.leaves(state.params)
    if jax.default_backend() == "cpu":  # NumPy looks at the same memory, and compiles nothing
        return all(np.isfinite(np.asarray(leaf)).all() for leaf in leaves)
    return all(bool(jnp.isfinite(leaf).all()) for leaf in leaves)


def on_host(state: State) -> State:
    """Return the state as NumPy arrays, its key as the words that it is made of.

    Examples
    --------
    >>> state = State({}, (), jax.random.key(0), jnp.int32(3))
    >>> on_host(state).key.tolist()
    [0, 0]
    """
    words = np.asarray(jax.device_get(jax.random.key_data(state.key)))
    params, opt_state, step = jax.device_get((state.params, state.opt_state, state.step))
    return State(params, opt_state, words, step)


def of_host(state: State) -> State:
    """Return a state whose key is one again, of what :func:`on_host` made.

    Examples
    --------
    >>> state = State({}, (), jax.random.key(7), jnp.int32(3))
    >>> bool(of_host(on_host(state)).key == state.key)
    True
    """
    return replace(state, key=jax.random.wrap_key_data(jnp.asarray(state.key)))
