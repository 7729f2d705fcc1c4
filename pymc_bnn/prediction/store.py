"""Predictions of more examples than memory holds, written to a Zarr store as they come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from pymc_bnn._checks import check_positive, invalid, optional_library
from pymc_bnn.data.arrays import Origin
from pymc_bnn.data.prefetcher import Prefetcher
from pymc_bnn.data.spec import named
from pymc_bnn.data.streams import check_stream
from pymc_bnn.inference.progress import kind_of_bar
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.prediction.predict import predict, predictor_for
from pymc_bnn.prediction.requests import Request, warn_of_one_draw
from pymc_bnn.prediction.results import ClassPrediction, Prediction
from pymc_bnn.prediction.streaming import settled
from pymc_bnn.runtime.precision import precision

__all__ = ["write_predictions"]

_CHUNK_BYTES = 2**20  # at least, so that a large store is not made of very many small files


def write_predictions(
    problem: Problem,
    posterior: Posterior,
    kl_weight: float,
    store: Any,
    batches: Any,
    draws: int,
    batch_size: int,
    at: str,
    keep_draws: bool,
    var_names: str | Sequence[str],
    mc_dropout: bool,
    random_seed: int,
    stall_timeout: float,
    progressbar: bool,
) -> xr.Dataset:
    """Predict batch by batch and write; see :meth:`pymc_bnn.Approximation.predict_to`.

    Examples
    --------
    >>> write_predictions.__name__
    'write_predictions'
    """
    optional_library("zarr", "predict_to()")
    check_stream(batches, "batches")
    check_positive("stall_timeout", stall_timeout)
    if isinstance(store, str | PathLike):
        store = str(store)
        if "://" not in store and Path(store).exists():
            rule, repair = "be a store that does not exist yet", "delete it or choose another name"
            raise invalid("store", rule, repr(store), repair)
    order = _names(problem)
    attributes = {
        "inference_library": "pymc_bnn",
        "draws": draws,
        "kl_weight": kl_weight,
        "complete": 0,
    }

    def prepare(raw: Any, number: int, visit: int) -> Request:
        origin = Origin("batches", number)
        return Request.of(problem, named(raw, order, origin), origin)

    written, padded, first = 0, 0, []
    try:
        with (
            Prefetcher(
                batches, prepare, passes=1, stall_timeout=stall_timeout, argument="batches"
            ) as stream,
            _counter(progressbar) as count,
        ):
            for number, request in enumerate(stream, 1):
                names = sorted(request.rows)
                first = first or names
                if names != first:
                    got = f"{names} in batch {number}"
                    rule = f"yield the names of the first batch, {first}"
                    raise invalid("batches", rule, got, "yield the same names in every batch")
                predictor, rows = predictor_for(problem, request, var_names, mc_dropout)
                padded = padded or min(batch_size, rows.n)
                if predictor.unknown:
                    with precision(problem.dtype):
                        weights = posterior.draw(jax.random.key(random_seed))
                        predictor = settled(predictor, rows, weights, padded)
                if number == 1:
                    _check_names(predictor.kinds, predictor.var_names)
                    warn_of_one_draw(draws, predictor.has_values)
                prediction = predict(
                    posterior,
                    predictor,
                    rows,
                    draws,
                    batch_size,
                    at,
                    keep_draws,
                    random_seed,
                    first=written,
                    padded=padded,
                )
                part = _dataset(prediction, predictor.names).assign_attrs(attributes)
                _append(store, part, written)
                written += rows.n
                count(written)
        _group(store).attrs["complete"] = 1
    except BaseException as error:
        if isinstance(error, Exception):
            error.written = written
        if written:
            error.add_note(
                f"{written:,} examples are written; read them by "
                f"xarray.open_zarr({store!r}, consolidated=False)."
            )
        raise
    return xr.open_dataset(store, engine="zarr", chunks=None, consolidated=False)


def _names(problem: Problem) -> list[str]:
    """Return the names of the data that may vary per example, in the model's order."""
    terms = problem.for_predictions
    order = list(terms.model.named_vars)
    known = [d.name for d in terms.data if d.name in order]
    by_row = {d.name for d in terms.data if d.per_example}
    return sorted(known, key=lambda name: (bool(by_row) and name not in by_row, order.index(name)))


