"""Which variables are predicted, and the graphs that draw them."""

from __future__ import annotations

from collections.abc import Sequence

from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors

from pymc_bnn._checks import invalid
from pymc_bnn.graphs.substitute import substitute
from pymc_bnn.model.terms import ModelTerms, Observed
from pymc_bnn.prediction.requests import Request, row_groups
from pymc_bnn.prediction.sampler import cannot_be_drawn

__all__ = ["asked_for", "graphs_of", "has_density"]


def asked_for(terms: ModelTerms, request: Request, var_names: Sequence[str]) -> list[Observed]:
    """Return the observed variables to predict: those that can be, with the data given.

    Raises
    ------
    ValueError
        For unknown names, or if there is nothing to predict.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> [o.name for o in asked_for(decompose(model), Request({}, None, False), ())]
    ['y']
    """
    known = terms.deterministics
    observed = {o.name for o in terms.observed}
    unknown = [name for name in var_names if name not in {*known, *observed}]
    var_names = [name for name in var_names if name not in observed]
    if unknown:
        rule, repair = "name deterministics of the model", f"choose from {list(known)}"
        raise invalid("var_names", rule, unknown, repair)
    if not terms.observed and not var_names:
        repair = f"ask for deterministics by var_names=, of {list(known)}"
        raise invalid("model", "have observed variables to predict", "potentials only", repair)
    graphs = {o.name: terms.joint.get(o.name, o.rv) for o in terms.observed}
    graphs |= {name: terms.joint.get(name, known[name]) for name in var_names}
    silent = [name for name, graph in graphs.items() if cannot_be_drawn(graph)]
    if any(name in known for name in silent) or (silent and not var_names):
        repair = "pass random=, or ask for deterministics by var_names="
        rule = "have `random` in a pm.CustomDist that predictions draw"
        raise invalid("model", rule, f"none for {silent}", repair)
    targets = [o for o in terms.observed if o.name not in silent]
    if request.rows is None or not request.asked:
        return targets
    groups = row_groups(terms)
    touched = [o.name for o in targets if groups[o.name] & request.rows]
    if not touched:
        return targets
    # Of a variable that shares no rows with the data given, the data of the fit would be used.
    behind = {o.name: set(ancestors([graphs[o.name]])) for o in targets}
    needs = {  # its own values give but its length
        o.name: {
            d.name
            for d in terms.data
            if d.variable in behind[o.name] and d.name in groups[o.name] and d.root is not o.root
        }
        for o in targets
    }
    return [o for o in targets if o.name in touched or not needs[o.name]]


def graphs_of(
    terms: ModelTerms, request: Request, names: Sequence[str]
) -> dict[str, tuple[Variable, dict[str, Variable]]]:
    """Return the graph of each variable, and which observed variables it is drawn from in turn.

    As in `pymc.sample_posterior_predictive` an observed variable that others depend on is drawn
    with them, unless its values are given.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    ...     z = pm.Normal("z", y, observed=np.zeros(4))
    >>> list(graphs_of(decompose(model), Request({}, None, False), ["z"])["z"][1])
    ['y']
    """
    plain = {**{o.name: o.rv for o in terms.observed}, **terms.deterministics}
    drawn = {o.name: terms.joint[o.name] for o in terms.observed if o.name in terms.joint}
    given = {}
    for o in terms.observed:
        root = next((d.name for d in terms.data if d.root is o.root), None)
        if o.name in drawn and request.asked and root in (request.rows or ()):
            given[o.name] = o.value
    found = {}
    for name in names:
        graph = terms.joint.get(name, plain[name])
        others = {k: v for k, v in drawn.items() if k != name}
        behind = set(ancestors([graph], blockers=list(others.values())))
        parents = {k: v for k, v in others.items() if v in behind}
        values = {v: given.get(k, v) for k, v in parents.items()}
        [graph] = substitute([graph], values)
        found[name] = graph, {k: v for k, v in parents.items() if k not in given}
    return found


def has_density(terms: ModelTerms, request: Request) -> bool:
    """Tell whether the data asked for hold all that was observed of each row, of one sample.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> from pymc_bnn.model.rows import find_rows
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> has_density(decompose(model, find_rows(model)[0]), Request({}, None, False))
    True
    """
    if terms.row_density is None:
        return False
    behind = set(ancestors([o.value for o in terms.observed]))
    observed = {d.name: d.value for d in terms.data if d.variable in behind and d.per_example}
    lengths = {len(request.values.get(name, value)) for name, value in observed.items()}
    return len(lengths) == 1 and (request.rows is None or set(observed) <= request.rows)
