"""A model taken apart for a fit: whole, or by rows where these stand alone."""

from __future__ import annotations

from collections.abc import Sequence, Set
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pymc as pm
from pytensor.graph.basic import Variable

from pymc_bnn._checks import check_int, invalid, warn
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.model.columns import check_rows_aligned
from pymc_bnn.model.decompose import divide
from pymc_bnn.model.independence.compare import check_rows
from pymc_bnn.model.layers import find_layers
from pymc_bnn.model.names import array_name
from pymc_bnn.model.roots import length_of, numbers_of
from pymc_bnn.model.row_latents import latents_tried
from pymc_bnn.model.rows import find_groups, find_rows
from pymc_bnn.model.rules import DataRules
from pymc_bnn.model.terms import ModelTerms, Sample
from pymc_bnn.model.undivided import Undivided
from pymc_bnn.runtime.compilation import Compiled
from pymc_bnn.runtime.precision import narrow, precision

__all__ = ["TakenApart", "by_rows", "rows_stand_alone", "take_apart"]

_AUTO_BATCH = 256
_WHOLE_WITH_LATENTS = 10_000  # rows, of which each has free variables: batches see them too seldom
_MOST_TABLES = 6  # of which one is tried to be none of the examples' data
_LEAST_ROWS = 5  # more than axes that anything has: the length of a shape


