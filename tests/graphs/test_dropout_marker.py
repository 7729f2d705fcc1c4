"""Markers in place of dropout layers: they change nothing, and can be found."""

import jax
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.graph.traversal import graph_inputs
from pytensor.tensor.random.type import RandomType
from pytensor_ml.layers import Dropout, Linear, Sequential, TransformerBlock

from pymc_bnn import networks
from pymc_bnn.bayesian_network import bayesian
from pymc_bnn.graphs.dropout import DropoutMarker, mark, markers
from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.model.decompose import decompose
from pymc_bnn.model.rows import find_rows
from pymc_bnn.runtime.precision import precision

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(6, 4))


def make_model(network, x=TABLE):
    with pm.Model() as model:
        output = bayesian(network, pm.Data("x", x))
        pm.Deterministic("output", output)
        pm.Normal("y", output, 1.0, observed=np.zeros((len(x), 2)), shape=output.shape)
    return model


@pytest.mark.parametrize("mode", [INTERPRETED, "NUMBA", "JAX"], ids=["python", "numba", "jax"])
def test_a_marker_is_the_identity_with_the_gradient_one(mode):
    x = pt.matrix("x")
    y = DropoutMarker(p=0.3)(x)
    f = pytensor.function([x], [y, pytensor.grad((y**2).sum(), x)], mode=mode)
    value, gradient = f(TABLE)
    assert np.array_equal(value, TABLE)
    assert gradient == pytest.approx(2 * TABLE)


def test_marking_replaces_every_layer_and_leaves_the_original():
    x = pt.tensor("x", shape=(None, 4))
    network = Sequential(
        Dropout(p=0.1),
        Linear(n_in=4, n_out=3),
        Dropout(p=0.2),
        Dropout(p=0.3),
        pt.tanh,
        Dropout(p=0.0),
        Linear(n_in=3, n_out=2),
        Dropout(p=0.4),
    )
    output = network(x)
    marked = mark(output)
    found = markers([marked])
    assert [node.op.p for node in found] == [0.1, 0.2, 0.3, 0.4]
    assert [node.outputs[0].type.shape for node in found] == [(None, n) for n in (4, 3, 3, 2)]
    assert all(node.inputs[0].type == node.outputs[0].type for node in found)
    assert not any(isinstance(v.type, RandomType) for v in graph_inputs([marked]))
    assert sum(isinstance(v.type, RandomType) for v in graph_inputs([output])) == 5
    assert markers([output]) == []
    assert mark(marked) is marked
    assert markers([marked, marked.sum()]) == found


def test_dropout_at_probability_one_is_refused():
    output = Dropout("all", p=1.0)(pt.matrix("x"))
    with pytest.raises(ValueError, match="`network` must have dropout with p below 1"):
        mark(output)


def test_the_model_is_that_of_the_network_without_dropout():
    network = networks.mlp((4, 3, 2), dropout=(0.2, 0.5))
    model = make_model(network)
    plain = make_model(networks.mlp((4, 3, 2)))
    assert [v.name for v in model.free_RVs] == [v.name for v in plain.free_RVs]
    values = {v.name: RNG.normal(size=v.type.shape) for v in model.free_RVs}
    x = np.tanh(TABLE @ values["dense1_W"] + values["dense1_b"])
    expected = x @ values["dense2_W"] + values["dense2_b"]
    inputs = {v: v.type() for v in model.free_RVs}
    output = pytensor.graph.clone_replace(model["output"], inputs)
    f = pytensor.function([*inputs.values()], output, mode="JAX")
    for _ in range(2):
        found = np.asarray(f(*values.values()))
        assert found == pytest.approx(expected, rel=1e-6)
    logp, plain_logp = (m.compile_logp(mode="JAX")(values) for m in (model, plain))
    assert float(logp) == pytest.approx(float(plain_logp))


def test_markers_are_found_in_the_decomposed_model():
    model = make_model(networks.mlp((4, 3, 2), dropout=(0.2, 0.5)))
    rows, _ = find_rows(model)
    terms = decompose(model, rows)
    found = markers([terms.row_logp])
    assert [node.op.p for node in found] == [0.2, 0.5]
    assert [node.outputs[0].type.shape for node in found] == [(None, 4), (None, 3)]
    with precision("float32"):
        f = jaxify([*terms.values, *terms.inputs], [terms.row_logp.sum()], "float32")
        start, arrays = [free.start for free in terms.free], [d.value for d in terms.data]
        gradient = jax.grad(lambda values: f(*values, *arrays)[0])(start)
    assert all(np.isfinite(g).all() and np.abs(g).sum() > 0 for g in gradient)


def test_dropout_after_convolutions_and_in_a_transformer():
    network = networks.convnet((4, 4, 1), 2, 2, kernel_size=3, dense=3, dropout=(0.25, 0.5))
    model = make_model(network, RNG.normal(size=(6, 4, 4, 1)))
    found = markers([model["output"]])
    assert [(n.op.p, n.outputs[0].type.shape) for n in found] == [
        (0.25, (None, 2)),
        (0.5, (None, 3)),
    ]
    block = TransformerBlock(d_model=4, n_head=2, dropout=0.1)
    with pm.Model():
        output = bayesian(block, RNG.normal(size=(6, 8, 4)))
    assert [node.op.p for node in markers([output])] == [0.1, 0.1]


def test_applying_a_network_twice_marks_both():
    network = networks.mlp((4, 3, 2), dropout=0.5)
    with pm.Model() as model:
        first = bayesian(network, pm.Data("a", TABLE))
        second = bayesian(network, pm.Data("b", TABLE[:2]))
    assert len(model.free_RVs) == 4
    assert len(markers([first, second])) == 2


def test_pymc_samples_a_network_with_dropout():
    model = make_model(networks.mlp((4, 2, 2), dropout=(0.2, 0.5)))
    by = {"compile_kwargs": {"mode": INTERPRETED}}  # else it compiles for twenty seconds
    with model:
        prior = pm.sample_prior_predictive(3, random_seed=1, **by)
        posterior = pm.sample(
            draws=5, tune=5, chains=1, cores=1, random_seed=1, progressbar=False,
            compute_convergence_checks=False, **by,
        )  # fmt: skip
        again = pm.compute_deterministics(posterior.posterior.ds, progressbar=False, **by)["output"]
    assert prior.prior["output"].shape == (1, 3, 6, 2)
    assert np.isfinite(posterior.posterior["output"]).all()
    assert again.values == pytest.approx(posterior.posterior["output"].values)
