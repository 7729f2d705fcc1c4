"""Which operations a file may name: those of listed modules, which are imported beforehand."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from typing import Any

from pymc.logprob.utils import ParameterValueError
from pytensor.graph.op import Op

__all__ = ["EXCEPTIONS", "allowed_class", "is_allowed", "plain_text", "tamed"]

# Where operations may come from. What a file names is looked up in these and imported from nowhere
# else; reading from disk, printing, calling Python functions and optimisers are in none of them.
_MODULES = (
    *("pymc.data", "pymc.math", "pymc.variational.minibatch_rv", "pymc.logprob.utils"),
    *(f"pymc.distributions.{name}" for name in ("censored", "continuous", "discrete")),
    *(f"pymc.distributions.{name}" for name in ("dist_math", "distribution", "mixture")),
    *(f"pymc.distributions.{name}" for name in ("multivariate", "timeseries", "truncated")),
    *("pytensor.assumptions.specify", "pytensor.compile.builders", "pytensor.compile.ops"),
    *("pytensor.conditional.op", "pytensor.gradient", "pytensor.raise_op", "pytensor.scan.op"),
    *(f"pytensor.tensor.{name}" for name in ("basic", "blas.batched", "blockwise", "einsum")),
    *(f"pytensor.tensor.{name}" for name in ("elemwise", "extra_ops", "math", "pad", "reshape")),
    *(f"pytensor.tensor.{name}" for name in ("shape", "signal.conv", "sort", "special")),
    *(f"pytensor.tensor.{name}" for name in ("subtensor", "symbolic", "type_other")),
    *(f"pytensor.tensor.linalg.{name}" for name in ("constructors", "inverse", "products")),
    *(f"pytensor.tensor.linalg.{name}" for name in ("summary", "solvers.general")),
    *(f"pytensor.tensor.linalg.solvers.{name}" for name in ("psd", "triangular", "lstsq")),
    *(f"pytensor.tensor.linalg.solvers.{name}" for name in ("tridiagonal", "linear_control")),
    *(f"pytensor.tensor.linalg.decomposition.{name}" for name in ("cholesky", "eigen", "lu")),
    *(f"pytensor.tensor.linalg.decomposition.{name}" for name in ("qr", "schur", "svd")),
    *("pytensor.tensor.random.basic", "pytensor.tensor.random.op", "pytensor.scalar.basic"),
    *(f"pytensor_ml.layers.{name}" for name in ("attention", "conv", "embedding", "linear")),
    *("pytensor_ml.layers.norm", "pytensor_ml.layers.dropout", "pymc_bnn.graphs.dropout"),
)
# Of these modules all the same not: what is made of a Python function, or is abstract.
_REFUSED = frozenset(
    {
        *("EulerMaruyamaRV", "SymbolicRandomVariable", "PolyaGammaRV", "_PolyaGammaLogDistFunc"),
        *("FromFunctionOp", "SplineWrapper", "InterpolatedRV", "RandomVariable", "Composite"),
        *("ScipyRandomVariable", "AbstractRNGConstructor", "DefaultGeneratorMakerOp"),
        *("SymbolicOp", "ScalarOp"),
    }
)  # fmt: skip

EXCEPTIONS: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        *(ParameterValueError, ValueError, TypeError, AssertionError),
        *(IndexError, NotImplementedError, RuntimeError, ArithmeticError, Exception),
    )
}

# Some of it is put into programs that backends write, so there is nothing that ends a string there.
_PLAIN = re.compile(r"[A-Za-z0-9_ .,:;()\[\]<>=*+/{}?!|^&~-]{0,1000}")


@cache
def allowed_class(path: str) -> type[Op]:
    """Return the class of an operation that a file names.

    Raises
    ------
    ValueError
        If it is not on the list.

    Examples
    --------
    >>> allowed_class("pytensor.tensor.shape.Reshape").__name__
    'Reshape'
    >>> allowed_class("os.system")
    Traceback (most recent call last):
    ...
    ValueError: an operation called 'os.system' may not be in a file
    """
    module, _, name = str(path).rpartition(".")
    found = vars(import_module(module)).get(name) if module in _MODULES else None
    if not is_allowed(found) or found.__name__ != name:
        raise ValueError(f"an operation called {str(path)[:200]!r} may not be in a file")
    return found


def is_allowed(kind: Any) -> bool:
    """Tell whether a class may be named in a file.

    Examples
    --------
    >>> from pytensor.tensor.shape import Reshape
    >>> is_allowed(Reshape), is_allowed(Op), is_allowed(print)
    (True, False, False)
    """
    if not (isinstance(kind, type) and issubclass(kind, Op)):
        return False
    own = kind.__module__ in _MODULES and kind.__name__ not in _REFUSED
    return own and vars(import_module(kind.__module__)).get(kind.__name__) is kind


def plain_text(text: Any) -> str:
    """Return a text, if it has only letters and signs that end no string of a program.

    Examples
    --------
    >>> plain_text("0 <= p <= 1")
    '0 <= p <= 1'
    """
    if not isinstance(text, str) or not _PLAIN.fullmatch(text):
        raise ValueError(f"a text with other signs than those of names and rules: {text!r:.80}")
    return text


def tamed(text: str) -> str:
    """Return a text with other signs than those of :func:`plain_text` left out.

    Examples
    --------
    >>> tamed('a "b"')
    'a b'
    """
    return "".join(c for c in text if _PLAIN.fullmatch(c))[:1000]
