"""From a model and where its data are to a problem, and a source of its batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pymc as pm
from jax.sharding import Mesh

from pymc_bnn._checks import invalid
from pymc_bnn.data.epochs import EpochPlan, StreamPlan
from pymc_bnn.data.gathering import ROWS
from pymc_bnn.data.loader import Batch
from pymc_bnn.data.padding import fill, room_of, round_up, storage_of
from pymc_bnn.data.prefetcher import STALL_S
from pymc_bnn.data.resuming import Where
from pymc_bnn.data.spec import BatchSpec
from pymc_bnn.data.streams import open_stream
from pymc_bnn.graphs.interpreted import building
from pymc_bnn.inference.sources import Held, Source, Streamed
from pymc_bnn.model.columns import with_columns
from pymc_bnn.model.labels import warn_of_few
from pymc_bnn.model.links import warn_of_links
from pymc_bnn.model.problem import Problem
from pymc_bnn.model.scales import warn_of_scales
from pymc_bnn.model.stand_alone import rows_stand_alone
from pymc_bnn.model.taking_rows import by_rows
from pymc_bnn.model.terms import ModelTerms
from pymc_bnn.model.whole_or_rows import take_apart
from pymc_bnn.runtime.precision import narrow
from pymc_bnn.runtime.sharding import replicate

__all__ = ["DataOptions", "prepare"]

_ENOUGH_ROWS = 10  # of a sample, to see whether rows depend on each other


@dataclass(frozen=True)
class DataOptions:
    """Where the data are, and how they are gone over; arguments of :func:`pymc_bnn.fit`.

    Raises
    ------
    ValueError
        For options that do not go together, or an unknown precision.

    Examples
    --------
    >>> DataOptions(total_size=100)
    Traceback (most recent call last):
        ...
    ValueError: `total_size` must come with `data`, got 100; leave it out: N is the number of the \
