"""Random variables of another size have the parameters that they have now."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.graph.traversal import ancestors

from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.graphs.sizes import resize
from pymc_bnn.graphs.substitute import substitute


def far(mu, size):
    return pm.Normal.dist(mu, 1e-3, size=size) + 10


LAWS = {
    "Normal": lambda mu: pm.Normal.dist(10 + mu, 1e-3, size=(3,)),
    "CustomDist": lambda mu: pm.CustomDist.dist(mu, dist=far, size=(3,)),
    "CustomDist, logp": lambda mu: pm.CustomDist.dist(
        mu, dist=far, logp=lambda value, mu: pm.logp(pm.Normal.dist(mu, 1), value), size=(3,)
    ),
}


@pytest.mark.parametrize("dtype", ["int32", "float64"])
@pytest.mark.parametrize("law", LAWS)
def test_of_a_copy_with_other_parameters(law, dtype):
    first, other = pt.vector("first", dtype="int64"), pt.vector("other", dtype=dtype)
    [copy] = substitute([LAWS[law](first)], {first: other})
    again = resize(copy, (other.shape[0],))
    assert other in ancestors([again])
    assert first not in ancestors([again])
    draw = pytensor.function([other], again, mode=INTERPRETED)
    np.testing.assert_allclose(draw(np.arange(5, dtype=dtype)), 10 + np.arange(5), atol=0.01)
    value = pt.vector("value")
    density = pytensor.function([other, value], pm.logp(again, value), mode=INTERPRETED)
    assert density(np.arange(5, dtype=dtype), np.zeros(5)).shape == (5,)