def _check_names(kinds: Mapping[str, str], var_names: Sequence[str]) -> None:
    """Refuse what does not vary per example, or looks across examples."""
    constant = [name for name in var_names if kinds[name] == "none"]
    if constant:
        rule, repair = "vary per example", "draw it by fitted.sample(var_names=…)"
        raise invalid("var_names", rule, constant, repair)
    for name, kind in kinds.items():
        if kind not in ("rows", "none"):
            what = "var_names" if name in var_names else "model"
            rule = f"predict each example by itself, and '{name}' does not"
            repair = "use fitted.predict, which evaluates it with all rows at once"
            raise invalid(what, rule, kind, repair)
    if "rows" not in kinds.values():
        repair = "use fitted.predict"
        raise invalid("model", "have an observed variable that varies per example", "none", repair)


def _dataset(prediction: Prediction, names: Sequence[str]) -> xr.Dataset:
    """Return what is predicted of a batch, with a dimension "example"."""
    parts: dict[str, tuple[Sequence[str], np.ndarray]] = {}
    for name in names:
        v = prediction[name]
        if isinstance(v, ClassPrediction):
            by_class = ("example", f"{name}_class")
            parts[f"{name}_mean_probs"] = by_class, v.mean_probs
            parts[f"{name}_expected_entropy"] = ("example",), v.expected_entropy
            parts[f"{name}_label_votes"] = by_class, v.label_votes.astype(np.int32)
            parts[f"{name}_class_votes"] = by_class, v.class_votes.astype(np.int32)
            if v.probs is not None:
                parts[f"{name}_probs"] = ("draw", *by_class), v.probs
                parts[name] = ("draw", "example"), v.samples.astype(np.int32)
            continue
        dims = ("example", *(f"{name}_dim_{i}" for i in range(1, v.mean.ndim)))
        parts[f"{name}_mean"], parts[f"{name}_std"] = (dims, v.mean), (dims, v.std)
        if v.samples is not None:
            parts[name] = ("draw", *dims), v.samples
    if prediction.log_density is not None:
        parts["log_density"] = ("example",), prediction.log_density
    return xr.Dataset(parts)


def _append(store: Any, part: xr.Dataset, written: int) -> None:
    """Write a batch behind those that are there; what fails halfway is undone."""
    if not written:
        encoding = {name: {"chunks": _chunks(array)} for name, array in part.items()}
        part.to_zarr(store, mode="w-", consolidated=False, encoding=encoding)
        return
    try:
        part.to_zarr(store, append_dim="example", consolidated=False)
    except BaseException:
        _cut(store, part, written)
        raise


def _cut(store: Any, part: xr.Dataset, written: int) -> None:
    """Give all arrays the length of the examples that were written completely."""
    group = _group(store)
    for name, array in part.items():
        shape = list(group[name].shape)
        shape[array.dims.index("example")] = written
        group[name].resize(tuple(shape))


def _chunks(array: xr.DataArray) -> tuple[int, ...]:
    """Return the shape of a chunk: whole first batches, of about a megabyte."""
    sizes = dict(array.sizes)
    sizes["example"] *= max(1, _CHUNK_BYTES // max(array.nbytes, 1))
    return tuple(sizes.values())


def _group(store: Any) -> Any:
    import zarr

    return zarr.open_group(store, mode="r+")


@contextmanager
def _counter(enabled: bool) -> Iterator[Any]:
    """Show the number of examples written."""
    if not enabled:
        yield lambda written: None
        return
    from rich.progress import TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.completed:,.0f} examples written"), TimeElapsedColumn()
    with kind_of_bar()(*columns, auto_refresh=False) as bar:
        task = bar.add_task("", total=None)

        def count(written: int) -> None:
            bar.update(task, completed=written)
            bar.refresh()

        yield count
