"""A problem as it is saved: its model, which of its data have rows, and what is not there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pymc as pm
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable

from pymc_bnn._checks import invalid
from pymc_bnn.graphs.interpreted import building
from pymc_bnn.model.columns import columns_of
from pymc_bnn.model.decompose import divide
from pymc_bnn.model.problem import Problem
from pymc_bnn.model.roots import data_roots, numbers_of
from pymc_bnn.model.terms import ModelTerms, Sample
from pymc_bnn.model.undivided import Undivided
from pymc_bnn.saved_fits.arrays import Store
from pymc_bnn.saving.arrays import digest_of
from pymc_bnn.saving.definitions import definitions, differences
from pymc_bnn.saving.models import (
    is_absent,
    label_from_json,
    label_to_json,
    model_from_json,
    model_to_json,
)
from pymc_bnn.saving.ops import CannotWriteError

__all__ = [
    "GivenModel",
    "SavedModel",
    "check_built",
    "problem_from_json",
    "problem_to_json",
    "write_model",
]

Json = dict[str, Any]


@dataclass(frozen=True)
class SavedModel:
    """A model's graph as it is saved, or why it is not.

    Examples
    --------
    >>> SavedModel(None, "it is made of functions").graph is None
    True
    """

    graph: Json | None
    why: str = ""


def write_model(problem: Problem, store: Store, data: bool) -> SavedModel:
    """Describe the graph of a problem's model; its arrays go to the store.

    Parameters
    ----------
    problem : Problem
        Whose model it is.
    store : Store
        Of arrays.
    data : bool
        Whether the data of rows are written.

    Returns
    -------
    SavedModel
        Without a graph where the model has parts that no file may hold.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> problem = Problem.of(decompose(model), None, "float32")
    >>> sorted(write_model(problem, Store(), False).graph["variables"])
    ['mu', 'y']
    """
    try:
        rows = with_rows(problem)
        written, arrays = model_to_json(problem.model, set() if data else rows)
        with building():
            model_from_json(written, arrays)  # what cannot be read back is not written
    except (CannotWriteError, NotImplementedError, TypeError, ValueError) as error:
        return SavedModel(None, str(error).splitlines()[0][:500])
    store.update(arrays)
    return SavedModel(written)


def problem_to_json(problem: Problem, store: Store, data: bool) -> Json:
    """Describe a problem beside its graph: what has rows, shapes, columns, what each variable is.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> problem_to_json(Problem.of(decompose(model), None, "float32"), Store(), False)["n"]
    9
    """
    roots = _roots(Undivided(problem.model, start={}))
    absent = with_rows(problem)
    for f in problem.terms.free:
        store.add(f"start/{f.name}", f.start)
    terms, by_rows = problem.terms, problem.row_terms
    return {
        "dtype": problem.dtype,
        "n": int(problem.n),
        "streamed": bool(problem.streamed),
        "data_saved": bool(data and not problem.terms.incomplete),
        "terms": _terms_to_json(terms, roots),
        "row_terms": "terms" if by_rows is terms else by_rows and _terms_to_json(by_rows, roots),
        "roots": [_root_to_json(problem, root, root in absent) for root in roots],
        "variables": definitions(problem.model, _shapes(terms, roots), absent),
        "coords": {k: len(v) for k, v in terms.coords.items()},
    }


def problem_from_json(written: Json, arrays: Mapping[str, np.ndarray], model: pm.Model) -> Problem:
    """Return a problem as it was saved, of its own model or of an equal one.

    Parameters
    ----------
    written : dict
        From :func:`problem_to_json`.
    arrays : mapping from str to numpy.ndarray
        Of the store.
    model : pymc.Model
        The model.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> problem, store = Problem.of(decompose(model), None, "float32"), Store()
    >>> written = problem_to_json(problem, store, False)
    >>> problem_from_json(written, store.arrays, model).n
    9
    """
    names = [rv.name for rv in model.free_RVs]
    values = {name: model.rvs_to_values[model[name]].name for name in names}
    start = {value: np.asarray(arrays[f"start/{name}"], float) for name, value in values.items()}
    whole = Undivided(model, start=start)
    roots = _roots(whole)
    if len(roots) != len(written["roots"]):
        raise ValueError(f"{len(roots)} arrays of data, not {len(written['roots'])}")
    terms = _terms_from_json(written["terms"], whole, roots)
    by_rows = written["row_terms"]
    if by_rows == "terms":
        by_rows = terms
    elif by_rows is not None:
        by_rows = _terms_from_json(by_rows, whole, roots)
    if written["dtype"] not in ("float32", "float64"):
        raise ValueError(f"a precision {written['dtype']!r:.80}")
    return Problem(terms, by_rows, written["dtype"], int(written["n"]), bool(written["streamed"]))


def check_built(written: Json, problem: Problem) -> None:
    """Raise unless the model that was built is the one that was described.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> problem = Problem.of(decompose(model), None, "float32")
    >>> check_built(problem_to_json(problem, Store(), False), problem)
    """
    roots = _roots(Undivided(problem.model, start={}))
    rows = {root for root, own in zip(roots, written["roots"], strict=True) if own["rows"]}
    built = definitions(problem.model, _shapes(problem.terms, roots), rows)
    wrong = differences(written["variables"], built)
    if wrong:
        raise ValueError(f"a model in which {wrong[0]}")
    for root, own in zip(roots, written["roots"], strict=True):
        value = numbers_of(root)
        if [own["dtype"], own["shape"]] != [value.dtype.name, list(value.shape)]:
            raise ValueError(f"data of {value.dtype} {value.shape}")


class GivenModel:
    """A model that is to take the place of a saved one.

    Parameters
    ----------
    model : pymc.Model
        The model.

    Raises
    ------
    ValueError, TypeError
        If it is none that can be fitted.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> written = problem_to_json(Problem.of(decompose(model), None, "float32"), Store(), False)
    >>> with pm.Model() as other:
    ...     y = pm.Normal("y", pm.Normal("mu", 1), observed=np.zeros(8))
    >>> GivenModel(other).differences(written)
    ["'mu' is made of 0 there and 1 here", "'y' has shape (9,) there and (8,) here"]
    """

    def __init__(self, model: pm.Model):
        if not isinstance(model, pm.Model):
            rule, repair = "be a pymc.Model", "pass the model of the fit, or leave it out"
            raise invalid("model", rule, f"a {type(model).__name__}", repair, TypeError)
        whole = Undivided(model)
        self.model, self.roots = model, _roots(whole)
        start, values = whole.start, model.rvs_to_values
        self.shapes = {rv.name: start[values[rv].name].shape for rv in model.free_RVs}
        self.shapes |= _shapes_of_data(model, whole.roots, self.roots)

    def differences(self, written: Json) -> list[str]:
        """Return in what it differs from the one that was saved, variable by variable."""
        pairs = list(zip(self.roots, written["roots"], strict=False))
        rows = {root for root, own in pairs if own["rows"]}
        wrong = differences(written["variables"], definitions(self.model, self.shapes, rows))
        for root, own in pairs:
            columns = columns_of(root, self.model)
            here = columns and [str(c) for c in columns]
            if own["columns"] and here and own["columns"] != here:
                wrong.append(f"'{root.name}' has columns {own['columns']} there and {here} here")
        return wrong

    def other_data(self, written: Json) -> list[str]:
        """Return which of its data hold other numbers than those of the fit."""
        pairs = zip(self.roots, written["roots"], strict=True)
        return [
            own["name"] or "an array"
            for root, own in pairs
            if own["rows"] and own["sha256"] not in (None, "", digest_of(numbers_of(root)))
        ]


def with_rows(problem: Problem) -> set[Variable]:
    """Return the roots of data that run over examples, which are saved only if asked for.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> len(with_rows(Problem.of(decompose(model), None, "float32")))
    1
    """
    observed, found = {o.root for o in problem.terms.observed}, set()
    for terms in filter(None, (problem.terms, problem.row_terms)):
        found |= {d.root for d in terms.data if d.per_example or d.group is not None}
    if problem.row_terms is None and problem.terms.n_rows is None:
        whole = Undivided(problem.model, start={})
        found |= {root for root in whole.likelihood_data if np.ndim(numbers_of(root))}
    # Masks say which values are missing: shapes of the graph depend on them.
    masks = {r for r in found if isinstance(r, Constant) and r.type.dtype == "bool"}
    return observed | (found - masks)


def _roots(whole: Undivided) -> list[Variable]:
    """Return all data of a model in an order that its graph decides."""
    return data_roots([graph for own in whole.graphs for graph in own])


def _terms_to_json(terms: ModelTerms, roots: list[Variable]) -> Json:
    place = {root: i for i, root in enumerate(roots)}
    return {
        "rows": [place[d.root] for d in terms.data if d.per_example],
        "latents": list(terms.latents),
        "groups": [
            [place[d.root] for d in terms.data if d.group == number]
            for number in range(len(terms.groups))
        ],
        "data": [
            {
                "name": d.name,
                "root": place[d.root],
                "dtype": d.variable.type.dtype,
                "columns": d.columns and [label_to_json(c) for c in d.columns],
            }
            for d in terms.data
        ],
    }


def _terms_from_json(written: Json, whole: Undivided, roots: list[Variable]) -> ModelTerms:
    """Take a model apart as it was."""
    model = whole.model
    rows = {roots[i] for i in written["rows"]} | {model[name] for name in written["latents"]}
    groups = [
        Sample({roots[i] for i in group}, len(numbers_of(roots[group[0]])))
        for group in written["groups"]
    ]
    terms = divide(whole, rows, groups, strict=False)
    known = {roots[own["root"]]: own for own in written["data"]}
    data = []
    for d in terms.data:
        own = known.pop(d.root)
        if (d.name, d.variable.type.dtype) != (own["name"], own["dtype"]):
            got = f"'{d.name}' of {d.variable.type.dtype}"
            raise ValueError(f"{got} in place of '{own['name']}' of {own['dtype']}")
        columns = own["columns"] and tuple(label_from_json(c) for c in own["columns"])
        data.append(replace(d, columns=columns))
    if known:
        raise ValueError(f"no data {[own['name'] for own in known.values()]}")
    return replace(terms, data=tuple(data))


def _root_to_json(problem: Problem, root: Variable, absent: bool) -> Json:
    """Describe data: name, type, shape, columns, and a hash of the numbers."""
    value = numbers_of(root)
    columns = next((d.columns for d in problem.terms.data if d.root is root), None)
    known = not is_absent(root)
    return {
        "name": root.name,
        "dtype": value.dtype.name,
        "shape": list(value.shape),
        "columns": columns and [str(c) for c in columns],
        "rows": absent,
        "sha256": digest_of(value) if known else None,
    }


def _shapes(terms: ModelTerms, roots: list[Variable]) -> dict[str, tuple[int, ...]]:
    """Return the shapes that are known: of free variables, of data, of what was observed."""
    own = {f.name: f.start.shape for f in terms.free}
    return {**own, **_shapes_of_data(terms.model, [o.root for o in terms.observed], roots)}


def _shapes_of_data(
    model: pm.Model, observed: list[Variable], roots: list[Variable]
) -> dict[str, tuple[int, ...]]:
    found = {
        rv.name: numbers_of(root).shape
        for rv, root in zip(model.observed_RVs, observed, strict=True)
    }
    shared = (root for root in roots if isinstance(root, SharedVariable) and root.name)
    return {**found, **{root.name: numbers_of(root).shape for root in shared}}
