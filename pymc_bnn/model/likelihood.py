"""The terms of a model sorted: rows of the examples, other likelihood, and prior."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import invalid
from pymc_bnn.model.splitting import split_rows, together
from pymc_bnn.model.terms import Sample

__all__ = ["Sorted", "Term", "sort_terms", "stand_apart"]


@dataclass(frozen=True)
class Term:
    """A term of the log-density: that of an observed variable, or a potential.

    Examples
    --------
    >>> Term("y", pt.vector("logp")).multiplier
    1.0
    """

    name: str
    logp: TensorVariable  # of any shape; the sum of its entries counts
    multiplier: float = 1.0
    observed: bool = True  # else a potential
    prior: bool = False  # a potential that depends on no data of the likelihood


@dataclass
class Sorted:
    """What is added to the log-density by whom.

    Examples
    --------
    >>> Sorted().by_rows
    set()
    """

    rows: list[TensorVariable] = field(default_factory=list)  # (rows,) each, scaled
    densities: list[TensorVariable] = field(default_factory=list)  # (rows,), observed, unscaled
    rest: list[TensorVariable] = field(default_factory=list)  # (): likelihood that has no rows
    prior: list[TensorVariable] = field(default_factory=list)  # (): potentials without data
    by_rows: set[str] = field(default_factory=set)  # names of the terms with rows
    unsure: str = ""  # why rows have to be compared; empty where the graph proves them apart


def sort_terms(
    terms: Sequence[Term],
    row_inputs: Set[Variable],
    groups: Sequence[Sample] = (),
    suspects: str = "",
    strict: bool = True,
) -> Sorted:
    """Sort terms into rows, other likelihood and prior, and scale those of other samples.

    Parameters
    ----------
    terms : sequence of Term
        Of the model.
    row_inputs : set of Variable
        Data of the examples, if these are taken row by row.
    groups : sequence of Sample, optional
        Samples beside the examples, of which a part may be given: their data as inputs, and the
        number of rows of the whole.
    suspects : str, optional
        What the error lists: the examples' data.
    strict : bool, optional
        Whether rows are to stand alone; else those that do not are kept together with a reason.

    Raises
    ------
    ValueError
        If a term uses the examples' data but does not come apart by row.

    Examples
    --------
    >>> x, b = pt.vector("x"), pt.scalar("b")
    >>> terms = [Term("y", x - b), Term("penalty", -b, observed=False, prior=True)]
    >>> found = sort_terms(terms, {x})
    >>> len(found.rows), len(found.rest), len(found.prior)
    (1, 0, 1)
    """
    found = Sorted()
    splits = split_rows([term.logp for term in terms], row_inputs)
    for term, split in zip(terms, splits, strict=True):
        if split.why and strict:
            raise invalid(
                "batch_size",
                "be None where the likelihood of a row depends on other rows",
                f"'{term.name}' ({split.why})",
                f"taken per example are {suspects}: name the right ones by `rows=` or give them "
                "dims, or pass batch_size=None",
            )
        if split.why:
            split = together(term.logp, split.why)
        if term.prior:
            found.prior.append(term.logp.sum())
            continue
        if split.unsure:
            found.unsure = found.unsure or f"'{term.name}' ({split.unsure})"
        if split.rows:
            found.by_rows.add(term.name)
            found.rows += [part * term.multiplier for part in split.rows]
            found.densities += split.rows if term.observed else ()
        used = set(ancestors(list(split.rest)))
        group = next((group for group in groups if used & group.data), None)
        if group is not None:
            found.rest.append(_of_group(term, group))
        else:
            found.rest += [part.sum() * term.multiplier for part in split.rest]
    return found


def _of_group(term: Term, group: Sample) -> TensorVariable:
    """Return the sum of a term, scaled from the rows that are given to those of its sample."""
    (split,) = split_rows([term.logp], group.data)
    scaled = [part.sum() * (group.n / part.shape[0]) for part in split.rows]
    return pt.add(*scaled, *(part.sum() for part in split.rest), 0.0) * term.multiplier


def stand_apart(
    terms: Sequence[Term],
    others: Sequence[TensorVariable],
    inputs: Set[Variable],
    row_inputs: Set[Variable],
) -> bool:
    """Whether a sample may be taken in parts: nothing but terms by its own rows uses its data.

    Examples
    --------
    >>> x, z, b = pt.vector("x"), pt.vector("z"), pt.scalar("b")
    >>> stand_apart([Term("y", x - b), Term("w", z * b)], [], {z}, {x})
    True
    >>> stand_apart([Term("y", x - z.mean())], [], {z}, {x})
    False
    """
    if inputs & set(ancestors(list(others))):
        return False
    using = [t for t in terms if inputs & set(ancestors([t.logp]))]
    splits = split_rows([t.logp for t in using], inputs)
    alone = not any(row_inputs & set(ancestors([t.logp])) for t in using)
    return alone and all(split.rows and not split.why and not split.unsure for split in splits)
