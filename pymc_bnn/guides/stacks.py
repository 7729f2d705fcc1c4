"""Blocks that look alike as one: many small variables cost what one vector of them does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pytensor.graph.basic import Variable

from pymc_bnn.guides.base import Block
from pymc_bnn.runtime.noise import Noise
from pymc_bnn.runtime.stacking import FEW, LARGEST, stack_of, stacked

__all__ = ["Stacks", "parameter"]


@dataclass(frozen=True)
class Stacks:
    """Groups of blocks whose parameters have the same roles and shapes.

    Packed, a tree ``{block: {role: array}}`` has one entry for each group, whose arrays have the
    group's blocks along a new first axis.

    Examples
    --------
    >>> stacks = Stacks((("a", "b"),))
    >>> tree = {name: {"loc": np.zeros(3)} for name in ("a", "b", "c")}
    >>> packed = stacks.pack(tree)
    >>> {name: own["loc"].shape for name, own in packed.items()}
    {'c': (3,), 'a and 1 more': (2, 3)}
    >>> sorted(stacks.unpack(packed))
    ['a', 'b', 'c']
    """

    groups: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> Stacks:
        """Find the groups."""
        alike: dict[Any, list[str]] = {}
        for block in blocks:
            noise = block.guide.noise(block.variables)
            shapes = tuple((role, np.shape(value)) for role, value in block.params.items())
            largest = max((np.size(value) for value in block.params.values()), default=0)
            alone = len(block.variables) == 1 and len(noise) <= 1
            if alone and largest <= LARGEST and not block.rows:
                dtype = block.variables[0].value.type.dtype
                alike.setdefault((dtype, shapes, *noise.values()), []).append(block.name)
        return cls(tuple(tuple(names) for names in alike.values() if len(names) >= FEW))

    def roles(self, trees: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[Any, str], ...]:
        """Return which blocks of a tree come as one, those of a group or one alone, and roles."""
        groups = [names for names in self.groups if all(name in trees for name in names)]
        alone = set(trees).difference(*groups)
        groups += [(name,) for name in trees if name in alone]
        return tuple((names, role) for names in groups for role in trees[names[0]])

    def noise(self, roots: Mapping[Noise, Variable], used: Set[Variable]) -> dict[Noise, Any]:
        """Return the noise that is used, of a group as one, with the roots that it stands for."""
        by_name = {n.name: (n, root) for n, root in roots.items() if root in used}
        whole = [names for names in self.groups if all(name in by_name for name in names)]
        found: dict[Noise, Any] = {}
        for names in whole:
            own = [by_name.pop(name) for name in names]
            as_one = replace(own[0][0], name=stack_of(names), shape=(len(own), *own[0][0].shape))
            found[as_one] = tuple(root for _, root in own)
        return found | dict(by_name.values())

    def is_packed(self, tree: Mapping[str, Any]) -> bool:
        """Tell whether a tree has the groups as entries."""
        return bool(self.groups) and stack_of(self.groups[0]) in tree

    def pack(self, tree: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        """Return the tree with an entry for each group; as it is if it has them."""
        if not self.groups or self.is_packed(tree):
            return tree
        grouped = {name for names in self.groups for name in names}
        packed = {name: own for name, own in tree.items() if name not in grouped}
        for names in self.groups:
            packed[stack_of(names)] = {
                role: parameter(tree, names, role) for role in tree[names[0]]
            }
        return packed

    def unpack(self, tree: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        """Return the tree with an entry for each block."""
        if not self.is_packed(tree):
            return tree
        found = dict(tree)
        for names in self.groups:
            own = found.pop(stack_of(names))
            found |= {
                name: {role: value[i] for role, value in own.items()}
                for i, name in enumerate(names)
            }
        return found


def parameter(tree: Mapping[str, Mapping[str, Any]], names: Sequence[str], role: str) -> Any:
    """Return a parameter of a block, or those of several as one, of a tree packed or not.

    Examples
    --------
    >>> tree = {"a": {"loc": np.zeros(2)}, "b": {"loc": np.ones(2)}}
    >>> parameter(tree, ["a", "b"], "loc").shape, parameter(tree, ["a"], "loc").shape
    ((2, 2), (2,))
    """
    known = [name for name in (*names, stack_of(names)) if name in tree]
    return stacked({name: tree[name][role] for name in known}, names)
