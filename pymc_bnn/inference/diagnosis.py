"""Which term of a model is the first that is not finite, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from pymc_bnn.graphs.to_jax import compiled_graph, jaxify
from pymc_bnn.inference.loop import Loop
from pymc_bnn.inference.parents import made_of
from pymc_bnn.inference.state import State
from pymc_bnn.model.conditions import law_of, op_of
from pymc_bnn.model.problem import Problem
from pymc_bnn.model.support import Support
from pymc_bnn.model.terms import ModelTerms
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.runtime.compilation import Compiled
from pymc_bnn.runtime.precision import precision

__all__ = ["diagnose", "explain"]

_LOOKS = 100  # draws of the guide
_GRADIENTS = 20  # terms of which gradients are taken
_ROWS = 4096


def diagnose(
    problem: Problem, posterior: Posterior, data: Mapping[str, Any]
) -> tuple[str | None, str]:
    """Say which term is not finite under a posterior, looked for at its means and 100 draws.

    Parameters
    ----------
    problem : Problem
        The model.
    posterior : Posterior
        Of its variables.
    data : mapping from str to array
        All data by name, with any number of rows.

    Returns
    -------
    why : str or None
        What names a parameter, or the first variable or term in the model's order; None where all
        looks finite.
    repair : str
        Where it is known.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Exponential("y", pm.HalfNormal("rate"), observed=[1.0, 2.0, 3.0])
    >>> fitted = bnn.fit(model, steps=1, random_seed=1, progressbar=False)
    >>> data = {"y": np.array([1.0, 2.0, -3.0])}
    >>> print(diagnose(fitted.problem, fitted.posterior, data)[0])
    the log-likelihood of 'y' (Exponential) is -inf at every draw of the guide, the first time in \
row 2, where y = -3.0; with mu 1.01; it depends on 'rate' (0.99)
    """
    terms, dtype = problem.terms, problem.dtype
    with precision(dtype):
        draw = posterior.looks(0)
        complaint = Support(terms, held=False).complaint(draw, data)
        if complaint is not None:
            return complaint
        means = {k: np.asarray(v) for k, v in posterior.moments()[0].items()}
        random = len(posterior.points) < len(terms.free)
        looks = [means, *(draw(i) for i in range(_LOOKS if random else 0))]
    why = _of_values(terms, looks, data, dtype)
    return why or _of_gradients(terms, looks[:4], data, dtype), ""


def explain(problem: Problem, loop: Loop, state: State) -> str:
    """Say why the step after a state was not finite: the term, the numbers, a repair.

    Examples
    --------
    >>> explain.__name__
    'explain'
    """
    (nll, kl, _), bad = loop.not_finite(state)
    where = f"the gradient of '{bad[0]}'" if bad else "a parameter after the optimiser's update"
    if len(bad) > 1:
        where += f" (and of {len(bad) - 1} more variables)"
    why, repair = None, ""
    if jax.process_count() == 1:
        why, repair = diagnose(problem, loop.program.posterior(state), loop.last)
    if not repair and why is not None and state.step == 0:
        repair = (
            "check that the observed values lie in the likelihood's support, and start the "
            "variables where they do: pass initval= to them, or start= to fit"
        )
    repair = repair or (
        "try a smaller learning_rate and scale_learning_rate (recover=3 goes back and lowers them "
        "by itself), a guide with a smaller init_scale, or data and priors on a scale near 1; "
        'dtype="float64" tells overflow from a wrong model'
    )
    return (
        f"fit stopped at step {int(state.step) + 1}: {why or where + ' became NaN or infinite'} "
        f"(negative log-likelihood {nll:.6g}, KL {kl:.6g} at that step).\n"
        f"{repair[0].upper()}{repair[1:]}."
    )


def _graphs(terms: ModelTerms) -> list[tuple[str, str, str, Any]]:
    """Return kind, name, law and graph of all that must be finite, in the model's order."""
    found = []
    for f in terms.free:
        law = law_of(op_of(terms.model[f.name]))
        found += [("value", f.name, law, f.constrained), ("log-prior", f.name, law, f.logp)]
    found += [("log-likelihood", o.name, law_of(op_of(o.rv)), o.logp) for o in terms.observed]
    found += [("potential", name, "", graph) for name, graph in terms.potentials.items()]
    return found


