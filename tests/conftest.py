"""What JAX was made to do: programs traced and compiled."""

from collections import Counter

import pytest


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
    """A function that says how many programs XLA compiled since it was last asked."""
    return _since_last_asked(_jax_events, "backend_compile_duration")


@pytest.fixture
def traces(_jax_events):
    """A function that says how many functions JAX traced since it was last asked."""
    return _since_last_asked(_jax_events, "jaxpr_trace_duration")
