"""Maxima and minima: PyTensor's values, and derivatives that no rounding makes 0/0."""

import jax
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

import pymc_bnn as bnn
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.runtime.precision import precision

RNG = np.random.default_rng(0)
AXES = {"last": -1, "middle": 1, "two": (0, 2), "all": None, "every": (0, 1, 2)}
X = RNG.permutation(np.arange(120.0)).reshape(4, 6, 5)


def compiled(reduction, dtype="float64", **keywords):
    x = pt.tensor("x", shape=(None, None, None), dtype=dtype)
    return jaxify([x], [getattr(pt, reduction)(x, **keywords)], "float64")


@pytest.mark.parametrize("axis", AXES.values(), ids=AXES)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("reduction", ["max", "min"])
def test_values_and_one_hot_derivatives(reduction, axis, keepdims):
    numpy = getattr(np, reduction)
    expected = numpy(X, axis=axis, keepdims=keepdims)
    weights = RNG.normal(size=expected.shape)
    one_hot = numpy(X, axis=axis, keepdims=True) == X
    every = np.reshape(weights, numpy(X, axis=axis, keepdims=True).shape) * one_hot
    with precision("float64"):
        f = compiled(reduction, axis=axis, keepdims=keepdims)
        value, pull = jax.vjp(lambda x: f(x)[0], X)
        tangent = RNG.normal(size=X.shape)
        pushed = jax.jvp(lambda x: f(x)[0], (X,), (tangent,))[1]
    np.testing.assert_array_equal(value, expected)
    np.testing.assert_array_equal(pull(weights)[0], every)
    sum_axis = axis if axis is not None else (0, 1, 2)
    np.testing.assert_allclose(pushed, (one_hot * tangent).sum(sum_axis, keepdims=keepdims))


def test_the_first_of_equals_has_the_derivative():
    with precision("float64"):
        f = compiled("max", axis=(1, 2))
        gradient = jax.vmap(jax.grad(lambda x: f(x)[0].sum()))(np.ones((2, 1, 3, 2)))
    assert gradient.reshape(2, 6).tolist() == [[1, 0, 0, 0, 0, 0]] * 2


@pytest.mark.parametrize("reduction", ["max", "min"])
@pytest.mark.parametrize("dtype", ["int8", "int32", "uint8", "bool"])
def test_whole_numbers(dtype, reduction):
    whole = (X % 2 if dtype == "bool" else X).astype(dtype)
    with precision("float64"):
        [value] = compiled(reduction, dtype, axis=(0, 1))(whole)
    np.testing.assert_array_equal(value, getattr(np, reduction)(whole, axis=(0, 1)))
    assert value.dtype == dtype


def test_nan_infinity_and_nothing():
    odd = X.copy()
    odd[0, 0, 0], odd[1] = np.nan, -np.inf
    with precision("float64"):
        np.testing.assert_array_equal(compiled("max", axis=(1, 2))(odd)[0], odd.max(axis=(1, 2)))
        nothing = compiled("max", axis=1, initial=-np.inf)
        assert nothing(X[:, :0])[0].tolist() == np.full((4, 5), -np.inf).tolist()
        assert jax.grad(lambda x: nothing(x)[0].sum())(X).sum() == 20


def test_a_mixture_is_fitted_where_little_is_optimised():
    assert jax.config.read("jax_disable_most_optimizations")  # as in all tests: it was NaN then
    y = np.random.default_rng(0).normal([[-2], [2]], 0.5, (2, 150)).ravel()
    with pm.Model() as model:
        many = pm.Data("many", np.ones((300, 1)))
        w, m, s = pm.Dirichlet("w", np.ones(2)), pm.Normal("m", 0, 3, shape=2), pm.HalfNormal("s")
        pm.NormalMixture("y", w, m * many, s, observed=y)
    bnn.fit(model, steps=9, random_seed=3, progressbar=False)
