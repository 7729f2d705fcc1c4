"""The tables' example: a regression and classes, from files of the form of the UCI sets."""

import json

import numpy as np
import pytest

from tests.support.example_parts import check_pictures, run_here


def write(path, classes):
    rng = np.random.default_rng(0)
    x = rng.normal([100, 0, 5], [30, 1, 0.1], (80, 3))  # in units of their own
    signal = (x[:, 0] - 100) / 30 + x[:, 1]
    y = (signal > 0).astype(int) if classes else 1000 + 200 * signal + rng.normal(0, 20, 80)
    rows = np.arange(80)[None]
    np.savez(path, x=x, y=y, train=rows[:, :60], test=rows[:, 60:])
    return y[60:]


@pytest.mark.slow
def test_a_regression(tmp_path):
    y = write(tmp_path / "r.npz", classes=False)
    done = run_here(
        "tables.py",
        "--data",
        tmp_path / "r.npz",
        "--members",
        2,
        "--steps",
        3000,
        "--out",
        tmp_path / "out",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    for name in ("fit", "members"):
        assert set(report[name]) == {"rmse", "log_likelihood", "coverage_90", "seconds"}
        assert report[name]["rmse"][0] < 0.5 * y.std()  # in the target's own units
        assert report[name]["log_likelihood"][0] > -np.log(y.std()) - 1.4
        assert report[name]["rmse"][1] is None  # a single split has no standard error
    check_pictures(tmp_path / "out", "fit", "members")


@pytest.mark.slow
def test_classes(tmp_path):
    write(tmp_path / "c.npz", classes=True)
    done = run_here(
        "tables.py",
        "--data",
        tmp_path / "c.npz",
        "--members",
        1,
        "--steps",
        3000,
        "--out",
        tmp_path / "out",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert set(report["fit"]) == {"accuracy", "nll", "ece", "seconds"}
    assert report["fit"]["accuracy"][0] >= 0.8
    check_pictures(tmp_path / "out", "fit")


def test_a_missing_file(tmp_path):
    done = run_here("tables.py", "--data", tmp_path / "none.npz", "--out", tmp_path)
    assert done.returncode == 2
    assert "none.npz is no file" in done.stderr
