"""Where data lie, and what reading them imports."""

from __future__ import annotations

import os
import subprocess
import sys

from pymc_bnn import datasets


def test_data_home_is_the_environment_variable_or_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("PYMC_BNN_DATA", str(tmp_path))
    assert datasets.data_home() == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYMC_BNN_DATA", "~/mine")
    assert datasets.data_home() == tmp_path / "mine"
    for unset in (True, False):
        if unset:
            monkeypatch.delenv("PYMC_BNN_DATA")
        else:
            monkeypatch.setenv("PYMC_BNN_DATA", "")
        assert datasets.data_home() == tmp_path / ".cache" / "pymc_bnn"


def test_imports_alone():
    code = (
        "import sys, pymc_bnn.datasets\n"
        "print([m for m in ('pymc', 'pytensor', 'jax', 'pandas', 'scipy', 'sklearn', 'arviz')"
        " if m in sys.modules])"
    )
    environment = {**os.environ, "PYMC_BNN_DATA": "nowhere"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "[]"
