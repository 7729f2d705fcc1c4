"""Load a fit that was saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm

from pymc_bnn._checks import invalid, listed
from pymc_bnn._warnings import warn
from pymc_bnn.approximation import Approximation
from pymc_bnn.graphs.interpreted import building
from pymc_bnn.inference.members import Records
from pymc_bnn.inference.refine import Refinement
from pymc_bnn.mixture import Mixture
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.of_draws import KeptDraws
from pymc_bnn.refined import Refined
from pymc_bnn.saved_fits.files import read_files, versions, whatever_is_wrong
from pymc_bnn.saved_fits.frames import frame_from_json
from pymc_bnn.saved_fits.posteriors import posterior_from_json
from pymc_bnn.saved_fits.problems import GivenModel, check_built, problem_from_json
from pymc_bnn.saved_fits.programs import program_from_json, record_from_json, state_from_arrays
from pymc_bnn.saving.models import model_from_json

__all__ = ["load"]

Json = dict[str, Any]
Arrays = Mapping[str, np.ndarray]
_SHOWN = 12  # differences in an error


def load(path: Any, model: pm.Model | None = None) -> Any:
    """Load a fit that was saved by :meth:`pymc_bnn.Approximation.save`.

    Nothing in the folder is run: its graph is built of known operations only. All that a fit does
    is done by what was loaded, with the same numbers: ``predict(new)``, `sample`, `summary`, ….
    Where the data were not saved, what needs them says which.

    Parameters
    ----------
    path : path
        The folder.
    model : pymc.Model, optional
        The model of the fit. It is compared with what was saved, variable by variable, and then
        taken in the place of the saved graph, with its data. Needed only where the model has
        parts that no file may hold, such as Python functions.

    Returns
    -------
    Approximation, Mixture or Refined
        What was saved.

    Raises
    ------
    ValueError
        If there is nothing at `path`, the model is another one, in an error that lists the
        differences, or a model is needed.
    DamagedError
        If a file was changed, cut, added or taken away, or holds no fit.

    Warns
    -----
    UserWarning
        If `model` holds other data than the fit had.

    Examples
    --------
    >>> import tempfile
    >>> import pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     x = pm.Data("x", np.arange(9.0))
    ...     y = pm.Normal("y", pm.Normal("b") * x, 1, observed=2 * np.arange(9.0))
    >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fitted.save(f"{folder}/fit")
    ...     again = bnn.load(f"{folder}/fit")
    >>> again.predict({"x": [10.0]}, random_seed=1)["y"].mean.round().tolist()
    [20.0]
    """
    fit, graph, arrays = read_files(path)
    given = None if model is None else GivenModel(model)
    with whatever_is_wrong(path, fit):
        why, described = str(fit["why_no_model"])[:300], fit["problem"]
        wrong = [] if given is None else given.differences(described)
    if given is None and graph is None:
        got = f"None for a fit that was saved without its model: {why}"
        raise invalid("model", "be the model of the fit", got, "pass model=")
    if wrong:
        rule, repair = "be the model of the fit", "pass that one, or leave it out"
        raise invalid("model", rule, f"one in which {listed(wrong, _SHOWN)}", repair)
    with whatever_is_wrong(path, fit), building():
        if model is None:
            model = model_from_json(graph, arrays)
        problem = problem_from_json(described, arrays, model)
        if given is None and fit["versions"] == versions():
            check_built(described, problem)
        loaded = _KINDS[fit["kind"]](fit, arrays, problem)
        other = [] if given is None or problem.streamed else given.other_data(described)
    if other:
        warn(f"`model` holds other numbers in {other} than the fit had: elbo() is of these")
    return loaded


def _approximation(fit: Json, arrays: Arrays, problem: Problem) -> Approximation:
    program = program_from_json(fit["program"], arrays, problem)
    [record] = record_from_json(fit["records"], arrays)
    state = state_from_arrays(program, arrays)
    return Approximation(problem, program, state, record, _path(fit))


def _mixture(fit: Json, arrays: Arrays, problem: Problem) -> Mixture:
    program = program_from_json(fit["program"], arrays, problem)
    records = Records(tuple(record_from_json(fit["records"], arrays)), bool(fit["interrupted"]))
    state = state_from_arrays(program, arrays, len(records.members))
    weights = tuple(float(w) for w in fit["weights"])
    if len(weights) != len(records.members):
        raise ValueError(f"{len(weights)} weights of {len(records.members)} members")
    return Mixture(problem, program, state, records, _path(fit), weights=weights)


def _refined(fit: Json, arrays: Arrays, problem: Problem) -> Refined:
    start = posterior_from_json(fit["start"], arrays, problem)
    own, names = fit["record"], [f.name for f in problem.terms.free]
    values = {name: arrays[f"draws/{name}"] for name in names}
    shapes = {f.name: f.start.shape for f in problem.terms.free}
    if any(v.shape[2:] != shapes[name] for name, v in values.items()):
        raise ValueError("draws of other shapes than the variables")
    posterior = KeptDraws(values, tuple(float(w) for w in own["weights"]), int(own["modes"]))
    begin = "stats/"
    stats = {k.removeprefix(begin): v for k, v in arrays.items() if k.startswith(begin)}
    lengths = {v.shape[:2] for v in (*values.values(), *stats.values())}
    if len(lengths) != 1 or len(own["weights"]) != next(iter(lengths))[0]:
        raise ValueError(f"draws of {len(lengths)} lengths")
    record = Refinement(
        posterior,
        stats,
        int(own["tune"]),
        int(own["max_tree_depth"]),
        float(own["seconds"]),
        bool(own["interrupted"]),
        float(own["estimate_s"]),
    )
    refined = Refined(problem, start, record)
    refined.__dict__["convergence"] = frame_from_json(fit["convergence"])
    return refined


def _path(fit: Json) -> pd.DataFrame | None:
    return None if fit["kl_path"] is None else frame_from_json(fit["kl_path"])


_KINDS = {"Approximation": _approximation, "Mixture": _mixture, "Refined": _refined}
