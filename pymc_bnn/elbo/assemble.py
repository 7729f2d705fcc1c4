"""Terms of a model, guides and estimators put together as one function for JAX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors, toposort
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import invalid
from pymc_bnn.elbo.block_kl import divergence
from pymc_bnn.elbo.choose import Choice, Spec, choose
from pymc_bnn.elbo.function import Elbo, ElboTerms, Params
from pymc_bnn.elbo.pathwise import pathwise
from pymc_bnn.graphs.dropout import markers
from pymc_bnn.graphs.masks import mask_of
from pymc_bnn.graphs.substitute import substitute
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.guides import JointGuide
from pymc_bnn.guides.stacks import parameter
from pymc_bnn.model.counts import exact_rest, exact_rows
from pymc_bnn.model.layers import Layer, NormalWeight, Slot
from pymc_bnn.model.terms import ModelTerms
from pymc_bnn.runtime.noise import Noise
from pymc_bnn.runtime.stacking import stacked

__all__ = ["assemble"]


def assemble(
    terms: ModelTerms, posterior: JointGuide, dtype: str = "float32", estimator: Spec = "pathwise"
) -> Elbo:
    """Build the ELBO's graph and lift it to JAX.

    Parameters
    ----------
    terms : ModelTerms
        The model, from :func:`pymc_bnn.model.decompose.decompose`.
    posterior : JointGuide
        The guides of its free variables.
    dtype : {"float32", "float64"}, optional
        Precision of the lifted graph.
    estimator : str, Estimator or mapping, optional
        See :func:`pymc_bnn.elbo.choose.choose`.

    Returns
    -------
    Elbo
        The lifted function.

    Raises
    ------
    ValueError
        If an estimator is not right for a variable.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> from pymc_bnn.guides import Start, assign_guides, make_blocks
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> terms = decompose(model)
    >>> start = Start(terms.free[0], np.zeros(()), np.ones(()))
    >>> blocks = make_blocks(assign_guides(None, ["mu"]), [start], np.random.default_rng(0))
    >>> elbo = assemble(terms, JointGuide(blocks, "float32"))
    >>> params = {"mu": {"loc": np.float32(0), "log_scale": np.float32(0)}}
    >>> parts = elbo(params, {"mu": np.float32(0)}, terms.arrays())
    >>> abs(float(parts.kl[0])) < 1e-6
    True
    """
    choices = choose(terms, posterior, estimator)
    rewritten, extra = _rewrite_rows(terms, posterior, choices)
    found = {
        b.name: divergence(b, posterior, all(choices[f.name].layer is None for f in b.variables))
        for b in posterior.blocks
    }
    zero = pt.constant(0.0)
    row_kls = {b.name: found[b.name].kl for b in posterior.blocks if b.rows}
    rows = [] if rewritten is None else [exact_rows(terms, rewritten)]
    outputs = pathwise(
        [
            *rows,
            exact_rest(terms),
            pt.stack([zero if name in row_kls else own.kl for name, own in found.items()]),
            pt.stack([own.log_prior for own in found.values()]),
            terms.potential_logp,
            *([pt.stack(list(row_kls.values()))] if row_kls else ()),
        ],
        {f.value: posterior.drawn[f.name].draw for f in terms.free},
    )
    held = {name: own.held for name, own in found.items() if own.held}
    used = set(ancestors(outputs))
    noise = posterior.stacks.noise(posterior.noise_roots, used)
    noise |= {n: root for n, root in extra.items() if root in used}
    roles, held_roles = posterior.stacks.roles(posterior.roots), posterior.stacks.roles(held)
    inputs = [
        tuple(roots[name][role] for name in names)
        for roots, own in ((posterior.roots, roles), (held, held_roles))
        for names, role in own
    ]
    root_of = {d.name: d.variable for d in terms.data}
    columns = set().union(*terms.tables)
    data = (*terms.tables, *((name,) for name in root_of if name not in columns))
    inputs += noise.values()
    inputs += [tuple(root_of[name] for name in names) for names in data]
    lifted = jaxify(inputs, outputs, dtype)
    return Elbo(
        _Lifted(lifted, roles, held_roles, tuple(n.name for n in noise), data, bool(rows)),
        tuple(b.name for b in posterior.blocks),
        tuple(noise),
        choices,
        {name: own.method for name, own in found.items()},
        {b.name: sum(f.start.size for f in b.variables) for b in posterior.blocks},
        any(n.law == "keep" for n in extra),
        dtype,
        tuple(row_kls),
    )


@dataclass(frozen=True)
class _Lifted:
    """The lifted graph, given its arguments by name."""

    function: Callable[..., tuple[Any, ...]]
    roles: tuple[tuple[tuple[str, ...], str], ...]  # blocks that come as one, and which parameter
    held: tuple[tuple[tuple[str, ...], str], ...]  # of which no gradient is taken
    noise: tuple[str, ...]
    data: tuple[tuple[str, ...], ...]  # a table of columns as one
    by_rows: bool

    def __call__(
        self, params: Params, noise: Mapping[str, Any], data: Mapping[str, Any]
    ) -> ElboTerms:
        parts = self.function(
            *(parameter(params, *own) for own in self.roles),
            *(jax.lax.stop_gradient(parameter(params, *own)) for own in self.held),
            *(noise[name] for name in self.noise),
            *(stacked(data, names) for names in self.data),
        )
        return ElboTerms(*parts) if self.by_rows else ElboTerms(None, *parts)


def _rewrite_rows(
    terms: ModelTerms, posterior: JointGuide, choices: Mapping[str, Choice]
) -> tuple[TensorVariable | None, dict[Noise, TensorVariable]]:
    """Let the estimators rewrite their layers, and make dropout random, from the data onwards."""
    if terms.row_logp is None:
        if markers([terms.rest_logp, terms.potential_logp]):
            raise invalid(
                "batch_size",
                "not be None for a network with dropout, whose masks belong to examples",
                "a likelihood that does not come by rows",
                'pass batch_size="auto" or a number',
            )
        return None, {}
    extra: dict[Noise, TensorVariable] = {}
    layers = {c.layer.output: c.layer for c in choices.values() if c.layer is not None}
    marked = {node.outputs[0] for node in markers([terms.row_logp])}
    done: dict[Variable, Variable] = {}
    for node in toposort([terms.row_logp]):
        output = node.outputs[0]
        if output in marked:
            mask, root = mask_of(node, len(extra))
            extra[mask] = root
            done[output] = substitute([node.inputs[0]], done)[0] * root
        elif output in layers:
            layer = layers[output]
            done[output] = _rewrite(layer, done, posterior, choices, extra)
    return substitute([terms.row_logp], done)[0], extra


def _rewrite(
    layer: Layer,
    done: dict[Variable, Variable],
    posterior: JointGuide,
    choices: Mapping[str, Choice],
    extra: dict[Noise, TensorVariable],
) -> TensorVariable:
    [x] = substitute([layer.x], done)
    names = [s.variable.name for s in layer.slots if choices[s.variable.name].layer is layer]
    estimator = choices[names[0]].estimator

    def part(slot: Slot | TensorVariable | None) -> NormalWeight | None:
        if slot is None:
            return None
        if not isinstance(slot, Slot):
            return NormalWeight(slot)
        if slot.variable.name not in names:
            return NormalWeight(slot.expression)  # drawn once, with everything that is pathwise
        drawn = posterior.drawn[slot.variable.name]
        full = pt.zeros(slot.variable.start.shape, dtype=slot.variable.value.type.dtype)
        return NormalWeight(
            slot.at(drawn.mean + full),
            slot.spread(drawn.scale + full),
            slot.spread(drawn.scale * drawn.noise),
        )

    def noise(role: str, shape: tuple[int, ...], law: str) -> TensorVariable:
        own = Noise(f"{names[0]}/{role}", (None, *shape), law)
        extra[own] = pt.TensorType(layer.output.type.dtype, own.shape)(own.name)
        return extra[own]

    output = estimator.rewrite(layer, x, part(layer.weight), part(layer.bias), noise)
    if output.type.dtype != layer.output.type.dtype:
        output = output.astype(layer.output.type.dtype)
    return output
