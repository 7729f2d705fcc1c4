"""Graphs that NumPy runs, node by node: for small ones."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytensor
from pytensor.compile.mode import Mode
from pytensor.link.basic import PerformLinker

__all__ = ["INTERPRETED", "SIMPLIFIED", "building", "without_c"]


@contextmanager
def building() -> Iterator[None]:
    """Return a context in which graphs are built, and traced, without what only costs time.

    PyTensor does not note in which line each variable was made, and Python does not look for
    cycles among its objects, all of which have just been made: a seventh of a first fit's time.

    Examples
    --------
    >>> with building():
    ...     gc.isenabled()
    False
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        with pytensor.config.change_flags(traceback__limit=0):
            yield
    finally:
        if collects:
            gc.enable()


def without_c() -> Any:
    """Return a context in which PyTensor does not call a C compiler.

    It would for PyMC's initial points and for each graph within a graph (a truncated variable, the
    Cholesky factor of a covariance), a second or more a node, on a machine that has not met it.

    Examples
    --------
    >>> import pymc as pm
    >>> with pm.Model() as model:
    ...     x = pm.HalfNormal("x")
    >>> with without_c():
    ...     point = model.initial_point()
    """
    return pytensor.config.change_flags(cxx="")


class _NumPyLinker(PerformLinker):
    """Links inner graphs, too, to NumPy."""

    def make_all(self, *args: Any, **kwargs: Any) -> Any:
        with without_c():
            return super().make_all(*args, **kwargs)


# Nothing is compiled, and no BLAS is looked for.
INTERPRETED = Mode(linker=_NumPyLinker(), optimizer=None)
# The same of graphs that are simplified first, for what runs hundreds of times.
SIMPLIFIED = Mode(linker=_NumPyLinker(), optimizer="fast_compile")
