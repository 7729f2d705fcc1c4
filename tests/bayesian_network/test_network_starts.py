"""Start values of networks."""

import numpy as np
import pytest
from pytensor_ml.layers import LayerNorm

from pymc_bnn import networks
from tests.support.network_parts import TABLE, make_model


def test_start_values_have_the_fan_in_scale():
    network = networks.convnet((8, 8, 3), 10, filters=60, kernel_size=5, pool=4, dense=80)
    start = make_model(network, np.zeros((2, 8, 8, 3))).initial_point()
    for name, fan_in in {"conv1_W": 75, "dense1_W": 60, "dense2_W": 80}.items():
        n = start[name].size
        deviation = start[name] * np.sqrt(fan_in)
        assert np.mean(deviation) == pytest.approx(0, abs=4 / np.sqrt(n))
        assert np.var(deviation) == pytest.approx(1, abs=4 * np.sqrt(2 / n))
        assert len(np.unique(start[name])) == n
    assert not start["dense1_b"].any()


def test_layer_norm_starts_at_the_identity():
    start = make_model(LayerNorm("n", n_in=4), TABLE).initial_point()
    assert np.array_equal(start["n_scale"], np.ones(4))
    assert np.array_equal(start["n_loc"], np.zeros(4))


def test_start_values_follow_the_seed():
    def start(seed, name="a"):
        model = make_model(networks.mlp((4, 3, 2)), TABLE, name=name, random_seed=seed)
        return model.initial_point()[f"{name}_dense1_W"]

    assert np.array_equal(start(3), start(3))
    assert not np.array_equal(start(3), start(4))
    assert not np.array_equal(start(3, "a"), start(3, "b"))
    generators = [np.random.default_rng(5) for _ in range(2)]
    assert np.array_equal(start(generators[0]), start(generators[1]))
    assert not np.array_equal(start(generators[0]), start(5))
