"""A PyMC model taken apart: free variables, data, and the terms of its log-density as graphs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.data import MinibatchOp
from pymc.distributions.shape_utils import change_dist_size
from pymc.logprob.basic import transformed_conditional_logp
from pymc.logprob.utils import replace_rvs_by_values
from pymc.variational.minibatch_rv import MinibatchRandomVariable
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.basic import NormalRV
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.sharedvar import TensorSharedVariable
from pytensor.tensor.variable import TensorConstant, TensorVariable

from pymc_bnn._checks import check_finite, invalid
from pymc_bnn.start_values import family
from pymc_bnn.to_jax import lift, merge, substitute

__all__ = [
    "Data",
    "Free",
    "Observed",
    "Terms",
    "check_model",
    "decompose",
    "find_rows",
    "normal_sigmas",
    "shapes_must_agree",
]


@dataclass(frozen=True)
class Free:
    """A free variable of the model, in its unconstrained space."""

    name: str
    value: TensorVariable  # the unconstrained value, a root of every graph here
    start: np.ndarray  # initial value, unconstrained
    logp: TensorVariable  # elementwise log-prior, Jacobian of the transform included
    density: TensorVariable  # the same without the Jacobian: of the variable in its own space
    constrained: TensorVariable  # the variable itself as an expression of `value`
    family: type | None  # the op of its prior, where that is an elementary distribution
    parameters: tuple[TensorVariable, ...]  # of that op, as expressions of values and data
    transform: type | None  # of the constrained variable to `value`

    @property
    def spread(self) -> float:
        """Standard deviation of the initial values; 0 where all are equal."""
        # Rounding gives equal numbers a tiny one.
        return float(np.std(self.start)) if self.start.size and np.ptp(self.start) > 0 else 0.0

    @property
    def normal(self) -> tuple[TensorVariable, TensorVariable] | None:
        """(mu, sigma) of an untransformed Normal prior; None for any other."""
        is_normal = self.family is not None and issubclass(self.family, NormalRV)
        return self.parameters if is_normal and self.transform is None else None


@dataclass(frozen=True)
class Data:
    """An array of numbers of the model, as an input of its graphs."""

    name: str
    variable: TensorVariable  # the input
    value: np.ndarray
    per_example: bool  # the first axis runs over the examples
    root: Variable  # the shared variable or constant of the model


@dataclass(frozen=True)
class Observed:
    """An observed variable."""

    name: str
    rv: TensorVariable  # the random variable; its parameters are expressions of values and data
    value: TensorVariable  # what was observed, an expression of the data
    logp: TensorVariable  # elementwise log-likelihood
    per_example: bool
    multiplier: float  # `total_size` over the number of rows, where `pm.Minibatch` was used
    root: Variable  # the data behind `value`, before casts
    n: int  # its number of rows, 1 for a scalar


@dataclass(frozen=True)
class Terms:
    """Everything that a fit needs to know of a model; made by :func:`decompose`."""

    model: pm.Model
    free: tuple[Free, ...]
    data: tuple[Data, ...]
    observed: tuple[Observed, ...]
    row_logp: TensorVariable | None  # (rows,) log-likelihood of each example, scaled to total_size
    row_density: TensorVariable | None  # (rows,) log-density of each example, unscaled
    rest_logp: TensorVariable  # () log-likelihood that does not come row by row
    potential_logp: TensorVariable  # () potentials that no example belongs to
    deterministics: dict[str, TensorVariable]  # named expressions of values and data
    n_rows: int | None  # the number of examples taken row by row; None where nothing is
    dims: dict[str, tuple[str, ...]]  # of the model's variables, where all are named
    coords: dict[str, list]  # as they were when the model was taken apart

    @property
    def values(self) -> list[TensorVariable]:
        """Unconstrained values, in the model's order."""
        return [f.value for f in self.free]

    @property
    def inputs(self) -> list[TensorVariable]:
        """Data inputs, in order."""
        return [d.variable for d in self.data]

    @property
    def n_observed(self) -> int:
        """The largest number of examples, or `total_size`, of an observed variable; at least 1."""
        return round(max([o.n * o.multiplier for o in self.observed], default=1))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the data's values by name."""
        return {d.name: d.value for d in self.data}


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
        default the examples' dimension is the first one of the observed variables: by name where
        dims were given, otherwise by length.

    Returns
    -------
    roots : set of Variable
        Shared variables and constants whose first axis runs over the examples.
    n : int
        The number of examples.

    Raises
    ------
    ValueError
        If the observed variables disagree on the number of examples, or a name is unknown.

    Examples
    --------
    >>> with pm.Model(coords={"obs": range(4)}) as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4), dims="obs")
    >>> find_rows(model)[1]
    4
    """
    values = {rv.name: _unbatched_root(model.rvs_to_values[rv]) for rv in model.observed_RVs}
    first_dim = {
        name: dims[0] for name, dims in model.named_vars_to_dims.items() if dims and dims[0]
    }
    graphs = [*model.observed_RVs, *model.potentials, *model.rvs_to_values.values()]
    direct = set(_roots(graphs, blockers=model.free_RVs))  # not by way of a free variable's prior
    roots = [r for r in _roots(graphs) if r in direct or isinstance(r, SharedVariable)]
    named = {**{r.name: r for r in roots if r.name in model.named_vars}, **values}
    if rows is not None:
        if not isinstance(rows, str | list | tuple | set):
            repair = f"use some of {sorted(named)}"
            raise invalid("rows", "be a name or names", repr(rows), repair, TypeError)
        names = [rows] if isinstance(rows, str) else list(rows)
        if isinstance(rows, str) and rows in model.coords:
            names = [name for name in named if first_dim.get(name) == rows]
        unknown = [name for name in names if name not in named]
        if unknown or not names:
            raise invalid(
                "rows",
                "name a dimension, or data and observed variables of the model",
                rows if isinstance(rows, str) else unknown,
                f"use some of {sorted(named)}",
            )
        chosen = {named[name] for name in names}
        lengths = {name: _length(named[name]) for name in names}
        if len(set(lengths.values())) > 1:
            raise invalid(
                "rows", "name data of one length", lengths, "check the data or name other data"
            )
        return chosen, next(iter(lengths.values()))

    lengths = {name: _length(root) for name, root in values.items() if _length(root)}
    if not lengths or len(set(lengths.values())) > 1:
        raise invalid(
            "rows",
            "be given where the observed variables have different numbers of rows",
            lengths or "no observed variable with rows",
            "name the dimension or the data to batch over, or pass batch_size=None",
        )
    n = next(iter(lengths.values()))
    row_dims = {first_dim[name] for name in values if name in first_dim}
    chosen = set(values.values())
    for root in roots:
        dim = first_dim.get(root.name)
        if dim is not None and row_dims:
            belongs = dim in row_dims
        else:
            belongs = _length(root) == n
        if belongs:
            chosen.add(root)
    return chosen, n


def decompose(
    model: pm.Model, rows: Iterable[Variable] = (), random_seed: int | None = None
) -> Terms:
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

    Returns
    -------
    Terms
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
        totals.append(rv.owner.inputs[1] if scaled else None)
    values = [model.rvs_to_values[rv] for rv in model.observed_RVs]

    graphs = [*model.free_RVs, *observed_rvs, *model.potentials, *model.deterministics, *values]
    # Twice: first the batches of pm.Minibatch give way to whole data, then data to inputs.
    graphs = substitute(graphs, batch_outputs)
    observations = {_unbatched_root(value) for value in values}
    data, replace = _inputs(model, graphs, rows, observations)
    graphs = substitute(graphs, replace)
    parts = iter(graphs)
    free_rvs = [next(parts) for _ in model.free_RVs]
    observed_rvs = [next(parts) for _ in model.observed_RVs]
    potentials = [next(parts) for _ in model.potentials]
    deterministics = [next(parts) for _ in model.deterministics]
    values = list(parts)
    row_inputs = {d.variable for d in data if d.per_example}
    by_row = [bool(row_inputs & set(ancestors([value]))) for value in values]
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
    transforms = [model.rvs_to_transforms[rv] for rv in model.free_RVs]
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

    def by_values(graphs: list[Variable], but: Variable | None = None) -> list[Variable]:
        known = {rv: value for rv, value in rvs_to_values.items() if rv is not but}
        transforms = {rv: rvs_to_transforms[rv] for rv in known}
        return replace_rvs_by_values(graphs, rvs_to_values=known, rvs_to_transforms=transforms)

    flat = [parameter for own in parameters for parameter in own]
    parts = iter(by_values([*free_rvs, *potentials, *deterministics, *flat]))
    constrained = [next(parts) for _ in free_rvs]
    potentials = [next(parts) for _ in potentials]
    deterministics = [next(parts) for _ in deterministics]
    parameters = [tuple(next(parts) for _ in own) for own in parameters]
    observed_rvs = [by_values([rv], but=rv)[0] for rv in observed_rvs]

    start = model.initial_point(random_seed=random_seed)
    free = [
        Free(
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

    observed = []
    for rv, value, logp, total, original, per_example in zip(
        observed_rvs, values, logps[len(free) :], totals, model.observed_RVs, by_row, strict=True
    ):
        root, multiplier = _unbatched_root(model.rvs_to_values[original]), 1.0
        if isinstance(total, Constant) and total.data is not None:
            multiplier = float(total.data) / _length(root)
        n = _length(root) or 1
        observed.append(Observed(original.name, rv, value, logp, per_example, multiplier, root, n))

    _check_belonging(free, observed, row_inputs, rows)
    row_densities = [_by_row(o.name, o.logp) for o in observed if o.per_example]
    multipliers = [o.multiplier for o in observed if o.per_example]
    row_terms = [d * m for d, m in zip(row_densities, multipliers, strict=True)]
    rest_terms = [o.logp.sum() * o.multiplier for o in observed if not o.per_example]
    potential_terms = []
    for original, potential in zip(model.potentials, potentials, strict=True):
        if row_inputs & set(ancestors([potential])):
            row_terms.append(_by_row(original.name, potential))
        else:
            potential_terms.append(potential.sum())
    zero = pt.constant(0.0)
    n_rows = next((d.value.shape[0] for d in data if d.per_example), None)
    return Terms(
        model=model,
        free=tuple(free),
        data=tuple(data),
        observed=tuple(observed),
        row_logp=merge(pt.add(*row_terms, zero)) if row_terms else None,
        row_density=pt.add(*row_densities, zero) if row_densities else None,
        rest_logp=pt.add(*rest_terms, zero) if rest_terms else zero,
        potential_logp=pt.add(*potential_terms, zero) if potential_terms else zero,
        deterministics=dict(
            zip([d.name for d in model.deterministics], deterministics, strict=True)
        ),
        n_rows=n_rows,
        dims={k: v for k, v in model.named_vars_to_dims.items() if v and None not in v},
        coords={k: list(v) for k, v in model.coords.items() if v is not None},
    )


def normal_sigmas(
    terms: Terms, values: Mapping[str, np.ndarray], dtype: str
) -> dict[str, np.ndarray]:
    """Evaluate the prior σ of every free variable with an untransformed Normal prior.

    Parameters
    ----------
    terms : Terms
        The model.
    values : mapping from str to numpy.ndarray
        Unconstrained value of each free variable, at which its descendants' σ are taken.
    dtype : {"float32", "float64"}
        Precision; call it inside :func:`pymc_bnn.to_jax.precision`.

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
    function = lift([*terms.values, *terms.inputs], list(normal.values()), dtype)
    sigmas = function(*(values[f.name] for f in terms.free), *terms.arrays().values())
    return {name: np.asarray(s) for name, s in zip(normal, sigmas, strict=True)}


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
            f"{shapes} ({str(error).splitlines()[0]})",
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
    free: list[Free], observed: list[Observed], row_inputs: set[Variable], rows: set[Variable]
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


