"""What tests and the examples of docstrings share: no screen, no figure left open, less garbage."""

import gc
import os
import sys

import pytest

os.environ["MPLBACKEND"] = "Agg"
# Graphs are full of cycles that live on: looking for dead ones took an eighth of the time.
gc.set_threshold(20_000, 20, 20)


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
