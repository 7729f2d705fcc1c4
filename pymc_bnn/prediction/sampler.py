"""Draws of observed variables, and what depends on them, by PyTensor's own NumPy code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.custom import CustomDistRV
from pymc.distributions.discrete import Bernoulli, Categorical
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.traversal import ancestors, toposort
from pytensor.scalar.basic import Cast
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.random.type import RandomType, random_generator_type
from pytensor.tensor.rewriting.shape import ShapeFeature
from pytensor.tensor.shape import Shape, Shape_i

from pymc_bnn.graphs.interpreted import Interpreted
from pymc_bnn.graphs.sizes import resize
from pymc_bnn.graphs.substitute import substitute
from pymc_bnn.model.terms import Observed

__all__ = ["Sampler", "cannot_be_drawn", "is_class", "probabilities", "vote"]


_NESTED = 9


class Sampler:
    """Draws a variable given its parameters, which JAX computes.

    Parameters
    ----------
    graph : Variable
        A random variable, or an expression of random variables.
    n : TensorVariable
        The number of rows, where `graph` asks for it.
    drawn : sequence of Variable
        Variables of `graph` that other samplers draw.

    Examples
    --------
    >>> import pymc as pm
    >>> mu, n = pt.vector("mu"), pt.lscalar("n")
    >>> sampler = Sampler(pm.Normal.dist(mu, 1.0, shape=(n,)), n)
    >>> sampler.parameters[0].ndim
    1
    """

    def __init__(self, graph: Variable, n: Variable, drawn: Sequence[Variable] = ()):
        # Parameters are where the part of the graph that is not random enters the part that is.
        behind = list(ancestors([graph], blockers=list(drawn)))
        random: set[Variable] = {n, *drawn, *(v for v in behind if isinstance(v.type, RandomType))}
        frontier: dict[Variable, Variable] = {}
        for node in toposort([graph], blockers=list(drawn)):
            if random.isdisjoint(node.inputs):
                continue
            random.update(node.outputs)
            fixed = (i for i in node.inputs if i not in random and not isinstance(i, Constant))
            frontier |= {i: i.type() for i in fixed}
        # A shape is not a parameter: what it is the shape of is.
        for v in [v for v in frontier if v.type.dtype == "int64"]:
            measured = [
                node.inputs[0] for node in toposort([v]) if isinstance(node.op, Shape | Shape_i)
            ]
            if measured and _only_through(v, measured):
                del frontier[v]
                frontier |= {m: m.type() for m in measured}
        rngs = {
            v: random_generator_type()
            for v in behind  # not of the set, whose order differs from process to process
            if v.owner is None and isinstance(v.type, RandomType)
        }
        self.n_rngs, self.parameters = len(rngs), list(frontier)
        values = {v: v.type() for v in drawn}
        [sample] = substitute([graph], {**frontier, **rngs, **values})
        self.function = Interpreted(
            [n, *rngs.values(), *frontier.values(), *values.values()],
            sample,
            on_unused_input="ignore",
        )
        self.types = [v.type.dtype for v in (*frontier, *values)]

    @classmethod
    def of(cls, observed: Observed, graph: Variable, drawn: Sequence[Variable] = ()) -> Sampler:
        """Return the sampler of an observed variable, for any number of rows.

        Examples
        --------
        >>> Sampler.of.__name__
        'of'
        """
        n = pt.lscalar("n")
        batch_ndim = graph.ndim - graph.owner.op.ndim_supp
        if batch_ndim:
            size = [n, *observed.value.type.shape[1:batch_ndim]]
            graph = _lengths_without_draws(resize(graph, size), drawn)
            graph = _as_long_as(graph, observed.value, n, drawn)
        return cls(graph, n, drawn)

    def __call__(
        self, rng: np.random.Generator, parameters: Sequence[Any], n: int, drawn: Sequence[Any] = ()
    ) -> np.ndarray:
        """Draw once, for `n` rows."""
        rngs = rng.spawn(self.n_rngs)  # children of their own for each variable
        given = zip((*parameters, *drawn), self.types, strict=True)
        return self.function(n, *rngs, *(np.asarray(p, t) for p, t in given))


def _lengths_without_draws(graph: Variable, blockers: Sequence[Variable]) -> Variable:
    """Put expressions for the shapes of random variables that are asked for nothing else."""
    for _ in range(_NESTED):  # the shape of one may be that of another
        measured = {
            node: node.inputs[0]
            for node in toposort([graph], blockers=list(blockers))
            if isinstance(node.op, Shape | Shape_i) and _is_random(node.inputs[0], blockers)
        }
        if not measured:
            break
        feature = ShapeFeature()
        FunctionGraph(outputs=[graph], clone=False, features=[feature])
        swap = {}
        for node, v in measured.items():
            lengths = [
                length if known is None else pt.constant(known, dtype="int64")
                for length, known in zip(feature.shape_tuple(v), v.type.shape, strict=True)
            ]
            one = isinstance(node.op, Shape_i)
            swap[node.outputs[0]] = lengths[node.op.i] if one else pt.stack(lengths)
        [graph] = substitute([graph], swap)
    return graph


def _is_random(v: Variable, blockers: Sequence[Variable]) -> bool:
    return any(isinstance(a.type, RandomType) for a in ancestors([v], blockers=list(blockers)))


def _as_long_as(
    graph: Variable, value: Variable, n: Variable, blockers: Sequence[Variable]
) -> Variable:
    """Put `n` in place of the length of an observed value: draws do not need what was observed."""
    swap = {}
    for node in toposort([graph], blockers=list(blockers)):
        if isinstance(node.op, Shape | Shape_i) and _uncast(node.inputs[0]) is _uncast(value):
            lengths = [n, *(Shape_i(i)(node.inputs[0]) for i in range(1, value.ndim))]
            lengths = [
                pt.constant(known, dtype="int64") if i and known is not None else length
                for i, (length, known) in enumerate(zip(lengths, value.type.shape, strict=True))
            ]
            if isinstance(node.op, Shape):
                swap[node.outputs[0]] = pt.stack(lengths)
            elif node.op.i == 0:
                swap[node.outputs[0]] = n
    return substitute([graph], swap)[0]


def _uncast(v: Variable) -> Variable:
    while (
        v.owner is not None
        and isinstance(v.owner.op, Elemwise)
        and isinstance(v.owner.op.scalar_op, Cast)
    ):
        v = v.owner.inputs[0]
    return v


def _only_through(v: Variable, measured: list[Variable]) -> bool:
    """Tell whether an expression depends on data only through the shapes of some variables."""
    free = (a for a in ancestors([v], blockers=measured) if a.owner is None)
    return all(isinstance(a, Constant) or a in measured for a in free)


def cannot_be_drawn(graph: Variable) -> bool:
    """Tell whether a variable is a `pm.CustomDist` without `random`.

    Examples
    --------
    >>> import pymc as pm
    >>> cannot_be_drawn(pm.CustomDist.dist(0.0, logp=lambda value, mu: -((value - mu) ** 2)))
    True
    """
    ops = (v.owner.op for v in ancestors([graph]) if v.owner is not None)
    functions = (op._random_fn for op in ops if isinstance(op, CustomDistRV))
    return any(f.__qualname__.startswith("default_not_implemented") for f in functions)


def is_class(observed: Observed) -> bool:
    """Tell whether an observed variable is predicted by class probabilities."""
    op = observed.rv.owner.op
    if isinstance(op, Categorical.rv_type):
        return observed.rv.ndim == 1
    return isinstance(op, Bernoulli.rv_type) and observed.rv.ndim == 1


def probabilities(rv: Variable) -> Variable:
    """Write the class probabilities of a categorical or Bernoulli variable, class axis last."""
    node = rv.owner
    [p] = node.op.dist_params(node)
    return pt.stack([1 - p, p], axis=-1) if isinstance(node.op, Bernoulli.rv_type) else p


def vote(rng: np.random.Generator, probs: np.ndarray, n: int) -> tuple[np.ndarray, ...]:
    """Return probabilities, labels drawn, most probable labels and entropies of `n` rows.

    Examples
    --------
    >>> vote(np.random.default_rng(0), np.array([0.0, 1.0]), 3)[1]
    array([1, 1, 1])
    """
    probs = np.broadcast_to(probs, (n, probs.shape[-1]))
    probs = probs / probs.sum(axis=-1, keepdims=True)
    below = (probs.cumsum(axis=-1) < rng.uniform(size=(n, 1))).sum(axis=-1)
    entropy = -np.where(probs > 0, probs * np.log(np.where(probs > 0, probs, 1.0)), 0.0).sum(-1)
    return probs, np.minimum(below, probs.shape[-1] - 1), probs.argmax(axis=-1), entropy
