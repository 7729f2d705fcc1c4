"""Ctrl-C in a fit: one line, what was learned, and a mark on it."""

import signal
import subprocess
import sys

import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn

SCRIPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it
import numpy as np, pymc as pm, pymc_bnn as bnn

class Tell:
    at_steps = {5}
    def on_chunk(self, state, info):
        print("running", flush=True)

def batches():
    while True:
        yield {"y": np.ones(10)}

with pm.Model() as model:
    pm.Normal("y", pm.Normal("mu"), observed=np.ones(10))
data = {"data": batches(), "total_size": 10} if sys.argv[1] == "stream" else {}
fitted = bnn.fit(model, steps=10**9, callbacks=[Tell()], chunk_steps=10**8,
                 progressbar=sys.argv[1] == "bar", **data)
print(fitted.interrupted, 5 <= len(fitted.history) < 10**9, flush=True)
"""


@pytest.mark.parametrize("kind", ["bar", "stream"])
def test_a_signal_in_the_middle(kind):
    fit = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, kind], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        while "running" not in (line := fit.stdout.readline()):
            assert line, fit.stderr.read()
        fit.send_signal(signal.SIGINT)
        out, err = fit.communicate(timeout=120)
    finally:
        fit.kill()
    assert fit.returncode == 0, err
    assert out.strip().endswith("True True")
    said = [line for line in err.splitlines() if "interrupted" in line]
    assert len(said) == 1
    assert said[0].startswith("fit interrupted after step ")
    assert said[0].endswith(" of 1,000,000,000: what it learned is returned, with interrupted=True")


class Stop:
    def on_chunk(self, state, info):
        self.seen = info.approximation().interrupted
        return True


def test_a_fit_that_ends_or_is_stopped_by_a_callback_was_not_interrupted(caplog):
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("mu"), observed=np.ones(10))
    stop = Stop()
    options = {"random_seed": 1, "progressbar": False}
    assert bnn.fit(model, steps=20, **options).interrupted is False
    fitted = bnn.fit(model, steps=20, chunk_steps=5, callbacks=[stop], **options)
    assert (len(fitted.history), fitted.interrupted, stop.seen) == (5, False, False)
    assert not caplog.messages
