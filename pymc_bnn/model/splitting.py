"""Terms of a log-density cut into what each row adds and what belongs to no row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pytensor.tensor as pt
from pytensor.compile.ops import DeepCopyOp, ViewOp
from pytensor.graph.basic import Variable
from pytensor.scalar.basic import Add, Cast, Identity, Mul, Neg, Sub, TrueDiv
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Sum
from pytensor.tensor.variable import TensorVariable

from pymc_bnn.model.independence import RowUse, row_use

__all__ = ["Split", "split_rows", "together"]


@dataclass(frozen=True)
class Split:
    """A term as a sum: of the entries of `rows`, each (rows,), and of `rest`, each of any shape.

    Examples
    --------
    >>> Split().rows
    ()
    """

    rows: tuple[TensorVariable, ...] = ()
    rest: tuple[TensorVariable, ...] = ()
    why: str = ""  # why it cannot be written so; empty where it can
    unsure: str = ""  # why the graph alone does not prove that its rows stand alone

    def __add__(self, other: Split) -> Split:
        why, unsure = self.why or other.why, self.unsure or other.unsure
        return Split(self.rows + other.rows, self.rest + other.rest, why, unsure)

    def times(self, factor: TensorVariable | float) -> Split:
        """Return the term times a number.

        Examples
        --------
        >>> Split().times(2.0)
        Split(rows=(), rest=(), why='', unsure='')
        """
        rows, rest = ([part * factor for part in parts] for parts in (self.rows, self.rest))
        return Split(tuple(rows), tuple(rest), self.why, self.unsure)


def split_rows(terms: Sequence[TensorVariable], row_inputs: Iterable[Variable]) -> list[Split]:
    """Cut terms, each standing for the sum of its entries, into rows and what has no rows.

    Sums over rows are undone, also where they are added, subtracted or scaled, and the number of
    rows is a sum of ones.

    Parameters
    ----------
    terms : sequence of TensorVariable
        The terms, of any shape.
    row_inputs : iterable of Variable
        Data whose first axis runs over the rows.

    Returns
    -------
    list of Split
        One for each term.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x, b = pt.vector("x"), pt.scalar("b")
    >>> (split,) = split_rows([pt.sum(-((x - b) ** 2)) - b**2], [x])
    >>> len(split.rows), len(split.rest)
    (1, 1)
    >>> split_rows([pt.std(x)], [x])[0].why
    'sum over the rows'
    """
    known = set(row_inputs)
    uses = row_use(terms, known)
    return [_split(term, use, known) for term, use in zip(terms, uses, strict=True)]


def together(term: TensorVariable, why: str) -> Split:
    """Return a term as rows along its first axis, as far as it has one, though they may mix.

    Examples
    --------
    >>> together(pt.vector("logp"), "a sum").unsure
    'a sum'
    """
    if term.type.ndim == 0:
        return Split(rest=(term,), unsure=why)
    return Split(rows=(_by_row(term, 0),), unsure=why)


def _by_row(term: TensorVariable, axis: int) -> TensorVariable:
    """Sum over all axes but one."""
    others = tuple(other for other in range(term.type.ndim) if other != axis)
    return term.sum(axis=others) if others else term


def _split(term: TensorVariable, use: RowUse, row_inputs: set[Variable]) -> Split:
    if use.kind == "none":
        return Split(rest=(term,))
    if use.kind == "rows":
        return Split(rows=(_by_row(term, use.axis),))
    if use.kind == "length" and term.type.ndim == 0:  # a 1 for each row
        return Split(rows=(pt.ones((term.astype("int64"),)),))
    if use.kind == "unknown" and term.type.ndim:
        return together(term, use.why)
    failed = Split(why=use.why or "the number of rows")
    if term.owner is None:
        return failed
    op, inputs = term.owner.op, term.owner.inputs
    scalar = op.scalar_op if isinstance(op, Elemwise) else None
    if isinstance(op, Sum | ViewOp | DeepCopyOp | DimShuffle):  # sum of all entries as before
        return split_rows(inputs[:1], row_inputs)[0]
    if isinstance(scalar, Cast | Identity):
        return split_rows(inputs, row_inputs)[0]
    if term.type.ndim or not isinstance(scalar, Add | Sub | Neg | Mul | TrueDiv):
        return failed
    if isinstance(scalar, Mul | TrueDiv):
        uses = row_use(inputs, row_inputs)
        by_rows = [i for i, own in enumerate(uses) if own.kind != "none"]
        if len(by_rows) > 1 or (isinstance(scalar, TrueDiv) and by_rows != [0]):
            return failed
        (place,) = by_rows
        part = _split(inputs[place], uses[place], row_inputs)
        for i, factor in enumerate(inputs):
            if i != place:
                part = part.times(factor if isinstance(scalar, Mul) else 1 / factor)
        return part
    signs = [1.0] * len(inputs)
    if isinstance(scalar, Neg | Sub):
        signs[-1] = -1.0
    parts = split_rows(inputs, row_inputs)
    total = Split()
    for part, sign in zip(parts, signs, strict=True):
        total += part if sign == 1.0 else part.times(sign)
    return total
