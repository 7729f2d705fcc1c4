"""The parts of a model's graph that make it a network: layers, their inputs and their weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import ancestors
from pytensor.scan.op import Scan
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.math import Dot
from pytensor.tensor.variable import TensorVariable
from pytensor_ml.layers import LinearLayer
from pytensor_ml.layers.conv import ConvLayer

from pymc_bnn.graphs.interpreted import Interpreted
from pymc_bnn.graphs.substitute import substitute
from pymc_bnn.graphs.to_jax import compiled_graph
from pymc_bnn.model.terms import ModelTerms, Observed
from pymc_bnn.runtime.precision import precision

__all__ = [
    "evaluator",
    "every_row",
    "first_inputs",
    "layer_nodes",
    "location_of",
    "recurrent_nodes",
    "units_of",
    "weight_names",
]

_ROWS, _NUMBERS = 1000, 2_000_000  # looked at
_LOCATION = {  # the place of the parameter among those of the law
    pm.Normal.rv_type: 0,
    pm.Laplace.rv_type: 0,
    pm.Logistic.rv_type: 0,
    pm.Cauchy.rv_type: 0,
    pm.StudentT.rv_type: 1,
}


def location_of(o: Observed) -> TensorVariable | None:
    """Return the location of an observed variable's law, where it has one.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    ...     n = pm.Poisson("n", pm.Exponential("rate"), observed=np.zeros(4, int))
    >>> [location_of(o) is None for o in decompose(model).observed]
    [False, True]
    """
    op = None if o.rv.owner is None else o.rv.owner.op
    place = next((k for law, k in _LOCATION.items() if isinstance(op, law)), None)
    return None if place is None else op.dist_params(o.rv.owner)[place]


def layer_nodes(graphs: Sequence[Variable], by_hand: bool = False) -> list[Apply]:
    """Return the nodes of dense layers and convolutions, and if wanted products ``x @ w``.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> y = pt.matrix("x") @ pt.vector("w")
    >>> len(layer_nodes([y])), len(layer_nodes([y], by_hand=True))
    (0, 1)
    """
    owners = (v.owner for v in ancestors(graphs))
    found = (node for node in owners if node is not None)
    return list(dict.fromkeys(node for node in found if _is_layer(node, by_hand)))


def recurrent_nodes(graphs: Sequence[Variable]) -> list[Apply]:
    """Return the scans of pytensor-ml's recurrent layers.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> from pytensor_ml.layers import RNN
    >>> len(recurrent_nodes([RNN("r", n_in=2, n_hidden=3)(pt.tensor3("x"))]))
    1
    """
    owners = dict.fromkeys(v.owner for v in ancestors(graphs) if v.owner is not None)
    scans = (node for node in owners if isinstance(node.op, Scan))
    return [node for node in scans if str(node.op.name).endswith("_recurrence")]


def _is_layer(node: Apply, by_hand: bool) -> bool:
    op = node.op
    if isinstance(op, LinearLayer | ConvLayer) or not by_hand:
        return isinstance(op, LinearLayer | ConvLayer)
    return isinstance(op, Dot) or (isinstance(op, Blockwise) and isinstance(op.core_op, Dot))


def first_inputs(layers: Sequence[Apply], terms: ModelTerms) -> list[TensorVariable]:
    """Return what layers read that depends on data alone, and on no other layer (a frozen one).

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     x = pm.Data("x", np.ones((4, 3)))
    ...     y = pm.Normal("y", x @ pm.Normal("w", shape=3), observed=np.zeros(4))
    >>> terms = decompose(model)
    >>> len(first_inputs(layer_nodes([terms.observed[0].rv], by_hand=True), terms))
    1
    """
    inputs = set(terms.inputs)
    learned = {*terms.values, *(node.outputs[0] for node in layers)}
    found = {}
    for node in layers:
        scan = node.op if isinstance(node.op, Scan) else None
        x = node.inputs[0] if scan is None else scan.outer_seqs(node.inputs)[0]
        behind = set(ancestors([x]))
        if behind & inputs and not behind & learned:
            found[x] = None
    return list(found)


def units_of(
    o: Observed, outputs: Sequence[TensorVariable], terms: ModelTerms
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return what was observed beside the units of expressions that its location is linear in.

    Returns
    -------
    tuple of numpy.ndarray or None
        Observed values; the location where all these expressions are 0; how far it moves where they
        are 1. None where it is not linear in them.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", 50 + 10 * pm.Normal("mu", shape=2), observed=[50.0, 70.0])
    >>> terms = decompose(model)
    >>> units_of(terms.observed[0], terms.values, terms)
    (array([50., 70.]), array([50., 50.]), array([10., 10.]))
    """
    mu = location_of(o)
    if mu is None or any(None in out.type.shape[1:] for out in outputs):
        return None
    step = every_row(terms)
    n = len(range(0, terms.n_rows, step)) if o.per_example else o.n
    at = [
        substitute([mu], {out: pt.full((n, *out.type.shape[1:]), value) for out in outputs})[0]
        for value in (0.0, 1.0, 2.0)
    ]
    starts = {f.name: f.start for f in terms.free}
    zero, one, two, y = evaluator([*at, o.value], terms)(starts)
    unit = one - zero
    most = abs(unit).max()
    linear = most > 0 and np.allclose(two - one, unit, rtol=1e-3, atol=1e-6 * most)
    return (y, zero, unit) if linear else None


