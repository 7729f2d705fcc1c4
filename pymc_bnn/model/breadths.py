"""Observed variables that are spread over other axes than their parameters: rows times rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pymc.distributions.discrete import Categorical
from pytensor.graph.basic import Variable
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import invalid
from pymc_bnn.graphs.interpreted import SIMPLIFIED, Interpreted
from pymc_bnn.model.roots import numbers_of

__all__ = ["check_breadths"]


def check_breadths(
    names: Sequence[str], rvs: Sequence[Variable], roots: Sequence[Variable]
) -> None:
    """Raise where parameters spread an observed variable over more entries than were observed.

    Labels of shape (n, 1) beside n rows of logits would be n × n terms, of which PyMC's
    log-density is the sum. Only data with an axis of length 1, or with more axes than some
    parameter has, are looked at, as others are refused by PyMC.

    Parameters
    ----------
    names : sequence of str
        Of the observed variables.
    rvs : sequence of Variable
        Their random variables.
    roots : sequence of Variable
        Their data.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> import pymc as pm, pytensor, pytensor.tensor as pt
    >>> labels = pytensor.shared(np.zeros((5, 1), int))
    >>> check_breadths(["y"], [pm.Categorical.dist(logit_p=pt.zeros((5, 3)))], [labels])
    Traceback (most recent call last):
        ...
    ValueError: `y` must be observed in the shape (5,) of its parameters, got (5, 1); pass y[:, 0]
    """
    for name, rv, root in zip(names, rvs, roots, strict=True):
        node = rv.owner
        if node is None or not isinstance(node.op, RandomVariable):
            continue
        op, shape = node.op, numbers_of(root).shape
        batch = shape[: len(shape) - op.ndim_supp]
        own = zip(op.dist_params(node), op.ndims_params, strict=True)
        sizes = [_Size.of(p, p.type.ndim - n) for p, n in own]
        odd = {size.ndim for size in sizes} - {0}
        if not odd or not (1 in batch or odd - {len(batch)}):
            continue
        try:
            spread = np.broadcast_shapes(*_lengths(sizes))
        except ValueError:
            continue  # said elsewhere: the parameters' own shapes do not agree
        if _broadcasts(spread, batch):
            continue
        spread = spread[len(spread) - max(odd) :]
        rule = f"be observed in the shape {spread + shape[len(batch) :]} of its parameters"
        raise invalid(name, rule, shape, _repair(op, name, spread, batch))


class _Size(NamedTuple):
    """The lengths of a parameter's axes, without those of the law itself."""

    static: tuple[int | None, ...]
    graph: TensorVariable
    ndim: int  # without axes of length 1 that PyMC put in front

    @classmethod
    def of(cls, parameter: TensorVariable, n: int) -> _Size:
        static = parameter.type.shape[:n]
        front = next((i for i, length in enumerate(static) if length != 1), n)
        return cls(static, parameter.shape[:n], n - front)


def _lengths(sizes: Sequence[_Size]) -> list[tuple[int, ...]]:
    """Return all lengths, computed where the graph does not state them."""
    if all(None not in size.static for size in sizes):
        return [size.static for size in sizes]
    found = Interpreted([], [size.graph for size in sizes], SIMPLIFIED)()
    return [tuple(int(n) for n in lengths) for lengths in found]


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether a shape may be repeated to another one."""
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def _repair(op: RandomVariable, name: str, spread: tuple[int, ...], batch: tuple[int, ...]) -> str:
    if batch == (*spread, 1):
        return f"pass {name}[{':, ' * len(spread)}0]"
    if spread == (*batch, 1):
        return f"drop the last axis of the parameter, as in out[{':, ' * len(batch)}0]"
    if isinstance(op, Categorical.rv_type) and batch[:-1] == spread:
        return f"labels are integers; of one-hot rows they are {name}.argmax(axis=-1)"
    return "pass as many numbers as the likelihood has"
