"""What tests and the examples of docstrings share: no screen, no open figure, what JAX compiled.

Programs of tests run once or twice, so that XLA is told to spend little on them, which takes a
fifth off the time of all tests. Modules that use the fixture ``optimised``, and the examples that
are run in a process of their own, have the programs that users have.
"""

import gc
import os
import sys
from collections import Counter

import pytest

os.environ["MPLBACKEND"] = "Agg"
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
# PyTensor notes for each variable which line made it: a twentieth of the time, for its errors only.
os.environ["PYTENSOR_FLAGS"] = ",".join(
    filter(None, (os.environ.get("PYTENSOR_FLAGS"), "traceback__limit=0"))
)
# Graphs are full of cycles that live on: looking for dead ones took an eighth of the time.
gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what is long as slow, so that `-m "not slow"` leaves it out as well."""
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def plot_settings_untouched():
    """No picture changes the global settings."""
    import matplotlib

    settings = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == settings


@pytest.fixture(scope="module")
def optimised():
    """Programs are optimised as they are outside of tests."""
    import jax

    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="module")
def shared_programs(tmp_path_factory):
    """Share what XLA compiles here with the processes that the module's tests start."""
    import jax
    from jax.experimental.compilation_cache.compilation_cache import reset_cache

    wanted = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("programs")),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in wanted}
    with pytest.MonkeyPatch.context() as patched:
        for name, value in wanted.items():
            jax.config.update(name, value)
            patched.setenv(name.upper(), str(value))
        reset_cache()
        yield
    for name, value in before.items():
        jax.config.update(name, value)
    reset_cache()


@pytest.fixture(scope="session")
def _jax_events():
    import jax

    happened = Counter()
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, *_, **__: happened.update([name.rsplit("/", 1)[-1]])
    )
    return happened


def _since_last_asked(happened, event):
    happened[event] = 0

    def count():
        number, happened[event] = happened[event], 0
        return number

    return count


@pytest.fixture
def compilations(_jax_events):
    """Return a function that says how many programs XLA compiled since it was last asked."""
    return _since_last_asked(_jax_events, "backend_compile_duration")


@pytest.fixture
def traces(_jax_events):
    """Return a function that says how many functions JAX traced since it was last asked."""
    return _since_last_asked(_jax_events, "jaxpr_trace_duration")
