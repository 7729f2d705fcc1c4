"""Conditions on the parameters of a model's laws, which PyMC checks at every evaluation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytensor.tensor as pt
from pymc.logprob.utils import CheckParameterValue
from pymc.variational.minibatch_rv import MinibatchRandomVariable
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.scalar import AND, GE, GT, LE, LT, OR
from pytensor.tensor.basic import MakeVector, ScalarFromTensor, TensorFromScalar
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.math import All, Sum

from pymc_bnn.graphs.interpreted import Interpreted
from pymc_bnn.model.intervals import Intervals
from pymc_bnn.model.terms import ModelTerms

__all__ = ["Condition", "conditions", "law_of", "node_of", "op_of"]

_SLACK = 1e-6  # of bounds that may be reached, such as p <= 1: rounding


@dataclass(frozen=True)
class Condition:
    """A condition on the parameters of a law, which PyMC's log-density checks and ours does not."""

    variable: str  # the model's variable, or potential
    law: str
    rule: str  # as PyMC writes it, such as "0 <= p <= 1"
    holds: Variable  # () truth value, an expression of values and data
    number: Variable | None  # what is compared with a bound
    of: tuple[str, ...]  # free variables that it depends on


def law_of(op: Any) -> str:
    """Return the name of a distribution as its user writes it.

    Examples
    --------
    >>> import pymc as pm
    >>> law_of(pm.Bernoulli.dist(0.5).owner.op)
    'Bernoulli'
    """
    printed = getattr(op, "_print_name", None)
    return printed[0] if printed else type(op).__name__.removesuffix("RV")


def conditions(terms: ModelTerms, held: bool = True) -> list[Condition]:
    """Return the conditions on parameters that the graph does not show to hold.

    Those of ordinary networks all hold (a softmax adds up to 1, an exponential is positive), so
    that nothing is left to evaluate.

    Parameters
    ----------
    terms : ModelTerms
        A model taken apart.
    held : bool, optional
        Whether the model holds all data; those that batches replace prove nothing.

    Returns
    -------
    list of Condition
        In the model's order; those that name one rule of one variable are one.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     a = pm.Normal("a")
    ...     y = pm.Bernoulli("y", p=a, observed=[0, 1])
    ...     z = pm.Bernoulli("z", logit_p=a, observed=[0, 1])
    >>> [(c.variable, c.law, c.rule, c.of) for c in conditions(decompose(model))]
    [('y', 'Bernoulli', '0 <= p <= 1', ('a',)), ('y', 'Bernoulli', '0 <= p <= 1', ('a',))]
    """
    model = terms.model
    if not model.check_bounds:
        return []
    known = {d.variable: d.value for d in terms.data if held or not d.per_example}
    intervals = Intervals(known)
    names = {f.value: f.name for f in terms.free}
    graphs = [(f.name, law_of(op_of(model[f.name])), f.logp) for f in terms.free]
    ordered = [o.name for o in terms.observed if f"{o.name}_probs" in terms.deterministics]
    laws = {o.name: "Ordered" * (o.name in ordered) + law_of(op_of(o.rv)) for o in terms.observed}
    graphs += [(o.name, laws[o.name], o.logp) for o in terms.observed]
    graphs += [(name, "Potential", graph) for name, graph in terms.potentials.items()]
    found, seen = [], set()
    for variable, law, graph in graphs:
        for node in {v.owner: None for v in ancestors([graph]) if v.owner is not None}:
            if not isinstance(node.op, CheckParameterValue) or node in seen:
                continue
            seen.add(node)
            for rule, leaf in _clauses(node.op.msg, node.inputs[1:]):
                if intervals[leaf].low >= 1:
                    continue
                roots = set(ancestors([leaf]))
                of = tuple(name for value, name in names.items() if value in roots)
                given = {i: known[i] for i in terms.inputs if i in roots and i in known}
                if not of and len(given) == len(roots & set(terms.inputs)):
                    inputs = list(given)
                    truth = Interpreted(inputs, pt.all(leaf))
                    if truth(*(given[i].astype(i.type.dtype) for i in inputs)):
                        continue
                holds, number = _relaxed(leaf)
                found.append(Condition(variable, law, rule, pt.all(holds), number, of))
    return found


def op_of(rv: Variable) -> Any:
    """Return the op of a law; behind it the one that `total_size` wraps."""
    return node_of(rv).op


def node_of(rv: Variable) -> Any:
    """Return what makes a variable of a law; behind it what `total_size` wraps."""
    while isinstance(rv.owner.op, MinibatchRandomVariable):
        rv = rv.owner.inputs[0]
    return rv.owner


def _clauses(message: str, checked: Sequence[Variable]) -> Iterator[tuple[str, Variable]]:
    """Yield elementary conditions, each with the part of the message that speaks of it."""
    separate = [part for condition in checked for part in _separate(condition)]
    texts = []
    for text in message.split(","):
        texts += [text.strip()] * max(len(re.findall("<=|>=|==|<|>|=", text)), 1)
    if len(texts) != len(separate):
        texts = [message] * len(separate)
    for text, condition in zip(texts, separate, strict=True):
        yield from ((text, leaf) for leaf in _leaves(condition))


def _separate(condition: Variable) -> list[Variable]:
    """Return what `check_parameters` was given as conditions."""
    while condition.owner is not None:
        node = condition.owner
        if isinstance(node.op, MakeVector):
            return list(node.inputs)
        if not isinstance(node.op, ScalarFromTensor | TensorFromScalar | All):
            break
        condition = node.inputs[0]
    return [condition]


def _leaves(condition: Variable) -> list[Variable]:
    """Return the conditions of which one is made by "and"."""
    node = condition.owner
    if node is not None and isinstance(node.op, ScalarFromTensor | TensorFromScalar | All):
        return _leaves(node.inputs[0])
    if node is not None and isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, AND):
        return [leaf for part in node.inputs for leaf in _leaves(part)]
    return [condition]


def _relaxed(leaf: Variable) -> tuple[Variable, Variable | None]:
    """Return a comparison with some room for rounding, and what it compares with a bound."""
    op = leaf.owner.op if leaf.owner is not None else None
    scalar = op.scalar_op if isinstance(op, Elemwise) else None
    if isinstance(scalar, OR):  # isclose(sum, 1)
        sums = [v for v in ancestors([leaf]) if v.owner is not None and isinstance(v.owner.op, Sum)]
        return leaf, sums[-1] if sums else None
    if not isinstance(scalar, GE | GT | LE | LT):
        return leaf, None
    a, b = leaf.owner.inputs
    if isinstance(scalar, LE | LT):
        a, b = b, a  # a is the larger one
    room = _SLACK * (1 + abs(b.astype("float64"))) if isinstance(scalar, GE | LE) else None
    constant = [not _varies(side) for side in (a, b)]
    number = {(True, False): b, (False, False): None}.get(tuple(constant), a)
    return (leaf if room is None else pt.ge(a, b - room)), number


def _varies(variable: Variable) -> bool:
    return any(v.owner is None and not hasattr(v, "data") for v in ancestors([variable]))
