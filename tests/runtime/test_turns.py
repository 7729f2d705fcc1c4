"""Several fits at once: the same numbers, whatever ends them."""

import os
import signal
import threading
import time
from dataclasses import replace

import jax
import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn
from pymc_bnn.errors import NonFiniteError
from pymc_bnn.inference.loop import Loop
from pymc_bnn.runtime.compilation import _ONE_THREAD, Compiled
from pymc_bnn.runtime.turns import cores, in_threads
from tests.support.conjugate import QUIET, conjugate


def network(n=60):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 3))
    with pm.Model() as model:
        f = bnn.bayesian(bnn.networks.mlp((3, 5, 1)), pm.Data("x", x))[:, 0]
        pm.Normal("y", f, pm.HalfNormal("noise", 1), observed=np.sin(x[:, 0]), shape=f.shape)
    return model


def at_once(monkeypatch, count):
    monkeypatch.setattr(Loop, "at_once", property(lambda loop: count))


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(
    "options",
    [
        {"steps": 300},
        {"steps": 300, "batch_size": 20, "guide": bnn.guides.LowRank(2)},
        {"batch_size": 20},
        {"epochs": 3, "guide": bnn.guides.Delta()},
    ],
    ids=["steps", "stages", "until it converges", "points"],
)
def test_members_are_the_same_at_once_and_in_turn(monkeypatch, options, precision):
    fits = []
    for count in (1, 3):
        at_once(monkeypatch, count)
        fits.append(bnn.fit(network(), members=4, dtype=precision, **options, **QUIET))
    for one, other in zip(*(f.members for f in fits), strict=True):
        assert one.history.equals(other.history)
        jax.tree.map(np.testing.assert_array_equal, one.params, other.params)


def test_programs_run_at_the_same_time():
    both = threading.Barrier(2, timeout=20)  # broken unless two come
    with in_threads(2) as launch:
        answers = [launch(lambda: both.wait()) for _ in range(2)]
        assert sorted(answer() for answer in answers) == [0, 1]
    with in_threads(1) as launch:
        assert launch(threading.current_thread)() is threading.main_thread()


def test_a_worker_of_joblib_has_as_many_as_it_may(monkeypatch):
    monkeypatch.setenv("PJRT_NPROC", "3")
    assert cores() == 3
    monkeypatch.setenv("PJRT_NPROC", "")
    assert 1 <= cores() <= os.cpu_count()


def test_what_is_large_or_comes_from_outside_runs_alone(monkeypatch):
    seen = []

    class Seen(Loop):
        @property
        def at_once(self):
            seen.append(super().at_once)
            return 1

    monkeypatch.setattr("pymc_bnn.fit_task.Loop", Seen)
    monkeypatch.setattr("pymc_bnn.inference.loop.cores", lambda: 7)
    bnn.fit(conjugate(), steps=3, members=2, **QUIET)
    with pm.Model() as large:
        pm.Normal("y", pm.Normal("w", shape=400_000).sum(), 1, observed=np.zeros(3))
    bnn.fit(large, steps=1, members=2, **QUIET)
    with pm.Model() as images:
        x = pm.Data("x", np.ones((4, 16, 16, 1), "float32"))
        logits = bnn.bayesian(bnn.networks.convnet((16, 16, 1), n_classes=2), x)
        pm.Categorical("y", logit_p=logits, observed=[0, 1, 0, 1], shape=4)
    bnn.fit(images, steps=1, members=2, **QUIET)
    assert seen == [7, 1, 1]


class Pressing(Loop):
    """Presses Ctrl-C at some call, of all members together."""

    calls, at = 0, 10**9

    def advancing(self, *given):
        Pressing.calls += 1
        if Pressing.calls == Pressing.at:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
        return super().advancing(*given)


@pytest.fixture
def pressing(monkeypatch):
    """A fit that is interrupted, three members at once, and what goes on in it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr("pymc_bnn.fit_task.Loop", Pressing)
    monkeypatch.setattr(Pressing, "at_once", property(lambda loop: 3))

    def fit(at, **options):
        monkeypatch.setattr(Pressing, "calls", 0)
        monkeypatch.setattr(Pressing, "at", at)
        return bnn.fit(conjugate(), steps=4000, members=4, **QUIET, **options)

    yield fit
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_returns_what_all_learned_where_none_had_ended(pressing, caplog):
    fitted = pressing(7)
    assert fitted.interrupted
    assert len(fitted.members) == 3
    assert all(0 < member.record.steps < 4000 for member in fitted.members)
    assert "what it learned is returned" in caplog.text


def test_members_that_were_interrupted_go_on_from_their_checkpoint(pressing, tmp_path, caplog):
    whole = pressing(10**9)
    calls = Pressing.calls
    fitted = pressing(calls - 2, checkpoint=tmp_path)
    assert fitted.interrupted
    assert len(fitted.members) == 3
    assert "member 4 of 4 is left out: the 3 that had ended are kept" in caplog.text
    again = pressing(10**9, checkpoint=tmp_path)
    assert Pressing.calls < calls / 2
    for one, other in zip(whole.members, again.members, strict=True):
        assert one.history.equals(other.history)


def test_a_member_that_fails_takes_none_with_it(monkeypatch):
    class Spoilt(Loop):
        begun = 0

        def advancing(self, state, *others):
            if int(state.step) == 0:
                Spoilt.begun += 1
                if Spoilt.begun == 3:
                    params = jax.tree.map(lambda leaf: leaf * np.nan, state.params)
                    state = replace(state, params=params)
            return super().advancing(state, *others)

    monkeypatch.setattr("pymc_bnn.fit_task.Loop", Spoilt)
    at_once(monkeypatch, 2)
    with pytest.raises(NonFiniteError) as caught:
        bnn.fit(conjugate(), steps=50, members=4, **QUIET)
    kept = caught.value.approximation.members
    assert len(kept) in (2, 3)
    assert all(np.isfinite(member.params["w"]["loc"]).all() for member in kept)
    assert kept[0].record.steps == 50


def test_operations_of_small_programs_are_not_divided_among_threads():
    def text(n):
        program = Compiled(lambda x: np.pi * jax.numpy.tanh(jax.numpy.sin(x)))
        return program.executable(np.ones(n, np.float32)).as_text()

    assert "outer_dimension_partitions" not in text(_ONE_THREAD)
    if cores() > 1:
        assert "outer_dimension_partitions" in text(64 * _ONE_THREAD)
