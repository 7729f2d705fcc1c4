"""What is censored far out has the log-probability that it has, and its gradient."""

import jax
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.runtime.precision import precision

LAWS = {
    "Exponential": (lambda s: pm.Exponential.dist(scale=s), lambda x, s: -x / s),
    "Weibull": (lambda s: pm.Weibull.dist(2.0, s), lambda x, s: -((x / s) ** 2)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("law", LAWS)
def test_far_above_what_is_likely(law, dtype):
    """Where the probability below rounds to 1: from 16 in float32, and 36 in float64."""
    build, exact = LAWS[law]
    x, scale = pt.vector("x"), pt.scalar("scale")
    above = pm.logp(pm.Censored.dist(build(scale), lower=None, upper=x), x)
    at = np.array([1e-3, 0.5, 3.0, 50.0, 500.0], dtype)
    with precision(dtype):
        function = jaxify([x, scale], [above], dtype)
        found = np.asarray(function(at, np.asarray(1.5, dtype))[0])
        slope = jax.grad(lambda s: function(at, s)[0].sum())(np.asarray(1.5, dtype))
        expected = jax.grad(lambda s: exact(at, s).sum())(np.asarray(1.5, dtype))
    np.testing.assert_allclose(found, exact(at, 1.5), rtol=1e-5)
    np.testing.assert_allclose(slope, expected, rtol=1e-5)
