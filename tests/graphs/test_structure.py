"""Graphs that compute the same have one key, and no others do."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.scalar import float64 as number
from pytensor.scalar.basic import UnaryScalarOp
from pytensor.tensor.elemwise import Elemwise

from pymc_bnn.graphs.structure import structure
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.runtime.precision import precision

TABLE = np.arange(6.0).reshape(2, 3)


def key(make, kind=pt.dvectors, n=2):
    inputs = kind(n)
    return structure(inputs, make(*inputs))


ALIKE = {
    "operations": lambda x, y: [pt.exp(x) + y, y],
    "constants": lambda x, y: [x * TABLE + y.sum(), pt.constant(TABLE) * 1.5],
    "no input": lambda x, y: [pt.constant(np.nan), pt.zeros(3)],
    "indices": lambda x, y: [x[1:3], y[::-1], x[[0, 1]]],
    "a logp": lambda x, y: [pm.logp(pm.Normal.dist(x, 2.0), y)],
    "a scan": lambda x, y: [
        pytensor.scan(lambda a, b: a * b, sequences=x, outputs_info=y, return_updates=False)
    ],
}


@pytest.mark.parametrize("name", ALIKE)
def test_what_is_built_twice_has_one_key(name):
    assert key(ALIKE[name]) == key(ALIKE[name])
    assert key(ALIKE[name]) is not None or name == "a scan"  # whose operation has no words for it


OTHERS = [
    lambda x, y: [x + y],
    lambda x, y: [y + x],
    lambda x, y: [x * y],
    lambda x, y: [x + y, x],
    lambda x, y: [x + x],
    lambda x, y: [x + 1.0],
    lambda x, y: [x + 1],
    lambda x, y: [x + 0.0],
    lambda x, y: [x + -0.0],
    lambda x, y: [x + np.nan],
    lambda x, y: [x + np.zeros(1)],
    lambda x, y: [x + np.zeros((1, 1))],
    lambda x, y: [x[:2]],
    lambda x, y: [x[1:2]],
    lambda x, y: [x.sum()],
    lambda x, y: [x.sum(keepdims=True)],
    lambda x, y: [pt.switch(x > 0, x, y)],
    lambda x, y: [pt.switch(x > 0, y, x)],
    lambda x, y: [x.astype("float32")],
    lambda x, y: [],
]


def test_different_graphs_have_different_keys():
    keys = [key(make) for make in OTHERS]
    keys += [key(lambda x, y: [x + y], kind) for kind in (pt.fvectors, pt.dmatrices, pt.dscalars)]
    x, y = pt.dvectors(2)
    keys += [structure([y, x], [x + y]), structure([(x, y)], [x + y])]
    fixed = [pt.TensorType("float64", (3,))() for _ in range(2)]
    keys.append(structure(fixed, [fixed[0] + fixed[1]]))
    # An addition commutes, but its rounding need not; what counts is how it is written.
    same = {(1, len(OTHERS) + 3)}  # y + x of (x, y) is x + y of (y, x)
    for i, one in enumerate(keys):
        assert one is not None
        for j in range(i + 1, len(keys)):
            assert (one == keys[j]) == ((i, j) in same), (i, j)


def test_names_do_not_count():
    x, z = pt.dvector("x"), pt.dvector("z")
    assert structure([x], [(x + 1).copy("a")]) == structure([z], [(z + 1).copy("b")])


class Unequal(UnaryScalarOp):
    """An operation that, as any without properties, equals nothing but itself."""

    nfunc_spec = None

    def impl(self, x):
        return x


def test_what_cannot_be_told_has_none_or_its_own():
    x = pt.dvector()
    assert structure([x], [x + pt.dvector()]) is None
    assert structure([x], [x + np.zeros(2**18)]) is None  # 2 MB
    one, other = (Elemwise(Unequal(lambda *_: [number])) for _ in range(2))
    one.scalar_op.__class__.__eq__ = object.__eq__
    one.scalar_op.__class__.__hash__ = object.__hash__
    assert structure([x], [one(x)]) != structure([x], [other(x)])


def test_functions_are_shared_between_equal_graphs_only():
    def lifted(c, **options):
        x = pt.dvector()
        return jaxify([x], [x * c], "float64", **options)

    assert lifted(2.0) is lifted(2.0)
    assert lifted(2.0) is not lifted(3.0)
    assert lifted(2.0) is not lifted(2.0, gradient=False)
    with precision("float64"):
        assert [float(lifted(c)(np.ones(1))[0][0]) for c in (2.0, 3.0)] == [2, 3]
