"""PyMC's own engines on the package's models, dense and convolutional.

Everything compiles to JAX, which takes seconds where the default takes tens of seconds; by the
default: python tests/long/default_compilation.py.
"""

import os

import numpy as np
import pymc as pm
import pytest
from scipy.signal import correlate2d

from pymc_bnn import networks
from pymc_bnn.bayesian_network import bayesian
from pymc_bnn.priors import HalfNormal, Normal

# PyTensor copies the random generators into the compiled JAX function, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:The RandomType SharedVariables:UserWarning")

JAX = {"mode": "JAX"}
N_CLASSES = 3


def make_data(n=30, seed=0):
    """Images whose bright half, left or right or none, is their class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % N_CLASSES
    images = 0.3 * rng.normal(size=(n, 8, 8, 1))
    images[labels == 1, :, :4] += 1.0
    images[labels == 2, :, 4:] += 1.0
    return images, labels


def make_model(kind):
    images, labels = make_data()
    if kind == "dense":
        network = networks.mlp((64, 3, N_CLASSES))
    else:
        network = networks.convnet((8, 8, 1), N_CLASSES, filters=2, kernel_size=3, dense=None)
    with pm.Model() as model:
        x, y = pm.Data("x", images), pm.Data("labels", labels)
        logits = bayesian(network, x, Normal(sigma=HalfNormal(1.0, per="layer")))
        pm.Deterministic("logits", logits)
        pm.Categorical("y", logit_p=logits, observed=y, shape=logits.shape[0])
    return model


def reference(kind, images, weights):
    """Return the logits by NumPy and SciPy, for one draw of the weights."""
    if kind == "dense":
        x = images.reshape(len(images), -1) @ weights["dense1_W"] + weights["dense1_b"]
        return np.tanh(x) @ weights["dense2_W"] + weights["dense2_b"]
    maps = np.stack(
        [
            [correlate2d(image[..., 0], weights["conv1_W"][:, :, 0, o], "valid") for o in range(2)]
            for image in images
        ]
    )
    pooled = np.tanh(maps).reshape(len(images), 2, 3, 2, 3, 2).max(axis=(3, 5))
    x = pooled.transpose(0, 2, 3, 1).reshape(len(images), -1)
    return x @ weights["dense1_W"] + weights["dense1_b"]


def check_logits(kind, images, draws, logits):
    """Compare the logits of every draw with the reference."""
    assert logits.sizes["draw"] == draws.sizes["draw"] > 1
    for i in range(draws.sizes["draw"]):
        weights = {name: draws[name].values[0, i] for name in draws.data_vars if "_" in name}
        expected = reference(kind, images, weights)
        assert logits.values[0, i] == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.fixture(scope="module", params=["dense", "conv"])
def case(request):
    return request.param, make_model(request.param)


@pytest.fixture(scope="module")
def convolutional():
    """The convolutional one, whose last layer is dense, for what takes long."""
    return "conv", make_model("conv")


def test_prior_predictive(case):
    kind, model = case
    with model:
        prior = pm.sample_prior_predictive(4, random_seed=1, compile_kwargs=JAX)
    check_logits(kind, make_data()[0], prior.prior.dataset, prior.prior["logits"])
    assert set(np.unique(prior.prior_predictive["y"])) <= set(range(N_CLASSES))
    assert prior.prior_predictive["y"].shape == (1, 4, 30)
    other = "dense1_W" if kind == "dense" else "conv1_W"
    assert prior.prior[other].dims[2:] == model.named_vars_to_dims[other]
    assert len(np.unique(prior.prior[other])) == prior.prior[other].size


@pytest.mark.slow
@pytest.mark.long
def test_variational_fit(convolutional):
    kind, model = convolutional
    with model:
        approx = pm.fit(
            1500,
            backend="jax",
            obj_optimizer=pm.adam(learning_rate=0.03),
            progressbar=False,
            random_seed=1,
        )
    assert np.isfinite(approx.hist).all()
    assert np.median(approx.hist[-50:]) < np.median(approx.hist[:50]) / 4
    draws = approx.sample(20, random_seed=2).posterior.dataset
    images, labels = make_data()
    right = []
    for i in range(20):
        weights = {name: draws[name].values[0, i] for name in draws.data_vars if "_" in name}
        right.append(reference(kind, images, weights).argmax(-1) == labels)
    assert np.mean(right) > 0.7  # by chance 1/3


@pytest.mark.long
@pytest.mark.parametrize("sampler", ["numpyro", "blackjax", "nutpie"])
def test_samplers_of_other_libraries(sampler, monkeypatch):
    """On a regression, beside each other: python examples/engines.py."""
    pytest.importorskip(sampler)
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))  # which PyMC changes
    chains = {"chains": 1, "cores": 1, "progressbar": False, "compute_convergence_checks": False}
    mode = {"compile_kwargs": JAX} if sampler == "nutpie" else {}
    model = make_model("dense")
    try:
        drawn = pm.sample(
            20, tune=60, nuts_sampler=sampler, model=model, random_seed=1, **chains, **mode
        )
    except TypeError as error:
        if sampler != "blackjax" or "progress_bar" not in str(error):
            raise
        pytest.skip("this PyMC cannot call this blackjax")
    images, labels = make_data()
    check_logits("dense", images, drawn.posterior.dataset, drawn.posterior["logits"])
    right = drawn.posterior["logits"].values[0].argmax(-1) == labels
    assert right.mean() > 0.8  # by chance 1/3


def test_variational_means_start_at_the_start_values(case):
    _, model = case
    start = model.initial_point()
    with model:
        group = pm.ADVI(random_seed=1).approx.groups[0]
    means = group.params_dict["mu"].get_value()
    assert set(group.ordering) == set(start)
    for name, (_, where, shape, _) in group.ordering.items():
        assert means[where].reshape(shape) == pytest.approx(start[name])
    assert len(np.unique(start["dense1_W"])) == start["dense1_W"].size  # nothing is symmetric


@pytest.mark.slow
def test_nuts_then_other_data_then_predictions(convolutional):
    kind, model = convolutional
    with model:
        idata = pm.sample(
            draws=30,
            tune=60,
            chains=1,
            cores=1,
            progressbar=False,
            random_seed=1,
            compute_convergence_checks=False,
            compile_kwargs=JAX,
        )
    images, labels = make_data()
    posterior = idata.posterior.dataset
    check_logits(kind, images, posterior, posterior["logits"])
    probabilities = np.exp(posterior["logits"].values[0])
    probabilities /= probabilities.sum(-1, keepdims=True)
    likely = probabilities.mean(0)[np.arange(30), labels]
    assert likely.mean() > 0.8  # by chance 1/3
    assert (posterior[["conv1_sigma", "dense1_sigma"]] > 0).all().to_array().all()

    new_images, new_labels = make_data(11, seed=5)
    with model:
        pm.set_data({"x": new_images, "labels": new_labels})
        predictions = pm.sample_posterior_predictive(
            idata,
            var_names=["logits", "y"],
            predictions=True,
            progressbar=False,
            random_seed=1,
            compile_kwargs=JAX,
        ).predictions
        pm.set_data({"x": images, "labels": labels})
    assert predictions["y"].shape == (1, 30, 11)
    check_logits(kind, new_images, posterior, predictions["logits"])
    agreement = (predictions["y"].values[0] == new_labels).mean()
    assert agreement > 0.7  # by chance 1/3
