"""Streams that end, fail, stall or are interrupted lose nothing."""

import os
import signal
import threading
import time

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

import pymc_bnn as bnn
from tests.support.stream_parts import QUIET, Batched, N, Stop, linear

pytestmark = pytest.mark.filterwarnings("ignore:a batch of `data` has 3 rows")


def test_a_generator_that_ends_too_early_loses_nothing():
    once = iter(list(Batched(29)) * 3)
    with pytest.raises(bnn.StreamError, match=r"`data` ended after 21 batches.*fewer steps") as got:
        bnn.fit(linear(5), data=once, total_size=N, steps=40, **QUIET)
    kept = got.value.approximation
    assert len(kept.history) == 21
    same = bnn.fit(linear(5), data=Batched(29), steps=40, callbacks=[Stop(21)], **QUIET)
    assert (kept.params["w"]["loc"] == same.params["w"]["loc"]).all()
    assert "`approximation`" in got.value.__notes__[0]


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
