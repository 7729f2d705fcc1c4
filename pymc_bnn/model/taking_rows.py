"""A model by rows: where its data, or what else has a row for each, come apart by them."""

from __future__ import annotations

from collections.abc import Sequence, Set
from contextlib import suppress

import pymc as pm
from pytensor.graph.basic import Variable

from pymc_bnn._checks import invalid
from pymc_bnn.model.columns import check_rows_aligned
from pymc_bnn.model.decompose import divide
from pymc_bnn.model.names import array_names
from pymc_bnn.model.roots import length_of, numbers_of
from pymc_bnn.model.row_latents import latents_tried
from pymc_bnn.model.rows import find_groups, find_rows
from pymc_bnn.model.rules import DataRules
from pymc_bnn.model.stand_alone import rows_stand_alone
from pymc_bnn.model.terms import ModelTerms, Sample
from pymc_bnn.model.undivided import Undivided

__all__ = ["by_rows", "checked_rows", "rows_of", "with_latents", "without_tables"]

_MOST_TABLES = 6  # of which one is tried to be none of the examples' data
_LEAST_ROWS = 5  # more than axes that anything has: the length of a shape


def by_rows(model: pm.Model, rows: str | Sequence[str] | None, seed: int) -> ModelTerms:
    """Take apart by rows a model that holds a small sample; arguments as of :func:`take_apart`.

    Examples
    --------
    >>> import numpy as np
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(7))
    >>> by_rows(model, None, 0).n_rows
    7
    """
    whole = Undivided(model, seed)
    roots, n = rows_of(model, rows)
    if n < _LEAST_ROWS:
        rule = f"hold a sample of at least {_LEAST_ROWS} examples"
        repair = "else their axis is taken for another one; observe a few more"
        raise invalid("model", rule, n, repair)
    try:
        return checked_rows(whole, roots, n, rows is None)
    except (ValueError, NotImplementedError):
        terms = with_latents(whole, roots, n, n)
        if terms is None:
            raise
        rule, got = "be left out where free variables belong to rows", list(terms.latents)
        raise invalid("data", rule, got, "hold all data in the model") from None


def rows_of(model: pm.Model, rows: str | Sequence[str] | None) -> tuple[set[Variable], int]:
    """Find the data of the examples, and raise unless each has a row for each example.

    Examples
    --------
    >>> import numpy as np
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(7))
    >>> rows_of(model, None)[1]
    7
    """
    roots, n = find_rows(model, rows)
    if any(length_of(root) != n for root in roots):  # of the same dimension, but set one by one
        name_of = array_names(model)
        named = ((root.name or name_of(root), numbers_of(root).shape) for root in roots)
        shapes = ", ".join(f"'{name}' {shape}" for name, shape in sorted(named))
        rule = "have a row for each example in all data that vary per example"
        raise invalid("model", rule, shapes, "set them together by pm.set_data")
    return roots, n


def checked_rows(
    whole: Undivided, roots: Set[Variable], size: int, free_choice: bool
) -> ModelTerms:
    """Take apart by rows for batches of some size, and raise unless that is right.

    Examples
    --------
    >>> import numpy as np
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(7))
    >>> checked_rows(Undivided(model), rows_of(model, None)[0], 3, True).n_rows
    7
    """
    groups = [group for group in find_groups(whole.model, roots) if group.n > size]
    terms = without_tables(whole, roots, free_choice, groups=groups)
    check_rows_aligned(terms)
    DataRules.of(terms).check(terms.arrays())
    rows_stand_alone(terms, whole.random_seed, size)
    return terms


def with_latents(whole: Undivided, roots: Set[Variable], n: int, size: int) -> ModelTerms | None:
    """Take apart by rows with the free variables that belong to them; None if that is not right.

    Examples
    --------
    >>> import numpy as np
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("u", shape=7), observed=np.zeros(7))
    >>> with_latents(Undivided(model), *rows_of(model, None), 3).latents
    ('u',)
    """
    for own in latents_tried(whole, roots, n):
        with suppress(ValueError, TypeError, NotImplementedError):
            return checked_rows(whole, own, size, False)
    return None


def without_tables(
    whole: Undivided,
    roots: Set[Variable],
    free_choice: bool,
    groups: Sequence[Sample] = (),
    strict: bool = True,
) -> ModelTerms:
    """Take apart by rows, if need be without data that have as many by coincidence.

    That is what makes rows depend on each other and, left out, no longer does: a table of groups, a
    frozen weight.

    Examples
    --------
    >>> import numpy as np
    >>> with pm.Model() as model:
    ...     table = pm.Normal("a", shape=7) * np.arange(7.0)
    ...     y = pm.Normal("y", table[np.arange(7) % 3], observed=np.zeros(7))
    >>> without_tables(Undivided(model), rows_of(model, None)[0], True).unsure
    ''
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