def _by_row(name: str, logp: TensorVariable) -> TensorVariable:
    """Sum an elementwise log-likelihood over all axes but the first."""
    if logp.ndim == 0:
        raise invalid(
            "batch_size",
            "be None where the likelihood does not come apart by example",
            f"one number for all rows of '{name}'",
            "pass batch_size=None, or give the term one value per row",
        )
    return logp.sum(axis=tuple(range(1, logp.ndim))) if logp.ndim > 1 else logp


def _inputs(
    model: pm.Model,
    graphs: Sequence[Variable],
    rows: set[Variable],
    observations: set[Variable],
) -> tuple[list[Data], dict[Variable, Variable]]:
    """Turn data into graph inputs: shared variables, observations, constants of the examples."""
    data: list[Data] = []
    replace: dict[Variable, Variable] = {}
    lengths = set(model.dim_lengths.values())
    for root in _roots(graphs):
        if root in lengths and root.name not in model.named_vars:
            replace[root] = pt.constant(root.get_value())
            continue
        if isinstance(root, TensorConstant) and root not in rows | observations:
            continue
        value = _numbers(root)
        if value.size == 0 and root in observations:
            rule, repair = "have at least one observed value", "check the data"
            raise invalid("model", rule, f"'{root.name}' of shape {value.shape}", repair)
        name = root.name if root.name else f"constant_{len(data)}"
        if name in {d.name for d in data}:
            name = f"{name}_{len(data)}"
        bound = isinstance(root, TensorConstant) and root not in observations
        # A constant of the model may be infinite: a bound, a mask.
        check_finite(name, np.where(np.isinf(value), 0.0, value) if bound else value)
        static = (None, *value.shape[1:]) if root in rows else value.shape
        replace[root] = pt.tensor(name, dtype=root.type.dtype, shape=static)
        data.append(Data(name, replace[root], value, root in rows, root))
    return data, replace


def _roots(graphs: Iterable[Variable], blockers: Iterable[Variable] = ()) -> list[Variable]:
    """Shared tensors, and constants with at least one axis, in a stable order."""
    found = []
    for v in ancestors(list(graphs), blockers=list(blockers)):
        shared = isinstance(v, TensorSharedVariable)
        constant = isinstance(v, TensorConstant) and v.ndim > 0
        if (shared or constant) and v not in found:
            found.append(v)
    return found


def _nodes(graphs: Iterable[Variable]) -> list:
    return list(dict.fromkeys(v.owner for v in ancestors(list(graphs)) if v.owner is not None))


def _unbatched_root(value: Variable) -> Variable:
    """Find the data behind an observed value: itself, or what casts and minibatches come from."""
    while value.owner is not None:
        node = value.owner
        if isinstance(node.op, MinibatchOp):
            value = node.inputs[node.outputs.index(value)]
        else:
            value = node.inputs[0]
    return value


def _numbers(root: Variable) -> np.ndarray:
    value = root.get_value(borrow=True) if isinstance(root, SharedVariable) else root.data
    return np.asarray(value)


def _length(root: Variable) -> int | None:
    value = _numbers(root)
    return value.shape[0] if value.ndim else None
