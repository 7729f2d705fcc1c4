"""A model taken apart for a fit: whole, or by rows where these stand alone."""

from __future__ import annotations

from collections.abc import Sequence, Set
from contextlib import suppress
from typing import NamedTuple

import pymc as pm
from pytensor.graph.basic import Variable

from pymc_bnn._checks import check_int, invalid
from pymc_bnn._warnings import warn
from pymc_bnn.model.columns import check_rows_aligned
from pymc_bnn.model.decompose import divide
from pymc_bnn.model.layers import find_layers
from pymc_bnn.model.rules import DataRules
from pymc_bnn.model.stand_alone import rows_stand_alone
from pymc_bnn.model.taking_rows import checked_rows, rows_of, with_latents, without_tables
from pymc_bnn.model.terms import ModelTerms
from pymc_bnn.model.undivided import Undivided

__all__ = ["TakenApart", "take_apart"]

_AUTO_BATCH = 256
_WHOLE_WITH_LATENTS = 10_000  # rows, of which each has free variables: batches see them too seldom


class TakenApart(NamedTuple):
    """A model as a fit takes it.

    Examples
    --------
    >>> import numpy as np
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(600))
    >>> taken = take_apart(model, None, None, 0, False)
    >>> taken.batch_size is None, taken.terms.n_rows, taken.row_terms.n_rows
    (True, None, 600)
    """

    terms: ModelTerms  # for the fit
    batch_size: int | None  # in 1…terms.n_rows; None: nothing is taken row by row
    row_terms: ModelTerms | None  # by rows, for predictions; None if it cannot be


class _Asked(NamedTuple):
    """How a model is to be taken apart, and what is known of its rows."""

    whole: Undivided
    batch_size: int | str | None
    rows: str | Sequence[str] | None
    roots: Set[Variable]  # the data of the examples
    n: int | None  # rows of these; None where none were found
    size: int | None  # rows of a step; `n` of them: all
    why: Exception | None  # that none were found

    @classmethod
    def of(
        cls,
        model: pm.Model,
        batch_size: int | str | None,
        rows: str | Sequence[str] | None,
        seed: int,
        whole_up_to: int,
    ) -> _Asked:
        """Find the rows, and how many of them a step takes."""
        auto = isinstance(batch_size, str)
        if auto and batch_size != "auto":
            rule = 'be an integer, "auto" or None'
            raise invalid("batch_size", rule, repr(batch_size), "pass 128, say")
        whole = Undivided(model, seed)  # its errors come before those about its rows
        roots, n, why = set(), None, None
        try:
            roots, n = rows_of(model, rows)
        except ValueError as error:
            if rows is not None or not (batch_size is None or auto):
                raise
            why = error
        size = _rows_of_a_step(batch_size, n, whole_up_to)
        return cls(whole, batch_size, rows, roots, n, size, why)

    @property
    def by_default(self) -> bool:
        """Whether nobody asked for rows: all data in every step will do."""
        return self.rows is None and self.batch_size == "auto"


