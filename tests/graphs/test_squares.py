"""A square of an exponential, where it is written as one exponential, and where it is not."""

import jax
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.runtime.jaxprs import operations_of
from pymc_bnn.runtime.precision import precision

X = np.linspace(-4, 3, 24).reshape(4, 6)


def primitives(x, out):
    with precision("float64"):
        function = jaxify([x], [out], "float64")
        jaxpr = jax.make_jaxpr(function)(X)
        (found,) = function(X)
    return [one.primitive.name for one in operations_of(jaxpr.jaxpr)], np.asarray(found)


@pytest.mark.parametrize(
    "write",
    [
        lambda s: s**2,
        pt.sqr,
        lambda s: s * s,
        lambda s: (s**2).sum() - pt.log(s).sum(),
        lambda s: (X[:2, :4] ** 2) @ s**2,
    ],
)
def test_the_exponential_itself_is_not_computed(write):
    x = pt.matrix("x")
    out = write(pt.exp(x))
    names, found = primitives(x, out)
    assert names.count("exp") == 1
    assert not {"square", "integer_pow"} & set(names)
    np.testing.assert_allclose(found, pytensor.function([x], out)(X), rtol=1e-12)


@pytest.mark.parametrize(
    "write",
    [lambda s: s**2 + s, lambda s: (s**2).sum() + (s * X).sum(), lambda s: pt.stack([s, s**2])],
)
def test_it_is_squared_where_it_is_needed_itself(write):
    x = pt.matrix("x")
    out = write(pt.exp(x))
    names, found = primitives(x, out)
    assert names.count("exp") == 1
    assert {"square", "integer_pow", "mul"} & set(names)
    np.testing.assert_allclose(found, pytensor.function([x], out)(X), rtol=1e-12)
