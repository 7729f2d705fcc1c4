"""Weights of trained networks: read from files, as means of priors, and what they are good for."""

import warnings

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from pytensor_ml import save_pretrained, save_state
from pytensor_ml.activations import Tanh
from pytensor_ml.layers import Input, Linear, Sequential
from pytensor_ml.model import Model
from pytensor_ml.pytensorf import collect_shared_variables
from safetensors.numpy import save_file
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

import pymc_bnn as bnn
from pymc_bnn.errors import DamagedError
from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.priors import HalfNormal, Normal, from_weights
from tests.support.prior_parts import DIMS, SHAPES, make_model, make_sites

WEIGHTS = {name: np.full(shape, 2) for name, shape in SHAPES.items()}


def test_a_checkpoint_of_pytensor_ml_is_the_network_that_it_was(tmp_path):
    x = Input("x", shape=(None, 6))
    layers = [Linear(n_in=6, n_out=5), Tanh(), Linear(n_in=5, n_out=4), Linear(n_in=4, n_out=3)]
    network = Sequential(*layers)  # without names: numbered
    output = network(x)
    Model(output).initialize(seed=0)
    save_pretrained(output, tmp_path / "folder")
    save_state(collect_shared_variables(output), tmp_path / "state.safetensors")
    weights = bnn.read_weights(tmp_path / "folder")
    rows = np.random.default_rng(0).normal(size=(9, 6))
    with pm.Model() as model:
        found = bnn.bayesian(network, rows, from_weights(weights, 0.1))
    start = model.initial_point()
    expected = output.eval({x: rows}, mode=INTERPRETED)
    for point in (start, bnn.read_weights(str(tmp_path / "state.safetensors"))):
        values = {model[name]: point[name] for name in start}
        assert found.eval(values, mode=INTERPRETED) == pytest.approx(expected, rel=1e-6)


def test_files_are_read_as_they_are(tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.ones(2, "float16"), "n": np.int64([3])}
    np.savez(tmp_path / "w.npz", **arrays)
    save_file(arrays, tmp_path / "w.safetensors")
    for name in ("w.npz", "w.safetensors"):
        found = bnn.read_weights(tmp_path / name)
        assert {k: v.dtype.name for k, v in found.items()} == {
            "a": "float64",
            "b": "float32",
            "n": "int64",
        }
        assert all(np.array_equal(found[k], arrays[k]) for k in arrays)


def test_files_that_hold_no_weights(tmp_path):
    with pytest.raises(ValueError, match=r"`path` must be a .safetensors or .npz.*'w.pt'; save"):
        bnn.read_weights("w.pt")
    with pytest.raises(ValueError, match=r"model.safetensors.*where none is; look"):
        bnn.read_weights(tmp_path)
    np.savez(tmp_path / "objects.npz", a=np.array([{}], object))
    for name in ("objects.npz", "broken.npz", "broken.safetensors"):
        if name.startswith("broken"):
            (tmp_path / name).write_bytes(b"nothing")
        with pytest.raises(DamagedError, match="`path` must hold arrays"):
            bnn.read_weights(tmp_path / name)


@pytest.mark.parametrize(
    ("weights", "sigma", "error", "message"),
    [
        ([1.0], 0.1, TypeError, "`weights` must map names to arrays, got 'list'"),
        (WEIGHTS, -1.0, ValueError, "`sigma` must be positive and finite, got -1.0"),
        (WEIGHTS, Normal(), ValueError, "`sigma` must be positive, got Normal"),
        ({"a": np.ones(2)}, 0.1, ValueError, "`weights` must hold 'conv1_W', got a; give this"),
        (
            {"conv1_W": np.ones(2)},
            0.1,
            ValueError,
            r"`weights` must hold 'conv1_W' of shape \(2, 2, 3, 4\), got shape \(2,\)",
        ),
        (
            {"conv1_W": np.full(SHAPES["conv1_W"], np.nan)},
            0.1,
            ValueError,
            r"`weights\['conv1_W'\]` must hold finite numbers only, got 48",
        ),
        (
            {"conv1_W": np.full(SHAPES["conv1_W"], "a")},
            0.1,
            TypeError,
            r"`weights\['conv1_W'\]` must hold numbers, got <U1",
        ),
    ],
)
def test_weights_that_do_not_fit(weights, sigma, error, message):
    with pytest.raises(error, match=message):
        make_model(from_weights(weights, sigma))


def test_means_of_a_fit_are_weights():
    means = xr.Dataset({name: (DIMS[name], array) for name, array in WEIGHTS.items()})
    prior = from_weights(means, 0.1)
    assert prior == from_weights(WEIGHTS, 0.1) != from_weights(WEIGHTS, 0.2)
    assert (make_model(prior).initial_point()["dense1_W"] == 2).all()


def test_the_new_data_may_decide_how_far_to_go():
    prior = from_weights(WEIGHTS, HalfNormal(0.1, per="layer"))
    model = make_model(prior, make_sites("net_"))
    names = ["net_conv1_sigma", "net_dense1_sigma"]
    assert [v.name for v in model.free_RVs if v.name.endswith("sigma")] == names
    point = model.initial_point()
    assert (point["net_dense1_W"] == 2).all()
    assert np.exp(point["net_conv1_sigma_log__"]) == pytest.approx(0.1 * np.sqrt(2 / np.pi), 0.3)


@pytest.mark.long
def test_a_trained_network_helps_where_there_is_little_data():
    x, digits = load_digits(return_X_y=True)
    x, old, new = (x - x.mean()) / x.std(), slice(1200), slice(1230, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 60 passes are enough
        trained = MLPClassifier((20,), activation="tanh", max_iter=60, random_state=0)
        trained.fit(x[old], digits[old])
    weights = {"dense1_W": trained.coefs_[0], "dense1_b": trained.intercepts_[0]}
    head = {"*_W": bnn.priors.fan_in_normal(2.0), "*": Normal(0, 1)}
    nll = {}
    for name, prior in {
        "known": {"dense1_*": from_weights(weights, 0.1), **head},
        "new": head,
    }.items():
        with pm.Model() as model:  # another task: is the digit an odd one
            logits = bnn.bayesian(bnn.networks.mlp((64, 20, 1)), pm.Data("x", x[1200:1230]), prior)
            odd = digits[1200:1230] % 2
            pm.Bernoulli("y", logit_p=logits[:, 0], observed=odd, shape=logits.shape[0])
        fitted = bnn.fit(model, steps=400, random_seed=1, progressbar=False)
        held_out = {"x": x[new], "y": digits[new] % 2}
        nll[name] = fitted.nll(held_out, 50, random_seed=1)
    assert nll["known"] < 0.52 < 0.57 < nll["new"]
