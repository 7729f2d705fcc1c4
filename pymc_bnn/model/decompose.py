"""A PyMC model taken apart: free variables, data, and the terms of its log-density as graphs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.data import MinibatchOp
from pymc.distributions.shape_utils import change_dist_size
from pymc.logprob.basic import transformed_conditional_logp
from pymc.logprob.utils import replace_rvs_by_values
from pymc.variational.minibatch_rv import MinibatchRandomVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.variable import TensorConstant, TensorVariable

from pymc_bnn._checks import check_finite, first_line, invalid
from pymc_bnn.graphs.start_values import family
from pymc_bnn.graphs.to_jax import jaxify, merge, substitute
from pymc_bnn.model.columns import columns_of
from pymc_bnn.model.likelihood import Term, sort_terms, stand_apart
from pymc_bnn.model.names import array_name
from pymc_bnn.model.numbers import initial_point, wide_transform, widen, within_int32
from pymc_bnn.model.ranges import indices_must_fit
from pymc_bnn.model.roots import (
    data_roots,
    find_likelihood_data,
    find_rows,
    length_of,
    numbers_of,
    unbatched_root,
)
from pymc_bnn.model.terms import Data, FreeVariable, ModelTerms, Observed

__all__ = [
    "Data",
    "FreeVariable",
    "ModelTerms",
    "Observed",
    "check_model",
    "decompose",
    "find_rows",
    "normal_sigmas",
    "shapes_must_agree",
]


def decompose(
    model: pm.Model,
    rows: Iterable[Variable] = (),
    random_seed: int | None = None,
    groups: Sequence[tuple[set[Variable], int]] = (),
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
        Roots whose first axis runs over the examples, from :func:`find_rows`. Empty: nothing is
        taken row by row.
    random_seed : int, optional
        Seed of random initial values, where the model asks for such.
    groups : sequence of (set of Variable, int), optional
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
    rows = set(rows)
    check_model(model)
    likelihood_data, n_found = find_likelihood_data(model)
    batch_outputs = {
        out: tensor
        for node in _nodes([*model.basic_RVs, *model.potentials, *model.rvs_to_values.values()])
        if isinstance(node.op, MinibatchOp)
        for out, tensor in zip(node.outputs, node.inputs, strict=False)
        if isinstance(tensor, TensorVariable)
    }
    observed_rvs, totals = [], []
    for rv in model.observed_RVs:
        scaled = rv.owner is not None and isinstance(rv.owner.op, MinibatchRandomVariable)
        observed_rvs.append(rv.owner.inputs[0] if scaled else rv)
        totals.append(rv.owner.inputs[1:] if scaled else [])
    values = [model.rvs_to_values[rv] for rv in model.observed_RVs]

    graphs = [*model.free_RVs, *observed_rvs, *model.potentials, *model.deterministics, *values]
    # Twice: first the batches of pm.Minibatch give way to whole data, then data to inputs.
    graphs = substitute(graphs, batch_outputs)
    observations = {unbatched_root(value) for value in values}
    data, replace = _inputs(model, graphs, rows, observations, groups)
    graphs = widen(substitute(graphs, replace))
    parts = iter(graphs)
    free_rvs = [next(parts) for _ in model.free_RVs]
    observed_rvs = [next(parts) for _ in model.observed_RVs]
    potentials = [next(parts) for _ in model.potentials]
    deterministics = [next(parts) for _ in model.deterministics]
    values = list(parts)
    row_inputs = {d.variable for d in data if d.per_example}
    in_groups = [{d.variable for d in data if d.group == g} for g in range(len(groups))]
    sampled = row_inputs.union(*in_groups)
    by_row = [bool(sampled & set(ancestors([value]))) for value in values]
    resized: dict[Variable, Variable] = {}
    for rv, value, per_example in zip(list(observed_rvs), values, by_row, strict=True):
        if per_example:  # in the model's order, as a later one may depend on an earlier one
            resized[rv] = _any_length(substitute([rv], resized)[0], value)
    graphs = substitute([*free_rvs, *potentials, *deterministics], resized)
    parts = iter(graphs)
    free_rvs = [next(parts) for _ in free_rvs]
    potentials = [next(parts) for _ in potentials]
    deterministics = list(parts)
    observed_rvs = [resized.get(rv, rv) for rv in observed_rvs]

    free_values = [model.rvs_to_values[rv] for rv in model.free_RVs]
    transforms = [wide_transform(model.rvs_to_transforms[rv]) for rv in model.free_RVs]
    rvs_to_values = dict(zip([*free_rvs, *observed_rvs], [*free_values, *values], strict=True))
    rvs_to_transforms = {
        **dict(zip(free_rvs, transforms, strict=True)),
        **dict.fromkeys(observed_rvs),
    }
    with shapes_must_agree(data):
        logps = transformed_conditional_logp(
            list(rvs_to_values), rvs_to_values=rvs_to_values, rvs_to_transforms=rvs_to_transforms
        )
        densities = list(logps)
        if any(transform is not None for transform in transforms):
            densities = transformed_conditional_logp(
                list(rvs_to_values),
                rvs_to_values=rvs_to_values,
                rvs_to_transforms=rvs_to_transforms,
                jacobian=False,
            )

    parameters = [
        tuple(rv.owner.op.dist_params(rv.owner)) if isinstance(rv.owner.op, RandomVariable) else ()
        for rv in free_rvs
    ]

    def by_values(graphs: list[Variable], but: Sequence[Variable] = ()) -> list[Variable]:
        known = {rv: value for rv, value in rvs_to_values.items() if rv not in but}
        transforms = {rv: rvs_to_transforms[rv] for rv in known}
        return replace_rvs_by_values(graphs, rvs_to_values=known, rvs_to_transforms=transforms)

    names = [v.name for v in (*model.observed_RVs, *model.deterministics)]
    chained = any(set(observed_rvs) & set(ancestors([v])) - {v} for v in observed_rvs)
    chained |= bool(set(observed_rvs) & set(ancestors(deterministics)))
    joint = by_values([*observed_rvs, *deterministics], but=observed_rvs) if chained else []
    flat = [parameter for own in parameters for parameter in own]
    parts = iter(by_values([*free_rvs, *potentials, *deterministics, *flat]))
    constrained = [next(parts) for _ in free_rvs]
    potentials = [next(parts) for _ in potentials]
    deterministics = [next(parts) for _ in deterministics]
    parameters = [tuple(next(parts) for _ in own) for own in parameters]
    observed_rvs = [by_values([rv], but=[rv])[0] for rv in observed_rvs]

    with indices_must_fit():
        start = initial_point(model, random_seed)
    free = [
        FreeVariable(
            name=model.free_RVs[i].name,
            value=free_values[i],
            start=np.asarray(start[free_values[i].name]),
            logp=logps[i],
            density=densities[i],
            constrained=constrained[i],
            family=family(rv.owner.op) if parameters[i] else None,
            parameters=parameters[i],
            transform=None if transforms[i] is None else type(transforms[i]),
        )
        for i, rv in enumerate(free_rvs)
    ]

    _check_belonging(free, model.observed_RVs, row_inputs, rows)
    observed_roots = [unbatched_root(model.rvs_to_values[rv]) for rv in model.observed_RVs]
    ratios = [
        [_ratio(size, length) for size, length in zip(own, numbers_of(root).shape, strict=False)]
        for own, root in zip(totals, observed_roots, strict=True)
    ]
    likelihood_data |= rows | set(model.observed_RVs)

    def uses_data(potential: Variable) -> bool:  # and not by way of a free variable's prior
        return bool(likelihood_data & set(ancestors([potential], blockers=model.free_RVs)))

    terms = [
        Term(rv.name, logp, float(np.prod(own)))
        for rv, logp, own in zip(model.observed_RVs, logps[len(free) :], ratios, strict=True)
    ]
    terms += [
        Term(original.name, potential, observed=False, prior=not uses_data(original))
        for original, potential in zip(model.potentials, potentials, strict=True)
    ]
    priors = [f.logp for f in free]
    fit = [
        group
        for group, inputs in zip(groups, in_groups, strict=True)
        if stand_apart(terms, priors, inputs, row_inputs)
    ]
    if len(fit) < len(groups):
        return decompose(model, rows, random_seed, fit, strict)
    suspects = ", ".join(f"'{d.name}' {d.value.shape}" for d in data if d.per_example)
    parted = [(inputs, n) for inputs, (_, n) in zip(in_groups, groups, strict=True)]
    found = sort_terms(terms, row_inputs, parted, suspects, strict)
    observed = [
        Observed(
            name=term.name,
            rv=rv,
            value=value,
            logp=term.logp,
            per_example=term.name in found.by_rows,
            multiplier=term.multiplier,
            root=root,
            n=length_of(root) or 1,
            total=round((length_of(root) or 1) * (own or [1.0])[0]),
        )
        for term, rv, value, root, own in zip(
            terms, observed_rvs, values, observed_roots, ratios, strict=False
        )
    ]
    zero = pt.constant(0.0)
    n_rows = next((d.value.shape[0] for d in data if d.per_example), None)
    return ModelTerms(
        model=model,
        free=tuple(free),
        data=tuple(data),
        observed=tuple(observed),
        row_logp=merge(pt.add(*found.rows, zero)) if found.rows else None,
        row_density=pt.add(*found.densities, zero) if found.densities else None,
        rest_logp=pt.add(*found.rest, zero) if found.rest else zero,
        potential_logp=pt.add(*found.prior, zero) if found.prior else zero,
        potentials=dict(zip([p.name for p in model.potentials], potentials, strict=True)),
        deterministics=dict(
            zip([d.name for d in model.deterministics], deterministics, strict=True)
        ),
        n_rows=n_rows,
        n_found=n_found,
        unsure=found.unsure,
        dims={k: v for k, v in model.named_vars_to_dims.items() if v and None not in v},
        coords={k: list(v) for k, v in model.coords.items() if v is not None},
        joint=dict(zip(names, joint, strict=True)) if chained else {},
    )


def normal_sigmas(
    terms: ModelTerms, values: Mapping[str, np.ndarray], dtype: str
) -> dict[str, np.ndarray]:
    """Evaluate the prior σ of every free variable with an untransformed Normal prior.

    Parameters
    ----------
    terms : ModelTerms
        The model.
    values : mapping from str to numpy.ndarray
        Unconstrained value of each free variable, at which its descendants' σ are taken.
    dtype : {"float32", "float64"}
        Precision; call it inside :func:`pymc_bnn.runtime.precision.precision`.

    Returns
    -------
    dict from str to numpy.ndarray
        σ by variable, broadcastable to it.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu", 0, 3), observed=np.zeros(4))
    >>> float(normal_sigmas(decompose(model), {"mu": np.array(0.0)}, "float32")["mu"])
    3.0
    """
    normal = {f.name: f.normal[1] for f in terms.free if f.normal is not None}
    function = jaxify([*terms.values, *terms.inputs], list(normal.values()), dtype)
    sigmas = function(*(values[f.name] for f in terms.free), *terms.arrays().values())
    return {name: np.asarray(s) for name, s in zip(normal, sigmas, strict=True)}


def _ratio(total: Variable, length: int) -> float:
    """Return how many rows of all that `total_size` names one row of an axis stands for."""
    known = isinstance(total, Constant) and total.data is not None
    return float(total.data) / length if known else 1.0


def _any_length(rv: TensorVariable, value: TensorVariable) -> TensorVariable:
    """Rebuild an observed variable whose size PyMC fixed to the number of rows observed."""
    batch_ndim = rv.ndim - rv.owner.op.ndim_supp
    return change_dist_size(rv, [value.shape[i] for i in range(batch_ndim)]) if batch_ndim else rv


@contextmanager
def shapes_must_agree(data: Iterable[Data]) -> Iterator[None]:
    """Turn errors of PyTensor and JAX about shapes into one that lists the model's data.

    Examples
    --------
    >>> with shapes_must_agree([]):
    ...     pass
    """
    try:
        yield
    except (ValueError, TypeError, AssertionError) as error:
        shapes = ", ".join(f"'{d.name}' {d.value.shape}" for d in data)
        raise invalid(
            "model",
            "have data and observed variables whose shapes agree",
            f"{shapes} ({first_line(error)})",
            "pass as many rows of each, and a likelihood of the shape observed",
        ) from error


def check_model(model: pm.Model) -> None:
    """Raise unless a model has continuous free variables and something observed.

    Raises
    ------
    ValueError, TypeError
        If not, or if it is no PyMC model.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> check_model(model)
    """
    if not isinstance(model, pm.Model):
        raise invalid(
            "model", "be a pymc.Model", repr(model), "pass the model, or call inside it", TypeError
        )
    if model.discrete_value_vars:
        names = [v.name for v in model.discrete_value_vars]
        raise invalid(
            "model",
            "have continuous free variables only",
            f"discrete {names}",
            "marginalise them (pm.Mixture, …) or use pm.sample",
        )
    if not model.free_RVs:
        raise invalid("model", "have free variables", "none", "give some parameter a prior")
    if not model.observed_RVs and not model.potentials:
        raise invalid(
            "model", "have observed variables", "none", "pass observed= to the likelihood"
        )


def _check_belonging(
    free: list[FreeVariable],
    observed: Sequence[Variable],
    row_inputs: set[Variable],
    rows: set[Variable],
) -> None:
    """Refuse free variables of examples, which a minibatch would leave out of step."""
    if not rows:
        return
    lost = [f.name for f in free if row_inputs & set(ancestors([f.logp]))]
    names = {o.name for o in observed}
    lost += [f.name for f in free if f"{f.name.removesuffix('unobserved')}observed" in names]
    if lost:
        raise invalid(
            "batch_size",
            "be None where free variables belong to examples (missing values, an effect per row)",
            f"minibatches of a model with {lost}",
            "pass batch_size=None",
        )


def _inputs(
    model: pm.Model,
    graphs: Sequence[Variable],
    rows: set[Variable],
    observations: set[Variable],
    groups: Sequence[tuple[set[Variable], int]],
) -> tuple[list[Data], dict[Variable, Variable]]:
    """Turn data into graph inputs: shared variables, observations, constants of the examples."""
    data: list[Data] = []
    replace: dict[Variable, Variable] = {}
    lengths = set(model.dim_lengths.values())
    for root in data_roots(graphs):
        if root in lengths and root.name not in model.named_vars:
            replace[root] = pt.constant(root.get_value())
            continue
        group = next((i for i, (roots, _) in enumerate(groups) if root in roots), None)
        known = root in rows | observations or group is not None
        if isinstance(root, TensorConstant) and not known:
            continue
        value = within_int32(numbers_of(root))
        if value.size == 0 and root in observations:
            rule, repair = "have at least one observed value", "check the data"
            raise invalid("model", rule, f"'{root.name}' of shape {value.shape}", repair)
        name = root.name or array_name(model, root)
        if name in {d.name for d in data}:
            name = f"{name}_{len(data)}"
        bound = isinstance(root, TensorConstant) and root not in observations
        # A constant of the model may be infinite: a bound, a mask.
        check_finite(name, np.where(np.isinf(value), 0.0, value) if bound else value)
        sampled = root in rows or group is not None
        static = (None, *value.shape[1:]) if sampled else value.shape
        replace[root] = pt.tensor(name, dtype=value.dtype, shape=static)
        columns = columns_of(root, model)
        data.append(Data(name, replace[root], value, root in rows, root, group, columns))
    return data, replace


def _nodes(graphs: Iterable[Variable]) -> list:
    return list(dict.fromkeys(v.owner for v in ancestors(list(graphs)) if v.owner is not None))
