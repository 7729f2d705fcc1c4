"""The compiled part of a prediction: outputs of a draw of the weights, of some rows or of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from pytensor.graph.basic import Variable

from pymc_bnn.graphs.masks import random_masks
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.model.independence import row_use
from pymc_bnn.model.independence.compare import rows_agree
from pymc_bnn.runtime.compilation import Compiled
from pymc_bnn.runtime.noise import words_of

__all__ = ["Evaluation", "Outputs", "same_rows"]


@dataclass(frozen=True)
class Outputs:
    """Graphs to evaluate, and how each depends on the rows of the data.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x = pt.vector("x")
    >>> Outputs.of({"c": x - x.mean(), "m": 2 * x}, [], [x], False).kinds
    {'c': 'mixed', 'm': 'rows'}
    """

    graphs: dict[Any, Variable]
    kinds: dict[Any, str]  # as of RowUse; "rows" along the first axis
    why: dict[Any, str]
    masks: list[Any]

    @classmethod
    def of(
        cls,
        graphs: Mapping[Any, Variable],
        trusted: Sequence[Any],
        row_inputs: Sequence[Variable],
        with_masks: bool,
    ) -> Outputs:
        """Find out which outputs come row by row; of `trusted` ones a doubt is none."""
        variables, masks = list(graphs.values()), []
        if with_masks:
            variables, masks = random_masks(variables)
        inputs = [*row_inputs, *(root for root, _ in masks)]
        kinds, why = {}, {}
        for name, use in zip(graphs, row_use(variables, inputs), strict=True):
            kind = "mixed" if use.kind == "rows" and use.axis != 0 else use.kind
            kinds[name] = "rows" if kind == "unknown" and name in trusted else kind
            why[name] = use.why or f"rows along axis {use.axis}"
        return cls(dict(zip(graphs, variables, strict=True)), kinds, why, masks)


class Evaluation:
    """Outputs that are evaluated together.

    Parameters
    ----------
    outputs : Outputs
        All outputs of a prediction.
    names : sequence
        Those of this evaluation.
    classes : mapping from name to int
        Which are class probabilities, and the number of each, on which its votes depend.
    weights, data : dict from str to Variable
        Inputs: unconstrained values of the free variables, and data.
    dtype : {"float32", "float64"}
        Precision.
    whole : bool
        Whether it sees all rows at once.

    Examples
    --------
    >>> Evaluation.__name__
    'Evaluation'
    """

    def __init__(
        self,
        outputs: Outputs,
        names: Sequence[Any],
        classes: Mapping[Any, int],
        weights: Mapping[str, Variable],
        data: Mapping[str, Variable],
        dtype: str,
        whole: bool,
    ):
        self.whole, self.data = whole, frozenset(data)
        self.classes = [name for name in names if name in classes]
        self.others = [name for name in names if name not in classes]
        numbers = [classes[name] for name in self.classes]
        graphs = [outputs.graphs[name] for name in (*self.classes, *self.others)]
        masks = outputs.masks
        inputs = [*weights.values(), *(root for root, _ in masks), *data.values()]
        lifted = jaxify(inputs, graphs, dtype, gradient=False)
        n_class, all_classes = len(numbers), len(classes)

        def vote(probs: Any, key: Any, indices: Any) -> list[Any]:
            labels = []
            for number, p, index in zip(numbers, probs, indices, strict=True):
                # Numbers of their own for each variable and row, whatever the batches.
                own = jax.random.fold_in(key, number)
                uniform = jax.vmap(lambda i, k=own: jax.random.uniform(jax.random.fold_in(k, i)))(
                    index
                )
                below = jnp.cumsum(p, axis=-1) < uniform[:, None]
                labels.append(jnp.minimum(below.sum(axis=-1), p.shape[-1] - 1))
            return labels

        def forward(values: Any, arrays: Any, key: Any, index: Any, indices: Any) -> Any:
            drawn = []
            for m, (_, mask) in enumerate(masks):
                # A mask of its own for each row, whatever the batches.
                own = jax.random.fold_in(key, all_classes + m)
                words = jax.vmap(words_of)(jax.vmap(partial(jax.random.fold_in, own))(index))
                drawn.append(jax.vmap(lambda w, n=mask: n.draw(w, 1, dtype)[0])(words))
            out = lifted(*(values[k] for k in weights), *drawn, *(arrays[k] for k in data))
            probs = []
            for p, own in zip(out[:n_class], indices, strict=True):
                p = jnp.broadcast_to(p, (*own.shape, p.shape[-1]))
                probs.append(p / p.sum(axis=-1, keepdims=True))
            parts = []
            for p, label in zip(probs, vote(probs, key, indices), strict=True):
                entropy = -jax.scipy.special.xlogy(p, p).sum(axis=-1)
                parts.append((p, label, jnp.argmax(p, axis=-1), entropy))
            return parts, list(out[n_class:])

        self.vote, self.forward = Compiled(vote), Compiled(forward)

    def again(self, found: Any, key: Any, indices: Any) -> Any:
        """Vote once more on the same probabilities."""
        classes, out = found
        labels = self.vote([c[0] for c in classes], key, indices)
        return [(c[0], v, *c[2:]) for c, v in zip(classes, labels, strict=True)], out


def same_rows(
    evaluation: Evaluation, weights: Any, rows: Mapping[str, np.ndarray], rest: Any, size: int
) -> dict[Any, bool]:
    """Tell of each output whether rows in batches, in another order, are those of all rows.

    Up to 2,048 rows are looked at, evenly spaced.

    Examples
    --------
    >>> same_rows.__name__
    'same_rows'
    """
    key = jax.random.key(0)

    def evaluate(index: np.ndarray) -> list[np.ndarray]:
        data = {name: value[index] for name, value in rows.items()}
        own = [index] * len(evaluation.classes)
        classes, out = evaluation.forward(weights, {**data, **rest}, key, index, own)
        return [np.asarray(o) for o in (*(c[0] for c in classes), *out)]

    names = [*evaluation.classes, *evaluation.others]
    try:
        agree = rows_agree(evaluate, len(next(iter(rows.values()))), size)
    except (TypeError, ValueError):
        return dict.fromkeys(names, False)  # shapes of all rows are built in
    return dict(zip(names, agree, strict=True))