def _of_values(terms: ModelTerms, looks: Any, data: Mapping[str, Any], dtype: str) -> str | None:
    """Say which term is not finite."""
    graphs = _graphs(terms)
    outputs = [*(graph for *_, graph in graphs), *(o.value for o in terms.observed)]
    functions: dict[str, Any] = {}

    def evaluate(values: Mapping[str, Any], rows: np.ndarray | None, dtype: str) -> list[Any]:
        if dtype not in functions:
            inputs = [*terms.values, *terms.inputs]
            functions[dtype] = compiled_graph(inputs, outputs, dtype, gradient=False)
        with precision(dtype):
            seen = _seen(terms, values, data, rows)
            flat = [np.asarray(seen[f.name], dtype) for f in terms.free]
            return [np.asarray(a) for a in functions[dtype](*flat, *_some(terms, data, rows))]

    bad: dict[int, int] = {}
    first = None
    for i, values in enumerate(looks):
        for rows in _chunks(terms, data, None if i == 0 else i):
            found = evaluate(values, rows, dtype)
            not_finite = [k for k, a in enumerate(found[: len(graphs)]) if not np.isfinite(a).all()]
            for k in not_finite:
                bad[k] = bad.get(k, 0) + 1
            if not_finite and first is None:
                first = not_finite[0], values, rows, found
            if not_finite:
                break
    if first is None:
        return None
    k, values, rows, found = first
    kind, name, law, _ = graphs[k]
    where = tuple(int(j) for j in np.argwhere(~np.isfinite(found[k]))[0])
    number = float(found[k][where])
    text = f"the {kind} of '{name}'" + (f" ({law})" if law else "") + f" is {_number(number)}"
    share = bad[k] / len(looks)
    text += " at every draw of the guide" if share == 1 else f" at {share:.0%} of its guide's draws"
    if kind == "log-likelihood":
        text += _where(terms, name, where, rows, found[len(graphs) :])
    elif where:
        text += f", the first time at index {where if len(where) > 1 else where[0]}"
    text += _made_of(terms, graphs[k], values, data, rows, dtype)
    if dtype == "float32" and np.isfinite(evaluate(values, rows, "float64")[k]).all():
        text += '; it is finite with dtype="float64"'
    return text


def _of_gradients(terms: ModelTerms, looks: Any, data: Mapping[str, Any], dtype: str) -> str | None:
    """Say which term is finite, and its gradient not."""
    graphs = [g for g in _graphs(terms) if g[0] != "value"][::-1][:_GRADIENTS]
    for kind, name, law, graph in graphs:
        lifted = jaxify([*terms.values, *terms.inputs], [graph.sum()], dtype)

        def total(values: Any, arrays: Any, lifted: Any = lifted) -> Any:
            return lifted(*(values[f.name] for f in terms.free), *arrays)[0]

        with precision(dtype):
            gradient = Compiled(jax.grad(total))
            for i, values in enumerate(looks):
                rows = next(iter(_chunks(terms, data, i)))
                seen = _seen(terms, values, data, rows)
                cast = {f.name: np.asarray(seen[f.name], dtype) for f in terms.free}
                found = gradient(cast, _some(terms, data, rows))
                bad = [n for n, g in found.items() if not np.isfinite(g).all()]
                if bad:
                    why = f"the {kind} of '{name}'" + (f" ({law})" if law else "")
                    why += f" is finite, and its gradient by '{bad[0]}' is not"
                    return why + _made_of(
                        terms, (kind, name, law, graph), values, data, rows, dtype
                    )
    return None


def _chunks(terms: ModelTerms, data: Mapping[str, Any], number: int | None) -> Any:
    """Return indices of rows, some thousand at a time: of one chunk, or of all; None for all."""
    lengths = [len(data[d.name]) for d in terms.data if d.per_example]
    if not lengths or min(lengths) <= _ROWS:
        return [None]
    n = min(lengths)
    if number is not None:
        return [(number * _ROWS + np.arange(_ROWS)) % n]
    return (np.minimum(np.arange(i, i + _ROWS), n - 1) for i in range(0, n, _ROWS))


def _some(terms: ModelTerms, data: Mapping[str, Any], rows: np.ndarray | None) -> list[np.ndarray]:
    return [
        np.asarray(data[d.name] if rows is None or not d.per_example else data[d.name][rows])
        for d in terms.data
    ]


def _seen(
    terms: ModelTerms, values: Mapping[str, Any], data: Mapping[str, Any], rows: np.ndarray | None
) -> Mapping[str, Any]:
    """Return values as these rows see them, or all, of which some fill up."""
    if not terms.latents:
        return values
    lengths = [len(data[d.name]) for d in terms.data if d.per_example]
    return terms.values_of(values, np.arange(lengths[0]) if rows is None else rows)


def _made_of(
    terms: ModelTerms, term: Any, values: Any, data: Any, rows: np.ndarray | None, dtype: str
) -> str:
    """Say how large what a term is made of is, at some values and rows."""
    kind, name, _, graph = term
    seen = _seen(terms, values, data, rows)
    flat = [np.asarray(seen[f.name], dtype) for f in terms.free]
    return made_of(terms, kind, name, graph, [*flat, *_some(terms, data, rows)], dtype)


def _where(terms: ModelTerms, name: str, where: Any, rows: Any, values: list[np.ndarray]) -> str:
    """Say in which row, and what was observed there."""
    k = [o.name for o in terms.observed].index(name)
    if not where or not values[k].ndim:
        return ""
    row = where[0] if rows is None else int(rows[where[0]])
    observed = values[k][where[0]] if len(where) < values[k].ndim else values[k][where]
    shown = np.array2string(np.asarray(observed), threshold=6) if np.ndim(observed) else observed
    return f", the first time in row {row}, where {name} = {shown}"


def _number(x: float) -> str:
    return "NaN" if np.isnan(x) else f"{x}"
