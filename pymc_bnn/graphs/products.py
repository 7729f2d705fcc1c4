"""Products of matrices in bfloat16 on CPUs, where JAX's setting for it is without effect."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.tensor.math import Dot
from pytensor_ml.layers import LinearLayer

from pymc_bnn.graphs.only_in_jax import OnlyInJax
from pymc_bnn.graphs.substitute import substitute

__all__ = ["Product", "linear_by_product", "product_as_told"]

_TOLD = ("bfloat16", "BF16_BF16_F32")  # values of jax_default_matmul_precision


class Product(OnlyInJax):
    """A product of two matrices in the precision that JAX is told, on CPUs as well.

    Under ``jax.default_matmul_precision("bfloat16")`` factors are rounded to bfloat16 and summed up
    in float32, for which CPUs have instructions; XLA reads that setting for accelerators only. The
    products of the derivatives are as they are without: of transposed matrices those of bfloat16
    are slower on CPUs than those of float32.
    """

    __props__ = ()

    def make_node(self, x: Variable, w: Variable) -> Apply:
        """Apply it to matrices."""
        return Apply(self, [x, w], [Dot()(x, w).type()])

    def in_jax(self) -> Callable[[jax.Array, jax.Array], jax.Array]:
        """Return the JAX function; the setting is read when it is traced."""

        def product(x: jax.Array, w: jax.Array) -> jax.Array:
            told = jax.config.jax_default_matmul_precision in _TOLD
            narrow = told and x.dtype == w.dtype == jnp.float32 and jax.default_backend() == "cpu"
            return _in_bfloat16(x, w) if narrow else jnp.dot(x, w)

        return product


@node_rewriter([Dot])
def product_as_told(fgraph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """Put products of matrices in the precision that JAX is told in place of others."""
    x, w = node.inputs
    product = Product()(x, w) if x.type.ndim == w.type.ndim == 2 else None
    return [product] if product is not None and product.type == node.out.type else None


@node_rewriter([LinearLayer])
def linear_by_product(fgraph: FunctionGraph, node: Apply) -> list[Variable]:
    """Put in place of a layer what it computes."""
    inner = node.op.fgraph.unfreeze()
    return substitute(inner.outputs, dict(zip(inner.inputs, node.inputs, strict=True)))


@jax.custom_vjp
def _in_bfloat16(x: jax.Array, w: jax.Array) -> jax.Array:
    narrow = (factor.astype(jnp.bfloat16) for factor in (x, w))
    return jnp.dot(*narrow, preferred_element_type=jnp.float32)


def _forward(x: jax.Array, w: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _in_bfloat16(x, w), (x, w)


def _backward(factors: tuple[jax.Array, jax.Array], g: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, w = factors
    return jnp.dot(g, w.T), jnp.dot(x.T, g)


_in_bfloat16.defvjp(_forward, _backward)
