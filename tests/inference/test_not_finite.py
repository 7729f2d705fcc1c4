"""A fit that is not finite stops, says where, and keeps the last finite state."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

import pymc_bnn as bnn
from tests.support.conjugate import QUIET, N, X, Y


def test_nan_stops_and_keeps_the_last_finite_state():
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1)
        b = pm.Normal("b", 0, 1)
        # log of a turns to NaN once gradient steps have carried a below zero.
        pm.Normal("y", pt.log(a + 0.5) + b, 1, observed=np.full(20, -50.0))
    with pytest.raises(bnn.NonFiniteError, match=r"stopped at step \d+: .*'a'") as caught:
        bnn.fit(
            model,
            steps=5000,
            learning_rate=0.01,
            guide=bnn.guides.MeanField(init_scale=0.01),
            **QUIET,
        )
    message = str(caught.value)
    assert "learning_rate" in message
    assert len(message.splitlines()) <= 4
    kept = caught.value.approximation
    assert len(kept.history) > 5
    assert np.isfinite(kept.history.to_numpy()).all()
    assert all(np.isfinite(v).all() for p in kept.params.values() for v in p.values())


def test_constants_may_be_infinite():
    bound = np.where(np.arange(N) % 2, 0.5, np.inf)
    with pm.Model() as model:
        mu = pt.minimum(pt.as_tensor(X) @ pm.Normal("w", shape=3), bound)
        pm.Normal("y", mu, 1, observed=Y)
    assert np.isfinite(bnn.fit(model, steps=50, batch_size=50, **QUIET).history["elbo"]).all()


def test_values_outside_the_support_are_named_as_a_cause():
    with pm.Model() as model:
        pm.Poisson("y", pm.math.exp(pm.Normal("b")), observed=np.full(20, -1))
    with pytest.raises(bnn.NonFiniteError, match="in the likelihood's support"):
        bnn.fit(model, steps=5, **QUIET)
