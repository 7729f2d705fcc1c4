"""Which data of a model run over its examples, and which over other samples beside them."""

from __future__ import annotations

from collections.abc import Sequence

import pymc as pm
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable

from pymc_bnn._checks import invalid
from pymc_bnn.model.roots import data_roots, length_of, unbatched_root
from pymc_bnn.model.splitting import split_rows
from pymc_bnn.model.terms import Sample

__all__ = ["find_groups", "find_likelihood_data", "find_rows"]


def find_rows(
    model: pm.Model, rows: str | Sequence[str] | None = None
) -> tuple[set[Variable], int]:
    """Find the data that vary per example, and the number of examples.

    Parameters
    ----------
    model : pymc.Model
        The model.
    rows : str or sequence of str, optional
        A dimension, or names of the data that vary per example (observed variables included). By
        default the examples' dimension is the first one of the observed variables, of the longest
        where their lengths differ: by name where dims were given, otherwise by length. In a model
        of potentials alone it is the longest along which they come apart.

    Returns
    -------
    roots : set of Variable
        Shared variables and constants whose first axis runs over the examples.
    n : int
        The number of examples.

    Raises
    ------
    ValueError
        If nothing observed has rows, or a name is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> with pm.Model(coords={"obs": range(4)}) as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4), dims="obs")
    >>> find_rows(model)[1]
    4
    """
    if rows is not None:
        return _named_rows(model, rows)
    observed = _observed(model)
    lengths = [length_of(root) for root in observed.values() if length_of(root)]
    if not lengths:
        return _rows_of_potentials(model)
    n = max(lengths)
    return _of_length(model, n), n


def find_groups(model: pm.Model, rows: set[Variable] = frozenset()) -> list[Sample]:
    """Find the samples of a model beside its examples: observed data of other lengths.

    Parameters
    ----------
    model : pymc.Model
        The model.
    rows : set of Variable, optional
        The data of the examples.

    Returns
    -------
    list of Sample
        Their data and their lengths, the longest first.

    Examples
    --------
    >>> import numpy as np
    >>> with pm.Model() as model:
    ...     mu = pm.Normal("mu")
    ...     y = pm.Normal("y", mu, observed=np.zeros(4))
    ...     z = pm.Normal("z", mu, observed=np.zeros(3))
    >>> [n for _, n in find_groups(model, find_rows(model)[0])]
    [3]
    """
    rest = [r for r in _observed(model).values() if r not in rows and length_of(r)]
    lengths = sorted({length_of(root) for root in rest}, reverse=True)
    return [Sample(_of_length(model, n) - set(rows), n) for n in lengths]


def find_likelihood_data(model: pm.Model) -> tuple[set[Variable], int | None]:
    """Find the data of the likelihood, whether or not they can be taken by rows.

    Returns
    -------
    roots : set of Variable
        What is observed, and other data along the same axes. In a model of potentials alone that do
        not come apart: its longest data.
    n : int or None
        The number of examples; None where there is no axis.

    Examples
    --------
    >>> import numpy as np
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> find_likelihood_data(model)[1]
    4
    """
    try:
        roots, n = find_rows(model)
    except ValueError:
        used = data_roots(model.potentials, blockers=model.free_RVs)
        n = max([length_of(root) for root in used if length_of(root)], default=None)
        roots = {root for root in used if length_of(root) == n}
    groups = (group.data for group in find_groups(model, roots))
    return roots.union(_observed(model).values(), *groups), n


def _observed(model: pm.Model) -> dict[str, Variable]:
    return {rv.name: unbatched_root(model.rvs_to_values[rv]) for rv in model.observed_RVs}


def _candidates(model: pm.Model) -> list[Variable]:
    """Return data that terms use directly, not by way of a prior, and all that are shared."""
    graphs = [*model.observed_RVs, *model.potentials, *model.rvs_to_values.values()]
    direct = set(data_roots(graphs, blockers=model.free_RVs))
    return [r for r in data_roots(graphs) if r in direct or isinstance(r, SharedVariable)]


def _first_dims(model: pm.Model) -> dict[str, str]:
    dims = model.named_vars_to_dims.items()
    return {name: own[0] for name, own in dims if own and own[0]}


def _of_length(model: pm.Model, n: int) -> set[Variable]:
    """Return the data whose first axis is that of the observed variables with `n` rows."""
    observed = {name: r for name, r in _observed(model).items() if length_of(r) == n}
    first_dim = _first_dims(model)
    row_dims = {first_dim[name] for name in observed if name in first_dim}
    chosen = set(observed.values())
    for root in _candidates(model):
        dim = first_dim.get(root.name)
        by_name = dim is not None and row_dims
        if dim in row_dims if by_name else length_of(root) == n:
            chosen.add(root)
    return chosen


def _named_rows(model: pm.Model, rows: str | Sequence[str]) -> tuple[set[Variable], int]:
    roots = {r.name: r for r in _candidates(model) if r.name in model.named_vars}
    named = {**roots, **_observed(model)}
    if not isinstance(rows, str | list | tuple | set):
        repair = f"use some of {sorted(named)}"
        raise invalid("rows", "be a name or names", repr(rows), repair, TypeError)
    names = [rows] if isinstance(rows, str) else list(rows)
    if isinstance(rows, str) and rows in model.coords:
        names = [name for name in named if _first_dims(model).get(name) == rows]
    unknown = [name for name in names if name not in named]
    if unknown or not names:
        raise invalid(
            "rows",
            "name a dimension, or data and observed variables of the model",
            rows if isinstance(rows, str) else unknown,
            f"use some of {sorted(named)}",
        )
    lengths = {name: length_of(named[name]) for name in names}
    if len(set(lengths.values())) > 1:
        raise invalid(
            "rows", "name data of one length", lengths, "check the data or name other data"
        )
    return {named[name] for name in names}, next(iter(lengths.values()))


def _rows_of_potentials(model: pm.Model) -> tuple[set[Variable], int]:
    """Find the longest axis of data along which the potentials come apart."""
    roots = [r for r in _candidates(model) if (length_of(r) or 0) > 1] if model.potentials else []
    whys = []
    for n in sorted({length_of(root) for root in roots}, reverse=True):
        chosen = {root for root in roots if length_of(root) == n}
        parts = split_rows(model.potentials, chosen)
        if all(not part.why for part in parts) and any(part.rows for part in parts):
            return chosen, n
        whys += [
            f"'{potential.name}' ({part.why})"
            for potential, part in zip(model.potentials, parts, strict=True)
            if part.why
        ]
    raise invalid(
        "rows",
        "be data along which the likelihood comes apart",
        whys[0] if whys else "no observed variable with rows",
        "name the dimension or the data to batch over, or pass batch_size=None",
    )
