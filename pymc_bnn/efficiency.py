"""What an estimator of the ELBO's gradient costs, and how much its gradient varies."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from pymc_bnn._checks import check_int, invalid
from pymc_bnn.approximation import Approximation
from pymc_bnn.data.epochs import EpochPlan
from pymc_bnn.elbo.choose import Spec
from pymc_bnn.inference.loop import Loop
from pymc_bnn.inference.optimizer import is_location
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.prepare import held
from pymc_bnn.inference.program import Program
from pymc_bnn.inference.vi import VI
from pymc_bnn.model.absent import check_there
from pymc_bnn.model.problem import Problem
from pymc_bnn.runtime.noise import key_of
from pymc_bnn.runtime.precision import precision

__all__ = ["gradient_variance", "step_rates"]

_ROUND_S = 0.5  # how long a contender runs before the next one's turn
_MANY_STEPS = 10_000  # of the optimiser's schedule, which does not change what a step costs


def gradient_variance(
    fitted: Approximation,
    estimator: Spec = "auto",
    *,
    particles: int = 1,
    draws: int = 50,
    batch_size: int | str | None = "auto",
    random_seed: Any = 0,
) -> pd.DataFrame:
    r"""Return how much an estimator's gradient varies at the parameters of a fit.

    Traces of the covariance of the gradient g of the loss −ELBO/N, from independent noise ε and
    minibatches b: what the noise does within a minibatch, and all of it.

    .. math:: V_\text{noise} = \tfrac12\,E\,\lVert g(\varepsilon, b) - g(\varepsilon', b)\rVert^2,
              \quad
              V_\text{total} = \tfrac12\,E\,\lVert g(\varepsilon, b) - g(\varepsilon'', b')\rVert^2
              = V_\text{noise} + V_\text{minibatches}.

    Estimators have equal expectations, so that one with less variance learns more in a step; what
    a step costs says :func:`step_rates`. Compare them at the same `fitted` and `random_seed`.

    Parameters
    ----------
    fitted : Approximation
        Whose parameters; it may have been fitted by another estimator.
    estimator : str, Estimator or mapping, optional
        As in :func:`pymc_bnn.fit`.
    particles : int, optional
        Draws over which each gradient is averaged, at least 1.
    draws : int, optional
        How many ε and b, at least 2.
    batch_size : int, "auto" or None, optional
        Examples per gradient: a number in 1…N, "auto" for what the fit had, None for all.
    random_seed : int or numpy.random.Generator, optional
        Seed of the minibatches and of the noise.

    Returns
    -------
    pandas.DataFrame
        One row per variable (or pattern of a joint guide) and "(all)", their sum. Columns:
        noise_loc and total_loc, traces over the gradient by the guide's locations; noise_scale and
        total_scale, over everything else (log-scales); and the standard errors of these four,
        noise_loc_se and so on. The unit of locations is that of the unconstrained variable, so that
        a row compares with the same row of another estimator, less with other rows.

    Raises
    ------
    ValueError, TypeError
        For a bad argument, or an estimator that is not right for a variable.

    Notes
    -----
    Costs ``3 · draws · particles`` gradients and one compilation. The parameters do not move.

    References
    ----------
    Kingma, Salimans and Welling, *Variational dropout and the local reparameterization trick*,
    NeurIPS 2015, section 2.2 and table 1.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> x = np.linspace(-1, 1, 200)[:, None] * np.ones(3)
    >>> with pm.Model() as model:
    ...     w = pm.Normal("w", shape=3)
    ...     y = pm.Normal("y", pm.Data("x", x) @ w, 1, observed=x.sum(axis=1))
    >>> fitted = bnn.fit(model, steps=200, batch_size=100, random_seed=1, progressbar=False)
    >>> pathwise = gradient_variance(fitted, "pathwise", draws=20).loc["w", "noise_loc"]
    >>> local = gradient_variance(fitted, "local", draws=20).loc["w", "noise_loc"]
    >>> bool(local < 0.2 * pathwise)
    True
    """
    draws = check_int("draws", draws, 2, None, "pass draws=50")
    key = key_of(random_seed, "gradient variance")
    with precision(fitted.problem.dtype):
        gradient = _gradient(fitted, estimator, particles, batch_size)

        @jax.jit
        def half_squares(a: Any, b: Any) -> Any:
            return jax.tree.map(lambda a, b: 0.5 * jnp.sum((a - b) ** 2), a, b)

        traces = {"noise": [], "total": []}
        for i in range(draws):
            keys = jax.random.split(jax.random.fold_in(key, i), 5)
            first = gradient(keys[0], keys[1])
            traces["noise"].append(half_squares(first, gradient(keys[2], keys[1])))
            traces["total"].append(half_squares(first, gradient(keys[3], keys[4])))
        traces = jax.device_get(traces)
    columns = {}
    for source, role in product(traces, ("loc", "scale")):
        by_name = {
            name: [
                sum(float(v) for r, v in trace[name].items() if is_location(r) == (role == "loc"))
                for trace in traces[source]
            ]
            for name in traces[source][0]
        }
        by_name["(all)"] = np.sum(list(by_name.values()), axis=0)
        columns[f"{source}_{role}"] = {k: np.mean(v) for k, v in by_name.items()}
        se = {k: np.std(v, ddof=1) / np.sqrt(draws) for k, v in by_name.items()}
        columns[f"{source}_{role}_se"] = se
    return pd.DataFrame(columns).rename_axis("variable")


def step_rates(
    fitted: Approximation,
    contenders: Mapping[str, Mapping[str, Any]],
    *,
    batch_size: int | str | None = "auto",
    rounds: int = 10,
) -> pd.DataFrame:
    """Return how fast steps of a fit are under several estimators, measured in turns.

    Each contender runs for about half a second, then the next one does, round after round, so that
    what else the machine does meets all of them alike.

    Parameters
    ----------
    fitted : Approximation
        A fit of the model, at whose parameters they start.
    contenders : mapping from str to mapping
        By name, the keywords `estimator` and `particles`, as in :func:`pymc_bnn.fit`.
    batch_size : int, "auto" or None, optional
        As in :func:`gradient_variance`.
    rounds : int, optional
        Rounds, at least 1.

    Returns
    -------
    pandas.DataFrame
        One row per contender, in their order. Columns: compile_s [s], of the first step, tracing
        and compilation included; steps_per_second, the median over the rounds; low and high, the
        quartiles.

    Raises
    ------
    ValueError, TypeError
        For a bad argument, or an estimator that is not right for a variable.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> fitted = bnn.fit(model, steps=100, random_seed=1, progressbar=False)
    >>> contenders = {"one draw": {"estimator": "pathwise"}, "eight": {"particles": 8}}
    >>> table = step_rates(fitted, contenders, rounds=2)
    >>> list(table.index), list(table.columns)
    (['one draw', 'eight'], ['compile_s', 'steps_per_second', 'low', 'high'])
    """
    rounds = check_int("rounds", rounds, 1, None, "pass rounds=10")
    if not isinstance(contenders, Mapping) or not contenders:
        rule, repair = "map names to keywords", 'pass {"local": {"estimator": "local"}}, say'
        raise invalid("contenders", rule, repr(contenders), repair)
    known = {"estimator", "particles"}
    for name, keywords in contenders.items():
        if not isinstance(keywords, Mapping) or set(keywords) - known:
            rule = "be keywords among estimator and particles"
            repair = 'pass {"estimator": "local"}, say'
            raise invalid(f"contenders[{name!r}]", rule, repr(keywords), repair)
    with precision(fitted.problem.dtype):
        loops, states, steps, first, took = {}, {}, {}, {}, {name: [] for name in contenders}
        for name, keywords in contenders.items():
            chosen = keywords.get("estimator", "auto"), keywords.get("particles", 1)
            problem, program = _compiled(fitted, *chosen, batch_size)
            states[name] = program.init(0)
            source = held(problem, program.batches)
            began = time.perf_counter()
            loops[name] = Loop(program, source, states[name])
            states[name], *_ = loops[name].advance(states[name], 1)
            first[name] = time.perf_counter() - began
            began = time.perf_counter()
            states[name], *_ = loops[name].advance(states[name], 3)
            steps[name] = max(1, int(3 * _ROUND_S / (time.perf_counter() - began)))
        for _ in range(rounds):
            for name, loop in loops.items():
                began = time.perf_counter()
                states[name], *_ = loop.advance(states[name], steps[name])
                took[name].append((time.perf_counter() - began) / steps[name])
    rates = {name: 1 / np.array(seconds) for name, seconds in took.items()}
    return pd.DataFrame(
        {
            "compile_s": first,
            "steps_per_second": {name: np.median(r) for name, r in rates.items()},
            "low": {name: np.quantile(r, 0.25) for name, r in rates.items()},
            "high": {name: np.quantile(r, 0.75) for name, r in rates.items()},
        }
    ).rename_axis("contender")


def _gradient(
    fitted: Approximation, estimator: Spec, particles: int, batch_size: int | str | None
) -> Callable[[Any, Any], Any]:
    """Return a function of two keys, of noise and batch: the loss's gradient at the parameters."""
    problem, program = _compiled(fitted, estimator, particles, batch_size)
    state, counts = program.init(0), program.counts

    @jax.jit
    def gradient(noise_key: Any, batch_key: Any, data: Any) -> Any:
        batch, weights = program.batch(replace(state, key=batch_key), data, counts)
        noise = program.noise(replace(state, key=noise_key), counts)
        slope = jax.grad(program.loss, has_aux=True)
        weight = fitted.kl_weight, counts.total
        return slope(state.params, noise, batch, weights, *weight)[0]

    return partial(gradient, data=held(problem, program.batches).data)


def _compiled(
    fitted: Approximation,
    estimator: Spec,
    particles: int,
    batch_size: int | str | None,
) -> tuple[Problem, Program]:
    """Return the fit's problem by rows, where it has them, and its program for an estimator."""
    method = fitted.program.method if isinstance(fitted, Approximation) else fitted
    if not isinstance(method, VI):
        rule, repair = "be fitted by variational inference", "fit it by bnn.VI"
        raise invalid("fitted", rule, f"one by {type(method).__name__}", repair)
    changed = {"optimizer": None, "learning_rate": None, "scale_learning_rate": None}
    changed |= {"estimator": estimator, "particles": particles, "kl_weight": fitted.kl_weight}
    method = replace(method, **changed)
    problem = fitted.problem
    if problem.streamed:
        rule, repair = "be a fit of data in memory", "fit the model to a sample of them"
        raise invalid("fitted", rule, "one whose batches came from outside", repair)
    check_there(problem.terms, "efficiency")
    by_rows = problem.row_terms
    if not problem.terms.latents and by_rows is not None and not by_rows.unsure:
        problem = replace(problem, terms=problem.row_terms)
    n, batches = problem.terms.n_rows, fitted.program.batches
    if batch_size == "auto":
        batch_size = batches.batch_size if batches else n
    elif batch_size is None:
        batch_size = n
    elif n is None:
        got = f"{batch_size!r} for a likelihood that does not come by rows"
        raise invalid("batch_size", "be None", got, 'pass "auto" or None')
    else:
        batch_size = check_int(
            "batch_size", batch_size, 1, n, f'pass a number in 1…{n}, "auto" or None'
        )
    plan = Plan(None if n is None else EpochPlan(n, batch_size), _MANY_STEPS)
    return problem, method.compile(problem, plan, fitted.posterior)


def __dir__() -> list[str]:  # what tab completion shows
    return sorted(__all__)
