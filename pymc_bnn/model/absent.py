"""Data that a saved fit was loaded without: known by name, type and shape only."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors

from pymc_bnn._checks import invalid
from pymc_bnn.model.terms import ModelTerms
from pymc_bnn.saving.models import is_absent

__all__ = ["absent", "check_there"]


def absent(
    terms: ModelTerms, graphs: Sequence[Variable] | None = None, but: Collection[str] = ()
) -> list[str]:
    """Return names of data without values, those behind some graphs if given.

    Parameters
    ----------
    terms : ModelTerms
        The model.
    graphs : sequence of Variable, optional
        What is to be computed; by default anything.
    but : collection of str, optional
        Names of data that are given from elsewhere.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=[0.0, 1.0])
    >>> absent(decompose(model))
    []
    """
    if not terms.incomplete:
        return []
    roots = terms.model.basic_RVs if graphs is None else list(graphs)
    behind = dict.fromkeys(ancestors(roots))
    known = {d.variable for d in terms.data} | {d.root for d in terms.data}
    found = [
        d.name
        for d in terms.data
        if d.absent and d.name not in but and (graphs is None or d.variable in behind)
    ]
    # Constants that are no data by name, as the inputs of a Gaussian process.
    constants = [v for v in behind if isinstance(v, Constant) and v not in known and is_absent(v)]
    return [*found, *(v.name or f"an array {v.data.shape}" for v in constants)]


def check_there(
    terms: ModelTerms,
    what: str,
    graphs: Sequence[Variable] | None = None,
    but: Collection[str] = (),
    repair: str = "",
) -> None:
    """Raise if something is to be computed of data that are not there.

    Another `repair` comes before the usual one.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=[0.0, 1.0])
    >>> check_there(decompose(model), "elbo")
    """
    names = absent(terms, graphs, but)
    if names:
        repair += "load it with model=, a model that holds them, or save the fit with data=True"
        rule = f"hold the data that {what} is of"
        raise invalid("fitted", rule, f"{names}, which were not saved", repair)
