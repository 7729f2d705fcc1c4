"""What a prediction is asked for: which data, and which variables they are enough for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.subtensor import AdvancedSubtensor

from pymc_bnn._checks import check_int, invalid
from pymc_bnn._warnings import warn
from pymc_bnn.data.arrays import ArraySpec, Origin, read_arrays
from pymc_bnn.graphs.sizes import resize
from pymc_bnn.graphs.substitute import substitute
from pymc_bnn.model.decompose import decompose
from pymc_bnn.model.problem import Problem
from pymc_bnn.model.terms import Data, ModelTerms, Observed
from pymc_bnn.posterior.base import Posterior

__all__ = [
    "Request",
    "changed_data",
    "check_prediction",
    "not_enough",
    "row_groups",
    "terms_for",
    "warn_of_changed_data",
    "warn_of_one_draw",
]

NEW_DATA, SET_DATA = Origin("new_data"), Origin("pm.set_data")


@dataclass(frozen=True)
class Request:
    """The data that predictions are asked for.

    Examples
    --------
    >>> Request({}, None, asked=False).key
    (None, frozenset(), False)
    """

    values: dict[str, np.ndarray]  # in place of those of the fit
    rows: frozenset[str] | None  # whose rows are new; None: those of the fit
    asked: bool  # by an argument of the user, not by pm.set_data
    origin: Origin = NEW_DATA

    @property
    def key(self) -> Any:
        """What the programs depend on."""
        return self.rows, frozenset(self.values), self.asked

    @classmethod
    def of(
        cls, problem: Problem, new_data: Mapping[str, Any] | None, origin: Origin = NEW_DATA
    ) -> Request:
        """Read and check `new_data`; None stands for the data that the model holds now.

        `origin` is what errors call it.

        Examples
        --------
        >>> import pymc as pm
        >>> with pm.Model() as model:
        ...     x = pm.Data("x", np.zeros(4))
        ...     y = pm.Normal("y", pm.Normal("b") * x, observed=np.zeros(4))
        >>> problem = Problem.of(decompose(model), None, "float32")
        >>> pm.set_data({"x": np.ones(3)}, model=model)
        >>> Request.of(problem, None).values
        {'x': array([1., 1., 1.], dtype=float32)}
        """
        terms = problem.for_predictions
        changed = changed_data(terms)
        if new_data is not None:
            if not isinstance(new_data, Mapping) or not new_data:
                kind = type(new_data).__name__
                got = "an empty one" if isinstance(new_data, Mapping) else kind
                rule = "be a dictionary of the model's data"
                repair = f"pass some of {[d.name for d in terms.data]} by name"
                raise invalid(str(origin), rule, got, repair, TypeError)
            given = _read(problem, new_data, origin)
            with_rows = set().union(*row_groups(terms).values())
            others = {k: v for k, v in changed.items() if k not in with_rows and k not in given}
            others = _read(problem, others, SET_DATA)
            return cls({**others, **given}, frozenset(given), True, origin)
        values = _read(problem, changed, SET_DATA)
        lengths = {d.name: len(d.value) for d in terms.data if d.value.ndim}
        longer = {name for name, v in values.items() if v.ndim and len(v) != lengths[name]}
        if not longer:
            return cls(values, None, False, SET_DATA)
        stale = {
            name
            for group in row_groups(terms).values()
            if group & longer
            for name in group - longer
            if lengths[name] not in {len(values[k]) for k in group & longer}
        }
        values = {d.name: values.get(d.name, d.value) for d in terms.data if d.name not in stale}
        return cls(values, frozenset(values), False, SET_DATA)


def changed_data(terms: ModelTerms) -> dict[str, np.ndarray]:
    """Return the data that `pm.set_data` changed since the model was taken apart.

    Examples
    --------
    >>> import pymc as pm
    >>> with pm.Model() as model:
    ...     x = pm.Data("x", np.zeros(4))
    ...     y = pm.Normal("y", pm.Normal("b") * x, observed=np.zeros(4))
    >>> changed_data(decompose(model))
    {}
    """
    shared = [(d, d.root) for d in terms.data if isinstance(d.root, SharedVariable)]
    now = {d.name: (d.value, np.asarray(root.get_value(borrow=True))) for d, root in shared}
    return {
        name: value
        for name, (old, value) in now.items()
        if value is not old and not np.array_equal(value, old)
    }


def warn_of_changed_data(
    terms: ModelTerms, what: str, graphs: Sequence[Variable] | None = None, rows: bool = True
) -> None:
    """Warn that a figure is of the data of the fit, where the model holds other data now.

    Of the data that `graphs` depend on, if given; without those of the examples if not `rows`.

    Examples
    --------
    >>> import pymc as pm
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> warn_of_changed_data(decompose(model), "elbo")
    """
    changed = changed_data(terms)
    behind = None if graphs is None else set(ancestors(list(graphs)))
    names = [
        d.name
        for d in terms.data
        if d.name in changed
        and (behind is None or d.variable in behind)
        and (rows or not d.per_example)
    ]
    if names:
        warn(f"{what} is of the data of the fit: pm.set_data has changed {names} since")


def warn_of_one_draw(draws: int, has_values: bool) -> None:
    """Warn that one draw has no standard deviation.

    Examples
    --------
    >>> warn_of_one_draw(2, True)
    """
    if draws == 1 and has_values:
        warn("one draw has no spread: std is NaN; pass draws=100, say")


def row_groups(terms: ModelTerms) -> dict[str, set[str]]:
    """Return for each observed variable the names of the data that have its rows.

    Examples
    --------
    >>> import pymc as pm
    >>> with pm.Model() as model:
    ...     x = pm.Data("x", np.zeros(4))
    ...     y = pm.Normal("y", pm.Normal("b") * x, observed=np.zeros(4))
    >>> sorted(row_groups(decompose(model))["y"])
    ['x', 'y']
    """
    groups = {}
    for o in terms.observed:
        behind = set(ancestors([o.rv, o.value, terms.joint.get(o.name, o.rv)]))
        groups[o.name] = {d.name for d in terms.data if d.variable in behind and _is_of(d, o)}
    return groups


def _is_of(data: Data, observed: Observed) -> bool:
    """Tell whether data have a row for each row of an observed variable."""
    if observed.per_example:
        return data.per_example
    return data.value.ndim > 0 and len(data.value) == observed.n


def terms_for(terms: ModelTerms, request: Request, seed: int | None = None) -> ModelTerms:
    """Return a model's parts with those data taken by rows whose rows are new.

    Where the model cannot be taken apart by rows, because free variables or one term belong to all
    of them, parts for predictions only are returned: without a density.

    Examples
    --------
    >>> import pymc as pm
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> request = Request({"y": np.zeros(2)}, frozenset({"y"}), asked=True)
    >>> terms_for(decompose(model), request).n_rows
    4
    """
    if request.rows is None:
        return terms
    lengths = {d.name: len(d.value) for d in terms.data if d.value.ndim}
    by_row = {d.name for d in terms.data if d.per_example}
    moved = {
        name
        for name in request.rows
        if request.values[name].ndim and len(request.values[name]) != lengths[name]
    }
    groups = row_groups(terms).values()
    asked = request.rows if request.asked else moved
    names = set().union(moved, *(group for group in groups if group & asked))
    if names <= by_row:
        return terms
    imputed = _fully_observed(terms)
    if imputed is not None:
        groups = row_groups(imputed).values()
        names = set().union(moved, *(group for group in groups if group & asked))
        return _free_length(imputed, names)
    try:
        return decompose(terms.model, {d.root for d in terms.data if d.name in names | by_row})
    except (ValueError, NotImplementedError):
        return _free_length(terms, names)


def _free_length(terms: ModelTerms, names: set[str]) -> ModelTerms:
    """Let some data have any number of rows, for predictions only."""
    data = [replace(d, per_example=d.per_example or d.name in names) for d in terms.data]
    swap = {
        d.variable: pt.TensorType(d.variable.dtype, (None, *d.value.shape[1:]))(d.name)
        for d in data
        if d.per_example
    }
    data = [replace(d, variable=swap.get(d.variable, d.variable)) for d in data]
    graphs = [*(o.rv for o in terms.observed), *(o.value for o in terms.observed)]
    known = terms.deterministics
    parts = iter(substitute([*graphs, *known.values(), *terms.joint.values()], swap))
    rvs, values = [next(parts) for _ in terms.observed], [next(parts) for _ in terms.observed]
    new = set(swap.values())
    observed = []
    for o, rv, value in zip(terms.observed, rvs, values, strict=True):
        per_example = bool(new & set(ancestors([rv, value])))
        observed.append(replace(o, rv=rv, value=value, per_example=per_example))
    deterministics = {name: next(parts) for name in known}
    joint = {name: next(parts) for name in terms.joint}
    resized: dict[Variable, Variable] = {}
    for o in observed:  # in the model's order, as a later one may depend on an earlier one
        if o.name in joint and o.per_example:
            [rv] = substitute([joint[o.name]], resized)
            size = [o.value.shape[i] for i in range(rv.ndim - rv.owner.op.ndim_supp)]
            resized[joint[o.name]] = resize(rv, size) if size else rv
    joint = dict(zip(joint, substitute(list(joint.values()), resized), strict=True))
    return replace(
        terms,
        data=tuple(data),
        observed=tuple(observed),
        deterministics=deterministics,
        joint=joint,
        row_logp=None,
        row_density=None,
        n_rows=next((len(d.value) for d in data if d.per_example), None),
    )


def _fully_observed(terms: ModelTerms) -> ModelTerms | None:
    """Undo the split of variables with missing values; None where there are none of one axis.

    PyMC makes two variables of one, with parameters ``mu[observed]`` and ``mu[missing]``. Of new
    rows neither is asked for but the variable itself, under its own name.
    """
    observed, found = [], False
    free = {f.name for f in terms.free}
    for o in terms.observed:
        name = o.name.removesuffix("_observed")
        if name == o.name or f"{name}_unobserved" not in free or o.rv.ndim != 1:
            observed.append(o)
            continue
        masks = {}
        for v in ancestors([o.rv]):
            node = v.owner
            if node is None or not isinstance(node.op, AdvancedSubtensor) or len(node.inputs) != 2:
                continue
            index = node.inputs[1]
            if isinstance(index, Constant) and index.dtype == "bool" and index.ndim == 1:
                masks[v] = index.data
        n = len(next(iter(masks.values()), ())) or o.n
        [rv] = substitute([o.rv], {v: v.owner.inputs[0] for v in masks})
        value = pt.TensorType(o.value.dtype, (n,))(f"{name}_rows")
        observed.append(replace(o, name=name, rv=rv, value=value, n=n))
        found = True
    names = {o.name for o in observed}
    known = {k: v for k, v in terms.deterministics.items() if k not in names}
    terms = replace(terms, observed=tuple(observed), deterministics=known, joint={})
    return terms if found else None


def _read(problem: Problem, new_data: Mapping[str, Any], origin: Origin) -> dict[str, np.ndarray]:
    """Return data in place of the model's, after all checks of names and arrays."""
    specs = {d.name: ArraySpec.of(d, problem.dtype) for d in problem.for_predictions.data}
    unknown = [name for name in new_data if name not in specs]
    if unknown:
        repair = f"choose from {sorted(specs)}, or hold it in the model as pm.Data"
        raise invalid(str(origin), "name data of the model", unknown, repair)
    return read_arrays(specs, new_data, origin)


