"""Run examples with options that the tests leave out: ``python tests/long/examples.py``.

A dense network with a fixed prior, scores of validation images only, and the tutorial's fit. MNIST
and its corrupted digits have to be in the folder that PYMC_BNN_DATA names.
"""

import sys
import tempfile
from pathlib import Path

import pandas as pd

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


if __name__ == "__main__":
    for check in (
        dense_network_with_a_fixed_prior,
        validation_images_choose_without_the_test_images,
        the_original_regression,
    ):
        with tempfile.TemporaryDirectory() as made:
            check(Path(made))
        print(f"{check.__name__.replace('_', ' ')}: as it should be")
