"""A file larger than memory is fitted in little of it."""

import json

import numpy as np
import pytest

from tests.support.example_parts import run


@pytest.mark.slow
def test_memory_stays_flat_on_a_large_file(tmp_path):
    size = ["--gigabytes", "0.8", "--batch-size", "1024", "--predict", "9000"]
    done = run("larger_than_memory.py", *size, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["read_gb"] == pytest.approx(0.8, rel=1e-3)
    assert report["peak_gb_of_fit"] < 1.1
    # An eighth of the file's bytes kept, or every thirtieth batch that was sent, would show.
    assert report["peak_gb_of_fit"] - report["peak_gb_after_10_steps"] < 0.12
    assert report["predicted"] == 9000
    np.testing.assert_allclose(report["probabilities"], [0.4, 0.3, 0.2, 0.1], atol=0.03)
