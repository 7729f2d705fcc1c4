"""Posterior predictions, streamed over examples and draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any

import jax
import numpy as np
import pytensor.tensor as pt
from jax.sharding import Mesh
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors

from pymc_bnn._checks import first_line, invalid
from pymc_bnn.model.counts import exact_rows
from pymc_bnn.model.independence import row_use
from pymc_bnn.model.problem import Problem
from pymc_bnn.model.rules import DataRules
from pymc_bnn.prediction import ClassTotal, DensityTotal, Prediction, ValueTotal
from pymc_bnn.prediction.programs import Outputs, Program, same_rows
from pymc_bnn.prediction.requests import Request, not_enough, terms_for
from pymc_bnn.prediction.sampler import Sampler, is_class, probabilities, vote
from pymc_bnn.prediction.targets import asked_for, graphs_of, has_density
from pymc_bnn.runtime.sharding import gather, replicate, shard_rows

__all__ = ["Predictor"]

_RESIDENT_BYTES = 2**30  # more rows than that are sent to the device anew for each draw
_DENSITY = "", 0


class Predictor:
    """The model's predictive distribution as a compiled function of weights and rows.

    What stands row by row is evaluated in batches, what looks across rows with all at once.

    Parameters
    ----------
    problem : Problem
        The model, prepared.
    new_data : mapping from str to array_like, or None
        New values of its data.
    var_names : str or sequence of str, optional
        Deterministics to return as well. None: nothing but the density.
    mc_dropout : bool, optional
        Keep the network's dropout, with a mask of its own for each example and draw.
    """

    def __init__(
        self,
        problem: Problem,
        new_data: Mapping[str, Any] | None,
        var_names: str | Sequence[str] | None = (),
        mc_dropout: bool = False,
    ):
        self.dtype, self.fitted = problem.dtype, problem.by_rows
        request = Request.of(self.fitted, new_data)
        terms = self.terms = terms_for(self.fitted, request)
        names = [var_names] if isinstance(var_names, str) else list(var_names or ())
        targets = [] if var_names is None else asked_for(terms, request, names)
        names = [name for name in names if name not in {o.name for o in targets}]
        self.var_names, self.observed = names, {o.name: o for o in targets}
        drawn = graphs_of(terms, request, [*self.observed, *names])
        self.parents = {name: list(parents) for name, (_, parents) in drawn.items()}
        self.classes = [o.name for o in targets if is_class(o)]
        self.others = [name for name in self.observed if name not in self.classes]
        # Votes of a class depend on its number.
        voting = [name for name in self.classes if not self.parents[name]]
        self.numbers = {(name, 0): c for c, name in enumerate(voting)}
        self.samplers: dict[str, Sampler] = {}
        self.graphs: dict[tuple[str, int], Variable] = {}  # what JAX computes
        for name, (graph, by_name) in drawn.items():
            parents = list(by_name.values())
            if name in self.others:
                self.samplers[name] = Sampler.of(self.observed[name], graph, parents)
                continue
            graph = probabilities(graph) if name in self.classes else graph
            if parents:
                self.samplers[name] = Sampler(graph, pt.lscalar("n"), parents)
            else:
                self.graphs[name, 0] = graph
        for name, sampler in self.samplers.items():
            self.graphs |= {(name, j): p for j, p in enumerate(sampler.parameters)}
        self.with_density = has_density(terms, request)
        if self.with_density:
            self.graphs[_DENSITY] = exact_rows(terms, terms.row_density)

        # The fit found the rows of the likelihood independent of each other.
        checked = problem.terms.n_rows is not None and terms is self.fitted
        trusted = [key for key in self.graphs if key[0] not in names] if checked else []
        row_inputs = [d.variable for d in terms.data if d.per_example]
        self.outputs = Outputs.of(self.graphs, trusted, row_inputs, mc_dropout)
        self.with_masks = bool(self.outputs.masks)
        if mc_dropout and not self.with_masks:
            rule = "be False for a network without dropout"
            raise invalid("mc_dropout", rule, True, "leave it out")
        # What is drawn on the host must not look across rows there, either.
        inputs = [*row_inputs, *(v for _, by_name in drawn.values() for v in by_name.values())]
        chained = [name for name in drawn if self.parents[name]]
        uses = row_use([drawn[name][0] for name in chained], inputs)
        self.across = {
            name: use.why
            for name, use in zip(chained, uses, strict=True)
            if use.kind == "mixed" or (use.kind == "unknown" and name in names)
        }
        self.unknown = {key for key, kind in self.outputs.kinds.items() if kind == "unknown"}
        self.by_row = {
            key
            for key, kind in self.outputs.kinds.items()
            if kind == "rows" or (kind == "none" and self._counts_rows(key))
        }
        self.behind = {key: set(ancestors([g])) for key, g in self.outputs.graphs.items()}
        self.used = [d for d in terms.data if any(d.variable in b for b in self.behind.values())]
        missing = [d.name for d in self.used if d.per_example]
        if request.rows is not None and set(missing) - request.rows:
            raise not_enough(terms, request, [name for name in missing if name not in request.rows])
        self.programs: dict[Any, list[Program]] = {}
        self.key = jax.random.key(0)
        self.rules = problem.rules if terms is self.fitted else DataRules.of(terms)
        self._take(request)

    def _counts_rows(self, key: tuple[str, int]) -> bool:
        """Tell whether what no row changes is wanted for each row: one probability for all."""
        return key not in self.numbers or self.observed[key[0]].per_example

    def _take(self, request: Request) -> None:
        """Set the data: rows, and what does not vary per example."""
        label = f"{'new_data' if request.asked else 'pm.set_data'}['{{name}}']"
        given = request.values
        self.rules.check({**self.terms.arrays(), **given}, label, only=given)
        arrays = {d.name: given.get(d.name, d.value) for d in self.used}
        self.rows = {d.name: arrays[d.name] for d in self.used if d.per_example}
        self.rest = {d.name: arrays[d.name] for d in self.used if not d.per_example}
        sizes = {d.variable: len(self.rows[d.name]) for d in self.used if d.per_example}
        self.n = next(iter(sizes.values()), None)
        if self.n == 0:
            raise invalid("new_data", "have at least one row", "none", "pass some examples")
        self.lengths: dict[str, int] = {}
        for name in dict.fromkeys(key[0] for key in (*self.graphs, *((k,) for k in self.parents))):
            behind = set().union(*(self.behind[key] for key in self.graphs if key[0] == name))
            found = {n for v, n in sizes.items() if v in behind}
            found |= {self.lengths[p] for p in self.parents.get(name, ()) if p in self.lengths}
            if len(found) > 1:
                lengths = {name: len(value) for name, value in self.rows.items()}
                repair = "pass as many of each"
                raise invalid("new_data", "have one number of rows", lengths, repair)
            o = self.observed.get(name)
            own = o.n if o is not None and not (o.per_example and self.n) else self.n or 1
            self.lengths[name] = found.pop() if found else own
        # Likelihoods of several lengths are evaluated whole.
        self.batched = self.n is not None and len(set(sizes.values())) == 1

    @property
    def names(self) -> list[str]:
        """Names of what varies per example and is predicted: variables and deterministics."""
        return [name for name in self.kinds if self.kinds[name] == "rows"]

    @property
    def kinds(self) -> dict[str, str]:
        """How each variable that is predicted depends on rows: "rows", "none", or what mixes."""
        found, kinds = {}, self.outputs.kinds
        for name in (*self.classes, *self.others, *self.var_names):
            keys = [key for key in self.graphs if key[0] == name]
            keys = [key for key in keys if kinds[key] not in ("none", "length")]
            mixed = [self.outputs.why[key] for key in keys if key not in self.by_row]
            mixed += [self.across[name]] if name in self.across else []
            o = self.observed.get(name)
            rows = o.per_example if o is not None else keys or self.parents[name]
            found[name] = mixed[0] if mixed else "rows" if rows else "none"
        return found

    @property
    def has_values(self) -> bool:
        """Whether something is predicted that has a standard deviation."""
        return bool(self.others or self.var_names)

    def with_data(self, new_data: Mapping[str, Any] | None) -> Predictor:
        """Return the same compiled functions with other values of the same data."""
        other = copy(self)
        other._take(Request.of(self.fitted, new_data))
        return other

    def without_data(self) -> Predictor:
        """Return the same compiled functions, to be kept for other data."""
        other = copy(self)
        other.rows, other.rest = {}, {}
        return other

    def settle(self, weights: Mapping[str, Any], batch_size: int) -> None:
        """Find out by numbers what the graph does not say: which outputs come row by row."""
        if self.unknown and self.batched and self.n > 1:
            program = self._program(sorted(self.unknown), whole=False)
            rows = {k: v for k, v in self.rows.items() if k in program.data}
            rest = {k: v for k, v in self.rest.items() if k in program.data}
            good = same_rows(program, weights, rows, rest, batch_size)
            self.by_row |= {key for key, yes in good.items() if yes}
            self.unknown.clear()

    def _program(self, keys: Sequence[tuple[str, int]], whole: bool) -> Program:
        behind = set().union(*(self.behind[key] for key in keys))
        data = {d.name: d.variable for d in self.used if d.variable in behind}
        values = {f.name: f.value for f in self.terms.free}
        return Program(self.outputs, keys, self.numbers, values, data, self.dtype, whole)

    def _programs(self) -> list[Program]:
        """Return the program of what comes in batches, and of what needs all rows."""
        by_row = [key for key in self.graphs if self.batched and key in self.by_row]
        if tuple(by_row) not in self.programs:
            rest = [key for key in self.graphs if key not in by_row]
            parts = [(by_row, False), (rest, True)]
            self.programs[tuple(by_row)] = [self._program(k, whole) for k, whole in parts if k]
        return self.programs[tuple(by_row)]

    def run(
        self,
        weights: Callable[[int], Mapping[str, Any]],
        draws: int,
        batch_size: int,
        keep_draws: bool,
        key: jax.Array,
        fixed: bool = False,
        mesh: Mesh | None = None,
        first: int = 0,
        padded: int = 0,
    ) -> Prediction:
        """Stream over draws, and for each draw over batches of rows; `fixed` weights run once.

        The rows of a batch are split over the devices of `mesh`. They are those from `first` on of
        all there are; batches have at least `padded` rows.
        """
        size = max(min(batch_size, self.n or 1), padded)
        if self.unknown and (size < (self.n or 1) or padded):
            self.settle(weights(0), size)
        if mesh is not None:
            size = -(-size // mesh.size) * mesh.size
        totals: dict[str, Any] = {name: ClassTotal() for name in self.classes}
        totals |= {name: ValueTotal() for name in self.others}
        kinds = self.kinds
        for name in self.var_names:
            rows = 0 if kinds[name] == "rows" else None
            mixed = kinds[name] not in ("rows", "none")
            totals[name] = ValueTotal(self.lengths[name] if mixed else None, rows)
        density = DensityTotal()
        seed = int(jax.random.bits(key, dtype=np.uint32))
        passes = self._passes(weights, draws, key, size, fixed and not self.with_masks, mesh, first)
        for draw, (classes, found) in enumerate(_one_ahead(passes)):
            rng = np.random.default_rng([seed, draw, *([first] if first else [])])
            columns, found = self._gather(classes, found)
            drawn: dict[str, np.ndarray] = {}
            for name in (*self.observed, *self.var_names):
                if name in self.samplers:
                    sample = self._draw(name, rng, found, drawn)
                    if name in self.classes:
                        columns[name] = vote(rng, sample, self.lengths[name])
                    else:
                        drawn[name] = sample
                elif name in self.var_names:
                    drawn[name] = found[name, 0]
                if name in columns:
                    drawn[name] = columns[name][1]
            for name, total in totals.items():
                values = columns[name] if name in self.classes else (drawn[name],)
                total.add(draw, draws, keep_draws, *values)
            if self.with_density:
                density.add(found[_DENSITY])
        return Prediction(
            {name: total.result(draws) for name, total in totals.items()},
            draws,
            density.result(draws) if self.with_density else None,
        )

    def _draw(
        self,
        name: str,
        rng: np.random.Generator,
        found: Mapping[Any, Any],
        drawn: Mapping[str, Any],
    ) -> np.ndarray:
        """Draw a variable given its parameters, and the observed variables it depends on."""
        sampler = self.samplers[name]
        parameters = [found[name, j] for j in range(len(sampler.parameters))]
        with self._shapes():
            parents = [drawn[parent] for parent in self.parents[name]]
            return sampler(rng, parameters, self.lengths[name], parents)

    def _gather(self, classes: Any, found: Any) -> tuple[dict[str, Any], dict[Any, np.ndarray]]:
        """Put batches together, on the host."""
        columns, arrays = {}, {}
        for key, parts in classes.items():
            zipped = zip(*jax.device_get(parts), strict=True)
            columns[key[0]] = [np.concatenate(c)[: self.lengths[key[0]]] for c in zipped]
        for key, parts in found.items():
            if self.batched and key in self.by_row and self.outputs.kinds[key] != "none":
                arrays[key] = np.concatenate([np.asarray(part) for part in parts])[: self.n]
            else:
                arrays[key] = np.asarray(parts[0])  # of all rows, or the same in every batch
        return columns, arrays

    def _passes(
        self,
        weights: Callable[[int], Mapping[str, Any]],
        draws: int,
        key: jax.Array,
        size: int,
        fixed: bool,
        mesh: Mesh | None,
        first: int,
    ) -> Iterator[Any]:
        """Yield, draw by draw, what the programs say of each batch, still on the device."""
        rest = replicate(self.rest, mesh)
        feeds = [(p, *self._feed(p, size, mesh)) for p in self._programs()]
        forward: dict[int, Any] = {}  # batches of a program have one shape: looked up once
        before: list[Any] = []
        for draw in range(draws):
            draw_key = jax.random.fold_in(jax.random.fold_in(key, 1), draw)
            draw_key = replicate(draw_key, mesh)
            classes: dict[Any, list[Any]] = {}
            found: dict[Any, list[Any]] = {}
            results = []
            values = None if draw and fixed else replicate(weights(draw), mesh)
            for number, (program, indices, load) in enumerate(feeds):
                batches = []
                constants = {k: v for k, v in rest.items() if k in program.data}
                for i, (index, own) in enumerate(indices):
                    own = [first + o for o in own]
                    if values is None:  # the same probabilities, other votes
                        batches.append(program.again(before[number][i], draw_key, own))
                        continue
                    given = values, {**load(i), **constants}, draw_key, first + index, own
                    with self._shapes():
                        if number not in forward:
                            forward[number] = program.forward.executable(*given)
                        batches.append(forward[number](*given))
                results.append(batches)
                batches = batches if program.whole else gather(batches, mesh)
                for c, name in enumerate(program.classes):
                    classes[name] = [b[0][c] for b in batches]
                for j, name in enumerate(program.others):
                    found[name] = [b[1][j] for b in batches]
            before = results
            yield classes, found

    def _feed(self, program: Program, size: int, mesh: Mesh | None) -> tuple[list[Any], Any]:
        """Return the row numbers of each batch of a program, and what loads its rows."""
        rows = {k: v for k, v in self.rows.items() if k in program.data}
        if program.whole:
            rows = replicate(rows, mesh)
            own = [np.arange(self.lengths[key[0]]) for key in program.classes]
            return [(np.arange(self.n or 1), own)], lambda _: rows
        indices = [np.arange(start, start + size) for start in range(0, self.n, size)]

        def load(i: int) -> dict[str, Any]:
            index = np.minimum(indices[i], self.n - 1)
            return shard_rows({k: v[index] for k, v in rows.items()}, mesh)

        if sum(v.nbytes for v in rows.values()) <= _RESIDENT_BYTES:
            resident = [load(i) for i in range(len(indices))]
            return [(i, [i] * len(program.classes)) for i in indices], resident.__getitem__
        return [(i, [i] * len(program.classes)) for i in indices], load

    @contextmanager
    def _shapes(self) -> Iterator[None]:
        """Turn errors about shapes into one that lists the data."""
        try:
            yield
        except (TypeError, ValueError, IndexError) as error:
            if "concrete" in str(error):
                rule = "leave to JAX no length that is computed from the number of rows"
                repair = "leave such a deterministic out, or write it without pt.ones_like and such"
                got = f"one in {[*self.observed, *self.var_names]}"
                raise invalid("model", rule, got, repair, NotImplementedError) from error
            shapes = ", ".join(f"'{k}' {v.shape}" for k, v in {**self.rows, **self.rest}.items())
            lengths = {o.n for o in self.terms.observed}
            bound = [f.name for f in self.terms.free if f.start.ndim and len(f.start) in lengths]
            repair = "pass as many rows of each, or as many as the fit had"
            if bound:
                repair = f"pass as many rows as the fit had: {bound} belong to them"
            raise invalid(
                "new_data",
                "have shapes that the model accepts",
                f"{shapes} ({first_line(error)})",
                repair,
            ) from error

    def mean_nll(self, prediction: Prediction) -> float:
        """Return the negative log predictive density per example of a prediction made by this."""
        return float(-prediction.log_density.mean())

    def need_density(self) -> None:
        """Raise unless the data hold what was observed."""
        if self.with_density:
            return
        if not self.terms.observed:
            repair = "there is no density of new data by a potential"
            raise invalid("model", "have observed variables", "potentials only", repair)
        if self.terms.row_density is None or len({o.n for o in self.terms.observed}) > 1:
            rule = "be of a model whose log-likelihood has one value for each row"
            raise invalid("new_data", rule, sorted(self.rows), "compute it from predictions")
        raise invalid(
            "new_data",
            "contain the observed variables",
            sorted(self.rows),
            f"add {[o.name for o in self.terms.observed]}",
        )


def _one_ahead(items: Iterator[Any]) -> Iterator[Any]:
    """Ask for the next item before handing one on: the device works while the host sums up."""
    held = next(items)
    for item in items:
        yield held
        held = item
    yield held
