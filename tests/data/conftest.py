"""No test of streams leaves a thread behind."""

import threading
import time

import pytest


def threads():
    return [t for t in threading.enumerate() if t.name == "pymc_bnn stream"]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    deadline = time.monotonic() + 5
    while threads() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not threads()