class TakenApart(NamedTuple):
    """A model as a fit takes it.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(600))
    >>> taken = take_apart(model, None, None, 0, False)
    >>> taken.batch_size is None, taken.terms.n_rows, taken.row_terms.n_rows
    (True, None, 600)
    """

    terms: ModelTerms  # for the fit
    batch_size: int | None  # in 1…terms.n_rows; None: nothing is taken row by row
    row_terms: ModelTerms | None  # by rows, for predictions; None if it cannot be


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
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(600))
    >>> terms, size, row_terms = take_apart(model, "auto", None, 0, False)
    >>> terms.n_rows, size, row_terms is terms
    (600, 256, True)
    """
    if isinstance(batch_size, str) and batch_size != "auto":
        raise invalid(
            "batch_size", 'be an integer, "auto" or None', repr(batch_size), "pass 128, say"
        )
    whole = Undivided(model, seed)  # its errors come before those about its rows
    free_choice = rows is None and isinstance(batch_size, str)
    roots, n, why = set(), None, None
    try:
        roots, n = _rows_of(model, rows)
    except ValueError as error:
        if rows is not None or not (batch_size is None or free_choice):
            raise
        why = error
    size = _rows_of_a_step(batch_size, n, whole_up_to)
    if size != n:
        try:
            terms = _checked_rows(whole, roots, size, rows is None)
            return TakenApart(terms, size, terms)
        except (ValueError, NotImplementedError) as error:
            why = error
    row_terms = None
    with suppress(ValueError, NotImplementedError):  # something belongs to the examples
        if roots:
            row_terms = _without_tables(whole, roots, free_choice, strict=False)
    if why is not None and roots:
        terms = _with_latents(whole, roots, n, size)
        taken = terms is not None and latents.issuperset(terms.latents)
        if taken and (batch_size != "auto" or n > _WHOLE_WITH_LATENTS):
            return TakenApart(terms, size, row_terms or divide(whole))
        if taken:
            why = None
        elif terms is not None:
            rule = "be None where free variables belong to rows, and their guide is not MeanField()"
            got = f"{batch_size!r} with {list(terms.latents)}, or `devices`"
            why = invalid("batch_size", rule, got, "pass batch_size=None, or that guide for them")
        if why is not None and not free_choice:
            raise why
    if layers and why is None and row_terms is not None and _has_layers(row_terms, seed):
        return TakenApart(row_terms, n, row_terms)
    terms = divide(whole)
    for own in filter(None, (row_terms, terms)):  # by rows no index is folded into a constant
        DataRules.of(own).check(own.arrays())
    check_rows_aligned(terms)
    if why is not None and free_choice and (whole.n_found or 0) > _AUTO_BATCH:
        warn(f"Every step uses all {whole.n_found:,} rows, as with batch_size=None: {why}")
    return TakenApart(terms, None, row_terms)


def by_rows(model: pm.Model, rows: str | Sequence[str] | None, seed: int) -> ModelTerms:
    """Take apart by rows a model that holds a small sample; arguments as of :func:`take_apart`.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(7))
    >>> by_rows(model, None, 0).n_rows
    7
    """
    whole = Undivided(model, seed)
    roots, n = _rows_of(model, rows)
    if n < _LEAST_ROWS:
        rule = f"hold a sample of at least {_LEAST_ROWS} examples"
        repair = "else their axis is taken for another one; observe a few more"
        raise invalid("model", rule, n, repair)
    try:
        return _checked_rows(whole, roots, n, rows is None)
    except (ValueError, NotImplementedError):
        terms = _with_latents(whole, roots, n, n)
        if terms is None:
            raise
        rule, got = "be left out where free variables belong to rows", list(terms.latents)
        raise invalid("data", rule, got, "hold all data in the model") from None


def _rows_of(model: pm.Model, rows: str | Sequence[str] | None) -> tuple[set[Variable], int]:
    """Find the data of the examples, and raise unless each has a row for each example."""
    roots, n = find_rows(model, rows)
    if any(length_of(root) != n for root in roots):  # of the same dimension, but set one by one
        named = ((root.name or array_name(model, root), numbers_of(root).shape) for root in roots)
        shapes = ", ".join(f"'{name}' {shape}" for name, shape in sorted(named))
        rule = "have a row for each example in all data that vary per example"
        raise invalid("model", rule, shapes, "set them together by pm.set_data")
    return roots, n


def _rows_of_a_step(batch_size: int | str | None, n: int | None, whole_up_to: int) -> int | None:
    """Return how many of `n` rows a step takes."""
    if n is None or batch_size is None:
        return n
    size = batch_size
    if batch_size == "auto":
        size = n if n <= whole_up_to else _AUTO_BATCH
    check_int("batch_size", size, 1, n, f'pass a number in 1…{n}, "auto" or None')
    return size


def _checked_rows(
    whole: Undivided, roots: Set[Variable], size: int, free_choice: bool
) -> ModelTerms:
    """Take apart by rows for batches of some size, and raise unless that is right."""
    groups = [group for group in find_groups(whole.model, roots) if group.n > size]
    terms = _without_tables(whole, roots, free_choice, groups=groups)
    check_rows_aligned(terms)
    DataRules.of(terms).check(terms.arrays())
    rows_stand_alone(terms, whole.random_seed, size)
    return terms


def _with_latents(whole: Undivided, roots: Set[Variable], n: int, size: int) -> ModelTerms | None:
    """Take apart by rows with the free variables that belong to them; None if that is not right."""
    for own in latents_tried(whole, roots, n):
        with suppress(ValueError, TypeError, NotImplementedError):
            return _checked_rows(whole, own, size, False)
    return None


def _without_tables(
    whole: Undivided,
    roots: Set[Variable],
    free_choice: bool,
    groups: Sequence[Sample] = (),
    strict: bool = True,
) -> ModelTerms:
    """Take apart by rows, if need be without data that have as many by coincidence.

    That is what makes rows depend on each other and, left out, no longer does: a table of groups, a
    frozen weight.
    """
    failure = terms = None
    try:
        terms = divide(whole, roots, groups, strict)
        if not terms.unsure or strict:
            return terms
    except ValueError as error:
        failure = error
    optional = sorted(set(roots) - set(whole.roots), key=lambda root: root.name or "")
    for root in optional[:_MOST_TABLES] if free_choice else ():
        with suppress(ValueError, NotImplementedError):
            fewer = divide(whole, set(roots) - {root}, groups, strict)
            if fewer.n_rows is not None and not fewer.unsure:
                return fewer
    if failure is not None:
        raise failure
    return terms


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


def rows_stand_alone(terms: ModelTerms, seed: int, size: int) -> None:
    """Raise unless the likelihood of rows in batches is what it is among all rows.

    Where the graph says so, nothing is computed; else batches of `size` rows are compared with all.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(30))
    >>> rows_stand_alone(decompose(model, find_rows(model)[0]), 0, 10)
    """
    if not terms.unsure:
        return
    rng = np.random.default_rng(seed)
    # Away from constant starts, where much of a model may cancel.
    values = {
        f.name: f.start + (0.1 if f.spread else 1.0) * rng.standard_normal(f.start.shape)
        for f in terms.free
    }
    exact = any(f.value.dtype == "float64" for f in terms.free)  # what the graph itself can tell
    with precision("float64"):
        by_row = sum((f.row_logp for f in terms.free if f.per_example), terms.row_logp)
        lifted = jaxify([*terms.values, *terms.inputs], [by_row], "float64")
        values = {name: jnp.asarray(v, "float64") for name, v in values.items()}
        logp = Compiled(
            lambda v, data: lifted(
                *(data.get(f.name, v[f.name]) for f in terms.free),
                *(data[d.name] for d in terms.data),
            )[0]
        )
        per_example = {d.name: narrow(d.value, "float64") for d in terms.data if d.per_example}
        rest = {d.name: narrow(d.value, "float64") for d in terms.data if not d.per_example}
        suspects = ", ".join(f"'{name}' {value.shape}" for name, value in per_example.items())
        as_many = [f.name for f in terms.free if f.start.shape[:1] == (terms.n_rows,)]
        if as_many:
            suspects += f" (free variables with as many rows: {as_many})"
        per_example |= {name: np.asarray(values[name]) for name in terms.latents}
        check_rows(partial(logp, values), per_example, rest, rng, suspects, size, exact=exact)
