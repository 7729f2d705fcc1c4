"""Log-probabilities to be above a bound, which PyMC writes as log(1 − exp(that to be below))."""

from __future__ import annotations

from typing import Any

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.scalar import Switch
from pytensor.scalar.math import Log1mexp
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import Elemwise

__all__ = ["survival_as_it_is"]


@node_rewriter([Elemwise])
def survival_as_it_is(fgraph: Any, node: Apply) -> list[Variable] | None:
    """Write log(1 − exp(log(1 − exp(x)))) as x.

    PyTensor does so, too, but not behind the choice "0 below the support", nor where it is spread
    over rows. Where a bound is far out, the probability below it rounds to 1, and its complement to
    0: at 16 mean lives of an exponential law in float32, where the logarithm is −16.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from pymc_bnn.graphs.to_jax import jaxify
    >>> from pymc_bnn.runtime.precision import precision
    >>> life, limit = pm.Exponential.dist(scale=1.0), pt.scalar("limit")
    >>> above = pm.logp(pm.Censored.dist(life, lower=None, upper=limit), limit)
    >>> with precision("float32"):
    ...     float(jaxify([limit], [above])(np.float32(20.0))[0])
    -20.0
    """
    if not isinstance(node.op.scalar_op, Log1mexp):
        return None
    found = _complement(node.inputs[0])
    return None if found is None else [found.astype(node.out.type.dtype)]


def _complement(v: Variable) -> Variable | None:
    """Return log(1 − exp(v)) of what is log(1 − exp(x)), or chooses or spreads such; else None."""
    node = v.owner
    if node is None:
        return None
    if isinstance(node.op, Alloc):
        own = _complement(node.inputs[0])
        return None if own is None else pt.alloc(own, *node.inputs[1:])
    kind = getattr(node.op, "scalar_op", None)
    if isinstance(kind, Log1mexp):
        return node.inputs[0]
    if not isinstance(kind, Switch):
        return None
    condition, *parts = node.inputs
    known = [_complement(part) for part in parts]
    if known == [None, None]:
        return None
    pairs = zip(parts, known, strict=True)
    return pt.switch(condition, *(pt.log1mexp(p) if k is None else k for p, k in pairs))