def weight_names(terms: ModelTerms) -> list[str]:
    """Return the free variables that are behind weights (not biases) of layers and products.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     mu = pm.Data("x", np.ones((4, 3))) @ pm.Normal("w", shape=3) + pm.Normal("b")
    ...     y = pm.Normal("y", mu, observed=np.zeros(4))
    >>> weight_names(decompose(model))
    ['w']
    """
    layers = layer_nodes([o.rv for o in terms.observed], by_hand=True)
    outputs = [node.outputs[0] for node in layers]
    behind = set(ancestors([node.inputs[1] for node in layers], blockers=outputs))
    return [f.name for f in terms.free if f.value in behind]


def every_row(terms: ModelTerms) -> int:
    """Return how many rows to go on, so that those looked at are few, and few numbers.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(5000))
    >>> every_row(decompose(model))  # nothing is taken by rows
    1
    """
    sizes = [d.value.size for d in terms.data if d.per_example]
    if not sizes or not terms.n_rows:
        return 1
    return max(-(-terms.n_rows // _ROWS), -(-max(sizes) // _NUMBERS))


def evaluator(
    graphs: Sequence[TensorVariable], terms: ModelTerms, compiled: bool = False
) -> Callable[[Mapping[str, Any]], list[np.ndarray]]:
    """Return graphs as a function of unconstrained values, of a part of the rows if these are many.

    NumPy runs it, unless it is to be `compiled`: a second or more, made up for by convolutions.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", 0, pm.HalfNormal("s"), observed=np.zeros(4))
    >>> terms = decompose(model)
    >>> float(evaluator([terms.free[0].constrained], terms)({"s": np.log(2.0)})[0])
    2.0
    """
    behind, step = set(ancestors(graphs)), every_row(terms)
    data = {d.variable: d.value[::step] if d.per_example else d.value for d in terms.data}
    data = {v: number for v, number in data.items() if v in behind}
    free = [f for f in terms.free if f.value in behind]
    inputs = [*(f.value for f in free), *data]
    if compiled:
        function = compiled_graph(inputs, list(graphs), gradient=False)
    else:
        function = Interpreted(inputs, list(graphs))

    def evaluate(values: Mapping[str, Any]) -> list[np.ndarray]:
        if compiled:
            with precision("float32"):
                own = [np.asarray(values[f.name], "float32") for f in free]
                return [np.asarray(v, float) for v in function(*own, *data.values())]
        own = [np.asarray(values[f.name], f.value.type.dtype) for f in free]
        return [np.asarray(v, float) for v in function(*own, *data.values())]

    return evaluate