def not_enough(terms: ModelTerms, request: Request, missing: Sequence[str]) -> Exception:
    """Build the error for rows that predictions need and that were not given."""
    origin = str(request.origin)
    if not request.asked:
        got = f"new rows of {sorted(request.rows or ())} alone"
        rule = "set all data of the same rows that predictions need"
        return invalid(origin, rule, got, f"set {list(missing)}, too")
    unnamed = [name for name in missing if name not in terms.model.named_vars]
    hint = ""
    if unnamed:
        varying = sorted({d.name for d in terms.data if d.per_example} - set(unnamed))
        hint = f", or make pm.Data of the arrays behind {unnamed} in the model, or, if these have"
        hint += f" as many entries as there are rows by coincidence, fit with rows={varying}"
    return invalid(
        origin,
        "hold all data that vary per example and that predictions need",
        f"only {sorted(request.rows or ())}",
        f"add {list(missing)}" + hint,
    )


def check_prediction(draws: Any, batch_size: Any, at: Any, posterior: Posterior) -> tuple[int, int]:
    """Return draws and batch size of a prediction from a posterior, after all checks.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> check_prediction(100, 256, "mean", bnn.fit(model, steps=1, progressbar=False).posterior)
    (100, 256)
    """
    draws = check_int("draws", draws, 1, None, "pass draws=100")
    batch_size = check_int("batch_size", batch_size, 1, None, "pass batch_size=256")
    if at not in ("draws", "mean"):
        raise invalid("at", 'be "draws" or "mean"', repr(at), "choose one of them")
    if at == "mean":
        posterior.center()  # or say that there is none
    return draws, batch_size
