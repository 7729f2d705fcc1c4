"""Run examples with options that the tests leave out: ``python tests/long/examples.py``.

Three systems whole, a dense network with a fixed prior, scores of validation images only, and the
tutorial's fit. MNIST and its corrupted digits have to be in the folder that PYMC_BNN_DATA names.
"""

import json
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from pymc_bnn import datasets
from tests.examples import test_example_regression, test_example_systems, test_examples
from tests.support.example_parts import check_pictures


def dense_network_with_a_fixed_prior(folder):
    test_examples.check_mnist(folder, "mlp", "fixed")


def validation_images_choose_without_the_test_images(folder):
    arguments = "corrupted_mnist.py", folder, "--validate", "--only", "point"
    printed, _ = test_example_systems.run_quickly(*arguments)
    assert "spattered" not in printed
    validation = datasets.load_mnist(n_validation=5000)[1]
    predictions = pd.read_csv(folder / "point" / "predictions.csv")
    assert predictions["label"].tolist() == validation.y[:300].tolist()


def the_original_regression(folder):
    report, printed = test_example_regression.run_quickly(folder, "--original")
    assert list(report["models"]) == ["learned means, original"]
    row = report["models"]["learned means, original"]
    assert row["log_prior"] == 0  # of flat means
    assert "objective" in printed
    check_pictures(folder, "regression_learned_means_original")


def corrupted_mnist(folder):
    _, table = test_example_systems.run_quickly("corrupted_mnist.py", folder)
    assert list(table.index) == ["point", "honest"]
    scores = pd.read_csv(folder / "scores.csv", index_col=[0, 1, 2])
    assert set(scores.index.droplevel(2)) == {
        (name, data) for name in table.index for data in ("clean", "spattered")
    }
    for name, row in table.iterrows():
        assert scores.loc[(name, "clean", "accuracy"), "value"] == pytest.approx(row["accuracy"])
    findings = pd.read_csv(folder / "findings.csv", index_col=[0, 1])
    assert (findings["low"] <= findings["value"]).all()
    assert (findings["value"] <= findings["high"]).all()
    clean = pd.read_csv(folder / "honest" / "predictions.csv")
    means = clean.groupby("correct")["entropy_bits"].mean()
    gap = findings.loc[("honest", "wrong - right, clean"), "value"]
    assert gap == pytest.approx(means[False] - means[True])
    intervals = [f"intervals_honest_{data}" for data in ("clean", "spattered")]
    check_pictures(folder, "entropy_honest", "reliability", "spike_and_slab", *intervals)


def local_reparameterisation(folder):
    _, table = test_example_systems.run_quickly("local_reparameterisation.py", folder)
    assert list(table.index) == ["dropout", "variational_dropout"]
    variables = pd.read_csv(folder / "variational_dropout" / "variables.csv", index_col=0)
    weights = variables.loc[[f"dense{i}_W" for i in (1, 2, 3, 4)]]
    assert (weights["guide"] == "VariationalDropout").all()
    assert (weights["estimator"] == "local").all()
    check_pictures(folder, "uncertain_dropout", "uncertain_variational_dropout")


def lenet5_refusal(folder):
    printed, table = test_example_systems.run_quickly(
        "lenet5_refusal.py", folder, "--only", "last_layer"
    )
    assert list(table.index) == ["last_layer"]
    assert table.loc["last_layer", "scale_ratios"].startswith("–/–/–/–/0.")
    report = json.loads((folder / "last_layer" / "report.json").read_text())
    assert report["validation_nll"] > 0
    answered = pd.read_csv(folder / "answered.csv", index_col=[0, 1])
    sets = ["digits", "spattered digits", "KMNIST", "noise"]
    assert answered.loc["last_layer"].index.tolist() == sets
    assert (answered["at chosen"] <= answered["at 0.2"]).all()
    conformal = pd.read_csv(folder / "conformal.csv", index_col=0)
    assert conformal.loc["last_layer", "coverage"] >= conformal.loc["last_layer", "kept_above"]
    detection = pd.read_csv(folder / "detection.csv", index_col=[0, 1, 2])
    assert len(detection) == 9
    assert ((detection >= 0) & (detection <= 1)).all(axis=None)
    assert "noise" in printed
    pictures = ["held_out", "risk_coverage", "reliability", "refusal_last_layer"]
    check_pictures(folder, *pictures, "held_out_last_layer_20", "held_out_last_layer_40")


if __name__ == "__main__":
    for check in (
        corrupted_mnist,
        local_reparameterisation,
        lenet5_refusal,
        dense_network_with_a_fixed_prior,
        validation_images_choose_without_the_test_images,
        the_original_regression,
    ):
        with tempfile.TemporaryDirectory() as made:
            check(Path(made))
        print(f"{check.__name__.replace('_', ' ')}: as it should be")
