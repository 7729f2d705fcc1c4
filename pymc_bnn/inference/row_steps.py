"""Steps of an optimiser that leave alone what belongs to rows that a batch does not have."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Set
from typing import Any
from weakref import WeakKeyDictionary

import jax
import numpy as np
import optax

from pymc_bnn.data.gathering import ROWS, gather, put_back
from pymc_bnn.inference.optimizer import is_location
from pymc_bnn.runtime.compilation import Compiled

__all__ = ["faster", "first_state", "step_on_rows"]

_BEGINS: WeakKeyDictionary[Any, dict[Any, _Begin]] = WeakKeyDictionary()  # by an optimiser's init
_FASTER = 10.0  # at most so many times as fast do locations move that few steps see


def faster(batches: Any) -> Any:
    """Return how many times as fast locations of rows move that one step of so many sees.

    Their scales do not: they have less far to go, and each row's noise would stay in them.

    Examples
    --------
    >>> float(faster(4)), float(faster(400))
    (4.0, 10.0)
    """
    return jax.numpy.clip(jax.numpy.asarray(batches, float), 1.0, _FASTER)


def first_state(
    optimizer: optax.GradientTransformation,
    params: Any,
    latents: Set[str],
    *,
    compiled: bool = False,
) -> Any:
    """Return an optimiser's first state: each row of the latents has one of its own.

    With `compiled`, for arrays alone, by programs that are the same for all rates.

    Examples
    --------
    >>> import numpy as np
    >>> params = {"b": {"loc": np.zeros(2)}, "u": {"loc": np.zeros(5)}}
    >>> first_state(optax.adam(0.1), params, {"u"})["rows"][0].count.shape
    (5,)
    >>> first_state(optax.adam(0.1), params, set(), compiled=True)[0].mu["b"]["loc"].tolist()
    [0.0, 0.0]
    """
    begin = _begun if compiled else _plain
    if not latents:
        return begin(optimizer.init, params)
    shared, own = _apart(params, latents)
    rows = (len(jax.tree.leaves(own)[0]),)
    return {"shared": begin(optimizer.init, shared), "rows": begin(optimizer.init, own, rows)}


def step_on_rows(
    optimizer: optax.GradientTransformation,
    gradient: Any,
    opt_state: Any,
    params: Any,
    latents: Set[str],
    step: Any,
) -> tuple[Any, Any]:
    """Return parameters and state after a step that the rows of a batch make, and no others.

    Each row has the optimiser to itself: moments, and counts of the steps that corrected them, are
    those of the steps that saw it. Schedules go by the steps of the fit.

    Parameters
    ----------
    optimizer : optax.GradientTransformation
        For all parameters that belong to no row, and for those of each row.
    gradient : dict
        By block; of latents (room, …), for rows whose numbers are under ``ROWS``, at least that of
        all rows where one does not count; and how many times as fast their locations move.
    opt_state, params : Any
        From :func:`first_state`, and what it was made of.
    latents : set of str
        Blocks that belong to rows.
    step : jax.Array
        () steps before.

    Examples
    --------
    >>> import numpy as np
    >>> params = {"b": {"loc": np.zeros(2)}, "u": {"loc": np.zeros(3)}}
    >>> gradient = {"b": {"loc": np.ones(2)}, "u": {"loc": np.array([-2.0, 3.0])}}
    >>> gradient |= {ROWS: {"": np.array([2, 3]), "faster": 1.0}}  # the last row, and none
    >>> state = first_state(optax.adam(0.1), params, {"u"})
    >>> after, state = step_on_rows(optax.adam(0.1), gradient, state, params, {"u"}, 0)
    >>> np.allclose(after["u"]["loc"], [0, 0, 0.1]), state["rows"][0].count.tolist()
    (True, [0, 0, 1])
    """
    gradient, of_batch = dict(gradient), gradient[ROWS][""]
    speed = jax.numpy.asarray(gradient.pop(ROWS)["faster"])
    (shared, own), (slope, slopes) = _apart(params, latents), _apart(gradient, latents)
    moved, shared_state = optimizer.update(slope, opt_state["shared"], shared)

    def of_a_row(slope: Any, state: Any, own: Any) -> tuple[Any, Any]:
        updates, state = optimizer.update(slope, _at(state, step), own)
        return optax.apply_updates(own, _hastened(updates, speed)), state

    part = gather(own, of_batch), gather(opt_state["rows"], of_batch)
    found = jax.vmap(of_a_row)(slopes, part[1], part[0])
    own, rows = put_back((own, opt_state["rows"]), found, of_batch)
    params = {**optax.apply_updates(shared, moved), **own}
    return params, {"shared": shared_state, "rows": rows}


def _apart(tree: Any, latents: Set[str]) -> tuple[Any, Any]:
    """Return what belongs to no row, and what does."""
    return (
        {name: own for name, own in tree.items() if name not in latents},
        {name: own for name, own in tree.items() if name in latents},
    )


def _hastened(updates: Any, speed: Any) -> Any:
    """Return updates whose locations move so many times as far."""

    def of(role: str, update: Any) -> Any:
        return update * speed.astype(update.dtype) if is_location(role) else update

    return {
        name: {role: of(role, update) for role, update in roles.items()}
        for name, roles in updates.items()
    }


def _plain(init: Callable[[Any], Any], params: Any, rows: tuple[int, ...] = ()) -> Any:
    return jax.vmap(init)(params) if rows else init(params)


def _begun(init: Callable[[Any], Any], params: Any, rows: tuple[int, ...] = ()) -> Any:
    """Return a first state, of each row if there are such, by one program.

    Numbers that depend on no parameter, as rates, are no part of it: it is the same for all.
    """
    leaves, structure = jax.tree.flatten(params)
    of = rows, structure, *map(jax.typeof, leaves)
    known = _BEGINS.setdefault(init, {})
    if of not in known:
        known[of] = _Begin(init, rows)
    try:
        return known[of](params)
    except jax.errors.JAXTypeError:  # it looks at numbers, which only the arrays have
        return _plain(init, params, rows)


class _Begin:
    """An optimiser's first states of parameters of the same shapes."""

    def __init__(self, init: Callable[[Any], Any], rows: tuple[int, ...]):
        self.rows, self.fixed, self.structure = rows, {}, None
        init = weakref.ref(init)  # which this belongs to

        def begin(params: Any) -> list[jax.Array]:
            leaves, self.structure = jax.tree.flatten(init()(params))
            self.fixed = {i: a for i, a in enumerate(leaves) if not isinstance(a, jax.Array)}
            return [a for a in leaves if isinstance(a, jax.Array)]

        self.compiled = Compiled(jax.vmap(begin) if rows else begin)

    def __call__(self, params: Any) -> Any:
        found, rows = iter(self.compiled(params)), self.rows
        spread = {
            i: np.broadcast_to(a, rows + np.shape(a)) if rows else a for i, a in self.fixed.items()
        }
        leaves = [
            spread[i] if i in spread else next(found) for i in range(self.structure.num_leaves)
        ]
        return jax.tree.unflatten(self.structure, leaves)


def _at(state: Any, step: Any) -> Any:
    """Return a state whose schedules are at a step of the fit."""

    def of_schedule(path: Any, _: Any) -> bool:
        owner = getattr(path[-1], "tuple_name", "")
        return owner == "ScaleByScheduleState" or owner.startswith("Inject")

    if not optax.tree_utils.tree_get_all_with_path(state, "count", of_schedule):
        return state
    return optax.tree_utils.tree_set(state, of_schedule, count=jax.numpy.asarray(step, "int32"))
