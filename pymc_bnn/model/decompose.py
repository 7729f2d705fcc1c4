"""A PyMC model taken apart: free variables, data, and the terms of its log-density as graphs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.variable import TensorVariable

from pymc_bnn.graphs.start_values import family
from pymc_bnn.graphs.substitute import merge, substitute
from pymc_bnn.model.checks import check_belonging, shapes_must_agree
from pymc_bnn.model.columns import coords_of
from pymc_bnn.model.divisions import with_numbers, without_numbers
from pymc_bnn.model.graphs import ModelGraphs, of_any_length, rewrite_together
from pymc_bnn.model.inputs import data_as_inputs
from pymc_bnn.model.likelihood import Term, sort_terms, stand_apart
from pymc_bnn.model.numbers import widen
from pymc_bnn.model.roots import length_of
from pymc_bnn.model.row_latents import check_priors, of_any_rows
from pymc_bnn.model.terms import FreeVariable, ModelTerms, Observed, Sample
from pymc_bnn.model.undivided import Undivided
from pymc_bnn.model.values import RandomValues

__all__ = ["decompose", "divide"]


def decompose(
    model: pm.Model,
    rows: Iterable[Variable] = (),
    random_seed: int | None = None,
    groups: Sequence[Sample] = (),
    strict: bool = True,
) -> ModelTerms:
    """Take a model apart into free variables, data and log-density terms.

    Data become inputs of the graphs (so that any number of rows fits), and `pm.Minibatch` is
    undone: its batches are replaced by the data they are drawn from.

    Parameters
    ----------
    model : pymc.Model
        A model with observed variables and continuous free variables.
    rows : iterable of Variable, optional
        Roots whose first axis runs over the examples, from :func:`find_rows`, and free variables
        that do. Empty: nothing is taken row by row.
    random_seed : int, optional
        Seed of random initial values, where the model asks for such.
    groups : sequence of Sample, optional
        Samples beside the examples, from :func:`find_groups`, of which a part may be given to the
        graphs instead of the whole, where the terms allow it.
    strict : bool, optional
        Whether it is an error that rows depend on each other; else `unsure` says so.

    Returns
    -------
    ModelTerms
        The parts.

    Raises
    ------
    ValueError
        If a free variable is discrete, nothing is observed, data are not finite, or something
        that belongs to the examples does not come row by row.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> [free.name for free in decompose(model).free]
    ['mu']
    """
    return divide(Undivided(model, random_seed), set(rows), groups, strict)


def divide(
    whole: Undivided,
    rows: Set[Variable] = frozenset(),
    groups: Sequence[Sample] = (),
    strict: bool = True,
) -> ModelTerms:
    """Decompose a model of which several divisions are tried; arguments as of :func:`decompose`.

    What may refuse comes first, what costs and is of use only to a model that was not refused last.

    Examples
    --------
    >>> from pymc_bnn.model.rows import find_rows
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> whole = Undivided(model)
    >>> divide(whole).n_rows, divide(whole, find_rows(model)[0]).n_rows
    (None, 4)
    """
    asked = frozenset(rows), tuple((frozenset(own.data), own.n) for own in groups), strict
    known = whole.kept.get(asked)
    terms = None if known is None else with_numbers(known, whole)
    if terms is None:
        terms = _divide(whole, rows, groups, strict)
        whole.kept[asked] = without_numbers(terms)
    return terms


def _divide(
    whole: Undivided, rows: Set[Variable], groups: Sequence[Sample], strict: bool
) -> ModelTerms:
    """Divide a model, whether or not that was done before."""
    model = whole.model
    # Data become inputs, of any length where they are samples.
    data, inputs = data_as_inputs(model, whole.graphs, rows, groups, set(whole.roots))
    row_inputs = {d.variable for d in data if d.per_example}
    samples = [
        Sample({d.variable for d in data if d.group == i}, group.n)
        for i, group in enumerate(groups)
    ]
    graphs = whole.graphs.map(lambda flat: widen(substitute(flat, inputs)))
    own = [model.rvs_to_values[rv] for rv in model.free_RVs]
    latents = {i: of_any_rows(own[i]) for i, rv in enumerate(model.free_RVs) if rv in rows}
    graphs = of_any_length(
        graphs,
        row_inputs.union(*(sample.data for sample in samples)),
        {graphs.free[i]: value for i, value in latents.items()},
    )
    row_inputs |= set(latents.values())

    # Random variables become values, and log-densities of them.
    values = RandomValues.of(model, graphs, [latents.get(i, v) for i, v in enumerate(own)])
    with shapes_must_agree(data):
        logps = values.log_densities()
    known, parameters = _known(values)
    start = whole.start

    # Terms are sorted by whose rows they are, or refused.
    unsure = ""
    terms = _terms(whole, logps.observed, known.potentials, rows - set(model.free_RVs))
    if rows:
        priors = _by_name(model.free_RVs, logps.free)
        of_rows = {model.free_RVs[i].name: priors.pop(model.free_RVs[i].name) for i in latents}
        check_belonging(priors, [rv.name for rv in model.observed_RVs], row_inputs)
        if latents:
            unsure = check_priors(of_rows, [t.logp for t in terms if t.prior], row_inputs)
    apart = [
        group
        for group, sample in zip(groups, samples, strict=True)
        if stand_apart(terms, logps.free, sample.data, row_inputs)
    ]
    if len(apart) < len(groups):
        return _divide(whole, rows, apart, strict)
    suspects = ", ".join(f"'{d.name}' {d.value.shape}" for d in data if d.per_example)
    found = sort_terms(terms, row_inputs, samples, suspects, strict)

    # All is described.
    with shapes_must_agree(data):
        densities = values.in_own_space(logps)
    free = [
        FreeVariable(
            name=model.free_RVs[i].name,
            value=value,
            start=np.asarray(start[value.name]),
            logp=logps.free[i],
            density=densities[i],
            constrained=known.free[i],
            family=family(graphs.free[i].owner.op) if parameters[i] else None,
            parameters=tuple(parameters[i]),
            transform=None if values.transforms[i] is None else type(values.transforms[i]),
            per_example=i in latents,
        )
        for i, value in enumerate(values.free)
    ]
    observed = _observed(whole, values, terms, found.by_rows)
    zero = pt.constant(0.0)
    return ModelTerms(
        model=model,
        free=tuple(free),
        data=tuple(data),
        observed=tuple(observed),
        row_logp=merge(pt.add(*found.rows, zero)) if found.rows else None,
        row_density=pt.add(*found.densities, zero) if found.densities else None,
        rest_logp=pt.add(*found.rest, zero) if found.rest else zero,
        potential_logp=pt.add(*found.prior, zero) if found.prior else zero,
        potentials=_by_name(model.potentials, known.potentials),
        deterministics=_by_name(model.deterministics, known.deterministics),
        n_rows=next((d.value.shape[0] for d in data if d.per_example), None),
        n_found=whole.n_found,
        unsure=found.unsure or unsure,
        dims={k: v for k, v in model.named_vars_to_dims.items() if v and None not in v},
        coords=coords_of(model),
        joint=_joint(model, values),
    )


def _known(values: RandomValues) -> tuple[ModelGraphs, list[list[TensorVariable]]]:
    """Write graphs with all values known, and the parameters of each free variable's prior.

    Of a prior that is no elementary distribution there are none. Observed variables are left out.
    """
    rvs = values.rvs
    elementary = [isinstance(rv.owner.op, RandomVariable) for rv in rvs.free]
    own = [
        rv.owner.op.dist_params(rv.owner) if known else ()
        for rv, known in zip(rvs.free, elementary, strict=True)
    ]
    free, potentials, deterministics, *parameters = rewrite_together(
        values.put_into, rvs.free, rvs.potentials, rvs.deterministics, *own
    )
    return ModelGraphs(free, [], potentials, deterministics, []), parameters


def _terms(
    whole: Undivided,
    logps: Sequence[TensorVariable],
    potentials: Sequence[TensorVariable],
    rows: Set[Variable],
) -> list[Term]:
    """List the terms beside the priors: observed variables, then potentials."""
    model = whole.model
    likelihood_data = whole.likelihood_data | rows | set(model.observed_RVs)

    def uses_data(potential: Variable) -> bool:  # and not by way of a free variable's prior
        return bool(likelihood_data & set(ancestors([potential], blockers=model.free_RVs)))

    terms = [
        Term(rv.name, logp, float(np.prod(shares)))
        for rv, logp, shares in zip(model.observed_RVs, logps, whole.shares, strict=True)
    ]
    return terms + [
        Term(own.name, potential, observed=False, prior=not uses_data(own))
        for own, potential in zip(model.potentials, potentials, strict=True)
    ]


def _observed(
    whole: Undivided, values: RandomValues, terms: Sequence[Term], by_rows: Set[str]
) -> list[Observed]:
    """Describe the observed variables, which come first among the terms."""
    found = []
    for i, (rv, value) in enumerate(zip(values.rvs.observed, values.rvs.values, strict=True)):
        n = length_of(whole.roots[i]) or 1
        found.append(
            Observed(
                name=terms[i].name,
                rv=values.put_into([rv], but=[rv])[0],
                value=value,
                logp=terms[i].logp,
                per_example=terms[i].name in by_rows,
                multiplier=terms[i].multiplier,
                root=whole.roots[i],
                n=n,
                total=round(n * (whole.shares[i] or [1.0])[0]),
            )
        )
    return found


def _joint(model: pm.Model, values: RandomValues) -> dict[str, TensorVariable]:
    """Write what depends on observed variables with these still random; empty if nothing does."""
    observed, deterministics = values.rvs.observed, values.rvs.deterministics
    random = set(observed)
    chained = any(random & (set(ancestors([rv])) - {rv}) for rv in observed)
    if not chained and not random & set(ancestors(deterministics)):
        return {}
    joint = values.put_into([*observed, *deterministics], but=observed)
    return _by_name([*model.observed_RVs, *model.deterministics], joint)


def _by_name(
    variables: Iterable[Variable], graphs: Iterable[TensorVariable]
) -> dict[str, TensorVariable]:
    return {v.name: graph for v, graph in zip(variables, graphs, strict=True)}
