"""Posterior predictions, streamed over examples and draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import pytensor
import pytensor.tensor as pt
from jax.sharding import Mesh
from pymc.distributions.discrete import Bernoulli, Categorical
from pymc.distributions.shape_utils import change_dist_size
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors, toposort
from pytensor.tensor.random.type import RandomType, random_generator_type
from pytensor.tensor.shape import Shape, Shape_i

from pymc_bnn._checks import check_finite, invalid
from pymc_bnn.compilation import Compiled
from pymc_bnn.decompose import Observed, Terms, decompose
from pymc_bnn.devices import everywhere, gathered, put_rows
from pymc_bnn.masks import random_masks
from pymc_bnn.model.counts import exact_rows
from pymc_bnn.noise import words_of
from pymc_bnn.prediction import ClassTotal, DensityTotal, Prediction, ValueTotal
from pymc_bnn.to_jax import INTERPRETED, lift, substitute

if TYPE_CHECKING:
    from pymc_bnn.approximation import Approximation

__all__ = ["Predictor"]

_RESIDENT_BYTES = 2**30  # more rows than that are sent to the device anew for each draw


class Predictor:
    """The model's predictive distribution as a compiled function of weights and rows.

    Parameters
    ----------
    fitted : Approximation
        The model as it was fitted.
    new_data : mapping from str to array_like, or None
        New values of its data.
    var_names : str or sequence of str, optional
        Deterministics to return as well.
    mc_dropout : bool, optional
        Keep the network's dropout, with a mask of its own for each example and draw.
    """

    def __init__(
        self,
        fitted: Approximation,
        new_data: Mapping[str, Any] | None,
        var_names: str | Sequence[str] = (),
        mc_dropout: bool = False,
    ):
        self.dtype = fitted.dtype
        var_names = (var_names,) if isinstance(var_names, str) else tuple(var_names)
        known = fitted.terms.deterministics
        unknown = [name for name in var_names if name not in known]
        if unknown:
            rule, repair = "name deterministics of the model", f"choose from {list(known)}"
            raise invalid("var_names", rule, unknown, repair)
        self.checked = fitted.terms.n_rows is not None  # the fit found rows independent
        terms = fitted.row_terms or fitted.terms
        given = _check_names(terms, new_data)
        if terms.n_rows is None and given:
            terms = decompose(terms.model, {d.root for d in terms.data if d.name in given})
        self.terms = terms
        targets = [o for o in terms.observed if o.rv.owner is not None]
        self.classes = {o.name: _probabilities(o) for o in targets if _is_class(o)}
        self.others = {o.name: _Sampler(o) for o in targets if not _is_class(o)}
        outputs: list[Variable] = [*self.classes.values()]
        for sampler in self.others.values():
            outputs.extend(sampler.parameters)
        outputs.extend(terms.deterministics[name] for name in var_names)
        self.var_names = var_names

        behind = set(ancestors([o.value for o in terms.observed]))
        observable = [d for d in terms.data if d.variable in behind]
        self.with_density = terms.row_density is not None and (
            new_data is None or all(d.name in given for d in observable if d.per_example)
        )
        if self.with_density:
            outputs.append(exact_rows(terms, terms.row_density))
        needed = set(ancestors(outputs))
        masks: list[Any] = []
        if mc_dropout:
            outputs, masks = random_masks(outputs)
            if not masks:
                rule = "be False for a network without dropout"
                raise invalid("mc_dropout", rule, True, "leave it out")
        used = [d for d in terms.data if d.variable in needed]
        missing = [d.name for d in used if new_data is not None and d.per_example]
        missing = [name for name in missing if name not in given]
        if missing:
            raise invalid(
                "new_data",
                "hold all data that vary per example and that predictions need",
                f"only {sorted(given)}",
                f"add {missing}",
            )
        self.used = used
        self._take(given)
        values = terms.values
        inputs = [*values, *(root for root, _ in masks), *(d.variable for d in used)]
        lifted = lift(inputs, outputs, self.dtype, gradient=False)
        row_inputs = {d.variable for d in used if d.per_example}
        by_row = [bool(row_inputs & set(ancestors([out]))) for out in outputs]
        self.by_row = by_row[len(self.classes) :]  # of what is not a class probability
        names = [f.name for f in terms.free]
        n_class = len(self.classes)

        def vote(classes: Any, key: Any, index: Any) -> list[Any]:
            labels = []
            for c, probs in enumerate(classes):
                # Numbers of their own for each variable and row, whatever the batches.
                own = jax.random.fold_in(key, c)
                uniform = jax.vmap(lambda i, k=own: jax.random.uniform(jax.random.fold_in(k, i)))(
                    index
                )
                below = jnp.cumsum(probs, axis=-1) < uniform[:, None]
                labels.append(jnp.minimum(below.sum(axis=-1), probs.shape[-1] - 1))
            return labels

        def forward(weights: Any, data: Any, key: Any, index: Any) -> tuple[Any, list[Any]]:
            drawn = []
            for m, (_, mask) in enumerate(masks):
                # A mask of its own for each row, whatever the batches.
                own = jax.random.fold_in(key, n_class + m)
                keys = jax.vmap(partial(jax.random.fold_in, own))(index)
                words = jax.vmap(words_of)(keys)
                drawn.append(jax.vmap(lambda w, n=mask: n.draw(w, 1, self.dtype)[0])(words))
            out = lifted(*(weights[name] for name in names), *drawn, *(data[d.name] for d in used))
            classes = []
            for probs in out[:n_class]:
                probs = jnp.broadcast_to(probs, (*index.shape, probs.shape[-1]))
                classes.append(probs / probs.sum(axis=-1, keepdims=True))
            parts = []
            for probs, label in zip(classes, vote(classes, key, index), strict=True):
                entropy = -jax.scipy.special.xlogy(probs, probs).sum(axis=-1)
                parts.append((probs, label, jnp.argmax(probs, axis=-1), entropy))
            return parts, list(out[n_class:])

        self.with_masks = bool(masks)
        self.vote = Compiled(vote)
        self.forward = Compiled(forward)
        self.key = jax.random.key(0)

    def _take(self, given: Mapping[str, np.ndarray]) -> None:
        """Set the data: rows, and what does not vary per example."""
        arrays = {d.name: given.get(d.name, d.value) for d in self.used}
        self.rows = {d.name: arrays[d.name] for d in self.used if d.per_example}
        self.rest = {d.name: arrays[d.name] for d in self.used if not d.per_example}
        lengths = {name: len(value) for name, value in self.rows.items()}
        if len(set(lengths.values())) > 1:
            raise invalid("new_data", "have one number of rows", lengths, "pass as many of each")
        self.n = next(iter(lengths.values()), None)
        if self.n == 0:
            raise invalid("new_data", "have at least one row", "none", "pass some examples")

    @property
    def names(self) -> list[str]:
        """Names of what varies per example and is predicted: variables and deterministics."""
        others = [name for name, sampler in self.others.items() if sampler.rows is None]
        parameters = sum(len(sampler.parameters) for sampler in self.others.values())
        by_row = zip(self.var_names, self.by_row[parameters:], strict=False)
        return [*self.classes, *others, *(name for name, yes in by_row if yes)]

    def with_data(self, new_data: Mapping[str, Any] | None) -> Predictor:
        """Return the same compiled functions with other values of the same data."""
        other = copy(self)
        other._take(_check_names(self.terms, new_data))
        return other

    def without_data(self) -> Predictor:
        """Return the same compiled functions, to be kept for other data."""
        other = copy(self)
        other.rows, other.rest = {}, {}
        return other

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
        n = self.n if self.n is not None else self.terms.n_observed
        size = max(min(batch_size, n), padded) if self.n is not None else n
        if size < n and not self.checked and not self._rows_stand_alone(weights(0), size):
            size = n
        if mesh is not None and self.n is not None:
            size = -(-size // mesh.size) * mesh.size
        totals: dict[str, Any] = {name: ClassTotal() for name in self.classes}
        totals |= {name: ValueTotal() for name in (*self.others, *self.var_names)}
        density = DensityTotal()
        seed = int(jax.random.bits(key, dtype=np.uint32))
        indices = [np.arange(start, start + size) for start in range(0, n, size)]
        passes = self._passes(
            weights, draws, key, indices, n, fixed and not self.with_masks, mesh, first
        )
        for draw, batches in enumerate(_one_ahead(passes)):
            rng = np.random.default_rng([seed, draw, *([first] if first else [])])
            for i, name in enumerate(self.classes):
                parts = [jax.device_get(classes[i]) for classes, _ in batches]
                columns = [np.concatenate(c)[:n] for c in zip(*parts, strict=True)]
                totals[name].add(draw, draws, keep_draws, *columns)
            # What does not come by row is the same in every batch.
            rest = iter(
                [
                    np.concatenate([np.asarray(out[j]) for _, out in batches])[:n]
                    if by_row
                    else np.asarray(batches[0][1][j])
                    for j, by_row in enumerate(self.by_row)
                ]
            )
            for name, sampler in self.others.items():
                parameters = [next(rest) for _ in sampler.parameters]
                sample = sampler(rng, parameters, n)
                totals[name].add(draw, draws, keep_draws, sample)
            for name in self.var_names:
                totals[name].add(draw, draws, keep_draws, next(rest))
            if self.with_density:
                density.add(next(rest))
        return Prediction(
            {name: total.result(draws) for name, total in totals.items()},
            draws,
            density.result(draws) if self.with_density else None,
        )

    def _passes(
        self,
        weights: Callable[[int], Mapping[str, Any]],
        draws: int,
        key: jax.Array,
        indices: Sequence[np.ndarray],
        n: int,
        fixed: bool,
        mesh: Mesh | None,
        first: int,
    ) -> Iterator[list[Any]]:
        """Yield, draw by draw, what the model says of each batch of rows, still on the device."""

        def load(index: np.ndarray) -> dict[str, Any]:
            rows = {k: v[np.minimum(index, n - 1)] for k, v in self.rows.items()}
            return put_rows(rows, mesh)

        rest = everywhere(self.rest, mesh)
        few = sum(v.nbytes for v in self.rows.values()) <= _RESIDENT_BYTES
        resident = [load(index) for index in indices] if few else None
        batches: list[Any] = []
        for draw in range(draws):
            draw_key = jax.random.fold_in(jax.random.fold_in(key, 1), draw)
            draw_key = everywhere(draw_key, mesh)
            if draw > 0 and fixed:  # the same probabilities, other votes
                again = []
                for (classes, out), index in zip(batches, indices, strict=True):
                    labels = self.vote([c[0] for c in classes], draw_key, first + index)
                    voted = [(c[0], v, *c[2:]) for c, v in zip(classes, labels, strict=True)]
                    again.append((voted, out))
                batches = again
            else:
                values = everywhere(weights(draw), mesh)
                batches = [
                    self.forward(values, {**rows, **rest}, draw_key, first + index)
                    for rows, index in zip(resident or map(load, indices), indices, strict=True)
                ]
            yield gathered(batches, mesh)

    def mean_nll(self, prediction: Prediction) -> float:
        """Return the negative log predictive density per example of a prediction made by this."""
        if prediction.log_density is None:
            raise invalid(
                "new_data",
                "contain the observed variables",
                sorted(self.rows),
                f"add {[o.name for o in self.terms.observed]}",
            )
        return float(-prediction.log_density.mean())

    def _rows_stand_alone(self, weights: Mapping[str, Any], size: int) -> bool:
        """Compare a few rows predicted alone with the same rows among others."""
        few = np.array([0, self.n // 2, self.n - 1])
        results = []
        for index in (few, np.concatenate([few, np.arange(size)])):
            data = {k: v[index] for k, v in self.rows.items()}
            try:
                classes, rest = self.forward(weights, {**data, **self.rest}, self.key, index)
            except (TypeError, ValueError):
                return False  # shapes of all rows are built in
            rest = [out for out, by_row in zip(rest, self.by_row, strict=True) if by_row]
            results.append([np.asarray(out)[:3] for out in (*(c[0] for c in classes), *rest)])
        return all(
            a.shape == b.shape and np.allclose(a, b, rtol=1e-3, atol=1e-5)
            for a, b in zip(*results, strict=True)
        )


def _one_ahead(items: Iterator[Any]) -> Iterator[Any]:
    """Ask for the next item before handing one on: the device works while the host sums up."""
    held = next(items)
    for item in items:
        yield held
        held = item
    yield held


class _Sampler:
    """Draws an observed variable given its parameters, by PyTensor's own NumPy code."""

    def __init__(self, observed: Observed):
        rv, n = observed.rv, pt.lscalar("n")
        batch_ndim = rv.ndim - rv.owner.op.ndim_supp
        # A variable that does not go by the examples keeps the number of rows observed.
        self.rows = None if observed.per_example else observed.n
        if batch_ndim:
            rv = change_dist_size(rv, [n, *observed.value.type.shape[1:batch_ndim]])
        # Parameters are where the part of the graph that is not random enters the part that is.
        drawn: set[Variable] = {n, *(v for v in ancestors([rv]) if isinstance(v.type, RandomType))}
        frontier: dict[Variable, Variable] = {}
        for node in toposort([rv]):
            if drawn.isdisjoint(node.inputs):
                continue
            drawn.update(node.outputs)
            fixed = (i for i in node.inputs if i not in drawn and not isinstance(i, Constant))
            frontier |= {i: i.type() for i in fixed}
        # A shape is not a parameter: what it is the shape of is.
        for v in [v for v in frontier if v.type.dtype == "int64"]:
            measured = [
                node.inputs[0] for node in toposort([v]) if isinstance(node.op, Shape | Shape_i)
            ]
            if measured and _only_through(v, measured):
                del frontier[v]
                frontier |= {m: m.type() for m in measured}
        rngs = {v: random_generator_type() for v in drawn if v.owner is None and v is not n}
        self.n_rngs, self.parameters = len(rngs), list(frontier)
        [sample] = substitute([rv], {**frontier, **rngs})
        self.function = pytensor.function(
            [n, *rngs.values(), *frontier.values()],
            sample,
            mode=INTERPRETED,
            on_unused_input="ignore",
        )

    def __call__(self, rng: np.random.Generator, parameters: list[Any], n: int) -> np.ndarray:
        rngs = rng.spawn(self.n_rngs)  # children of their own for each variable
        types = (p.type.dtype for p in self.parameters)
        values = (np.asarray(p, t) for p, t in zip(parameters, types, strict=True))
        return self.function(self.rows or n, *rngs, *values)


