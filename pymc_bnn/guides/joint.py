"""The guides of all free variables of a model together: blocks, draws and moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import jax
import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._checks import by_pattern, invalid
from pymc_bnn.graphs.to_jax import compiled_graph, jaxify
from pymc_bnn.guides.base import Block, Guide, GuideDraw, Start
from pymc_bnn.guides.mean_field import MeanField
from pymc_bnn.guides.stacks import Stacks
from pymc_bnn.runtime.compilation import Compiled
from pymc_bnn.runtime.noise import Noise, draw_noise

__all__ = ["JointGuide", "assign_guides", "make_blocks"]

Params = Mapping[str, Mapping[str, Any]]


def assign_guides(
    guide: Guide | Mapping[str, Guide] | None, names: Sequence[str]
) -> dict[str, tuple[str, Guide]]:
    """Return for each free variable the pattern that names it, and its guide.

    Parameters
    ----------
    guide : Guide, mapping from pattern to Guide, or None
        One guide, or guides by shell-style name pattern, the first that matches wins; variables
        that none matches, and all for None, have ``MeanField()``.
    names : sequence of str
        Names of the free variables.

    Returns
    -------
    dict
        (pattern, guide) by name.

    Raises
    ------
    ValueError, TypeError
        If something is no guide, or a pattern matches no variable.

    Examples
    --------
    >>> from pymc_bnn.guides import Delta
    >>> assign_guides({"sigma": Delta()}, ["w", "sigma"])["w"]
    ('*', MeanField(init_scale=0.1, relative_to='start'))
    """
    spec = guide if isinstance(guide, Mapping) else {"*": MeanField() if guide is None else guide}
    for pattern, value in spec.items():
        if not isinstance(value, Guide):
            argument = f"guide[{pattern!r}]" if isinstance(guide, Mapping) else "guide"
            repair = "pass guides.MeanField(), say"
            if isinstance(value, type) and issubclass(value, Guide):
                repair = f"create one, as in {value.__name__}()"
            rule = "be a guide, or a dict from name patterns to guides"
            raise invalid(argument, rule, repr(value), repair, TypeError)
    chosen = by_pattern("guide", spec, names)
    return {name: chosen.get(name, ("*", MeanField())) for name in names}


def make_blocks(
    assigned: Mapping[str, tuple[str, Guide]], starts: Sequence[Start], rng: np.random.Generator
) -> tuple[Block, ...]:
    """Group free variables by their guides, and let these choose their first parameters.

    Parameters
    ----------
    assigned : mapping
        From :func:`assign_guides`.
    starts : sequence of Start
        One for each free variable, in the model's order.
    rng : numpy.random.Generator
        For guides that start at random numbers.

    Returns
    -------
    tuple of Block
        In the order of their first variables.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> from pymc_bnn.guides import FullRank
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("a") + pm.Normal("b"), observed=np.zeros(4))
    >>> free = decompose(model).free
    >>> starts = [Start(f, f.start, np.ones(())) for f in free]
    >>> guides = assign_guides(FullRank(), ["a", "b"])
    >>> [block.name for block in make_blocks(guides, starts, np.random.default_rng(0))]
    ['*']
    """
    groups: dict[tuple[str, int], list[Start]] = {}
    for i, start in enumerate(starts):
        pattern, guide = assigned[start.free.name]
        groups.setdefault((pattern, -1) if guide.joint else (start.free.name, i), []).append(start)
    blocks = []
    for (name, _), members in groups.items():
        guide = assigned[members[0].free.name][1]
        params = {k: np.asarray(v, float) for k, v in guide.init(members, rng).items()}
        if len(members) == 1:
            name = members[0].free.name
        blocks.append(Block(name, guide, tuple(s.free for s in members), params))
    return tuple(blocks)


class JointGuide:
    """The joint approximate posterior: how its blocks draw the free variables.

    Parameters
    ----------
    blocks : sequence of Block
        From :func:`make_blocks`.
    dtype : {"float32", "float64"}
        Precision of the lifted functions.

    Attributes
    ----------
    noise : tuple of Noise
        What one draw of everything needs.
    drawn : dict from str to Drawn
        Every free variable as graphs of ``roots`` (parameters) and ``noise_roots``.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> start = Start(decompose(model).free[0], np.zeros(()), np.ones(()))
    >>> blocks = make_blocks({"mu": ("*", MeanField())}, [start], np.random.default_rng(0))
    >>> posterior = JointGuide(blocks, "float32")
    >>> posterior.noise
    (Noise(name='mu', shape=(), law='normal', keep=1.0),)
    """

    def __init__(self, blocks: Sequence[Block], dtype: str):
        self.blocks = tuple(blocks)
        self.dtype = dtype
        self.roots = {b.name: b.roots() for b in blocks}
        self.noise_roots: dict[Noise, TensorVariable] = {}
        self._block_noise: dict[str, dict[str, TensorVariable]] = {}
        self.drawn: dict[str, GuideDraw] = {}
        for b in blocks:
            own = {}
            dtype_of = b.variables[0].value.type.dtype
            for name, shape in b.guide.noise(b.variables).items():
                shape = b.any_rows(shape)
                noise = Noise(name if name == b.name else f"{b.name}/{name}", shape)
                own[name] = pt.TensorType(dtype_of, shape)(f"{noise.name}/noise")
                self.noise_roots[noise] = own[name]
            self._block_noise[b.name] = own
            self.drawn |= b.guide.draw(b.variables, self.roots[b.name], own)
        self.noise = tuple(self.noise_roots)
        self.stacks = Stacks.of(self.blocks)
        self._draws = jaxify(self._inputs, [d.draw for d in self.drawn.values()], self.dtype)

    @property
    def rows(self) -> int:
        """How many examples latents belong to; 0 without such."""
        return max((b.rows for b in self.blocks), default=0)

    @property
    def first(self) -> dict[str, dict[str, np.ndarray]]:
        """Parameters before the first step, {block: {role: array}}."""
        return {b.name: b.params for b in self.blocks}

    @property
    def points(self) -> tuple[str, ...]:
        """Free variables that have a point instead of a distribution."""
        return tuple(f.name for b in self.blocks if b.guide.point for f in b.variables)

    def held(self, block: Block) -> tuple[dict[str, TensorVariable], dict[str, GuideDraw]]:
        """Return second roots of a block's parameters, and its draw with them."""
        roots = block.roots("/held")
        return roots, block.guide.draw(block.variables, roots, self._block_noise[block.name])

    @cached_property
    def _means_and_scales(self) -> Compiled:
        drawn = self.drawn.values()
        moments = [(d.mean, d) for d in drawn] + [(d.scale, d) for d in drawn]
        outputs = [pt.broadcast_arrays(m, d.draw)[0] for m, d in moments]
        return compiled_graph(self._inputs, outputs, self.dtype)

    @property
    def _inputs(self) -> list[TensorVariable]:
        params = [root for roots in self.roots.values() for root in roots.values()]
        return [*params, *self.noise_roots.values()]

    def _arguments(self, params: Params) -> list[Any]:
        return [params[b.name][role] for b in self.blocks for role in self.roots[b.name]]

    def draw(self, params: Params, noise: Mapping[str, Any]) -> dict[str, Any]:
        """Return one draw of each free variable, unconstrained, as a pure JAX function."""
        values = self._draws(*self._arguments(params), *(noise[n.name] for n in self.noise))
        return dict(zip(self.drawn, values, strict=True))

    @cached_property
    def draw_from(self) -> Compiled:
        """The compiled ``draw_from(params, key)``: one draw with the noise of a random key."""
        return Compiled(
            lambda params, key: self.draw(
                params, draw_noise(key, self.noise, self.rows, self.dtype)
            )
        )

    @cached_property
    def draw_many_from(self) -> Compiled:
        """The compiled ``draw_many_from(params, key, numbers)``: of these children of a key."""

        def draw(params: Params, key: jax.Array, number: jax.Array) -> dict[str, Any]:
            key = jax.random.fold_in(key, number)
            return self.draw(params, draw_noise(key, self.noise, self.rows, self.dtype))

        return Compiled(jax.vmap(draw, (None, None, 0)))

    def moments(self, params: Params) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return means and standard deviations of each free variable, unconstrained."""
        zeros = [np.zeros(n.full_shape(self.rows), "float32") for n in self.noise]
        values = [np.asarray(v) for v in self._means_and_scales(*self._arguments(params), *zeros)]
        names, half = list(self.drawn), len(self.drawn)
        return dict(zip(names, values[:half], strict=True)), dict(
            zip(names, values[half:], strict=True)
        )
