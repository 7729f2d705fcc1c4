"""The example of all engines: what is there is judged, what is not is named and left out."""

import importlib.util
import json

import pymc as pm
import pytest

from tests.support.example_parts import check_pictures, run_here


@pytest.fixture(autouse=True)
def _no_nutpie(monkeypatch):
    there = importlib.util.find_spec
    without = lambda name: None if name == "nutpie" else there(name)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", without)


def test_nothing_is_there(tmp_path):
    done = run_here("engines.py", "--quick", "--only", "pm.sample, nutpie", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "pm.sample, nutpie: left out, nutpie is not installed" in done.stdout
    assert "nothing to compare" in done.stdout


def test_a_sampler_that_does_not_go_with_this_pymc(tmp_path, monkeypatch):
    def sample(*args, **options):
        raise TypeError("kernel() got an unexpected keyword argument 'progress_bar'\nand more")

    monkeypatch.setattr(pm, "sample", sample)
    done = run_here("engines.py", "--quick", "--only", "pm.sample, blackjax", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "pm.sample, blackjax: left out, PyMC cannot call blackjax " in done.stdout
    assert "unexpected keyword argument 'progress_bar'\n" in done.stdout


@pytest.mark.long
def test_engines_that_are_there(tmp_path):
    """The samplers: python tests/long/examples.py."""
    only = ["bnn.fit", "pm.sample, nutpie", "pm.find_MAP"]
    done = run_here("engines.py", "--quick", "--only", *only, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "pm.sample, nutpie: left out, nutpie is not installed" in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["missing"] == {"pm.sample, nutpie": "nutpie"}
    assert list(report["engines"]) == ["bnn.fit", "pm.find_MAP"]
    for row in report["engines"].values():
        assert row["log_likelihood"] < -0.3  # the truth itself: −0.50
        assert 0.35 < row["rmse"] < 1.5
        assert row["seconds"] > 0
    assert report["engines"]["bnn.fit"]["effect_sd"] > 0
    assert report["engines"]["pm.find_MAP"]["effect_sd"] == 0
    check_pictures(tmp_path, "effect")
