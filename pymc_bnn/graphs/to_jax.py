"""PyTensor graphs to pure JAX functions: the only file that knows PyTensor's JAX linker."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import jax
from pymc.logprob.utils import local_remove_check_parameter
from pytensor.compile.builders import OpFromGraph
from pytensor.compile.mode import JAX
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import in2out, node_rewriter
from pytensor.raise_op import Assert
from pytensor.scalar import EQ, Switch
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.math import Sum
from pytensor.tensor.shape import Shape_i

from pymc_bnn._warnings import unheard
from pymc_bnn.graphs.barriers import Barrier, set_barriers
from pymc_bnn.graphs.convolutions import (
    PaddedConv,
    conv_by_blocks,
    conv_by_blocks_without_gradient,
    conv_with_padding,
    pool_by_reshape,
)
from pymc_bnn.graphs.extrema import Extremum, extremum_of_one
from pymc_bnn.graphs.interpreted import alone
from pymc_bnn.graphs.products import Product, linear_by_product, product_as_told
from pymc_bnn.graphs.squares import square_of_exponential
from pymc_bnn.graphs.structure import structure
from pymc_bnn.graphs.survival import survival_as_it_is
from pymc_bnn.graphs.together import Stack, Unstack, products_together, take_apart, work_together

# Importable from here, too, as they were before.
from pymc_bnn.runtime.compilation import Compiled, remembered
from pymc_bnn.runtime.precision import precision

__all__ = ["compiled_graph", "jaxify", "key_of"]

_KEPT = 128  # functions
_known: OrderedDict[Any, Callable[..., Any]] = OrderedDict()


def jaxify(
    inputs: Sequence[Variable | tuple[Variable, ...]],
    outputs: Sequence[Variable],
    dtype: str = "float32",
    gradient: bool = True,
) -> Callable[..., Any]:
    """Compile a PyTensor graph to one pure JAX function of `inputs`.

    Parameter checks are dropped (they cost a second softmax in a classifier), and convolution and
    pooling are rewritten where that is faster; see :mod:`pymc_bnn.graphs.convolutions`.

    Parameters
    ----------
    inputs : sequence of Variable or tuple of Variable
        All roots of the graph that are not constants, in the order of the function's arguments;
        a tuple of several of one type is taken as one array, along a new first axis.
    outputs : sequence of Variable
        What the function returns, as a tuple.
    dtype : {"float32", "float64"}, optional
        Precision of the graph's constants; call the function inside :func:`precision`.
    gradient : bool, optional
        Whether the function is to be fast together with its gradient, or by itself.

    Returns
    -------
    callable
        ``f(*inputs) -> tuple``; it can be jitted, vmapped and differentiated by JAX.

    Raises
    ------
    NotImplementedError
        If an operation of the graph has no JAX version.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x = pt.vector("x")
    >>> f = jaxify([x], [x.sum()], dtype="float64")
    >>> import numpy as np
    >>> with precision("float64"):
    ...     float(f(np.array([1.0, 2.0]))[0])
    3.0
    """
    # Imported here: it switches JAX to 64 bits and takes a second.
    from pytensor.link.jax.dispatch import jax_funcify

    for own in (Barrier, PaddedConv, Product, Stack, Unstack, *OpFromGraph.__subclasses__()):
        if hasattr(own, "in_jax"):
            jax_funcify.register(own, lambda op, **_: op.in_jax())
    jax_funcify.register(Extremum, lambda op, **_: op.in_jax(jax_funcify(op.reduction)))
    if not outputs:
        return lambda *_: ()
    key = structure(inputs, outputs)
    if key is None:
        return _lifted(inputs, outputs, dtype, gradient)
    key = key, dtype, gradient, jax.default_backend()

    def make() -> Callable[..., Any]:
        function = _lifted(inputs, outputs, dtype, gradient)
        function.shared = True
        return function

    return remembered(_known, key, make, _KEPT)


def compiled_graph(
    inputs: Sequence[Variable | tuple[Variable, ...]],
    outputs: Sequence[Variable],
    dtype: str = "float32",
    gradient: bool = True,
) -> Compiled:
    """Return the function that :func:`jaxify` makes of a graph, compiled at its first call.

    Examples
    --------
    >>> import numpy as np
    >>> import pytensor.tensor as pt
    >>> x = pt.fscalar()
    >>> float(compiled_graph([x], [x + 1])(np.float32(2))[0])
    3.0
    """
    function = jaxify(inputs, outputs, dtype, gradient)
    return Compiled(function, key=key_of(function))


def key_of(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """Return a function of :func:`jaxify` if equal graphs have the same one, else None.

    Examples
    --------
    >>> key_of(lambda x: x) is None
    True
    """
    return function if getattr(function, "shared", False) else None


def _lifted(
    inputs: Sequence[Variable | tuple[Variable, ...]],
    outputs: Sequence[Variable],
    dtype: str,
    gradient: bool,
) -> Callable[..., Any]:
    """Rewrite a copy of the graph, and return it as a function."""
    from pytensor.link.jax.dispatch import jax_funcify

    graph = FunctionGraph(*take_apart(inputs, outputs), clone=True)
    with (
        precision(dtype),
        unheard("Skipping .* as JAX tracing would remove it"),
        alone(traceback__limit=0, cxx=""),  # constants are folded
    ):
        _forget_traces(graph)
        _SIMPLIFY.rewrite(graph)
        work_together(graph)  # so that there are fewer to rewrite
        if jax.default_backend() == "cpu":
            (_BY_BLOCKS if gradient else _BY_BLOCKS_WITHOUT_GRADIENT).rewrite(graph)
        _PADDED.rewrite(graph)
        JAX.optimizer.rewrite(graph)
        _LAST.rewrite(graph)
        work_together(graph)
        products_together(graph)
        if gradient and jax.default_backend() == "cpu":
            set_barriers(graph)
        _forget_traces(graph)
        try:
            lifted = jax_funcify(graph)
        except NotImplementedError as error:
            raise NotImplementedError(
                f"the model has a part without a JAX version: {str(error).strip()}\nWhere a shape "
                "is computed, write x.reshape((x.shape[0], k)) rather than x.reshape((-1, k)), or "
                "pass batch_size=None, which leaves shapes constant."
            ) from error

    def function(*arguments: Any) -> tuple[Any, ...]:
        result = lifted(*arguments)
        return tuple(result) if isinstance(result, list | tuple) else (result,)

    return function


def _forget_traces(graph: FunctionGraph) -> None:
    """Drop where variables were made.

    Constants are shared by all graphs of a process, and a rewrite that meets one in a switch
    triples the traces tagged to it: after a dozen compilations they would fill the memory.
    """
    for variable in graph.variables:
        if getattr(variable.tag, "trace", None):
            variable.tag.trace = []


@node_rewriter([Assert])
def _drop_assert(fgraph: FunctionGraph, node: Apply) -> list[Variable]:
    """Drop what JAX would skip anyway: around a shape it hides that this is known when tracing."""
    return [node.inputs[0]]


@node_rewriter([Elemwise])
def _length_is_not_minus_one(fgraph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """Drop a reshape's question whether a length is −1, which hides that the length is known."""
    if not isinstance(node.op.scalar_op, Switch):
        return None
    asked, _, otherwise = node.inputs
    is_eq = asked.owner is not None and isinstance(getattr(asked.owner.op, "scalar_op", None), EQ)
    if not is_eq:
        return None
    a, b = asked.owner.inputs
    length = a.owner is not None and isinstance(a.owner.op, Shape_i)
    return [otherwise] if length and isinstance(b, Constant) and b.data == -1 else None


@node_rewriter([Elemwise])
def _real_sums(fgraph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """Sum integers as real numbers where that is what becomes of them: int32 ends at 2³¹."""
    if not node.out.type.dtype.startswith("float"):
        return None
    summed = [i.owner is not None and isinstance(i.owner.op, Sum) for i in node.inputs]
    inputs = [
        i.owner.inputs[0].astype("float64").sum(axis=i.owner.op.axis)
        if is_sum and i.owner.inputs[0].type.dtype.startswith(("int", "uint"))
        else i
        for i, is_sum in zip(node.inputs, summed, strict=True)
    ]
    if inputs == node.inputs:
        return None
    output = node.op(*inputs)
    return [output] if output.type == node.out.type else None


_LAST = in2out(
    _drop_assert,
    _length_is_not_minus_one,
    extremum_of_one,
    linear_by_product,
    product_as_told,
    square_of_exponential,
)
_SIMPLIFY = in2out(local_remove_check_parameter, pool_by_reshape, _real_sums, survival_as_it_is)
_BY_BLOCKS = in2out(conv_by_blocks)
_BY_BLOCKS_WITHOUT_GRADIENT = in2out(conv_by_blocks_without_gradient)
_PADDED = in2out(conv_with_padding)
