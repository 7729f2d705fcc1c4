"""The default optimiser against optax's Adam, number by number."""

import numpy as np
import optax
import pytest

from pymc_bnn.inference.optimizer import adam


@pytest.mark.parametrize("size", [3, 100_000])
def test_each_number_moves_as_adam_moves_it_alone(size):
    """Few numbers are updated as one vector, many are not: the numbers must not tell.

    Locations with wide scales move in proportion to them.
    """
    rng = np.random.default_rng(0)
    params = {
        "w": {"loc": np.zeros(size), "log_scale": rng.normal(-1, 1, size)},
        "v": {"loc": np.zeros((2, 2)), "log_scale": np.zeros(())},
    }
    grads = [
        {k: {r: rng.normal(size=v.shape) for r, v in roles.items()} for k, roles in params.items()}
        for _ in range(4)
    ]
    ours, peaks = adam(4, learning_rate=0.1, scale_learning_rate=0.5), {"loc": 0.1}
    state = ours.init(params)
    alone = {
        (k, r): optax.adam(optax.cosine_decay_schedule(peaks.get(r, 0.5), 4, alpha=0.01))
        for k, roles in params.items()
        for r in roles
    }
    states = {(k, r): one.init(params[k][r]) for (k, r), one in alone.items()}
    for gradient in grads:
        updates, state = ours.update(gradient, state, params)
        for (k, r), one in alone.items():
            expected, states[k, r] = one.update(gradient[k][r], states[k, r])
            wide = np.maximum(np.exp(params[k]["log_scale"]) / 0.3, 1) if r == "loc" else 1
            np.testing.assert_allclose(updates[k][r], wide * expected, rtol=1e-6)


def test_guides_without_scales():
    params = {"w": {"loc": np.zeros(2)}, "v": {"loc": np.zeros(())}}
    ours = adam(3)
    updates, _ = ours.update(params, ours.init(params), params)
    assert updates["w"]["loc"].shape == (2,)
