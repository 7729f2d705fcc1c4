"""Arrays on devices; in a fit over several rows are split, and parameters are everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental.multihost_utils import process_allgather
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pymc_bnn._checks import check_int, invalid

__all__ = [
    "copied",
    "gather",
    "keep_replicated",
    "mesh_of",
    "one_by_one",
    "replicate",
    "shard_rows",
    "split_rows",
]

_AXIS = "rows"


def mesh_of(devices: str | int | Sequence[Any] | None) -> Mesh | None:
    """Return the devices of a fit or a prediction in a row, or None for the default device.

    Parameters
    ----------
    devices : "all", int, sequence of jax.Device or None
        All devices of all processes, the first few of them, or these.

    Returns
    -------
    jax.sharding.Mesh or None
        With one axis, over which rows are split.

    Raises
    ------
    ValueError, TypeError
        If they are none of these, there are not as many, or one comes twice.

    Examples
    --------
    >>> mesh_of(1).size
    1
    """
    if devices is None:
        return None
    known, repair = jax.devices(), 'pass "all", a number, or some of jax.devices()'
    if isinstance(devices, str):
        if devices != "all":
            raise invalid("devices", 'be "all", a number or devices', repr(devices), repair)
        return Mesh(np.array(known), (_AXIS,))
    if isinstance(devices, int | np.integer):
        repair = f"there are {len(known)}; on CPU XLA_FLAGS=--xla_force_host_platform_device_count"
        count = check_int("devices", devices, 1, len(known), f"{repair} makes more")
        return Mesh(np.array(known[:count]), (_AXIS,))
    chosen = list(devices) if isinstance(devices, Sequence) else [devices]
    if not chosen or not all(isinstance(d, jax.Device) for d in chosen):
        raise invalid("devices", "hold devices of JAX", repr(devices), repair, TypeError)
    if len(set(chosen)) < len(chosen):
        raise invalid("devices", "hold each device once", repr(devices), repair)
    return Mesh(np.array(chosen), (_AXIS,))


def one_by_one(mesh: Mesh | None) -> tuple[Mesh | None, tuple[jax.Device, ...]]:
    """Return devices each of which is to have a fit of its own, and no mesh; or that which is left.

    Examples
    --------
    >>> one_by_one(None)
    (None, ())
    """
    if mesh is None or mesh.size == 1 or jax.process_count() > 1:
        return mesh, ()
    return None, tuple(mesh.devices)


def copied(tree: Any) -> Any:
    """Copy arrays to memory of their own: those of JAX where they are, others to its device.

    JAX's own ``copy`` and ``asarray`` compile a program for each shape, of which it keeps 8,192;
    this compiles none. Arrays of NumPy are copied by NumPy: ``device_put`` reads them some time
    later, or not at all but where they lie, whatever its `may_alias` is.

    Examples
    --------
    >>> numbers = np.zeros(3)
    >>> copy = copied({"x": numbers})
    >>> numbers += 1
    >>> copy["x"].tolist()
    [0.0, 0.0, 0.0]
    """
    leaves, structure = jax.tree.flatten(tree)
    keys = {i: jax.random.clone(leaf) for i, leaf in enumerate(leaves) if _is_key(leaf)}
    there = [i for i, leaf in enumerate(leaves) if isinstance(leaf, jax.Array) and i not in keys]
    places = [leaves[i].sharding if leaves[i].committed else None for i in there]
    # All at once: a call takes as long as a small array, and a list of places as well.
    place = places if any(places) else None
    put = jax.device_put([leaves[i] for i in there], place, may_alias=False)
    found = {**keys, **dict(zip(there, put, strict=True))}
    here = [i for i in range(len(leaves)) if i not in found]
    put = jax.device_put([_own(leaves[i]) for i in here])
    found |= zip(here, put, strict=True)
    return jax.tree.unflatten(structure, [found[i] for i in range(len(leaves))])


def replicate(tree: Any, mesh: Mesh | None) -> Any:
    """Put a copy of every array on each device.

    Examples
    --------
    >>> replicate({"x": np.zeros(3)}, mesh_of(1))["x"].shape
    (3,)
    """
    if mesh is None:
        return _on_device(tree)
    place = NamedSharding(mesh, PartitionSpec())

    def put(leaf: Any) -> jax.Array:
        if _is_key(leaf):
            words = jax.device_put(_own(np.asarray(jax.random.key_data(leaf))), place)
            return jax.random.wrap_key_data(words, impl=jax.random.key_impl(leaf))
        return jax.device_put(_own(np.asarray(leaf)), place)

    return jax.tree.map(put, tree)


def shard_rows(tree: Any, mesh: Mesh | None) -> Any:
    """Put arrays on the devices, split along their rows, as many for each device.

    Examples
    --------
    >>> shard_rows({"x": np.zeros((4, 2))}, mesh_of(1))["x"].shape
    (4, 2)
    """
    if mesh is None:
        return _on_device(tree)
    place = NamedSharding(mesh, PartitionSpec(_AXIS))
    # Every process holds all rows and hands over its own.
    put = jax.make_array_from_callback
    return jax.tree.map(lambda a: put(a.shape, place, lambda part: np.asarray(a)[part]), tree)


def gather(tree: Any, mesh: Mesh | None) -> Any:
    """Bring rows that other processes hold to this one.

    Examples
    --------
    >>> gather(shard_rows(np.zeros(4), mesh_of(1)), mesh_of(1)).shape
    (4,)
    """
    if mesh is None or jax.process_count() == 1:
        return tree
    return process_allgather(tree, tiled=True)


def split_rows(array: jax.Array, mesh: Mesh | None, axis: int = 0) -> jax.Array:
    """Split an array of a compiled function along its rows, as many for each device.

    Examples
    --------
    >>> jax.jit(lambda x: split_rows(x, mesh_of(1)))(np.zeros((4, 2))).shape
    (4, 2)
    """
    if mesh is None:
        return array
    place = NamedSharding(mesh, PartitionSpec(*[None] * axis, _AXIS))
    return jax.lax.with_sharding_constraint(array, place)


def keep_replicated(tree: Any, mesh: Mesh | None) -> Any:
    """Keep results of a compiled function on each device.

    Examples
    --------
    >>> jax.jit(lambda x: keep_replicated(x, mesh_of(1)))(np.zeros(4)).shape
    (4,)
    """
    if mesh is None:
        return tree
    return jax.lax.with_sharding_constraint(tree, NamedSharding(mesh, PartitionSpec()))


def _on_device(tree: Any) -> Any:
    leaves, structure = jax.tree.flatten(tree)
    here = [i for i, leaf in enumerate(leaves) if not isinstance(leaf, jax.Array)]
    put = dict(zip(here, copied([leaves[i] for i in here]), strict=True))
    return jax.tree.unflatten(structure, [put.get(i, leaf) for i, leaf in enumerate(leaves)])


def _own(leaf: Any) -> Any:
    """Copy an array in host memory; numbers of Python stay, whose type gives way to others."""
    return np.array(leaf) if isinstance(leaf, np.ndarray | np.generic) else leaf


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
