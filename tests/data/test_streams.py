"""Batches from outside: the same numbers as in memory, whatever kind they are."""

import jax
import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn
from pymc_bnn.data.epochs import Counts, EpochPlan
from pymc_bnn.runtime.noise import words_of
from tests.support.stream_parts import QUIET, Batched, N, X, Y, linear

pytestmark = pytest.mark.filterwarnings("ignore:a batch of `data` has 3 rows")


def dropping(n=N):
    network = bnn.networks.mlp((3, 8, 1), activation="tanh", dropout=0.2)
    with pm.Model() as model:
        out = bnn.bayesian(network, pm.Data("x", X[:n]))
        pm.Normal("y", out[:, 0], 0.7, observed=Y[:n])
    return model


def convolving(n=N):
    from pytensor_ml.layers import Conv1D

    network = Conv1D("c", in_channels=1, out_channels=2, kernel_size=2)
    with pm.Model() as model:
        out = bnn.bayesian(network, pm.Data("x", X[:n, :, None]))
        pm.Normal("y", out.sum(axis=(1, 2)), 1, observed=Y[:n])
    return model


def memory_order(steps, batch_size=50, x=X, y=Y):
    """The batches that a fit of 200 examples in memory with random_seed=1 takes, all alike."""
    batches = EpochPlan(200, batch_size)
    words = words_of(jax.random.fold_in(jax.random.key(1), 1))
    for step in range(steps):
        index, size = Counts.of(batches).at(words, step, batches.capacity)
        index = np.asarray(index)[: int(size)]
        yield {"y": y[index], "x": x[index]}


@pytest.mark.parametrize("particles", [pytest.param(1, marks=pytest.mark.long), 3])
@pytest.mark.parametrize(
    ("make", "estimator"),
    [
        (linear, "pathwise"),
        pytest.param(linear, "local", marks=pytest.mark.long),
        pytest.param(linear, "flipout", marks=pytest.mark.long),
        (dropping, "auto"),
        (convolving, "auto"),
    ],
)
def test_the_same_batches_give_the_same_numbers_as_in_memory(make, estimator, particles):
    options = {"steps": 40, "estimator": estimator, "particles": particles, **QUIET}
    memory = bnn.fit(make(200), batch_size=50, **options)
    x = X[:, :, None] if make is convolving else X
    stream = bnn.fit(
        make(9),
        data=memory_order(40, x=x),
        total_size=200,
        batch_size=50,
        **options,
    )
    for name, roles in memory.params.items():
        for role, value in roles.items():
            got = stream.params[name][role]
            if make is dropping or make is convolving:  # a sample starts other guesses of layers
                assert got.shape == value.shape
            np.testing.assert_allclose(got, value, rtol=1e-5, atol=1e-6)
    for got, expected in zip(stream.record.metrics, memory.record.metrics, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5)
    assert stream.history["epoch"].equals(memory.history["epoch"])


def test_precision_of_the_fit_reaches_the_thread():
    options = {"steps": 20, "dtype": "float64", "estimator": "pathwise", **QUIET}
    memory = bnn.fit(linear(), batch_size=None, **options)
    stream = bnn.fit(linear(9), data=[(X, Y)], total_size=N, **options)
    assert stream.params["w"]["loc"].dtype == np.float64
    np.testing.assert_allclose(stream.params["w"]["loc"], memory.params["w"]["loc"], rtol=1e-12)


def test_a_loader_with_a_data_set_says_all_that_is_needed():
    loader = Batched(29)
    fitted = bnn.fit(linear(5), data=loader, epochs=400, **QUIET)
    assert len(fitted.history) == 400 * 7
    assert loader.passes in (400, 401)  # one may have been begun ahead
    assert fitted.n_examples == N
    precision = X.T @ X / 0.49 + np.eye(3) / 1.5**2
    np.testing.assert_allclose(
        fitted.mean["w"], np.linalg.solve(precision, X.T @ Y) / 0.49, atol=0.03
    )
    np.testing.assert_allclose(fitted.std["w"], np.diag(precision) ** -0.5, rtol=0.1)


def test_every_kind_of_array_and_batch_gives_the_same():
    class Tensor:  # what torch's CPU tensors let NumPy do
        def __init__(self, value):
            self.value = value

        def __array__(self, dtype=None, copy=None):
            return np.array(self.value, dtype=dtype)

    kinds = [
        lambda a: a,
        lambda a: a.astype("float32"),
        jax.numpy.asarray,
        Tensor,
        list,
    ]
    found = []
    for kind in kinds:
        batches = [{"x": kind(x), "y": kind(y)} for x, y in Batched()]
        fitted = bnn.fit(linear(5), data=batches, total_size=N, epochs=2, **QUIET)
        found.append(fitted.params["w"]["loc"])
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-6)


def test_a_reused_buffer_does_no_harm():
    def reusing():
        x, y = np.empty((29, 3)), np.empty(29)
        while True:
            for own_x, own_y in Batched(29):
                x[: len(own_x)], y[: len(own_y)] = own_x, own_y
                yield x[: len(own_x)], y[: len(own_y)]

    one = bnn.fit(linear(5), data=reusing(), total_size=N, steps=30, **QUIET)
    two = bnn.fit(linear(5), data=Batched(29), steps=30, **QUIET)
    assert (one.params["w"]["loc"] == two.params["w"]["loc"]).all()


def test_chunks_and_callbacks_as_in_memory():
    class Chunks:
        def __init__(self):
            self.steps, self.epochs = [], []

        def on_chunk(self, state, info):
            self.steps.append(info.step)
            self.epochs.append(info.epoch)
            assert len(info.approximation().history) == info.step == int(state.step)
            return info.step == 21

    chunks = Chunks()
    fitted = bnn.fit(
        linear(5), data=Batched(), steps=30, callbacks=[chunks], chunk_steps=7, **QUIET
    )
    assert chunks.steps == [7, 14, 21]
    assert chunks.epochs == [7 / 5, 14 / 5, 21 / 5]
    whole = bnn.fit(linear(5), data=Batched(), steps=30, **QUIET)
    assert whole.history.iloc[:21].equals(fitted.history)


def test_the_bar_counts_steps(capsys):
    bnn.fit(linear(5), data=Batched(), steps=30, random_seed=1)
    assert "30/30" in capsys.readouterr().out


def test_a_generator_that_is_long_enough_is_enough():
    once = iter(list(Batched()))
    assert len(bnn.fit(linear(5), data=once, total_size=N, steps=5, **QUIET).history) == 5


def test_epochs_of_a_generator_follow_from_the_batch_size():
    fitted = bnn.fit(
        linear(5), data=iter(list(Batched()) * 2), total_size=N, batch_size=50, epochs=2, **QUIET
    )
    assert fitted.history["epoch"].iloc[-1] == 2
    assert len(fitted.history) == 10
