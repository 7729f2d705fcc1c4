"""Predictions streamed over draws, and for each draw over batches of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from pymc_bnn.data.padding import room_of, round_up
from pymc_bnn.prediction.outputs import Evaluation, same_rows
from pymc_bnn.prediction.predictor import DENSITY, Output, Predictor
from pymc_bnn.prediction.results import ClassTotal, DensityTotal, Prediction, ValueTotal
from pymc_bnn.prediction.rows import Rows
from pymc_bnn.prediction.sampler import vote
from pymc_bnn.runtime.sharding import gather, replicate, shard_rows

__all__ = ["Stream", "settled"]

_RESIDENT_BYTES = 2**30  # more rows than that are sent to the device anew for each draw

Weights = Callable[[int], Mapping[str, Any]]


def settled(predictor: Predictor, rows: Rows, weights: Any, batch_size: int) -> Predictor:
    """Find out by numbers what the graph does not say: which outputs come row by row."""
    if not predictor.unknown or not rows.batched or rows.n < 2:
        return predictor
    if "settled" not in predictor.cache:
        evaluation = predictor.evaluation(sorted(predictor.unknown), whole=False)
        own = {k: v for k, v in rows.rows.items() if k in evaluation.data}
        rest = {k: v for k, v in rows.rest.items() if k in evaluation.data}
        good = same_rows(evaluation, weights, own, rest, batch_size)
        by_row = predictor.by_row | {key for key, yes in good.items() if yes}
        found = replace(predictor, by_row=by_row, unknown=frozenset(), cache={})
        predictor.cache["settled"] = found
    return predictor.cache["settled"]


@dataclass(frozen=True)
class Stream:
    """How to go over draws and rows.

    Attributes
    ----------
    draws : int
        How many.
    batch_size : int
        Rows at once.
    keep_draws : bool
        Whether draws are kept, or their sums only.
    key : jax.Array
        Of votes, masks and samples.
    fixed : bool
        Whether all draws have the same weights, so that probabilities are computed once.
    mesh : jax.sharding.Mesh, optional
        Devices over which the rows of a batch are split.
    first : int
        The number of the first row among all there are, on which random numbers depend.
    padded : int
        Least number of rows of a batch.

    Examples
    --------
    >>> Stream(100, 256, True, jax.random.key(0)).fixed
    False
    """

    draws: int
    batch_size: int
    keep_draws: bool
    key: jax.Array
    fixed: bool = False
    mesh: Mesh | None = None
    first: int = 0
    padded: int = 0

    def run(
        self,
        predictor: Predictor,
        rows: Rows,
        weights: Weights,
        advance: Callable[[], Any] = lambda: None,
    ) -> Prediction:
        """Predict from the weights of each draw; `advance` is called after each."""
        n = rows.n or 1
        size = max(self.batch_size if n > self.batch_size else room_of(n), self.padded)
        if predictor.unknown and (size < n or self.padded):
            predictor = settled(predictor, rows, weights(0), size)
        if self.mesh is not None:
            size = round_up(size, self.mesh.size)
        totals, density = _totals(predictor, rows), DensityTotal()
        seed = int(jax.random.bits(self.key, dtype=np.uint32))
        passes = self._passes(predictor, rows, weights, size)
        for draw, (classes, found) in enumerate(_one_ahead(passes)):
            rng = np.random.default_rng([seed, draw, *([self.first] if self.first else [])])
            columns, found = _join(predictor, rows, classes, found)
            drawn: dict[str, np.ndarray] = {}
            for name in (*predictor.observed, *predictor.var_names):
                if name in predictor.samplers:
                    sample = _draw(predictor, rows, name, rng, found, drawn)
                    if name in predictor.classes:
                        columns[name] = vote(rng, sample, rows.lengths[name])
                    else:
                        drawn[name] = sample
                elif name in predictor.var_names:
                    drawn[name] = found[Output(name)]
                if name in columns:
                    drawn[name] = columns[name][1]
            for name, total in totals.items():
                values = columns[name] if name in predictor.classes else (drawn[name],)
                total.add(draw, self.draws, self.keep_draws, *values)
            if predictor.with_density:
                density.add(found[DENSITY])
            advance()
        return Prediction(
            {name: total.result(self.draws) for name, total in totals.items()},
            self.draws,
            density.result(self.draws) if predictor.with_density else None,
        )

    def _passes(
        self, predictor: Predictor, rows: Rows, weights: Weights, size: int
    ) -> Iterator[Any]:
        """Yield, draw by draw, what the evaluations say of each batch, still on the device."""
        mesh, fixed = self.mesh, self.fixed and not predictor.with_masks
        rest = replicate(rows.rest, mesh)
        evaluations = predictor.evaluations(rows.batched)
        feeds = [(evaluation, *_feed(evaluation, rows, size, mesh)) for evaluation in evaluations]
        forward: dict[int, Any] = {}  # batches of a evaluation have one shape: looked up once
        before: list[Any] = []
        for draw in range(self.draws):
            draw_key = jax.random.fold_in(jax.random.fold_in(self.key, 1), draw)
            draw_key = replicate(draw_key, mesh)
            classes: dict[Any, list[Any]] = {}
            found: dict[Any, list[Any]] = {}
            results = []
            values = None if draw and fixed else replicate(weights(draw), mesh)
            for number, (evaluation, indices, load) in enumerate(feeds):
                batches = []
                constants = {k: v for k, v in rest.items() if k in evaluation.data}
                for i, (index, own) in enumerate(indices):
                    own = [self.first + o for o in own]
                    if values is None:  # the same probabilities, other votes
                        batches.append(evaluation.again(before[number][i], draw_key, own))
                        continue
                    given = values, {**load(i), **constants}, draw_key, self.first + index, own
                    with rows.shapes(predictor):
                        if number not in forward:
                            forward[number] = evaluation.forward.executable(*given)
                        batches.append(forward[number](*given))
                results.append(batches)
                batches = batches if evaluation.whole else gather(batches, mesh)
                for c, name in enumerate(evaluation.classes):
                    classes[name] = [b[0][c] for b in batches]
                for j, name in enumerate(evaluation.others):
                    found[name] = [b[1][j] for b in batches]
            before = results
            yield classes, found


def _totals(predictor: Predictor, rows: Rows) -> dict[str, Any]:
    """Return what sums the draws of each variable up."""
    totals: dict[str, Any] = {name: ClassTotal() for name in predictor.classes}
    totals |= {name: ValueTotal() for name in predictor.others}
    kinds = predictor.kinds
    for name in predictor.var_names:
        own = 0 if kinds[name] == "rows" else None
        mixed = kinds[name] not in ("rows", "none")
        totals[name] = ValueTotal(rows.lengths[name] if mixed else None, own)
    return totals


def _draw(
    predictor: Predictor,
    rows: Rows,
    name: str,
    rng: np.random.Generator,
    found: Mapping[Any, Any],
    drawn: Mapping[str, Any],
) -> np.ndarray:
    """Draw a variable given its parameters, and the observed variables it depends on."""
    sampler = predictor.samplers[name]
    parameters = [found[Output(name, j)] for j in range(len(sampler.parameters))]
    with rows.shapes(predictor):
        parents = [drawn[parent] for parent in predictor.parents[name]]
        return sampler(rng, parameters, rows.lengths[name], parents)


def _join(
    predictor: Predictor, rows: Rows, classes: Any, found: Any
) -> tuple[dict[str, Any], dict[Any, np.ndarray]]:
    """Put batches together, on the host."""
    columns, arrays = {}, {}
    for key, parts in classes.items():
        n, zipped = rows.lengths[key.variable], zip(*jax.device_get(parts), strict=True)
        columns[key.variable] = [np.concatenate(c)[:n] for c in zipped]
    for key, parts in found.items():
        kind = predictor.outputs.kinds[key]
        if rows.batched and key in predictor.by_row and kind != "none":
            arrays[key] = np.concatenate([np.asarray(part) for part in parts])[: rows.n]
        else:
            arrays[key] = np.asarray(parts[0])  # of all rows, or the same in every batch
    return columns, arrays


def _feed(
    evaluation: Evaluation, rows: Rows, size: int, mesh: Mesh | None
) -> tuple[list[Any], Any]:
    """Return the row numbers of each batch of a evaluation, and what loads its rows."""
    own = {k: v for k, v in rows.rows.items() if k in evaluation.data}
    if evaluation.whole:
        own = replicate(own, mesh)
        every = [np.arange(rows.lengths[key.variable]) for key in evaluation.classes]
        return [(np.arange(rows.n or 1), every)], lambda _: own
    indices = [np.arange(start, start + size) for start in range(0, rows.n, size)]

    def load(i: int) -> dict[str, Any]:
        index = np.minimum(indices[i], rows.n - 1)
        return shard_rows({k: v[index] for k, v in own.items()}, mesh)

    numbered = [(i, [i] * len(evaluation.classes)) for i in indices]
    if sum(v.nbytes for v in own.values()) <= _RESIDENT_BYTES:
        resident = [load(i) for i in range(len(indices))]
        return numbered, resident.__getitem__
    return numbered, load


def _one_ahead(items: Iterator[Any]) -> Iterator[Any]:
    """Ask for the next item before handing one on: the device works while the host sums up."""
    held = next(items)
    for item in items:
        yield held
        held = item
    yield held
