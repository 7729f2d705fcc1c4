"""Programs compiled by XLA: once per process, and if wanted once per machine."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax._src import util  # no public way to drop one program only

from pymc_bnn._checks import make_folder
from pymc_bnn.runtime.jaxprs import largest

__all__ = ["Compiled", "compilation_cache", "remembered"]

_KEPT = 128  # executables
# Elements of the largest array up to which no operation is divided among threads on CPUs: XLA does
# it from a thousand on, and waits for each; tests/benchmarks/README.md has what it costs.
_ONE_THREAD = 1 << 14
_UNDIVIDED = {"xla_disable_hlo_passes": "cpu-parallel-task-assigner"}
_executables: OrderedDict[Any, Any] = OrderedDict()  # by a program's text
_of_keys: OrderedDict[Any, Any] = OrderedDict()  # by what a program is made of


class Compiled:
    """A function for `jax.jit`, whose executable is shared by all equal programs of the process.

    ``jax.jit`` knows functions by identity: every fit, which builds its own, would compile anew.
    Here the program's text is looked up first, constants included, so that a second fit of the same
    model compiles nothing. Where a `key` says what the function does, it is not even traced.

    Parameters
    ----------
    function : callable
        A pure function of pytrees of arrays.
    donate_argnums : int or sequence of int, optional
        Arguments that the call uses up, as in ``jax.jit``.
    key : hashable, optional
        Equal for functions that do the same, and for no others.

    Examples
    --------
    >>> double = Compiled(lambda x: 2 * x)
    >>> float(double(np.float32(3)))
    6.0
    """

    def __init__(
        self,
        function: Callable[..., Any],
        donate_argnums: int | Sequence[int] = (),
        key: Hashable | None = None,
    ):
        self._made_of, self._key = (function, donate_argnums), key
        # Unused arguments stay: without them functions of different arguments have equal texts.
        self._jitted = jax.jit(function, donate_argnums=donate_argnums, keep_unused=True)
        self._known: dict[Any, Any] = {}

    def __reduce__(self) -> Any:
        """Copy and pickle what it is made of; executables and keys belong to a process."""
        return type(self), self._made_of

    def asked(self, question: Callable[[Any], Any], *args: Any) -> Any:
        """Return what a function says of the program as a jaxpr.

        Examples
        --------
        >>> Compiled(lambda x: 2 * x).asked(lambda jaxpr: len(jaxpr.eqns), np.float32(3))
        1
        """
        signature = question, _signature(args)
        return self._remembered(signature, lambda: question(self._jitted.trace(*args).jaxpr.jaxpr))

    def __call__(self, *args: Any) -> Any:
        """Call it; the first call with arguments of new shapes or types compiles."""
        return self.executable(*args)(*args)

    def executable(self, *args: Any) -> Callable[..., Any]:
        """Return the compiled program for arguments of these shapes, types and places only.

        To be called many times over, as the look-up takes as long as a small program.

        Examples
        --------
        >>> double = Compiled(lambda x: 2 * x).executable(np.float32(0))
        >>> float(double(np.float32(3)))
        6.0
        """
        signature = _signature(args)
        if signature not in self._known:
            self._known[signature] = self._remembered(
                signature, lambda: self._made(signature, args)
            )
        return self._known[signature]

    def _made(self, signature: Hashable, args: Any) -> Any:
        traced = self._jitted.trace(*args)
        small = jax.default_backend() == "cpu" and largest(traced.jaxpr.jaxpr) <= _ONE_THREAD
        options = _UNDIVIDED if small else {}
        executable = _executable(traced.lower(), signature, options)
        _forget(traced.jaxpr)
        return executable

    def _remembered(self, signature: Hashable, make: Callable[[], Any]) -> Any:
        """Return what an equal function's call of the same signature left, or make it."""
        if self._key is None:
            return make()
        return remembered(_of_keys, (self._key, self._made_of[1], signature), make, _KEPT)


def remembered(known: OrderedDict[Any, Any], key: Any, make: Callable[[], Any], most: int) -> Any:
    """Return what is known under a key, or make it and keep it; what was used last stays.

    Examples
    --------
    >>> known = OrderedDict()
    >>> [remembered(known, key, lambda: key, 2) for key in (1, 2, 1, 3)], list(known)
    ([1, 2, 1, 3], [1, 3])
    """
    if key not in known:
        known[key] = make()
        if len(known) > most:
            known.popitem(last=False)
    known.move_to_end(key)
    return known[key]


def compilation_cache(folder: str | PathLike[str]) -> Path:
    """Keep compiled programs on disk, so that the next process starts warm.

    Turns JAX's own persistent cache on for this process, for programs of any size; everything that
    this process compiles with JAX goes there. A program is looked up by its text, the version of
    JAX and the device, so that stale entries are not used; nothing is ever deleted.

    Parameters
    ----------
    folder : str or path
        Where; created if missing. The processes of one machine may share it.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    ValueError
        If it cannot be made or written to.

    Examples
    --------
    >>> import tempfile
    >>> import pymc_bnn as bnn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept = bnn.compilation_cache(folder)
    ...     jax.config.update("jax_compilation_cache_dir", None)  # and off again
    """
    path = make_folder(Path(folder).expanduser())
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return path


def _signature(args: Any) -> Hashable:
    """Return all that an executable of one function depends on."""
    leaves, structure = jax.tree.flatten(args)
    own = jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision
    where = jax.default_backend(), jax.config.jax_default_device
    return structure, tuple(map(_kind, leaves)), own, where


def _kind(leaf: Any) -> Any:
    """Return what an executable depends on: shape, type and place."""
    if isinstance(leaf, jax.Array):
        return leaf.aval, leaf.sharding
    if isinstance(leaf, np.ndarray | np.generic):
        return leaf.shape, leaf.dtype
    return type(leaf)


def _executable(lowered: Any, signature: Any, options: Mapping[str, str]) -> Any:
    """Compile a lowered program, or find the one that an equal program left."""

    def compiled() -> Any:
        return lowered.compile(compiler_options=dict(options))

    if jax.config.jax_use_simplified_jaxpr_constants:  # constants are then not in the text
        return compiled()
    text = hashlib.sha256(lowered.as_text().encode()).hexdigest()
    return remembered(_executables, (text, signature), compiled, _KEPT)


def _forget(jaxpr: Any) -> None:
    """Let JAX drop what it keeps of a lowered program, that of its constants and its text.

    Its caches hold what they were given weakly, but their values hold it, too: with functions that
    are new in each fit they would only be emptied at 2,048 programs, of megabytes each.
    """
    for cache in list(getattr(util, "_caches", ())):
        if hasattr(cache, "evict_weakref"):
            cache.evict_weakref(jaxpr)
