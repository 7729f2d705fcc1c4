"""Products of matrices in the precision that JAX is told, on a CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.graph.replace import graph_replace

import pymc_bnn as bnn
from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.graphs.products import Product
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.runtime.precision import precision

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(7, 5)).astype("float32"), RNG.normal(size=(5, 3)).astype("float32")
NARROW = ["bfloat16", "BF16_BF16_F32"]


def rounded(x):
    return np.asarray(jnp.asarray(x).astype(jnp.bfloat16).astype(jnp.float32))


def layer(x):
    """A layer of pytensor-ml's, whose product is in a graph of its own."""
    network = bnn.networks.mlp((5, 3))
    with pm.Model() as model:
        out = bnn.bayesian(network, x)
    return out, [model["dense1_W"], model["dense1_b"]]


@pytest.mark.parametrize("told", NARROW)
def test_factors_are_rounded_and_summed_up_in_float32(told):
    x, w = pt.fmatrices(2)
    product = jaxify([x, w], [x @ w])
    with precision("float32"), jax.default_matmul_precision(told):
        [found] = jax.jit(product)(X, W)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, rounded(X) @ rounded(W), rtol=1e-5, atol=1e-6)
    assert np.abs(found - X @ W).max() > 1e-4


@pytest.mark.parametrize("told", [None, "highest", "float32"])
def test_otherwise_it_is_the_product_of_jax(told):
    x, w = pt.fmatrices(2)
    product = jaxify([x, w], [x @ w])
    with precision("float32"), jax.default_matmul_precision(told):
        np.testing.assert_array_equal(jax.jit(product)(X, W)[0], jax.jit(jnp.dot)(X, W))


def test_derivatives_are_those_of_float32():
    x, w = pt.fmatrices(2)
    product = jaxify([x, w], [x @ w])

    def loss(x, w):
        return product(x, w)[0].sum()  # whose derivatives do not depend on the product

    with precision("float32"):
        expected = jax.grad(loss, (0, 1))(X, W)
        with jax.default_matmul_precision("bfloat16"):
            found = jax.grad(loss, (0, 1))(X, W)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_float64_stays():
    x, w = pt.dmatrices(2)
    product = jaxify([x, w], [x @ w], "float64")
    with precision("float64"), jax.default_matmul_precision("bfloat16"):
        wide = X.astype(float), W.astype(float)
        np.testing.assert_allclose(product(*wide)[0], wide[0] @ wide[1], rtol=1e-12)


def test_a_layer_is_what_it_computes():
    x = pt.fmatrix()
    out, variables = layer(x)
    values = [v.type() for v in variables]
    given = dict(zip(variables, values, strict=True))
    function = jaxify([x, *values], graph_replace([out], given))
    with precision("float32"):
        b = np.ones(3, "float32")
        np.testing.assert_allclose(function(X, W, b)[0], X @ W + b, rtol=1e-5)
        with jax.default_matmul_precision("bfloat16"):
            wanted = rounded(X) @ rounded(W) + b
            np.testing.assert_allclose(function(X, W, b)[0], wanted, rtol=1e-4, atol=1e-5)


def test_it_runs_in_jax_only():
    x, w = pt.fmatrices(2)
    with pytest.raises(NotImplementedError, match="JAX only"):
        Product()(x, w).eval({x: X, w: W}, mode=INTERPRETED)


@pytest.mark.parametrize("estimator", ["auto", "pathwise"])
def test_a_fit_and_predictions_by_it(estimator):
    """Near those without, and not the same; afterwards these are as they were before."""
    rows = RNG.normal(size=(60, 5))
    with pm.Model() as model:
        out = bnn.bayesian(bnn.networks.mlp((5, 8, 1)), pm.Data("x", rows))[:, 0]
        pm.Normal("y", out, 0.1, observed=rows[:, 0], shape=out.shape)
    options = {"steps": 20, "batch_size": 30, "estimator": estimator, "random_seed": 1}
    fits = []
    for told in (None, "bfloat16", None):
        with jax.default_matmul_precision(told):
            fitted = bnn.fit(model, progressbar=False, **options)
            fits.append(fitted.predict({"x": rows}, draws=5, random_seed=1).mean)
    np.testing.assert_array_equal(fits[0], fits[2])
    assert 0 < np.abs(fits[1] - fits[0]).max() < 0.1 * np.abs(fits[0]).max()
