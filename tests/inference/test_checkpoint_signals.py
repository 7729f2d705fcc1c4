"""SIGTERM and Ctrl-C where there is a checkpoint: it is saved first, and nothing is lost."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pymc_bnn as bnn
from tests.support.checkpoint_parts import QUIET, X, Y, assert_same, regression

STEPS = 20_000
SCRIPT = """
import sys
import numpy as np
import pymc_bnn as bnn
from tests.support.checkpoint_parts import QUIET, regression

class Tell:
    at_steps = {50}
    def on_chunk(self, state, info):
        print("running", flush=True)

print(bnn.fit(regression(), steps=20_000, batch_size=50, checkpoint=sys.argv[1],
              callbacks=[Tell()], **QUIET))
"""


def fit(folder=None, **options):
    return bnn.fit(
        regression(), steps=STEPS, batch_size=50, checkpoint=folder, **QUIET, **options
    )  # fmt: skip


def test_sigterm_saves_first_and_another_process_goes_on(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        while "running" not in (line := process.stdout.readline()):
            assert line, process.stderr.read()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGTERM, err
    assert not out
    assert f"and the same call goes on from here (checkpoint '{tmp_path}')" in err
    [kept] = (tmp_path / "fit-1").iterdir()
    assert kept.name == "000000001"
    assert_same(fit(tmp_path), fit())


class Press:
    """Presses Ctrl-C, or sends another signal, at a step."""

    def __init__(self, step, number=signal.SIGINT):
        self.at_steps, self.number = {step}, number

    def on_chunk(self, state, info):
        os.kill(os.getpid(), self.number)


@pytest.fixture
def ctrl_c():
    """Background jobs, which tests may run in, ignore the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_returns_what_was_learned_and_the_call_goes_on(tmp_path, ctrl_c, caplog):
    first = fit(tmp_path, callbacks=[Press(1234)])
    assert first.interrupted
    assert 1234 <= first.record.steps < STEPS
    assert "and the same call goes on from here" in caplog.text
    found = fit(tmp_path)
    assert not found.interrupted
    assert_same(found, fit())


def test_a_member_that_was_interrupted_goes_on(tmp_path, ctrl_c):
    def members(**options):
        return bnn.fit(regression(), steps=200, members=3, checkpoint=tmp_path, **QUIET, **options)

    class Second(Press):
        def on_chunk(self, state, info):
            if info.member == 1:
                super().on_chunk(state, info)

    first = members(callbacks=[Second(70)])
    assert len(first.members) == 1
    assert_same(members(), bnn.fit(regression(), steps=200, members=3, **QUIET))


def test_a_handler_of_ones_own_is_called_after_it_was_saved(tmp_path):
    called = []
    before = signal.signal(signal.SIGTERM, lambda *_: called.append(len(list(kept()))))

    def kept():
        return (tmp_path / "fit-1").iterdir()

    try:
        found = fit(tmp_path, callbacks=[Press(100, signal.SIGTERM)])
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
    assert called == [1]
    assert found.interrupted


def test_without_a_checkpoint_sigterm_is_left_alone(ctrl_c):
    class Look:
        seen = None

        def on_chunk(self, state, info):
            self.seen = signal.getsignal(signal.SIGTERM)

    look, before = Look(), signal.getsignal(signal.SIGTERM)
    bnn.fit(regression(X, Y), steps=5, callbacks=[look], **QUIET)
    assert look.seen is before
