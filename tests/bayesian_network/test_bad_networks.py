"""Networks, data and arguments that are refused, each with one clear error."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.tensor.random.variable import shared_rng
from pytensor_ml.layers import BatchNorm, Dropout, Embedding, Linear, Sequential
from pytensor_ml.params import trainable

from pymc_bnn import networks
from pymc_bnn.bayesian_network import bayesian
from pymc_bnn.priors import Normal
from tests.support.network_parts import IMAGES, TABLE


def test_outside_a_model():
    with pytest.raises(TypeError, match="`bayesian` must be called inside a model"):
        bayesian(networks.mlp((4, 2)), TABLE)


class Unsized:
    """A network of no parameters."""

    def __call__(self, x):
        return x.sum(axis=-1)


def noisy(x):
    rng = shared_rng(np.random.default_rng(1), name="noise/rng")
    return x + pt.random.normal(size=x.shape, rng=rng, return_next_rng=True)[1]


@pytest.mark.parametrize(
    ("network", "x", "error", "message"),
    [
        (
            Sequential(Linear("a", n_in=4, n_out=3), BatchNorm("norm", n_in=3)),
            TABLE,
            ValueError,
            r"`network` must have no layer with running state.*'norm'.*LayerNorm or GroupNorm",
        ),
        (
            Sequential(Linear("a", n_in=4, n_out=3), Dropout("drop", p=1.0)),
            TABLE,
            ValueError,
            r"`network` must have dropout with p below 1, got p=1.0 in layer 'drop'",
        ),
        (
            Sequential(Linear("a", n_in=4, n_out=3), noisy),
            TABLE,
            ValueError,
            r"`network` must have no randomness of its own but Dropout, got layer 'noise'",
        ),
        (Unsized(), TABLE, ValueError, r"`network` must have trainable parameters"),
        (
            Embedding("e", n_embeddings=5, n_features=2),
            TABLE,
            ValueError,
            r"`x` must hold integers, which the network looks up, got a tensor of float64; pass pm",
        ),
        (
            lambda x: x @ trainable(np.zeros((4, 2))),
            TABLE,
            ValueError,
            r"`network` must have named parameters, got one without, of shape \(4, 2\)",
        ),
        (lambda x: [x], TABLE, TypeError, r"`network` must return one tensor, got list"),
        ("mlp", TABLE, TypeError, r"`network` must be a function from a tensor"),
        (Linear, TABLE, TypeError, r"`network` must be a function from a tensor"),
        (
            Sequential(Linear("a", n_in=5, n_out=3)),
            TABLE,
            ValueError,
            r"`x` must have a shape that the network takes, got shape \(\?, 4\), on which",
        ),
        (
            Sequential(Linear("a", n_in=6, n_out=3)),
            TABLE[:, 0],
            ValueError,
            r"`x` must reach layer 'a' with shape \(n, 6\), got shape \(\?,\)",
        ),
        (
            networks.convnet((8, 8, 1), 2, filters=1, kernel_size=3, dense=None),
            IMAGES[..., 0],
            ValueError,
            r"`x` must have shape \(n, 8, 8, 1\), got shape \(\?, 8, 8\)",
        ),
        (networks.mlp((5, 2)), TABLE, ValueError, r"`x` must have shape \(n, 5\)"),
        (networks.mlp((4, 2)), TABLE[:0], ValueError, r"`x` must hold at least one row"),
        (
            networks.mlp((4, 2)),
            np.full((2, 4), np.inf),
            ValueError,
            r"`x` must hold finite numbers only, got 8 NaN or infinite values",
        ),
        (
            lambda x: Linear("a_1", n_in=4, n_out=4)(
                Linear("a", n_in=4, n_out=4)(Linear("a", n_in=4, n_out=4)(x))
            ),
            TABLE,
            ValueError,
            r"`network` must have parameters with names of their own, got 'a_1_W' twice",
        ),
    ],
)
def test_bad_networks_and_data(network, x, error, message):
    with pm.Model() as model:
        data = pm.Data("x", x)
        with pytest.raises(error, match=message):
            bayesian(network, data)
    assert model.free_RVs == []


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"x": np.array(["a"])}, TypeError, "`x` must hold numbers, got ndarray"),
        ({"x": None}, TypeError, "`x` must hold numbers, got NoneType"),
        (
            {"x": np.ones((2, 4)) * 1j},
            TypeError,
            "`x` must hold real numbers, got ndarray of dtype complex128",
        ),
        (
            {"x": pytensor.shared(np.ones((2, 4)) * 1j)},
            TypeError,
            "`x` must be a tensor of real numbers, got a variable of Matrix.complex128",
        ),
        ({"x": 3.0}, ValueError, "`x` must have one row per example, got a scalar"),
        ({"x": np.full((2, 4), np.nan)}, ValueError, "`x` must hold finite numbers"),
        ({"x": TABLE[:0]}, ValueError, "`x` must hold at least one row"),
        ({"prior": 1.0}, TypeError, "`prior` must be a prior"),
        ({"prior": {"conv*": Normal()}}, ValueError, "`prior` must have a pattern for every"),
        ({"name": ""}, ValueError, "`name` must be a non-empty string"),
        ({"name": "a::b"}, ValueError, "`name` must be a non-empty string without '::'"),
        ({"name": 3}, TypeError, "`name` must be a non-empty string"),
        ({"random_seed": -1}, ValueError, "`random_seed` must be an integer in 0…"),
        ({"random_seed": "a"}, TypeError, "`random_seed` must be an integer"),
    ],
)
def test_bad_arguments(settings, error, message):
    with pm.Model() as model, pytest.raises(error, match=message):
        bayesian(networks.mlp((4, 2)), **{"x": TABLE, **settings})
    assert model.free_RVs == []
