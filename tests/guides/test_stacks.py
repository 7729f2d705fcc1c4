"""Blocks that look alike as one, and apart again."""

import jax
import numpy as np
import pymc as pm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pymc_bnn import guides
from pymc_bnn.guides import JointGuide, Start, assign_guides, make_blocks
from pymc_bnn.guides.stacks import Stacks
from pymc_bnn.model.decompose import decompose


def blocks_of(model, guide=None):
    free = decompose(model).free
    starts = [Start(f, f.start, np.ones(f.start.shape)) for f in free]
    assigned = assign_guides(guide, [f.name for f in free])
    return make_blocks(assigned, starts, np.random.default_rng(0))


def groups(guide=None, **shapes):
    with pm.Model() as model:
        parts = [pm.Normal(name, shape=shape).sum() for name, shape in shapes.items()]
        pm.Normal("y", sum(parts), 1, observed=0.0)
    return Stacks.of(blocks_of(model, guide)).groups


MANY = {f"a{i}": () for i in range(8)}


@pytest.mark.parametrize(
    ("shapes", "guide", "found"),
    [
        (MANY, None, [8]),
        (dict(list(MANY.items())[:7]), None, []),
        ({**MANY, "v": (2,)}, None, [8]),
        ({**MANY, **{f"v{i}": (2,) for i in range(9)}}, None, [8, 9]),
        ({f"v{i}": (64,) for i in range(8)}, None, [8]),
        ({f"v{i}": (65,) for i in range(8)}, None, []),
        ({f"v{i}": (0,) for i in range(8)}, None, [8]),
        (MANY, guides.FullRank(), []),
        ({**MANY, "b": ()}, {"a*": guides.FullRank()}, []),
        (MANY, guides.Delta(), [8]),
        (MANY, {"a0": guides.Delta()}, []),
        ({f"v{i}": (3,) for i in range(8)}, guides.LowRank(rank=1), []),
    ],
)
def test_which_blocks_are_alike(shapes, guide, found):
    assert [len(names) for names in groups(guide, **shapes)] == found


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(0, 5), st.sampled_from([(), (3,), (2, 2)]), st.booleans())
def test_what_is_packed_is_unpacked(alike, others, shape, traced):
    rng = np.random.default_rng(alike)
    names = [f"b{i}" for i in range(alike)]
    tree = {
        name: {role: rng.normal(size=shape).astype("float32") for role in ("loc", "log_scale")}
        for name in [*names, *(f"c{i}" for i in range(others))]
    }
    stacks = Stacks((tuple(names),))

    def there_and_back(tree):
        packed = stacks.pack(tree)
        assert len(packed) == others + 1
        assert stacks.pack(packed) is packed
        return stacks.unpack(packed)

    found = jax.jit(there_and_back)(tree) if traced else there_and_back(tree)
    assert set(found) == set(tree)
    jax.tree.map(np.testing.assert_array_equal, dict(found), tree)


def test_without_groups_trees_stay_as_they_are():
    tree = {"a": {"loc": 1.0}}
    assert Stacks().pack(tree) is tree
    assert Stacks().unpack(tree) is tree


def test_noise_that_is_not_used_is_not_drawn():
    with pm.Model() as model:
        parts = [pm.Normal(name) for name in MANY]
        pm.Normal("y", sum(parts), 1, observed=0.0)
    joint = JointGuide(blocks_of(model), "float32")
    every = set(joint.noise_roots.values())
    [(whole, roots)] = joint.stacks.noise(joint.noise_roots, every).items()
    assert whole.shape == (8,)
    assert set(roots) == every
    left = every - {joint.noise_roots[joint.noise[3]]}
    assert [n.name for n in joint.stacks.noise(joint.noise_roots, left)] == [
        name for name in MANY if name != "a3"
    ]
