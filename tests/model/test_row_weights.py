"""A weight per row, written as a potential, counts as so many equal rows."""

import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn

RNG = np.random.default_rng(2)
N = 120
X = RNG.normal(size=N)
Y = 1.5 * X + RNG.normal(size=N)
TIMES = RNG.integers(0, 4, N)


@pytest.mark.parametrize("batch_size", [None, 40])
def test_weighted_rows_are_repeated_rows(batch_size):
    with pm.Model() as model:
        mu = pm.Normal("b", 0, 10) * pm.Data("x", X)
        weights = pm.Data("weights", TIMES.astype(float))
        pm.Potential("y", weights * pm.logp(pm.Normal.dist(mu, 1), pm.Data("y_data", Y)))
    fitted = bnn.fit(model, steps=3000, batch_size=batch_size, random_seed=1, progressbar=False)
    precision = (TIMES * X**2).sum() + 1 / 100
    assert fitted.n_examples == N
    np.testing.assert_allclose(fitted.mean["b"], (TIMES * X * Y).sum() / precision, atol=0.02)
    np.testing.assert_allclose(fitted.std["b"], precision**-0.5, rtol=0.15)
