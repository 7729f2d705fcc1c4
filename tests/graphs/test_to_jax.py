"""Lifted graphs compute what PyTensor computes, in the precision asked for."""

import jax
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor_ml.layers import Conv2D

import pymc_bnn as bnn
from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.graphs.substitute import substitute
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.runtime.precision import precision

RNG = np.random.default_rng(0)


def test_convolution_behind_a_constant_takes_any_number_of_rows():
    images = pt.constant(RNG.normal(size=(30, 6, 6, 1)))
    conv = Conv2D("c", in_channels=1, out_channels=2, kernel_size=3)
    rows = pt.tensor("rows", shape=(None, 6, 6, 1), dtype="float64")
    [out] = substitute([conv(images)], {images: rows})
    assert out.type.shape == (None, 4, 4, 2)
    value = RNG.normal(size=(3, 6, 6, 1))
    [replaced] = substitute([out], {conv.W: pt.constant(conv.W.get_value())})
    [replaced] = substitute([replaced], {conv.b: pt.constant(conv.b.get_value())})
    with precision("float64"):
        lifted = jaxify([rows], [replaced], "float64")(value)[0]
    expected = pytensor.function([rows], out, mode=INTERPRETED)(value)
    np.testing.assert_allclose(lifted, expected, rtol=1e-6)


def test_precision_of_a_float64_graph():
    x = pt.dvector("x")
    for dtype in ("float32", "float64"):
        f = jaxify([x], [x * np.pi + pt.constant(np.ones(2))], dtype)
        with precision(dtype):
            assert jax.jit(f)(np.ones(2))[0].dtype == dtype


def test_parameter_checks_are_dropped_and_stable_softmax_stays():
    with pm.Model() as model:
        logits = pm.Normal("logits", shape=(1, 2))
        pm.Categorical("y", logit_p=logits, observed=[0])
    f = jaxify(model.value_vars, [model.logp(model.observed_RVs)], "float32")
    value = np.array([[0.0, 1000.0]], np.float32)
    with precision("float32"):
        logp, gradient = jax.value_and_grad(lambda v: f(v)[0])(value)
        jaxpr = str(jax.make_jaxpr(f)(value))
    assert float(logp) == -1000.0
    np.testing.assert_allclose(gradient, [[1.0, -1.0]])
    assert jaxpr.count("exp ") == 1


def test_nothing_to_compute():
    assert jaxify([], [])() == ()
    with pm.Model() as model:  # no Normal prior, whose scale would be lifted
        pm.Normal("y", 0, pm.HalfNormal("s"), observed=np.ones(9))
    fitted = bnn.fit(model, steps=5, random_seed=1, progressbar=False)
    assert list(fitted.scale_ratio().index) == ["s"]


@pytest.mark.parametrize("estimator", ["local", "flipout"])
def test_number_of_rows_stays_known_behind_a_reshape(estimator):
    # PyTensor's reshape asks whether a length is -1, and hides from JAX that it is known.
    images, labels = np.ones((12, 4, 5)), np.arange(12) % 3
    with pm.Model() as model:
        x = pm.Data("x", images, shape=(None, 4, 5))
        flat = pt.tanh(x).reshape((x.shape[0], 20))
        logits = flat @ pm.Normal("w", shape=(20, 3)) + pm.Normal("b", shape=3)
        pm.Categorical("y", logit_p=logits, observed=labels)
    fitted = bnn.fit(
        model, steps=3, batch_size=5, estimator=estimator, random_seed=1, progressbar=False
    )
    assert set(fitted.summary()["estimator"]) == {estimator}


def test_stack_traces_of_shared_constants_do_not_grow():
    # PyTensor's rewrite of useless switches triples them, and constants outlive the graph.
    four = pt.constant(4)
    four.tag.trace = [("a.py", 1, "f", "code")]
    x = pt.vector("x")
    for _ in range(9):
        length = pt.switch(pt.lt(pt.constant(1), 0), four, four)
        with precision("float32"):
            assert jaxify([x], [x * length])(np.ones(2))[0].tolist() == [4.0, 4.0]
    assert len(four.tag.trace) <= 3
