"""Log-densities of huge counts: computed in float64 within a float32 program.

The log-density of a count is a small difference of large numbers: log Γ(10⁸) is 1.7·10⁹, where
float32 steps by 128 nats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from pytensor.compile.builders import OpFromGraph
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.raise_op import CheckAndRaise
from pytensor.scalar import GammaLn
from pytensor.tensor.basic import Alloc, Join, MakeVector
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.random.basic import BernoulliRV, CategoricalRV
from pytensor.tensor.special import LogSoftmax, LogSumExp, Softmax
from pytensor.tensor.subtensor import Subtensor
from pytensor.tensor.variable import TensorConstant, TensorVariable

from pymc_bnn.graphs.substitute import substitute
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.model.terms import ModelTerms, Observed

__all__ = ["InDouble", "exact_rest", "exact_rows", "has_huge_counts", "in_double"]

_LARGEST = 1000  # count that float32 takes: log Γ(1000) is 5,905, where it steps by 0.0005 nats
_CHEAP = (
    *(Elemwise, DimShuffle, CAReduce, Softmax, LogSoftmax, LogSumExp),
    *(Alloc, Join, MakeVector, Subtensor, CheckAndRaise),
)


class InDouble(OpFromGraph):
    """A graph that JAX computes in float64, with its gradient, whatever the rest is computed in."""

    def in_jax(self) -> Callable[..., Any]:
        """Return the function for JAX's dispatch."""
        graph = self.fgraph.unfreeze()
        function = jaxify(graph.inputs, graph.outputs, "float64")

        def wide(*arguments: Any) -> list[Any]:
            kinds = [jnp.float64 if _is_real(a) else jnp.int64 for a in arguments]
            return [
                jax.lax.convert_element_type(a, k) for a, k in zip(arguments, kinds, strict=True)
            ]

        def forward(*arguments: Any) -> tuple[Any, Any]:
            with jax.enable_x64(True):
                value, pullback = jax.vjp(lambda *a: function(*a)[0], *wide(*arguments))
                return jax.lax.convert_element_type(value, jnp.float32), (pullback, arguments)

        def backward(kept: Any, gradient: Any) -> tuple[Any, ...]:
            pullback, arguments = kept
            with jax.enable_x64(True):
                found = pullback(jax.lax.convert_element_type(gradient, jnp.float64))
                return tuple(
                    jax.lax.convert_element_type(g, a.dtype) if _is_real(a) else g
                    for g, a in zip(found, arguments, strict=True)
                )

        @jax.custom_vjp
        def narrow(*arguments: Any) -> Any:
            with jax.enable_x64(True):
                value = function(*wide(*arguments))[0]
                return jax.lax.convert_element_type(value, jnp.float32)

        narrow.defvjp(forward, backward)

        def either(*arguments: Any) -> Any:
            if jax.config.jax_enable_x64:
                return function(*arguments)[0]
            return narrow(*map(jnp.asarray, arguments))

        return either


def has_huge_counts(observed: Observed, terms: ModelTerms) -> bool:
    """Tell whether an observed variable's log-density needs float64.

    It does where it counts beyond 1,000, and where log Γ of a parameter is to be inferred.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> def asked(largest):
    ...     with pm.Model() as model:
    ...         pm.Poisson("y", pm.Exponential("mu"), observed=[3, largest])
    ...     terms = decompose(model)
    ...     return has_huge_counts(terms.observed[0], terms)
    >>> asked(70), asked(70_000)
    (False, True)
    """
    op = observed.rv.owner.op
    if isinstance(op, BernoulliRV | CategoricalRV):
        return False
    numbers = {d.variable: d.value for d in terms.data}
    values = set(terms.values)
    nodes = [v.owner for v in ancestors([observed.logp]) if v.owner is not None]
    asked = [n for n in nodes if isinstance(getattr(n.op, "scalar_op", None), GammaLn)]
    discrete = observed.rv.type.numpy_dtype.kind in "biu"
    if not discrete or not asked:
        return False
    if values & set(ancestors([i for n in asked for i in n.inputs])):
        return True
    roots = [v for n in asked for v in ancestors(n.inputs)]
    roots += ancestors([observed.value])
    for root in roots:
        value = numbers.get(root, root.data if isinstance(root, TensorConstant) else None)
        if value is not None and np.size(value) and np.max(np.abs(value)) > _LARGEST:
            return True
    return False


def in_double(output: TensorVariable, stop: Iterable[Variable] = ()) -> TensorVariable:
    """Return a graph's output as that of an op that computes it in float64.

    It reaches back through what is computed element by element, not through products and layers.

    Parameters
    ----------
    output : TensorVariable
        A log-density.
    stop : iterable of Variable, optional
        Where it ends beside.

    Returns
    -------
    TensorVariable
        Of the same type.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x = pt.vector("x")
    >>> bool(in_double(pt.gammaln(x)).owner.inputs == [x])
    True
    """
    stop, edge, seen, stack = set(stop), [], set(), [output]
    while stack:
        v = stack.pop()
        if v in seen or isinstance(v, Constant):
            continue
        seen.add(v)
        if v.owner is not None and isinstance(v.owner.op, _CHEAP) and v not in stop:
            stack.extend(v.owner.inputs)
        else:
            edge.append(v)
    if not edge or edge == [output]:
        return output
    inside = [v.type() for v in edge]
    [inner] = substitute([output], dict(zip(edge, inside, strict=True)))
    return InDouble(inside, [inner], inline=False)(*edge)


def exact_rows(terms: ModelTerms, logp: TensorVariable) -> TensorVariable:
    """Return the log-density of each example (rows,), in float64 where it has huge counts."""
    huge = any(o.per_example and has_huge_counts(o, terms) for o in terms.observed)
    return in_double(logp) if huge else logp


def exact_rest(terms: ModelTerms) -> TensorVariable:
    """Return the log-likelihood that does not come by rows (), in float64 with huge counts."""
    huge = any(not o.per_example and has_huge_counts(o, terms) for o in terms.observed)
    return in_double(terms.rest_logp) if huge else terms.rest_logp


def _is_real(array: Any) -> bool:
    return jnp.issubdtype(array.dtype, jnp.floating)