def _only_through(v: Variable, measured: list[Variable]) -> bool:
    """Tell whether an expression depends on data only through the shapes of some variables."""
    free = (a for a in ancestors([v], blockers=measured) if a.owner is None)
    return all(isinstance(a, Constant) or a in measured for a in free)


def _is_class(observed: Observed) -> bool:
    op = observed.rv.owner.op
    if isinstance(op, Categorical.rv_type):
        return observed.rv.ndim == 1
    return isinstance(op, Bernoulli.rv_type) and observed.rv.ndim == 1


def _probabilities(observed: Observed) -> Variable:
    """Write the class probabilities of a categorical or Bernoulli variable, class axis last."""
    node = observed.rv.owner
    [p] = node.op.dist_params(node)
    return pt.stack([1 - p, p], axis=-1) if isinstance(node.op, Bernoulli.rv_type) else p


def _check_names(terms: Terms, new_data: Mapping[str, Any] | None) -> dict[str, np.ndarray]:
    """Check new data against the model's: names, axes, numbers."""
    if new_data is None:
        return {}
    if not isinstance(new_data, Mapping) or len(new_data) == 0:
        raise invalid(
            "new_data",
            "be a dictionary of the model's data",
            type(new_data).__name__ if not isinstance(new_data, Mapping) else "an empty one",
            f"pass some of {[d.name for d in terms.data]} by name",
            TypeError,
        )
    known = {d.name: d for d in terms.data}
    unknown = [name for name in new_data if name not in known]
    if unknown:
        raise invalid("new_data", "name data of the model", unknown, f"choose from {sorted(known)}")
    given = {}
    for name, value in new_data.items():
        old, value = known[name].value, np.asarray(value)
        if value.ndim != old.ndim or value.shape[1:] != old.shape[1:]:
            expected = str(("n", *old.shape[1:])).replace("'", "")
            raise invalid(
                f"new_data['{name}']",
                f"have the shape {expected}",
                value.shape,
                "reshape it as the training data were",
            )
        if not (np.issubdtype(value.dtype, np.number) or value.dtype == bool):
            raise invalid(f"new_data['{name}']", "hold numbers", value.dtype, "convert it")
        integers = np.issubdtype(old.dtype, np.integer)
        if integers and not (np.issubdtype(value.dtype, np.integer) or value.dtype == bool):
            raise invalid(
                f"new_data['{name}']", "hold integers", value.dtype, "convert it by .astype(int)"
            )
        check_finite(f"new_data['{name}']", value)
        given[name] = value.astype(old.dtype)
        if integers and (given[name] != value).any():
            raise invalid(
                f"new_data['{name}']",
                f"fit {old.dtype}, the type of the training data",
                f"{value.dtype} in {value.min()}…{value.max()}",
                "convert it as the training data were",
            )
    return given
