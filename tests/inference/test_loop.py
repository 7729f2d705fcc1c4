"""Pieces of a fit: grouped freely, kept, interrupted, failing, stepped from Python or not."""

import os
import signal
import threading
from types import SimpleNamespace

import jax
import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn
from pymc_bnn import fit_task
from pymc_bnn.inference import loop, run
from pymc_bnn.inference.loop import Loop
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.prepare import DataOptions, prepare
from pymc_bnn.inference.sources import Held
from pymc_bnn.inference.state import copy_state
from pymc_bnn.inference.vi import VI
from pymc_bnn.runtime.precision import precision
from tests.support.conjugate import QUIET, Chunks, X, Y, conjugate


def test_grouping_of_steps_does_not_change_the_numbers():
    whole = bnn.fit(conjugate(), steps=60, batch_size=50, **QUIET)
    chunks = Chunks()
    parts = bnn.fit(
        conjugate(), steps=60, batch_size=50, callbacks=[chunks], chunk_steps=7, **QUIET
    )
    assert chunks.steps == [7, 14, 21, 28, 35, 42, 49, 56, 60]
    assert (whole.params["w"]["loc"] == parts.params["w"]["loc"]).all()
    assert (whole.params["w"]["log_scale"] == parts.params["w"]["log_scale"]).all()
    assert whole.history.equals(parts.history)


@pytest.mark.parametrize(("copying", "longest"), [(0.0, 0.3), (0.1, 6.0)])
def test_keeping_the_last_good_state_takes_a_sixtieth_at_most(monkeypatch, copying, longest):
    clock, pieces = [0.0], []

    class Timed(Loop):
        def advancing(self, state, steps, *others):
            clock[0] += 0.01 * steps
            pieces.append(steps)
            return super().advancing(state, steps, *others)

    def copy(state, spare):
        clock[0] += copying
        return copy_state(state, spare)

    monkeypatch.setattr(run, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(loop, "copy_state", copy)
    monkeypatch.setattr(fit_task, "Loop", Timed)
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    fitted = bnn.fit(model, steps=4000, random_seed=1, progressbar=False)
    assert len(fitted.history) == sum(pieces) == 4000
    most = round(longest / 0.01)
    assert pieces[:4] == [1, 2, 4, 8]
    assert abs(max(pieces) - most) <= 1
    assert all(n >= most - 1 for n in pieces[10:-1])


def test_copies_of_large_states_have_the_memory_of_the_copy_before(monkeypatch):
    expected, places, copies = bnn.fit(conjugate(), steps=60, **QUIET), [], []

    def copy(state, spare):
        copies.append(copy_state(state, spare))
        places.append(copies[-1].params["w"]["loc"].unsafe_buffer_pointer())
        assert spare is None or spare.params["w"]["loc"].is_deleted()
        return copies[-1]

    monkeypatch.setattr(loop, "copy_state", copy)
    monkeypatch.setattr(loop, "_PAGED", -1)
    large = bnn.fit(conjugate(), steps=60, callbacks=[Chunks()], chunk_steps=7, **QUIET)
    assert len(places) >= 9
    assert len(set(places)) == 1
    assert (expected.params["w"]["loc"] == large.params["w"]["loc"]).all()
    assert expected.history.equals(large.history)


def test_convolutions_are_stepped_from_python_on_cpu_and_dense_nets_are_not():
    from pytensor_ml.layers import Conv1D

    def loop_of(network):
        with pm.Model() as model:
            from pymc_bnn.bayesian_network import bayesian

            out = bayesian(network, X[:, :, None])
            pm.Normal("y", out.sum(axis=(1, 2)), 1, observed=Y)
        problem, source = prepare(model, DataOptions(batch_size=None))
        program = VI().compile(problem, Plan(source.batches, steps=10))
        with precision(problem.dtype):
            return Loop(program, source, program.init(0))

    conv = Conv1D("c", in_channels=1, out_channels=2, kernel_size=2)
    from pytensor_ml.layers import Linear

    if jax.default_backend() == "cpu":
        assert loop_of(conv).from_python
    assert not loop_of(Linear("d", n_in=1, n_out=2)).from_python


def stepped_from_python():
    from pytensor_ml.layers import Conv1D

    with pm.Model() as model:
        conv = Conv1D("c", in_channels=1, out_channels=2, kernel_size=2)
        pm.Normal("y", bnn.bayesian(conv, X[:, :, None]).sum(axis=(1, 2)), 1, observed=Y)
    return model


@pytest.mark.parametrize("make", [conjugate, stepped_from_python])
def test_a_loop_on_other_data_makes_its_steps_on_these(make):
    problem, source = prepare(make(), DataOptions(batch_size=None))
    other = Held({**source.data, "y": jax.numpy.flip(source.data["y"])}, source.batches)
    with precision(problem.dtype):
        program = VI().compile(problem, Plan(source.batches, steps=10))
        first = Loop(program, source, program.init(0))
        moved, afresh = first.on(other), Loop(program, other, program.init(0))
        nll = [own.advance(program.init(0), 3)[1].nll for own in (first, moved, afresh)]
    from_python = make is stepped_from_python and jax.default_backend() == "cpu"
    assert moved.from_python == from_python
    np.testing.assert_array_equal(nll[1], nll[2])
    assert (nll[0] != nll[1]).all()


def test_ctrl_c_returns_what_was_learned():
    class Interrupt:
        def on_chunk(self, state, info):
            if info.step == 300:
                os.kill(os.getpid(), signal.SIGINT)

    assert threading.current_thread() is threading.main_thread()
    # A shell's background jobs, which tests may run in, ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        fitted = bnn.fit(
            conjugate(), steps=10_000, callbacks=[Interrupt()], chunk_steps=100, **QUIET
        )
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert 300 <= len(fitted.history) < 10_000


def test_a_failing_callback_loses_nothing():
    class Broken:
        def on_chunk(self, state, info):
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full") as caught:
        bnn.fit(conjugate(), steps=50, callbacks=[Broken()], chunk_steps=20, **QUIET)
    assert len(caught.value.approximation.history) == 20
