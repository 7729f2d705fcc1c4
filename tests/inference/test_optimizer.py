"""The default optimiser against optax's Adam, number by number."""

import numpy as np
import optax
import pytest

from pymc_bnn.inference.optimizer import adam


@pytest.mark.parametrize(("size", "stretched"), [(3, False), (3, True), (100_000, False)])
def test_each_number_moves_as_adam_moves_it_alone(size, stretched):
    """Few numbers are updated as one vector, many are not: the numbers must not tell.

    If asked for, locations with wide scales move in proportion to them.
    """
    rng = np.random.default_rng(0)
    params = {
        "w": {"loc": np.zeros(size), "log_scale": rng.normal(0, 1, size)},
        "v": {"loc": np.zeros((2, 2)), "log_scale": np.zeros(())},
    }
    grads = [
        {k: {r: rng.normal(size=v.shape) for r, v in roles.items()} for k, roles in params.items()}
        for _ in range(4)
    ]
    ours = adam(4, learning_rate=0.1, scale_learning_rate=0.5, stretched=stretched)
    peaks = {"loc": 0.1}
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
            scale = np.exp(params[k]["log_scale"])
            wide = np.maximum(scale, 1) if stretched and r == "loc" else 1
            np.testing.assert_allclose(updates[k][r], wide * expected, rtol=1e-6)


def test_guides_without_scales():
    params = {"w": {"loc": np.zeros(2)}, "v": {"loc": np.zeros(())}}
    ours = adam(3)
    updates, _ = ours.update(params, ours.init(params), params)
    assert updates["w"]["loc"].shape == (2,)
