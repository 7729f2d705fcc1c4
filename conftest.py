"""What tests and the examples of docstrings share of matplotlib: no screen, no figure left open."""

import os
import sys

import pytest

os.environ["MPLBACKEND"] = "Agg"


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
