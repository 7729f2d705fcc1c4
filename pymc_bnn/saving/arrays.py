"""Arrays by name in a file, and trees of arrays by flat names; safetensors, which runs no code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pymc_bnn._checks import invalid, listed
from pymc_bnn.errors import DamagedError

__all__ = ["digest_of", "flat_of", "read_arrays", "tree_of", "write_arrays"]

_RESERVED = "__metadata__"  # by the format
_TYPES = "dtypes"  # of arrays that the format has no type for: kept as bytes, with a last axis
_PLAIN = {"bool", "float16", "float32", "float64"} | {
    f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)
}
_OTHERS = {name: np.dtype(name) for name in ("complex64", "complex128")} | {
    name: np.dtype(getattr(ml_dtypes, name))
    for name in dir(ml_dtypes)
    if name.startswith(("bfloat", "float", "int", "uint"))
}
_ODD = ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError  # of its JSON
_SHOWN = 8  # differences in an error


def digest_of(array: np.ndarray) -> str:
    """Return the SHA-256 of an array's numbers, row by row; of objects, of what they print as.

    Examples
    --------
    >>> x = np.arange(6.0).reshape(2, 3)
    >>> digest_of(x) == digest_of(np.asfortranarray(x)) != digest_of(x.T)
    True
    """
    if array.dtype.kind == "O":
        return hashlib.sha256(repr(array.tolist()).encode()).hexdigest()
    flat = np.ascontiguousarray(array).reshape(-1)
    return hashlib.sha256(flat.view(np.uint8) if flat.size else b"").hexdigest()


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays to a file, whatever their shapes; of all types that JAX has.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    arrays : mapping from str to array
        NumPy's, JAX's, or numbers.

    Raises
    ------
    ValueError
        For a type that holds no numbers.
    OSError
        If the disk is full or may not be written to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.safetensors")
    ...     write_arrays(file, {"w": np.ones((2, 3), ml_dtypes.bfloat16), "n": np.int32(7)})
    ...     found = read_arrays(file)
    >>> found["w"].dtype.name, found["w"].shape, int(found["n"])
    ('bfloat16', (2, 3), 7)
    """
    others, given = {}, {}
    for name, value in arrays.items():
        array = np.asarray(value)
        if name == _RESERVED or not (array.dtype.name in _PLAIN or array.dtype.name in _OTHERS):
            rule, got = "hold numbers by names", f"{array.dtype} named {name!r}"
            raise invalid("arrays", rule, got, "leave it out")
        if not array.flags.c_contiguous:  # of others no copy is made, and 0-d ones stay so
            array = array.copy(order="C")
        if array.dtype.name not in _PLAIN:
            others[name] = array.dtype.name
            array = array.reshape(*array.shape, 1).view(np.uint8)
        given[name] = array
    try:
        save_file(given, path, metadata={_TYPES: json.dumps(others, sort_keys=True)})
    except SafetensorError as error:
        raise OSError(f"'{path}' could not be written: {error}") from error


