"""The unweighted ELBO on all training data, held or streamed, and the KL of each variable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import pandas as pd

from pymc_bnn._checks import invalid
from pymc_bnn.data.gathering import ROWS
from pymc_bnn.data.loader import Loader
from pymc_bnn.data.padding import room_of
from pymc_bnn.data.prefetcher import Prefetcher
from pymc_bnn.data.resuming import one_shot
from pymc_bnn.data.spec import BatchSpec
from pymc_bnn.data.streams import check_stream
from pymc_bnn.elbo import check_sign
from pymc_bnn.elbo.objective import objective_name
from pymc_bnn.inference.visit_progress import VisitProgress
from pymc_bnn.model.absent import absent, check_there
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.posterior.of_members import MemberPosterior
from pymc_bnn.runtime.noise import key_of
from pymc_bnn.runtime.precision import precision
from pymc_bnn.runtime.sharding import replicate

__all__ = ["evaluate_elbo", "evaluate_kl"]


def evaluate_elbo(
    problem: Problem,
    posterior: Posterior,
    draws: int,
    data: Any,
    batch_size: int,
    seed: int,
    progressbar: bool = False,
) -> pd.Series:
    """Evaluate the ELBO in `draws` visits of all data; see :meth:`pymc_bnn.Approximation.elbo`.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
    >>> found = evaluate_elbo(fitted.problem, fitted.posterior, 10, None, 512, seed=1)
    >>> bool(np.isclose(found["elbo"], -found["nll"] - found["kl"]))
    True
    """
    _check_visits(problem, data)
    options = draws, data, batch_size, seed
    if not isinstance(posterior, MemberPosterior):
        with VisitProgress(draws, "ELBO", enabled=progressbar) as bar:
            return _of_one(problem, posterior, *options, bar.advance)
    visits = draws * len(posterior.members)
    with VisitProgress(visits, "ELBO of all members", enabled=progressbar) as bar:
        return _of_mixture(problem, posterior, *options, bar.advance)


def _of_one(
    problem: Problem,
    posterior: Posterior,
    draws: int,
    data: Any,
    batch_size: int,
    seed: int,
    advance: Callable[[], None],
) -> pd.Series:
    """Return the ELBO of a posterior that is no mixture."""
    elbo, params = posterior.elbo_terms(problem)
    key, points = key_of(seed, "elbo"), bool(posterior.points)
    rest = {d.name: d.value for d in problem.terms.data if not d.per_example}
    visits, kls = np.zeros((draws, 3)), np.zeros((draws, len(elbo.names)))
    with precision(problem.dtype):
        params = replicate(params, None)
        passes = _held(problem, draws, batch_size) if data is None else _streamed(problem, data)
        for draw, batches in zip(range(draws), passes, strict=False):
            per_batch, seen = [], 0
            for i, (rows, counted, size) in enumerate(batches):
                batch_key = jax.random.fold_in(jax.random.fold_in(key, draw), i)
                found = elbo.on_rows(params, batch_key, {**rows, **rest}, counted, size)
                # Batches from outside must not pile up while the device is behind.
                per_batch.append(found if data is None else jax.device_get(found))
                seen += int(counted.sum())
            row, other, potential, prior, *kls[draw] = elbo.of_all(jax.device_get(per_batch))
            scale = problem.n / seen if data is not None else 1.0
            visits[draw] = -row * scale - other, kls[draw].sum() - potential, -prior
            advance()
    check_sign(elbo.kl_methods, elbo.sizes, kls.mean(axis=0))
    nll, kl, negative_log_prior = visits.mean(axis=0)
    name = objective_name(points=points)  # dropout is absent here
    result = {name: -nll - kl - negative_log_prior, "nll": nll, "kl": kl}
    if points:
        result["log_prior"] = 0.0 - negative_log_prior
    result[f"{name}_se"] = float(visits.sum(axis=1).std(ddof=1) / np.sqrt(draws))
    if problem.terms.n_rows:
        result[f"{name}_per_example"] = result[name] / problem.n
    return pd.Series(result)


def evaluate_kl(problem: Problem, posterior: Posterior, draws: int, seed: int) -> pd.Series:
    """Average each block's KL over draws; see :meth:`pymc_bnn.Approximation.kl`.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
    >>> bool(evaluate_kl(fitted.problem, fitted.posterior, 1, seed=1)["mu"] > 0.1)
    True
    """
    key = key_of(seed, "kl")
    terms = problem.terms
    elbo, params = posterior.elbo_terms(problem)
    check_there(terms, "kl", [f.logp for f in terms.free])
    rows = slice(None if elbo.latents else 1)
    data = {d.name: d.value[rows] if d.per_example else d.value for d in terms.data}
    with precision(problem.dtype):
        kl = [elbo.kl(params, jax.random.fold_in(key, i), data) for i in range(draws)]
        kl = np.mean([np.asarray(k) for k in kl], axis=0).astype(float)
    check_sign(elbo.kl_methods, elbo.sizes, kl)
    kl = np.where([method.startswith("none") for method in elbo.kl_methods.values()], np.nan, kl)
    return pd.Series(kl, index=pd.Index(elbo.names, name="variable"), name="kl")


def _of_mixture(
    problem: Problem,
    posterior: MemberPosterior,
    draws: int,
    data: Any,
    batch_size: int,
    seed: int,
    advance: Callable[[], None],
) -> pd.Series:
    r"""Return the ELBO of a mixture: the mean of its members' and what is gained by mixing.

    :math:`\mathrm{KL}(q\|p) = \sum_m w_m\,[\mathrm{KL}(q_m\|p) - E_{q_m} \log (q_m/q)]`; the
    second term, between 0 and log M, is drawn. Between points there is nothing to gain.
    """
    weights, members = np.asarray(posterior.weights), posterior.members
    each = pd.DataFrame(
        [
            _of_one(problem, m, draws, data, batch_size, seed + i, advance)
            for i, m in enumerate(members)
        ]
    )
    found = (each.T * weights).sum(axis=1)
    name = objective_name(points=bool(posterior.points))
    variance = (weights**2 * each[f"{name}_se"].to_numpy() ** 2).sum()
    if not posterior.points:
        gains = np.array([_gains(posterior, m, draws, seed) for m in range(len(members))])
        gain = weights @ gains.mean(axis=1)
        variance += (weights**2 * gains.var(axis=1, ddof=1)).sum() / draws
        found["kl"] -= gain
        found[name] += gain
    found[f"{name}_se"] = np.sqrt(variance)
    if problem.terms.n_rows:
        found[f"{name}_per_example"] = found[name] / problem.n
    return found.rename(None)


def _gains(posterior: MemberPosterior, member: int, draws: int, seed: int) -> list[float]:
    """Return log q_m/q at draws of a member."""
    own, key = posterior.members[member], key_of(seed + member, "gain")
    return [posterior.log_ratio(member, own.draw_number(key, i)) for i in range(draws)]


def _check_visits(problem: Problem, data: Any) -> None:
    """Raise unless `data` is given where the model has a sample only, and there alone."""
    if problem.streamed and data is None:
        got = f"None where the model holds {problem.terms.n_rows} of {problem.n:,} examples"
        rule = "be given for a fit whose batches came from outside"
        raise invalid("data", rule, got, "pass the batches of the fit: fitted.elbo(data=…)")
    if data is None:
        check_there(problem.terms, "elbo", repair="pass its batches: fitted.elbo(data=…); or ")
        return
    rows = [d.name for d in problem.terms.data if d.per_example]
    outside = problem.terms.n_rows and not absent(problem.terms, but=rows)
    if not problem.streamed and not (problem.terms.incomplete and outside):
        rule, repair = "be left out where the model holds all data", "call elbo() without it"
        raise invalid("data", rule, f"a {type(data).__name__}", repair)
    check_stream(data)
    if one_shot(data):
        repair = "pass a list, a DataLoader, or an object with __iter__"
        got = f"a {type(data).__name__}"
        raise invalid("data", "be an iterable that can be gone over again", got, repair)


def _held(problem: Problem, draws: int, batch_size: int) -> Iterator[Any]:
    """Yield, visit by visit, batches of the model's own data, which rows count, and the size."""
    rows = {d.name: d.value for d in problem.terms.data if d.per_example}
    n = problem.terms.n_rows
    if problem.terms.latents:
        rows[ROWS] = np.arange(n, dtype="int32")
    size = min(batch_size, n) if n else 1
    room = room_of(size) if n and not problem.terms.groups else size
    for _ in range(draws):
        indices = (i + np.arange(room) for i in range(0, n or 1, size))
        yield (
            (
                {k: v[np.minimum(index, len(v) - 1)] for k, v in rows.items()},
                (index < (n or 1)) & (np.arange(room) < size),
                np.int32(size),
            )
            for index in indices
        )


def _streamed(problem: Problem, data: Any) -> Iterator[Any]:
    """Yield the same of batches from outside."""
    loader = Loader(BatchSpec.of(problem.terms, problem.dtype), problem.n)
    while True:
        with Prefetcher(data, loader, passes=1) as stream:
            yield (
                (batch.rows, np.arange(loader.capacity) < batch.size, np.int32(loader.capacity))
                for batch in stream
            )
