"""How large the numbers are that a term of a model is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from pytensor.graph.traversal import ancestors

from pymc_bnn.graphs.to_jax import compiled_graph
from pymc_bnn.model.conditions import node_of, op_of
from pymc_bnn.model.names import parameter_names
from pymc_bnn.model.terms import ModelTerms
from pymc_bnn.runtime.precision import precision

__all__ = ["made_of"]

_SHOWN = 4


def made_of(
    terms: ModelTerms, kind: str, name: str, graph: Any, arguments: list[np.ndarray], dtype: str
) -> str:
    """Say how large are the parameters of a term's law, and the variables that it depends on.

    Parameters
    ----------
    terms : ModelTerms
        The model.
    kind : str
        "value", "log-prior", "log-likelihood" or "potential".
    name : str
        Of the variable.
    graph : TensorVariable
        The term.
    arguments : list of array
        Unconstrained values of the free variables, and data, in the model's order.
    dtype : str
        In which they are computed.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     x = pm.Data("x", [0.0, 1.0, 2.0])
    ...     slope, sigma = pm.Normal("slope"), pm.HalfNormal("sigma")
    ...     y = pm.Normal("y", slope * x, sigma**2, observed=np.zeros(3))
    >>> terms = decompose(model)
    >>> arguments = [np.array(5.0), np.log(0.1), *terms.arrays().values()]
    >>> made_of(terms, "log-likelihood", "y", terms.observed[0].logp, arguments, "float32")
    "; with mu from 0 to 10, sigma 0.01; it depends on 'slope' (5), 'sigma' (0.1)"
    """
    roots = set(ancestors([graph]))
    above = {f.name: f for f in terms.free if f.value in roots and f.name != name}
    shown = dict(list(above.items())[:_SHOWN])
    own = _own(terms, kind, name)
    graphs = [*own.values(), *(f.constrained for f in shown.values())]
    with precision(dtype):
        ranges = compiled_graph([*terms.values, *terms.inputs], graphs, dtype, gradient=False)
        found = [_range(np.asarray(part, float)) for part in ranges(*arguments)]
    text = ", ".join(f"{what} {numbers}" for what, numbers in zip(own, found, strict=False))
    of = ", ".join(f"'{n}' ({at})" for n, at in zip(shown, found[len(own) :], strict=True))
    of += ", …" if len(above) > len(shown) else ""
    return (f"; with {text}" if own else "") + (f"; it depends on {of}" if of else "")


def _own(terms: ModelTerms, kind: str, name: str) -> dict[str, Any]:
    """Return what a term is of: the parameters of its law, and a free variable's own value."""
    free = {f.name: f for f in terms.free}
    if kind == "value":
        return {free[name].value.name: free[name].value}
    if kind == "log-prior":
        names, parameters = parameter_names(op_of(terms.model[name])), free[name].parameters
        return {name: free[name].constrained, **dict(zip(names, parameters, strict=False))}
    rv = {o.name: o.rv for o in terms.observed}.get(name)
    node = None if rv is None else node_of(rv)
    names = () if node is None else parameter_names(node.op)
    return dict(zip(names, node.op.dist_params(node), strict=True)) if names else {}


def _range(numbers: np.ndarray) -> str:
    """Say where numbers lie."""
    known = numbers[~np.isnan(numbers)]
    if not known.size:
        return "NaN" if numbers.size else "of no entries"
    low, high = known.min(), known.max()
    text = f"{low:.4g}" if low == high else f"from {low:.4g} to {high:.4g}"
    return text + (" and NaN" if known.size < numbers.size else "")