def read_arrays(path: Path, argument: str = "path") -> dict[str, np.ndarray]:
    """Return the arrays of a file by name.

    Raises
    ------
    DamagedError
        If it is no such file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.safetensors")
    ...     write_arrays(file, {"none": np.zeros((0, 3)), "z": np.array([1 + 2j])})
    ...     {name: (a.shape, a.dtype.name) for name, a in sorted(read_arrays(file).items())}
    {'none': ((0, 3), 'float64'), 'z': ((1,), 'complex128')}
    """
    try:
        with safe_open(path, framework="np", backend="pread") as file:
            others = json.loads((file.metadata() or {}).get(_TYPES, "{}"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        for name, other in others.items():
            dtype = _OTHERS[other]
            shape = arrays[name].shape[:-1]
            arrays[name] = np.ascontiguousarray(arrays[name]).view(dtype).reshape(shape)
    except (SafetensorError, OSError, *_ODD) as error:
        rule, got = "hold arrays as they were saved", f"'{path}' ({error})"
        raise invalid(argument, rule, got, "take another copy of it", DamagedError) from error
    return arrays


def flat_of(tree: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """Return the arrays of a tree, in host memory, by the way that leads to them.

    Parts of a name are joined by "/"; one that has it in its own name has "%2F" there. Random keys
    become the words that they are made of.

    Parameters
    ----------
    tree : pytree
        Dicts, tuples, dataclasses, states of optimisers, of arrays.
    prefix : str, optional
        The first part of all names.

    Examples
    --------
    >>> import optax
    >>> params = {"mu": {"loc": np.zeros(2)}}
    >>> list(flat_of(optax.adam(0.1).init(params)))
    ['0/count', '0/mu/mu/loc', '0/nu/mu/loc']
    """
    return {name: _on_host(leaf) for name, leaf in _named(tree, prefix)}


def tree_of(
    template: Any,
    arrays: Mapping[str, np.ndarray],
    prefix: str = "",
    *,
    argument: str = "path",
    what: str = "the saved arrays",
) -> Any:
    """Return arrays in the structure of a template, whose own numbers do not matter.

    Parameters
    ----------
    template : pytree
        Of arrays, or of ``jax.ShapeDtypeStruct``.
    arrays : mapping from str to numpy.ndarray
        As of :func:`flat_of`; with a prefix those that have another one are left alone.
    prefix : str, optional
        The first part of all names.
    argument, what : str, optional
        What the error calls the path, and the arrays.

    Returns
    -------
    pytree
        NumPy arrays, and random keys.

    Raises
    ------
    ValueError
        If names, shapes or types are others; the error lists the differences.

    Examples
    --------
    >>> params = {"mu": {"loc": np.arange(2.0)}}
    >>> tree_of(params, flat_of(params, "params"), "params")
    {'mu': {'loc': array([0., 1.])}}
    >>> tree_of({"mu": {"loc": np.zeros(3)}}, flat_of(params))
    Traceback (most recent call last):
        ...
    ValueError: `path` must hold what belongs to this model, got the saved arrays in which \
'mu/loc' is float64 (2,), and not float64 (3,); pass the model, and the options, that they were \
saved with
    """
    wanted = _named(template, prefix)
    own = {n: a for n, a in arrays.items() if not prefix or n.split("/")[0] == prefix}
    wrong = differences(dict(wanted), own)
    if wrong:
        rule, got = "hold what belongs to this model", f"{what} in which {listed(wrong, _SHOWN)}"
        repair = "pass the model, and the options, that they were saved with"
        raise invalid(argument, rule, got, repair)
    leaves = [_as(leaf, own[name]) for name, leaf in wanted]
    return jax.tree.unflatten(jax.tree.structure(template), leaves)


def differences(wanted: Mapping[str, Any], found: Mapping[str, np.ndarray]) -> list[str]:
    """Say which arrays are missing, which are too many, and which are of another kind.

    Examples
    --------
    >>> differences({"a": np.zeros(2), "b": np.zeros(3)}, {"a": np.zeros(2, int), "c": np.zeros(1)})
    ["'b' is missing", "'c' is not in the model", "'a' is int64 (2,), and not float64 (2,)"]
    """
    wrong = [f"'{name}' is missing" for name in wanted if name not in found]
    wrong += [f"'{name}' is not in the model" for name in found if name not in wanted]
    for name, leaf in wanted.items():
        if name in found and (here := _kind(leaf)) != (there := _kind(found[name])):
            wrong.append(f"'{name}' is {there}, and not {here}")
    return wrong


def _named(tree: Any, prefix: str) -> list[tuple[str, Any]]:
    """Return the leaves of a tree with their names."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    first = [prefix] if prefix else []
    named = [("/".join([*first, *(_part(key) for key in path)]), leaf) for path, leaf in leaves]
    if len(dict(named)) < len(named):
        names = [name for name, _ in named]
        twice = next(name for name in names if names.count(name) > 1)
        raise invalid("tree", "have a name of its own for each array", f"{twice!r} twice", "rename")
    return named


def _part(key: Any) -> str:
    """Return what a step into a tree is called: a key, a field, or a number."""
    for attribute in ("key", "name", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute)).replace("%", "%25").replace("/", "%2F")
    raise TypeError(f"{key!r} has no name")


def _is_key(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    return dtype is not None and jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key)


def _on_host(leaf: Any) -> np.ndarray:
    return np.asarray(jax.device_get(jax.random.key_data(leaf) if _is_key(leaf) else leaf))


def _kind(leaf: Any) -> str:
    """Return type and shape, of a random key those of its words."""
    if _is_key(leaf):
        words = jax.eval_shape(jax.random.key_data, leaf)
        return f"{words.dtype.name} {words.shape}"
    array = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
    return f"{array.dtype.name} {tuple(array.shape)}"


def _as(leaf: Any, array: np.ndarray) -> Any:
    """Return an array as what the template has in its place."""
    if _is_key(leaf):
        impl = jax.random.key_impl(leaf) if isinstance(leaf, jax.Array) else None  # the default
        return jax.random.wrap_key_data(array, impl=impl)
    return array