model's rows
    """

    data: Any = None
    total_size: int | None = None
    stall_timeout: float = STALL_S
    batch_size: int | str | None = "auto"
    rows: str | Sequence[str] | None = None
    dtype: str = "float32"
    devices: Any = None

    def __post_init__(self):
        if self.dtype not in ("float32", "float64"):
            rule, repair = 'be "float32" or "float64"', "choose one of them"
            raise invalid("dtype", rule, repr(self.dtype), repair)
        if self.data is None and self.total_size is not None:
            rule, repair = "come with `data`", "leave it out: N is the number of the model's rows"
            raise invalid("total_size", rule, self.total_size, repair)


def prepare(
    model: pm.Model,
    options: DataOptions,
    mesh: Mesh | None = None,
    *,
    layers: bool = False,
    latents: Set[str] = frozenset(),
    whole_up_to: int = 256,
    epochs: int | None = None,
    seed: int = 0,
    keeps: bool = False,
    at: Mapping[str, Any] | None = None,
) -> tuple[Problem, Source]:
    """Take a model apart, find its rows, and put its data where steps find them.

    Parameters
    ----------
    model : pymc.Model
        The model.
    options : DataOptions
        Where its data are.
    mesh : jax.sharding.Mesh, optional
        Devices over which the rows of a batch are split.
    layers : bool, optional
        Whether the model is wanted by rows even where all data are used in every step.
    latents : set of str, optional
        Free variables that may be taken by rows with the data.
    whole_up_to : int, optional
        How many rows ``batch_size="auto"`` takes all at once.
    epochs : int, optional
        If asked for: a stream has to say how long one is.
    seed : int, optional
        Of random initial values, and of the order in which rows are checked.
    keeps : bool, optional
        Whether the source is to tell where it is.
    at : mapping, optional
        What it told, where it is to go on from there.

    Returns
    -------
    problem : Problem
        All that has to be known of the model.
    source : Held or Streamed
        A context manager; it has to be closed.

    Raises
    ------
    ValueError, TypeError
        For bad options, models or data.
    StreamError
        If the first batch does not come.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(600))
    >>> problem, source = prepare(model, DataOptions())
    >>> problem.n, source.batches
    (600, EpochPlan(n=600, batch_size=256))
    """
    if options.data is not None:
        if mesh is not None:
            rule, repair = "be left out where `data` come in batches", "fit on one device"
            raise invalid("devices", rule, repr(options.devices), repair)
        return _prepare_stream(model, options, epochs, seed, keeps, at)
    with building():
        terms, size, row_terms = take_apart(
            model,
            options.batch_size,
            options.rows,
            seed,
            layers or mesh is not None,
            whole_up_to,
            latents if mesh is None else frozenset(),  # else parameters would be split as rows are
        )
    batches = None if size is None else EpochPlan(terms.n_rows, size)
    problem = Problem.of(terms, row_terms, options.dtype)
    warn_of_few(terms, batches.n if batches else problem.n)
    warn_of_links(terms)
    warn_of_scales(problem.for_predictions)
    if mesh is not None and batches is None:
        rule = "be left out where the likelihood does not come by rows"
        raise invalid("devices", rule, repr(options.devices), "pass batch_size=128, say")
    return problem, held(problem, batches, mesh)


def held(problem: Problem, batches: EpochPlan | None, mesh: Mesh | None = None) -> Held:
    """Put all data of a problem on the device.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> list(held(Problem.of(decompose(model), None, "float32"), None).data)
    ['y']
    """
    terms = problem.terms
    arrays = {k: narrow(v, problem.dtype) for k, v in terms.arrays().items()}
    if batches is not None:
        size = room_of if batches.per_epoch == 1 else storage_of
        devices = 1 if mesh is None else mesh.size
        rows = round_up(batches.n, devices) if terms.groups else size(batches.n, devices)
        if terms.latents:
            arrays[ROWS] = np.arange(batches.n, dtype="int32")
        by_row = [d.name for d in terms.data if d.per_example] + [ROWS] * bool(terms.latents)
        arrays |= {name: fill(arrays[name], rows) for name in by_row}
    return Held(replicate(arrays, mesh), batches)


def stream_again(
    problem: Problem,
    batches: StreamPlan,
    data: Any,
    *,
    keeps: bool = False,
    at: Mapping[str, Any] | None = None,
) -> Streamed:
    """Open batches for a problem that was fitted to such ones before, or go on where they were.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(5))
    >>> options = DataOptions([{"y": np.zeros(6)}], total_size=6)
    >>> problem, source = prepare(model, options)
    >>> again = stream_again(problem, source.batches, options.data)
    >>> with source, again:
    ...     again.batches.capacity
    6
    """
    stream, _ = open_stream(
        data,
        BatchSpec.of(problem.terms, problem.dtype),
        total_size=problem.n,
        batch_size=batches.capacity,
        epochs=None,
        stall_timeout=STALL_S,
        keeps=keeps,
        at=_where(at),
    )
    rest = [d for d in problem.terms.data if not d.per_example]
    arrays = {d.name: narrow(d.value, problem.dtype) for d in rest}
    return Streamed(stream, replicate(arrays, None), batches, problem.dtype, at)


def _prepare_stream(
    model: pm.Model,
    options: DataOptions,
    epochs: int | None,
    seed: int,
    keeps: bool,
    at: Mapping[str, Any] | None,
) -> tuple[Problem, Streamed]:
    """Prepare a model of which a sample is held, and whose data come in batches."""
    terms = by_rows(model, options.rows, seed)
    with ExitStack() as stack:
        stream, batches = open_stream(
            options.data,
            BatchSpec.of(terms, options.dtype),
            total_size=options.total_size,
            batch_size=options.batch_size,
            epochs=epochs,
            stall_timeout=options.stall_timeout,
            keeps=keeps,
            at=_where(at),
        )
        stack.enter_context(stream)
        first = stream.peek()
        _check_rows_of(first, terms, seed)
        terms = with_columns(terms, first.columns)
        problem = Problem.of(terms, terms, options.dtype, batches.n)
        warn_of_few(terms, problem.n, whole=False)
        seen = _seen(first, terms)
        warn_of_links(seen)
        warn_of_scales(seen)
        arrays = {d.name: narrow(d.value, options.dtype) for d in terms.data if not d.per_example}
        rest = replicate(arrays, None)
        stack.pop_all()
        return problem, Streamed(stream, rest, batches, options.dtype, at)


def _where(at: Mapping[str, Any] | None) -> Where | None:
    """Return where an iterable was, of what a source said of itself."""
    return at and Where(*(at[f.name] for f in fields(Where)))


def _check_rows_of(first: Batch, terms: ModelTerms, seed: int) -> None:
    """Check on the first batch that rows stand alone, where the model's sample is too small."""
    seen = _seen(first, terms)
    if seen is not terms:
        rows_stand_alone(seen, seed, first.size)


def _seen(first: Batch, terms: ModelTerms) -> ModelTerms:
    """Return the model with the rows of the first batch, where its own sample is too small."""
    if terms.n_rows >= min(_ENOUGH_ROWS, first.size):
        return terms
    rows = {name: np.asarray(value)[: first.size] for name, value in first.rows.items()}
    data = tuple(replace(d, value=rows.get(d.name, d.value)) for d in terms.data)
    return replace(terms, data=data, n_rows=first.size)
