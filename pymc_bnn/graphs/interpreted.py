"""PyTensor by one thread at a time, and graphs that NumPy runs, node by node: small ones."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytensor
from pytensor.compile.mode import Mode
from pytensor.link.basic import PerformLinker

__all__ = ["INTERPRETED", "SIMPLIFIED", "Interpreted", "alone", "building", "without_c"]

# Its settings are of the process, and a function's inputs lie in the function while it runs.
_TURN = threading.RLock()


@contextmanager
def alone(**flags: Any) -> Iterator[None]:
    """Return a context in which no other thread is, with other settings of PyTensor in it.

    Two threads that change settings at once leave them changed: each puts back what it found.

    Examples
    --------
    >>> with alone(cxx=""):
    ...     pytensor.config.cxx
    ''
    """
    with _TURN, pytensor.config.change_flags(**flags):
        yield


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
        with alone(traceback__limit=0):
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
    return alone(cxx="")


class _NumPyLinker(PerformLinker):
    """Links inner graphs, too, to NumPy."""

    def make_all(self, *args: Any, **kwargs: Any) -> Any:
        with without_c():
            return super().make_all(*args, **kwargs)


# Nothing is compiled, and no BLAS is looked for.
INTERPRETED = Mode(linker=_NumPyLinker(), optimizer=None)
# The same of graphs that are simplified first, for what runs hundreds of times.
SIMPLIFIED = Mode(linker=_NumPyLinker(), optimizer="fast_compile")


class Interpreted:
    """A function of a graph that NumPy computes; threads may share it.

    Parameters
    ----------
    inputs : sequence of Variable
        Its arguments.
    outputs : Variable or sequence of Variable
        What it returns, an array or a list.
    mode : Mode, optional
        `INTERPRETED`, or `SIMPLIFIED` for what runs hundreds of times.
    **options
        Passed on to ``pytensor.function``.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x = pt.dscalar()
    >>> float(Interpreted([x], 2 * x)(3.0))
    6.0
    """

    def __init__(
        self, inputs: Sequence[Any], outputs: Any, mode: Mode = INTERPRETED, **options: Any
    ):
        with alone():
            self._function = pytensor.function(inputs, outputs, mode=mode, **options)

    def __call__(self, *args: Any) -> Any:
        """Compute it, when no other thread does."""
        with _TURN:
            return self._function(*args)
