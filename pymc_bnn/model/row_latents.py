"""Free variables that belong to the examples, an entry to each: which may, and which do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import invalid
from pymc_bnn.model.independence import row_use
from pymc_bnn.model.roots import data_roots, length_of
from pymc_bnn.model.undivided import Undivided

__all__ = ["check_priors", "latents_tried", "of_any_rows"]

_MOST_TRIES = 6  # variables of which one is tried to be no latent of the rows


def latents_tried(whole: Undivided, roots: Set[Variable], n: int) -> Iterator[set[Variable]]:
    """Yield what may run over the examples, free variables among it: all that could, then but one.

    Parameters
    ----------
    whole : Undivided
        The model.
    roots : set of Variable
        The data of the examples.
    n : int
        How many examples there are.

    Yields
    ------
    set of Variable
        The same data, free variables whose first axis is as long, and what their priors know of
        each row.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> with pm.Model() as model:
    ...     u = pm.Normal("u", np.arange(4.0), 1, shape=4)
    ...     y = pm.Normal("y", u, 1, observed=np.zeros(4))
    >>> [(_, *others)] = latents_tried(Undivided(model), set(), 4)
    >>> len(others)
    1
    """
    model, start = whole.model, whole.start
    found = [rv for rv in model.free_RVs if start[model.rvs_to_values[rv].name].shape[:1] == (n,)]
    but = [None, *(found[:_MOST_TRIES] if len(found) > 1 else ())]
    for tried in ([rv for rv in found if rv is not one] for one in but if found):
        others = [rv for rv in model.free_RVs if rv not in tried]
        known = {r for r in data_roots(tried, blockers=others) if length_of(r) == n}
        yield {*roots, *tried, *known}


def of_any_rows(value: TensorVariable) -> TensorVariable:
    """Return a value like another, of any number of rows.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> of_any_rows(pt.tensor("u", shape=(4, 2))).type.shape
    (None, 2)
    """
    return value.type.clone(shape=(None, *value.type.shape[1:]))(value.name)


def check_priors(
    priors: Mapping[str, TensorVariable], apart: Sequence[Variable], row_inputs: Set[Variable]
) -> str:
    """Raise unless the prior of each latent comes apart by row; say why the graph leaves doubt.

    Parameters
    ----------
    priors : mapping from str to TensorVariable
        Elementwise log-prior of each latent.
    apart : sequence of Variable
        Potentials that no data belong to: those of latents would have to be taken by rows.
    row_inputs : set of Variable
        Data and latents of the examples.

    Raises
    ------
    ValueError
        If entries of a latent depend on each other.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> u = pt.vector("u")
    >>> check_priors({"u": -(u**2)}, [], {u})
    ''
    """
    rule, repair = "be None where rows depend on each other", "pass batch_size=None"
    unsure = ""
    uses = row_use(list(priors.values()), row_inputs)
    for (name, _), use in zip(priors.items(), uses, strict=True):
        if use.kind not in ("rows", "unknown") or use.axis not in (0, None):
            why = use.why or "it has no axis of rows"
            raise invalid("batch_size", rule, f"the prior of '{name}' ({why})", repair)
        unsure = unsure or (use.why and f"the prior of '{name}' ({use.why})")
    if row_inputs & set(ancestors(list(apart))):
        got = f"a potential of {list(priors)}, which no data belong to"
        raise invalid("batch_size", rule, got, repair)
    return unsure
