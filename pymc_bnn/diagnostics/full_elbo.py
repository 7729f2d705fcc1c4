"""The unweighted ELBO of a fit on all of its training data, held or streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from pymc_bnn._checks import invalid
from pymc_bnn.data.streams import BatchSpec, Loader, Prefetcher, check_stream, one_shot
from pymc_bnn.elbo import check_sign
from pymc_bnn.runtime.compilation import Compiled
from pymc_bnn.runtime.noise import key_of
from pymc_bnn.runtime.precision import precision

if TYPE_CHECKING:
    from pymc_bnn.approximation import Approximation

__all__ = ["evaluate_elbo", "evaluate_kl"]


def evaluate_elbo(
    fitted: Approximation, draws: int, data: Any, batch_size: int, seed: int
) -> pd.Series:
    """Evaluate the ELBO in `draws` visits of all data; see :meth:`Approximation.elbo`.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
    >>> found = evaluate_elbo(fitted, 10, None, 512, seed=1)
    >>> bool(np.isclose(found["elbo"], -found["nll"] - found["kl"]))
    True
    """
    _check_visits(fitted, data)
    key = key_of(seed, "elbo")
    rest = {d.name: d.value for d in fitted.terms.data if not d.per_example}
    visits, kls = np.zeros((draws, 3)), np.zeros((draws, len(fitted.posterior.blocks)))
    with precision(fitted.dtype):

        @Compiled
        def evaluate(params: Any, key: Any, data: Any, counted: Any) -> Any:
            noise = fitted.elbo_parts.draw_noise(key, len(counted), fitted.dtype, dropout=False)
            parts = fitted.elbo_parts(params, noise, data)
            row = 0.0 if parts.row is None else jnp.where(counted, parts.row, 0.0).sum()
            kl, log_prior = parts.kl.sum() - parts.potential, parts.log_prior.sum()
            return jnp.stack([row, parts.rest, kl, log_prior, *parts.kl])

        params = jax.tree.map(jnp.asarray, fitted.params)
        passes = _held(fitted, draws, batch_size) if data is None else _streamed(fitted, data)
        for draw, batches in zip(range(draws), passes, strict=False):
            per_batch, seen = [], 0
            for i, (rows, counted) in enumerate(batches):
                batch_key = jax.random.fold_in(jax.random.fold_in(key, draw), i)
                found = evaluate(params, batch_key, {**rows, **rest}, counted)
                # Batches from outside must not pile up while the device is behind.
                per_batch.append(found if data is None else jax.device_get(found))
                seen += int(counted.sum())
            row, other, kl, prior, *each = np.asarray(jax.device_get(per_batch), float).T
            kls[draw] = np.mean(each, axis=1)
            scale = fitted.n_examples / seen if fitted.streamed else 1.0
            visits[draw] = -row.sum() * scale - other.mean(), kl.mean(), -prior.mean()
    check_sign(fitted.elbo_parts.kl_methods, fitted.posterior.blocks, kls.mean(axis=0))
    nll, kl, negative_log_prior = visits.mean(axis=0)
    name = "objective" if fitted.points else "elbo"
    result = {name: -nll - kl - negative_log_prior, "nll": nll, "kl": kl}
    if fitted.points:
        result["log_prior"] = 0.0 - negative_log_prior
    result[f"{name}_se"] = float(visits.sum(axis=1).std(ddof=1) / np.sqrt(draws))
    if fitted.terms.n_rows:
        result[f"{name}_per_example"] = result[name] / fitted.n_examples
    return pd.Series(result)


def evaluate_kl(fitted: Approximation, draws: int, seed: int) -> pd.Series:
    """Average each block's KL over draws; see :meth:`Approximation.kl`.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
    >>> bool(evaluate_kl(fitted, 1, seed=1)["mu"] > 0.1)
    True
    """
    key = key_of(seed, "kl")
    data = {d.name: d.value[:1] if d.per_example else d.value for d in fitted.terms.data}
    elbo = fitted.elbo_parts
    with precision(fitted.dtype):
        parts = jax.jit(
            lambda key: elbo(fitted.params, elbo.draw_noise(key, 1, fitted.dtype), data).kl
        )
        kl = np.mean([parts(jax.random.fold_in(key, i)) for i in range(draws)], axis=0)
        kl = np.where([b.guide.point for b in fitted.posterior.blocks], np.nan, kl)
    return pd.Series(kl.astype(float), index=pd.Index(elbo.names, name="variable"), name="kl")


def _check_visits(fitted: Approximation, data: Any) -> None:
    """Raise unless `data` is given where the model has a sample only, and there alone."""
    if fitted.streamed and data is None:
        got = f"None where the model holds {fitted.terms.n_rows} of {fitted.n_examples:,} examples"
        rule = "be given for a fit whose batches came from outside"
        raise invalid("data", rule, got, "pass the batches of the fit: fitted.elbo(data=…)")
    if data is None:
        return
    if not fitted.streamed:
        rule, repair = "be left out where the model holds all data", "call elbo() without it"
        raise invalid("data", rule, f"a {type(data).__name__}", repair)
    check_stream(data)
    if one_shot(data):
        repair = "pass a list, a DataLoader, or an object with __iter__"
        got = f"a {type(data).__name__}"
        raise invalid("data", "be an iterable that can be gone over again", got, repair)


def _held(fitted: Approximation, draws: int, batch_size: int) -> Iterator[Any]:
    """Yield, visit by visit, batches of the model's own data and which of their rows count."""
    rows = {d.name: d.value for d in fitted.terms.data if d.per_example}
    n = fitted.terms.n_rows
    size = min(batch_size, n) if n else 1
    for _ in range(draws):
        indices = (np.arange(i, i + size) for i in range(0, n or 1, size))
        yield (
            ({k: v[np.minimum(index, len(v) - 1)] for k, v in rows.items()}, index < (n or 1))
            for index in indices
        )


def _streamed(fitted: Approximation, data: Any) -> Iterator[Any]:
    """Yield the same of batches from outside."""
    loader = Loader(BatchSpec.of(fitted.terms, fitted.dtype), fitted.n_examples)
    while True:
        with Prefetcher(data, loader, passes=1) as stream:
            yield ((batch.rows, np.arange(loader.capacity) < batch.size) for batch in stream)
