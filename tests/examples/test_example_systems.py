"""An example of the systems, run small; its figures add up. The others: tests/long/examples.py."""

import json

import pandas as pd
import pytest

from pymc_bnn import datasets
from tests.support.example_parts import check_pictures, run_here

NEEDED = ("mnist", "mnist_c", "kmnist")

pytestmark = pytest.mark.skipif(
    not all((datasets.data_home() / name).exists() for name in NEEDED),
    reason=f"{', '.join(NEEDED)} are not all in the folder that PYMC_BNN_DATA names",
)


def run_quickly(script, folder, *arguments):
    """Run an example; return what it printed and the table of its fits."""
    done = run_here(script, "--quick", "--out", folder, *arguments)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(folder / "comparison.csv", index_col="fit")
    for name, row in table.iterrows():
        report = json.loads((folder / name / "report.json").read_text())
        predictions = pd.read_csv(folder / name / "predictions.csv")
        assert row["accuracy"] == pytest.approx(predictions["correct"].mean())
        assert row["nll"] == pytest.approx(predictions["nll"].mean())
        assert row["minutes"] == pytest.approx(report["seconds"] / 60)
        assert 0 <= row["accuracy_single_draw"] <= 1
        for metric in ("accuracy", "nll", "brier"):
            low, high = report["intervals"][metric]
            assert low <= row[metric] <= high
        total = "elbo_per_example" if "elbo" in report else "objective_per_example"
        assert row[total] == pytest.approx(report[total])
    return done.stdout, table


def test_cnn_vs_bayesian_cnn(tmp_path):
    _, table = run_quickly("cnn_vs_bayesian_cnn.py", tmp_path)
    assert list(table.index) == ["softmax", "honest"]
    assert table["kl_weight"].tolist() == [1, 1]
    assert pd.isna(table.loc["softmax", "elbo_per_example"])
    assert table.loc["softmax", "accuracy_single_draw"] == table.loc["softmax", "accuracy"]
    assert table.loc["softmax", "accuracy"] > 0.5
    assert table.loc["honest", "scale_ratios"].count("/") == 3
    steps = (f"held_out_honest_{step}" for step in (1, 30, 60))
    check_pictures(tmp_path, "reliability", "weights_honest", *steps)
