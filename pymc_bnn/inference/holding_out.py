"""Rows of a problem held out of a fit, to score what it predicts for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from pymc.distributions.discrete import Bernoulli

from pymc_bnn._checks import invalid
from pymc_bnn.model.labels import label_classes
from pymc_bnn.model.problem import Problem
from pymc_bnn.model.stand_alone import rows_stand_alone
from pymc_bnn.model.terms import ModelTerms

__all__ = ["check_auto", "folds_of", "hold_out", "rows_apart", "take_out"]

_SHARE, _LEAST = 0.1, 10  # held out by default
_TWICE = 2  # rows that a standard error needs


def check_auto(method: Any, validation: Any = None, stream: Any = None) -> None:
    """Raise unless a method's weight of the KL goes with `validation`, and with where data are.

    Examples
    --------
    >>> from pymc_bnn.inference.vi import VI
    >>> check_auto(VI(kl_weight="auto"), validation=0.2)
    """
    weight = getattr(method, "kl_weight", None)
    if not (isinstance(weight, str) and weight == "auto"):
        if validation is not None:
            repair = 'leave it out, or pass kl_weight="auto"'
            raise invalid("validation", 'come with kl_weight="auto"', repr(weight), repair)
        return
    if stream is not None:
        rule, repair = "be a number where batches come from `data`", "choose it on a part in memory"
        raise invalid("kl_weight", rule, "'auto'", repair)
    if validation is None or (isinstance(validation, Mapping) and validation):
        return
    number = isinstance(validation, int | float | np.number) and not isinstance(validation, bool)
    if not (number and 0 < validation < 1):
        rule = "be a share of the rows in (0, 1), or a mapping of data by name"
        repair = 'pass validation=0.1, or {"x": x, "y": y}'
        kind = ValueError if number else TypeError
        raise invalid("validation", rule, repr(validation), repair, kind)


def hold_out(problem: Problem, share: float | None, seed: int) -> tuple[Problem, dict[str, Any]]:
    """Take some rows out of a problem, drawn by the seed; of classes as many of each in proportion.

    Parameters
    ----------
    problem : Problem
        Whose likelihood comes apart by rows.
    share : float or None
        Of the rows, in (0, 1); None: a tenth, but 10 rows at least.
    seed : int
        Of the draw.

    Returns
    -------
    rest : Problem
        By rows, without those held out; of the same graphs, the model is not changed.
    held : dict from str to numpy.ndarray
        The data of the rows held out, as predictions take them.

    Raises
    ------
    ValueError
        Where rows do not stand alone, or are too few.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> from pymc_bnn.model.rows import find_rows
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(40))
    >>> terms = decompose(model, find_rows(model)[0])
    >>> rest, held = hold_out(Problem.of(terms, terms, "float32"), None, 0)
    >>> rest.n, held["y"].shape
    (30, (10,))
    """
    if not problem.terms.observed:
        rule = 'be a number where no variable is observed, of which "auto" would score new rows'
        repair = "write the likelihood as an observed variable, or pass kl_weight=1"
        raise invalid("kl_weight", rule, "'auto'", repair)
    terms = rows_apart(problem, seed)
    if terms is None:
        rule = (
            'be a number where the likelihood does not come apart by rows, which "auto" holds out'
        )
        repair = "pass data of other rows as validation=, or kl_weight=1"
        raise invalid("kl_weight", rule, "'auto'", repair)
    n = terms.n_rows
    count = max(round(_SHARE * n), _LEAST) if share is None else round(share * n)
    least = 2 * _LEAST if share is None else _TWICE  # rows that are left to fit
    if count < _TWICE or n - count < least:
        got = f"{n} of which {count} would be held out"
        repair = "pass other rows as validation=, or kl_weight=1"
        raise invalid("kl_weight", 'be a number where "auto" has too few rows', got, repair)
    # Every so many-th of the rows in the order of their labels, and at random where these agree.
    rng = np.random.default_rng((seed, n))
    order = np.lexsort((rng.random(n), _labels(terms)))
    places = ((np.arange(count) + rng.random()) * n / count).astype(int)
    held = np.zeros(n, bool)
    held[order[np.minimum(places, n - 1)]] = True
    return take_out(problem, terms, held)


def folds_of(terms: ModelTerms, folds: int, seed: int) -> np.ndarray:
    """Return (rows,) the fold of each row, drawn by the seed; of classes in proportion.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> from pymc_bnn.model.rows import find_rows
    >>> with pm.Model() as model:
    ...     y = pm.Bernoulli("y", 0.5 + 0 * pm.Normal("a"), observed=np.arange(9) > 5)
    >>> folds = folds_of(decompose(model, find_rows(model)[0]), 3, 0)
    >>> sorted(folds[:6].tolist()), sorted(folds[6:].tolist())
    ([0, 0, 1, 1, 2, 2], [0, 1, 2])
    """
    rng = np.random.default_rng((seed, terms.n_rows))
    order = np.lexsort((rng.random(terms.n_rows), _labels(terms)))
    found = np.empty(terms.n_rows, int)
    found[order] = np.arange(terms.n_rows) % folds
    return found


def take_out(
    problem: Problem, terms: ModelTerms, held: np.ndarray
) -> tuple[Problem, dict[str, Any]]:
    """Return a problem without some rows, and their data as predictions take them.

    Parameters
    ----------
    problem : Problem
        Of all rows.
    terms : ModelTerms
        As of :func:`rows_apart`.
    held : numpy.ndarray
        (rows,) of bool.

    Examples
    --------
    >>> take_out.__name__
    'take_out'
    """
    new = {d.name: d.value[held] for d in terms.data if d.per_example}
    return _part(problem, terms, ~held), new


def rows_apart(problem: Problem, seed: int) -> ModelTerms | None:
    """Return the model by rows; None where its likelihood does not come apart.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> rows_apart(Problem.of(decompose(model), None, "float32"), 0) is None
    True
    """
    terms = problem.row_terms
    whole = terms is None or terms.row_density is None or terms.n_rows is None
    if whole or problem.terms.latents or not all(o.per_example for o in terms.observed):
        return None
    if terms is not problem.terms:
        try:
            rows_stand_alone(terms, seed, max(terms.n_rows // 2, 1))
        except ValueError:
            return None
    return terms


def _part(problem: Problem, terms: ModelTerms, kept: np.ndarray) -> Problem:
    n = int(kept.sum())
    data = tuple(replace(d, value=d.value[kept]) if d.per_example else d for d in terms.data)
    observed = tuple(
        replace(o, n=n, total=round(o.total * n / terms.n_rows)) for o in terms.observed
    )
    part = replace(terms, data=data, observed=observed, n_rows=n, n_found=n)
    return Problem.of(part, part, problem.dtype)


def _labels(terms: ModelTerms) -> np.ndarray:
    """Return (rows,) labels of classes, or zeros where there are none."""
    classes = {name for name, *_ in label_classes(terms)}
    for o in terms.observed:
        node = o.rv.owner
        if o.name not in classes and not isinstance(node.op, Bernoulli.rv_type):
            continue
        data = [d for d in terms.data if d.root is o.root and d.value.ndim == 1]
        if data and len(data[0].value) == terms.n_rows:
            return data[0].value
    return np.zeros(terms.n_rows)