def take_apart(
    model: pm.Model,
    batch_size: int | str | None,
    rows: str | Sequence[str] | None,
    seed: int,
    layers: bool,
    whole_up_to: int = _AUTO_BATCH,
    latents: Set[str] = frozenset(),
) -> TakenApart:
    """Take a model apart, whole or by rows; by rows for predictions in any case, if possible.

    Parameters
    ----------
    model : pymc.Model
        The model.
    batch_size : int, "auto" or None
        As in :func:`pymc_bnn.fit`.
    rows : str, sequence of str or None
        As in :func:`pymc_bnn.fit`.
    seed : int
        Of random initial values, and of the order in which rows are checked.
    layers : bool
        Whether to take the model apart by rows, if it has layers and its rows stand alone, even
        where all data are used in every step.
    whole_up_to : int, optional
        How many rows "auto" takes all at once.
    latents : set of str, optional
        Free variables that may be taken by rows, where they have an entry for each.

    Returns
    -------
    terms : ModelTerms
        For the fit.
    batch_size : int or None
        Examples per step, at most ``terms.n_rows``, which is all of them; an epoch is
        ``EpochPlan(terms.n_rows, batch_size)``. None: nothing is taken row by row, and a step uses
        all data.
    row_terms : ModelTerms or None
        The model by rows, for predictions; None if it cannot be.

    Raises
    ------
    ValueError
        For bad arguments, or rows that depend on each other.

    Warns
    -----
    UserWarning
        If more than 256 rows are all used in every step, because they depend on each other.

    Examples
    --------
    >>> import numpy as np
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(600))
    >>> terms, size, row_terms = take_apart(model, "auto", None, 0, False)
    >>> terms.n_rows, size, row_terms is terms
    (600, 256, True)
    """
    asked = _Asked.of(model, batch_size, rows, seed, whole_up_to)
    taken, why = _in_batches(asked, latents)
    if taken is not None:
        return taken
    if why is not None and not asked.by_default:
        raise why
    why, row_terms = why or asked.why, _for_predictions(asked)
    if layers and why is None and row_terms is not None and _has_layers(row_terms, seed):
        return TakenApart(row_terms, asked.n, row_terms)
    return TakenApart(_all_at_once(asked, row_terms, why), None, row_terms)


def _in_batches(asked: _Asked, latents: Set[str]) -> tuple[TakenApart | None, Exception | None]:
    """Take the model by rows if a step takes some only, with free variables of rows if need be.

    None where all data go into a step: as was asked for, as is better, or as it cannot be
    otherwise, which the error says.
    """
    whole, roots, n, size = asked.whole, asked.roots, asked.n, asked.size
    if size == n:
        return None, None
    try:
        terms = checked_rows(whole, roots, size, asked.rows is None)
        return TakenApart(terms, size, terms), None
    except (ValueError, NotImplementedError) as error:
        why = error
    terms = with_latents(whole, roots, n, size)
    if terms is None:
        return None, why
    if not latents.issuperset(terms.latents):
        rule = "be None where free variables belong to rows, and their guide is not MeanField()"
        got = f"{asked.batch_size!r} with {list(terms.latents)}, or `devices`"
        repair = "pass batch_size=None, or that guide for them"
        return None, invalid("batch_size", rule, got, repair)
    if asked.batch_size == "auto" and n <= _WHOLE_WITH_LATENTS:
        return None, None
    return TakenApart(terms, size, _for_predictions(asked) or divide(whole)), None


def _for_predictions(asked: _Asked) -> ModelTerms | None:
    """Take the model by rows, whether or not they stand alone; None if nothing belongs to them."""
    if not asked.roots:
        return None
    with suppress(ValueError, NotImplementedError):
        return without_tables(asked.whole, asked.roots, asked.rows is None, strict=False)
    return None


def _all_at_once(asked: _Asked, row_terms: ModelTerms | None, why: Exception | None) -> ModelTerms:
    """Take the model whole, check its data, and say why, where that was not asked for."""
    terms = divide(asked.whole)
    for own in filter(None, (row_terms, terms)):  # by rows no index is folded into a constant
        DataRules.of(own).check(own.arrays())
    check_rows_aligned(terms)
    n_found = asked.whole.n_found or 0
    if why is not None and asked.by_default and n_found > _AUTO_BATCH:
        warn(f"Every step uses all {n_found:,} rows, as with batch_size=None: {why}")
    return terms


def _rows_of_a_step(batch_size: int | str | None, n: int | None, whole_up_to: int) -> int | None:
    """Return how many of `n` rows a step takes."""
    if n is None or batch_size is None:
        return n
    size = batch_size
    if batch_size == "auto":
        size = n if n <= whole_up_to else _AUTO_BATCH
    return check_int("batch_size", size, 1, n, f'pass a number in 1…{n}, "auto" or None')


def _has_layers(terms: ModelTerms, seed: int) -> bool:
    """Tell whether a model by rows has layers, and rows that stand alone."""
    try:
        uses = find_layers(terms)
        if not (uses.layers or uses.elsewhere):
            return False
        DataRules.of(terms).check(terms.arrays())
        rows_stand_alone(terms, seed, terms.n_rows)
    except (ValueError, NotImplementedError):
        return False
    return True
