"""Batches from outside: the same numbers as in memory, one clear error each, nothing lost."""

import json
import os
import signal
import threading
import time

import jax
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

import pymc_bnn as bnn
from pymc_bnn.data.epochs import Counts, EpochPlan
from pymc_bnn.data.prefetcher import Prefetcher
from pymc_bnn.runtime.noise import words_of
from tests.support.example_parts import run

RNG = np.random.default_rng(3)
N = 203
X = RNG.normal(size=(N, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.7 * RNG.normal(size=N)
LABELS = (Y > 0).astype(int) + (Y > 1)
QUIET = {"random_seed": 1, "progressbar": False}
pytestmark = pytest.mark.filterwarnings("ignore:a batch of `data` has 3 rows")


def linear(n=N):
    with pm.Model() as model:
        pm.Normal("y", pm.Data("x", X[:n]) @ pm.Normal("w", 0, 1.5, shape=3), 0.7, observed=Y[:n])
    return model


def classes(n=8):
    with pm.Model() as model:
        w = pm.Normal("w", shape=(3, 3))
        pm.Categorical("y", logit_p=pm.Data("x", X[:n]) @ w, observed=LABELS[:n])
    return model


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


class Batched:
    """As a torch DataLoader: lists of arrays, a length and the data set."""

    def __init__(self, size=50, y=Y, x=X):
        self.x, self.y, self.size = x, y, size
        self.dataset = range(len(x))
        self.passes = 0

    def __len__(self):
        return -(-len(self.x) // self.size)

    def __iter__(self):
        self.passes += 1
        for start in range(0, len(self.x), self.size):
            yield [self.x[start : start + self.size], self.y[start : start + self.size]]


def threads():
    return [t for t in threading.enumerate() if t.name == "pymc_bnn stream"]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    deadline = time.monotonic() + 5
    while threads() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not threads()


def memory_order(steps, batch_size=50, x=X, y=Y):
    """The batches that a fit of 200 examples in memory with random_seed=1 takes, all alike."""
    batches = EpochPlan(200, batch_size)
    words = words_of(jax.random.fold_in(jax.random.key(1), 1))
    for step in range(steps):
        index, size = Counts.of(batches).at(words, step, batches.capacity)
        index = np.asarray(index)[: int(size)]
        yield {"y": y[index], "x": x[index]}


@pytest.mark.parametrize("particles", [1, 3])
@pytest.mark.parametrize(
    ("make", "estimator"),
    [
        (linear, "pathwise"),
        (linear, "local"),
        (linear, "flipout"),
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


def test_a_generator_that_ends_too_early_loses_nothing():
    once = iter(list(Batched(29)) * 3)
    with pytest.raises(bnn.StreamError, match=r"`data` ended after 21 batches.*fewer steps") as got:
        bnn.fit(linear(5), data=once, total_size=N, steps=40, **QUIET)
    kept = got.value.approximation
    assert len(kept.history) == 21
    same = bnn.fit(linear(5), data=Batched(29), steps=40, callbacks=[Stop(21)], **QUIET)
    assert (kept.params["w"]["loc"] == same.params["w"]["loc"]).all()
    assert "`approximation`" in got.value.__notes__[0]


class Stop:
    def __init__(self, step):
        self.at_steps = {step}

    def on_chunk(self, state, info):
        return True


def test_a_generator_that_is_long_enough_is_enough():
    once = iter(list(Batched()))
    assert len(bnn.fit(linear(5), data=once, total_size=N, steps=5, **QUIET).history) == 5


def test_a_failing_iterator_keeps_the_state_of_the_step_before():
    def failing():
        yield from list(Batched())[:4]
        raise OSError("the disk\nis gone")

    with pytest.raises(bnn.StreamError, match="`data` failed at batch 5: OSError: the disk\n") as e:
        bnn.fit(linear(5), data=failing(), total_size=N, steps=40, **QUIET)
    assert isinstance(e.value.__cause__, OSError)
    assert len(e.value.approximation.history) == 4


def test_an_iterator_that_fails_at_once():
    class Broken:
        def __iter__(self):
            raise KeyError("no such shard")

    with pytest.raises(bnn.StreamError, match="`data` failed at batch 1: KeyError"):
        bnn.fit(linear(5), data=Broken(), total_size=N, steps=40, **QUIET)


def test_a_stalled_iterator_keeps_the_state():
    released = threading.Event()

    def stalling():
        yield from list(Batched())[:3]
        released.wait(30)

    with pytest.raises(bnn.StreamError, match=r"`data` yielded nothing for 0.5 s, after 3") as got:
        bnn.fit(linear(5), data=stalling(), total_size=N, steps=40, stall_timeout=0.5, **QUIET)
    assert len(got.value.approximation.history) == 3
    released.set()


def test_ctrl_c_while_waiting_returns_what_was_learned():
    released = threading.Event()

    def slow():
        yield from list(Batched()) * 4  # so many that the fit is on its way
        os.kill(os.getpid(), signal.SIGINT)
        released.wait(30)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    try:
        fitted = bnn.fit(linear(5), data=slow(), total_size=N, steps=90, **QUIET)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
        released.set()
    assert 15 <= len(fitted.history) <= 20
    assert time.monotonic() - began < 20


def test_nan_in_the_fit_keeps_the_last_finite_state():
    with pm.Model() as model:
        a, b = pm.Normal("a", 0, 1), pm.Normal("b", 0, 1)
        pm.Normal("y", pt.log(a + 0.5) + b, 1, observed=np.full(20, -50.0))
    guide = {"guide": bnn.guides.MeanField(init_scale=0.01)}
    batches = [{"y": np.full(10, -50.0)}] * 2
    with pytest.raises(bnn.NonFiniteError, match=r"stopped at step (\d+): .*'a'") as caught:
        bnn.fit(model, data=batches, total_size=20, steps=5000, **guide, **QUIET)
    kept = caught.value.approximation
    assert len(kept.history) > 5
    assert np.isfinite(kept.history.to_numpy()).all()
    assert f"step {len(kept.history) + 1}:" in str(caught.value)
    whole = bnn.fit(
        model, data=batches, total_size=20, steps=5000, **guide, **QUIET,
        callbacks=[Stop(len(kept.history))],
    )  # fmt: skip
    assert (whole.params["a"]["loc"] == kept.params["a"]["loc"]).all()


def batch(**changes):
    return {"x": X[:9], "y": LABELS[:9], **changes}


BAD_BATCHES = [
    ({"x": X[:9]}, r"`data` must yield batches of \['x', 'y'\], by name or in this order, got "
     r"\['x'\] in batch 1; add \['y'\]"),
    (batch(z=1), r"got \['x', 'y', 'z'\] in batch 1; leave \['z'\] out"),
    ((X[:9], LABELS[:9], 1), r"a tuple of 3 in batch 1; yield \{'x': …, 'y': …\}"),
    (X[:9], "a ndarray in batch 1"),
    (batch(x=X[:9, :2]), r"`data\['x'\] of batch 1` must have the shape \(n, 3\), got \(9, 2\)"),
    (batch(x=X[0]), r"`data\['x'\] of batch 1` must have the shape \(n, 3\), got \(3,\)"),
    (batch(y=LABELS[:8]), r"as many rows of each, got \{'x': 9, 'y': 8\} in batch 1"),
    (batch(x=X[:0], y=LABELS[:0]), "`data` must yield batches with rows, got none in batch 1"),
    (batch(x=np.full((9, 3), "a")), r"`data\['x'\] of batch 1` must hold numbers, got .* <U1"),
    (batch(x=object()), r"`data\['x'\] of batch 1` must hold numbers, got object of dtype object"),
    (batch(x=[[1, 2, 3], [1, 2]]), r"`data\['x'\] of batch 1` must hold numbers, in rows of one"),
    (batch(y=LABELS[:9] + 0.0), r"`data\['y'\] of batch 1` must hold integers, got float64"),
    (batch(y=LABELS[:9] + 2), r"`data\['y'\] of batch 1` must be labels in 0…2.*labels in"),
    (batch(y=LABELS[:9] - 1), r"`data\['y'\] of batch 1` must be labels in 0…2"),
    (batch(x=np.where(X[:9] > 1, np.nan, X[:9])), r"`data\['x'\] of batch 1` must hold finite"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "message"), BAD_BATCHES)
def test_a_bad_first_batch(bad, message):
    with pytest.raises((ValueError, TypeError), match=message):
        bnn.fit(classes(), data=[bad], total_size=N, steps=9, **QUIET)


@pytest.mark.parametrize(("bad", "message"), BAD_BATCHES)
def test_a_bad_later_batch_keeps_the_state(bad, message):
    message = message.replace("batch 1", "batch 3")
    with pytest.raises((ValueError, TypeError), match=message) as got:
        bnn.fit(classes(), data=[batch(), batch(), bad], total_size=N, steps=9, **QUIET)
    assert len(got.value.approximation.history) == 2


def test_a_tensor_that_numpy_cannot_read():
    class OnDevice:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")

    with pytest.raises(TypeError, match=r"something NumPy can read, got a OnDevice .*\.cpu\(\)"):
        bnn.fit(classes(), data=[batch(x=OnDevice())], total_size=N, steps=9, **QUIET)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"data": batch()}, TypeError, r"`data` must be an iterable of batches.*one batch is \["),
        ({"data": X}, TypeError, "`data` must be an iterable of batches, got a ndarray"),
        ({"data": 3}, TypeError, "`data` must be an iterable of batches, got a int"),
        ({"data": lambda: []}, TypeError, "call the function"),
        ({"data": []}, ValueError, "`data` must yield at least one batch, got none"),
        ({"total_size": None}, ValueError, r"`total_size` must be given where.*got None, with a l"),
        ({"total_size": 0}, ValueError, "`total_size` must be an integer of at least 1, got 0"),
        ({"total_size": 5}, ValueError, "`total_size` must be the number of all.*5 where batch 1"),
        ({"batch_size": None}, ValueError, '`batch_size` must be an integer or "auto"'),
        ({"batch_size": "all"}, ValueError, '`batch_size` must be an integer or "auto"'),
        ({"batch_size": 0}, ValueError, "`batch_size` must be an integer in 1…203, got 0"),
        ({"batch_size": 8}, ValueError, "at most 8 rows a batch, as `batch_size` says, got 9"),
        ({"stall_timeout": 0}, ValueError, "`stall_timeout` must be a finite number above 0"),
        ({"steps": None, "epochs": 2, "data": iter([batch()])}, ValueError, "`epochs` must come"),
        ({"data": None}, ValueError, "`total_size` must come with `data`, got 203"),
    ],
)
def test_bad_arguments(arguments, error, message):
    good = {"data": [batch()], "total_size": N, "steps": 9}
    with pytest.raises(error, match=message):
        bnn.fit(classes(), **good | arguments, **QUIET)


def test_larger_batches_than_the_first():
    batches = [batch(), {"x": X[:12], "y": LABELS[:12]}]
    with pytest.raises(ValueError, match="at most 9 rows a batch, as the first batch says, got 12"):
        bnn.fit(classes(), data=batches, total_size=N, steps=9, **QUIET)
    fitted = bnn.fit(classes(), data=batches, total_size=21, batch_size=12, steps=4, **QUIET)
    assert len(fitted.history) == 4


def test_epochs_of_a_generator_follow_from_the_batch_size():
    fitted = bnn.fit(
        linear(5), data=iter(list(Batched()) * 2), total_size=N, batch_size=50, epochs=2, **QUIET
    )
    assert fitted.history["epoch"].iloc[-1] == 2
    assert len(fitted.history) == 10


@pytest.mark.parametrize("total", [150, 300])
def test_a_total_size_that_the_first_pass_contradicts(total):
    with pytest.warns(UserWarning, match=rf"had 203 examples, and total_size is {total}"):
        bnn.fit(linear(5), data=Batched(), total_size=total, epochs=2, **QUIET)


@pytest.mark.parametrize("n", [5, 7, 30])
def test_rows_that_depend_on_each_other_are_refused_however_small_the_sample(n):
    with pm.Model() as model:
        x = pm.Data("x", X[:n])
        w = pm.Normal("w", shape=3)
        pm.Normal("y", (x - x.mean(axis=0)) @ w, 1, observed=Y[:n])
    with pytest.raises(ValueError, match="a row depends on other rows"):
        bnn.fit(model, data=Batched(), steps=5, **QUIET)


def test_a_sample_too_small_to_tell_the_axis_of_examples():
    with pytest.raises(
        ValueError, match="`model` must hold a sample of at least 5 examples, got 4"
    ):
        bnn.fit(linear(4), data=Batched(), epochs=100, **QUIET)


def test_data_without_a_name_and_pm_minibatch():
    with pm.Model() as model:
        pm.Normal("y", pt.as_tensor(X[:5]) @ pm.Normal("w", shape=3), 1, observed=Y[:5])
    with pytest.raises(ValueError, match=r"`model` must have names .*wrap the sample"):
        bnn.fit(model, data=Batched(), steps=5, rows=None, **QUIET)
    with pm.Model() as model:
        x, y = pm.Minibatch(X[:8], Y[:8], batch_size=4)
        pm.Normal("y", x @ pm.Normal("w", shape=3), 1, observed=y, total_size=N)
    with pytest.raises(ValueError, match=r"`model` must (observe plain arrays|have names)"):
        bnn.fit(model, data=Batched(), steps=5, **QUIET)


def test_the_elbo_of_a_streamed_fit_needs_its_data():
    fitted = bnn.fit(linear(5), data=Batched(), epochs=60, **QUIET)
    with pytest.raises(ValueError, match=r"`data` must be given .*5 of 203 examples.*elbo\(data="):
        fitted.elbo()
    with pytest.raises(ValueError, match="can be gone over again, got a list_iterator"):
        fitted.elbo(data=iter([]))
    memory = bnn.fit(linear(), steps=1, start=fitted, optimizer=NOTHING, **QUIET)
    with pytest.raises(ValueError, match="`data` must be left out"):
        memory.elbo(data=Batched())
    one, two = fitted.elbo(200, data=Batched(41)), memory.elbo(200)
    assert abs(one["elbo"] - two["elbo"]) < 4 * np.hypot(one["elbo_se"], two["elbo_se"])
    assert one["elbo_per_example"] == pytest.approx(one["elbo"] / N)
    np.testing.assert_allclose(one["kl"], two["kl"], rtol=1e-5)
    assert fitted.summary().loc["w", "unmoved"] == 0
    with pytest.raises(ValueError, match="`fitted` must be a fit of data in memory"):
        bnn.efficiency.gradient_variance(fitted)


def _nothing():
    import optax

    return optax.sgd(0.0)


NOTHING = _nothing()


def test_the_report_of_a_streamed_fit_counts_all_examples(tmp_path):
    loader = Batched(50, LABELS)
    fitted = bnn.fit(classes(), data=loader, epochs=20, **QUIET)
    pred = fitted.predict({"x": X}, 20, random_seed=1)
    with pytest.raises(ValueError, match="`data` must be given for a fit whose batches"):
        bnn.report.write_report(tmp_path, fitted, pred, LABELS, seconds=1.0)
    report = bnn.report.write_report(tmp_path, fitted, pred, LABELS, seconds=1.0, data=loader)
    assert report["elbo_per_example"] == pytest.approx(report["elbo"] / N)
    assert -1.5 < report["elbo_per_example"] < 0


def test_batches_are_fetched_while_the_device_works():
    class Slow(Batched):
        def __iter__(self):
            for item in super().__iter__():
                time.sleep(0.02)
                yield item

    def prepare(raw, number, visit):
        return raw

    began = time.monotonic()
    with Prefetcher(Slow(10), prepare, passes=2) as stream:
        for _ in stream:
            time.sleep(0.02)  # a step
    assert time.monotonic() - began < 0.8 * 2 * 21 * 0.04


def test_a_stream_reads_no_more_than_a_few_ahead():
    taken = []

    def counting():
        for i in range(100):
            taken.append(i)
            yield i

    with Prefetcher(counting(), lambda raw, number, visit: raw, passes=1) as stream:
        assert stream.peek() == stream.take() == 0
        time.sleep(0.3)
        assert len(taken) <= 5
    assert len(taken) <= 6


def test_memory_stays_flat_on_a_file_of_two_gigabytes(tmp_path):
    done = run("larger_than_memory.py", "--gigabytes", "2", "--out", tmp_path, "--predict", "9000")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["read_gb"] == pytest.approx(2, rel=1e-3)
    assert report["peak_gb_of_fit"] < 1.4
    assert report["peak_gb_of_fit"] - report["peak_gb_after_10_steps"] < 0.25
    assert report["predicted"] == 9000
    np.testing.assert_allclose(report["probabilities"], [0.4, 0.3, 0.2, 0.1], atol=0.03)
