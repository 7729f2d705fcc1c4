"""Parameters and data drawn together from a model, to be found again by fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pymc as pm
from pymc.data import MinibatchOp
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.scalar.basic import Cast
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.shape import Shape, Shape_i

from pymc_bnn._checks import first_line, invalid
from pymc_bnn.graphs.interpreted import SIMPLIFIED, without_c
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.of_draws import KeptDraws
from pymc_bnn.runtime.precision import narrow

__all__ = ["draw_prior", "simulate", "simulated_data"]

Arrays = dict[str, np.ndarray]


def simulated_data(problem: Problem) -> dict[str, str]:
    """Return the name of each observed variable's data.

    Raises
    ------
    ValueError
        Where no data that are drawn could take their place.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=pm.Data("seen", np.zeros(4)))
    >>> simulated_data(Problem.of(decompose(model), None, "float32"))
    {'y': 'seen'}
    """
    model, terms = problem.model, problem.terms
    everything = [*model.basic_RVs, *model.rvs_to_values.values()]

    def refuse(rule: str, got: str, repair: str) -> Exception:
        return invalid("model", f"{rule} to be simulated", got, repair)

    if model.potentials:
        got = str([p.name for p in model.potentials])
        raise refuse("have no potentials, which no draw obeys,", got, "write them as distributions")
    if any(v.owner and isinstance(v.owner.op, MinibatchOp) for v in ancestors(everything)):
        raise refuse("hold whole data", "pm.Minibatch", "observe the data, and pass batch_size=")
    shapes = [
        v for v in ancestors(everything) if v.owner and isinstance(v.owner.op, Shape | Shape_i)
    ]
    used = set(ancestors(model.basic_RVs, blockers=shapes))
    found: dict[str, str] = {}
    for o in terms.observed:
        if o.total != o.n or o.multiplier != 1:
            got = f"'{o.name}' with total_size, of which the model holds {o.n:,}"
            raise refuse("hold all data", got, "leave total_size out")
        name = next((d.name for d in terms.data if d.root is o.root), None)
        if name is None or o.root in used or not _as_is(model, o.name, o.root):
            got = f"'{o.name}' observed in data that are used elsewhere, or changed"
            repair = "pass observed= an array of its own, and write what depends on it by its name"
            raise refuse("observe each variable in data of its own", got, repair)
        found[o.name] = name
    return found


def _as_is(model: pm.Model, name: str, root: Variable) -> bool:
    """Tell whether what is observed are the data themselves, but for their type."""
    value = model.rvs_to_values[model[name]]
    while value is not root:
        node = value.owner
        cast = isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Cast)
        if not cast:
            return False
        value = node.inputs[0]
    return True


def simulate(
    problem: Problem, names: Sequence[str], roots: Mapping[str, str], count: int, seed: int
) -> tuple[Arrays, Arrays]:
    """Draw parameters from the prior, and data from them.

    Parameters
    ----------
    problem : Problem
        The model.
    names : sequence of str
        Free variables and deterministics to return.
    roots : mapping from str to str
        As of :func:`simulated_data`.
    count : int
        How many times.
    seed : int
        Of all draws.

    Returns
    -------
    truth : dict from str to numpy.ndarray
        (count, …) of each of the names.
    data : dict from str to numpy.ndarray
        (count, …) of the data, by their names, of their own type.

    Raises
    ------
    ValueError
        Where a variable cannot be drawn, or data come in another shape or type.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu", 0, 100), observed=np.zeros(4))
    >>> problem = Problem.of(decompose(model), None, "float32")
    >>> truth, data = simulate(problem, ["mu"], {"y": "y"}, 7, 0)
    >>> bool(abs(data["y"].mean(axis=1) - truth["mu"]).max() < 3)
    True
    """
    model = problem.model
    drawn = _draw(model, {name: model[name] for name in (*names, *roots)}, count, (seed, 0))
    own, data = problem.terms.arrays(), {}
    for variable, name in roots.items():
        values, like = drawn[variable], own[name]
        if values.shape[1:] != like.shape:
            got = f"{like.shape} observed, {values.shape[1:]} drawn of '{variable}'"
            repair = "give it shape= or dims="
            raise invalid("model", "draw data of the shape observed", got, repair)
        data[name] = values.astype(like.dtype)
        if like.dtype.kind in "iub" and (data[name] != values).any():
            got = f"{values.min()} to {values.max()} of '{variable}', observed as {like.dtype}"
            repair = "choose narrower priors, or observe floating-point numbers"
            raise invalid("model", "draw data of the type observed", got, repair)
    return {name: drawn[name] for name in names}, data


def draw_prior(problem: Problem, count: int, seed: int) -> KeptDraws:
    """Draw the free variables from their prior: as if they were a posterior, to predict from.

    Parameters
    ----------
    problem : Problem
        The model.
    count : int
        How many times.
    seed : int
        Of the draws.

    Returns
    -------
    KeptDraws
        One chain, unconstrained.

    Raises
    ------
    ValueError
        Where a variable cannot be drawn, or the model has potentials.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu", 0, 100), observed=np.zeros(4))
    >>> draws = draw_prior(Problem.of(decompose(model), None, "float32"), 500, 0)
    >>> draws.shape, bool(90 < draws.moments()[1]["mu"] < 110)
    ((1, 500), True)
    """
    model = problem.model
    if model.potentials:
        got = str([p.name for p in model.potentials])
        rule = "have no potentials, which no draw obeys, for its prior to be drawn"
        raise invalid("model", rule, got, "write them as distributions")
    graphs = {}
    for rv in model.free_RVs:
        transform = model.rvs_to_transforms[rv]
        own = rv if transform is None else transform.forward(rv, *rv.owner.inputs)
        graphs[rv.name] = own
    drawn = _draw(model, graphs, count, (seed, 1))
    values = {name: narrow(value[None], problem.dtype) for name, value in drawn.items()}
    return KeptDraws(values, (1.0,))


def _draw(
    model: pm.Model, graphs: Mapping[str, Variable], count: int, seed: tuple[int, int]
) -> Arrays:
    """Draw expressions of a model's variables together, (count, …) each."""
    rng = np.random.default_rng(seed)
    try:
        with without_c():
            drawn = pm.draw(list(graphs.values()), count, random_seed=rng, mode=SIMPLIFIED)
    except NotImplementedError as error:
        got = next((rv.name for rv in model.basic_RVs if not _can_be_drawn(rv)), None)
        rule = "have variables that can be drawn to be simulated"
        repair = "give it a proper prior (not Flat, HalfFlat), or pm.CustomDist a random="
        raise invalid("model", rule, f"'{got or first_line(error)}'", repair) from error
    except ValueError as error:
        rule, repair = "have priors from which data can be drawn", "choose narrower priors"
        raise invalid("model", rule, first_line(error), repair) from error
    if count == 1:
        drawn = [np.asarray(value)[None] for value in drawn]
    return dict(zip(graphs, drawn, strict=True))


def _can_be_drawn(rv: Variable) -> bool:
    try:
        with without_c():
            pm.draw(rv, mode=SIMPLIFIED)
    except NotImplementedError:
        return False
    return True
