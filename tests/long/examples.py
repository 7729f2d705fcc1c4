"""Run the examples that take long, small, and options that the tests leave out.

``python tests/long/examples.py``. MNIST, its corrupted digits and KMNIST have to be in the folder
that PYMC_BNN_DATA names.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[2]))

from pymc_bnn import datasets
from tests.support.example_parts import check_pictures, run, run_here

REPORTED = {
    "accuracy", "nll", "elbo", "elbo_per_example", "kl_weight", "scale_ratio", "seconds",
    "steps_per_second", "auroc_chi_square", "chi_square_errors", "chi_square_correct",
    "entropy_bits_errors", "entropy_bits_correct",
}  # fmt: skip
PICTURES = ["chi_square", "confusion", "elbo", "entropy", "uncertain"]


def check_folder(folder, n_train, n, hierarchical):
    report = json.loads((folder / "report.json").read_text())
    assert set(report) >= REPORTED
    predictions = pd.read_csv(folder / "predictions.csv", index_col="example")
    assert len(predictions) == n
    assert report["accuracy"] == pytest.approx(
        (predictions["predicted"] == predictions["label"]).mean()
    )
    assert report["nll"] == pytest.approx(predictions["nll"].mean())
    assert report["elbo"] == pytest.approx(report["elbo_per_example"] * n_train)
    assert report["elbo"] == pytest.approx(-report["train_nll"] * n_train - report["kl"])
    check_pictures(folder, *PICTURES, *["scales"] * hierarchical)
    assert (folder / "posterior.nc").exists() == hierarchical
    if hierarchical:
        posterior = xr.open_datatree(folder / "posterior.nc", engine="h5netcdf").posterior
        assert all(name.endswith("_sigma") for name in posterior.data_vars)
        assert all(float(posterior[name].min()) > 0 for name in posterior.data_vars)
        assert posterior.sizes["draw"] == 1000
    return report


def test_digits(tmp_path):
    done = run("digits.py", "--quick", "--out", tmp_path / "new" / "folder")
    assert done.returncode == 0, done.stderr
    report = check_folder(tmp_path / "new" / "folder", 1437, 360, hierarchical=True)
    assert f"{report['accuracy']:.4f}" in done.stdout
    assert report["accuracy"] > 0.5
    assert report["kl_weight"] == 1.0


# ---------------------------------------------------------------- one report


def report_of(script, folder, *arguments):
    """Run an example; return its report and what it printed."""
    done = run_here(script, "--quick", "--out", folder, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "report.json").read_text()), done.stdout


def test_regressions_beside_nuts(tmp_path):
    folder = tmp_path / "new" / "folder"
    report, printed = report_of("regression.py", folder)
    models = report["models"]
    assert list(models) == ["mixture", "normal", "normal: NUTS", "learned noise"]
    for name, row in models.items():
        assert name in printed
        assert row["ratio"] == pytest.approx(row["sd_outside"] / row["sd_inside"])
        assert 0 <= row["coverage_low"] <= row["coverage"] <= row["coverage_high"] <= 1
        assert row["crps"] > 0.5  # the truth itself with its noise of 1: 0.56
        assert row["nlpd"] > 1.3  # 1.42
        if name == "normal: NUTS":
            assert row["rhat_of_function"] > 0.9
            assert row["draws"] == 40
            continue
        assert row["kl_weight"] == 1
        assert all(0 < ratio < 2 for ratio in row["scale_ratio"].values())
        check_pictures(folder, f"regression_{name.replace(' ', '_')}")
    assert list(models["mixture"]["learned"]) == ["weight", "sigma_1", "sigma_2"]
    normal, nuts = models["normal"], models["normal: NUTS"]
    for where, width in normal["width_against_nuts"].items():
        assert width == pytest.approx(normal[f"sd_{where}"] / nuts[f"sd_{where}"])
        [line] = [row for row in printed.splitlines() if f"width_against_nuts.{where}" in row]
        assert f"{width:.3f}".rstrip("0") in line
    assert models["mixture"]["aleatoric_sd"] == 1
    noise, _ = models["learned noise"]["learned"]["sigma"]
    assert models["learned noise"]["aleatoric_sd"] == pytest.approx(noise, rel=0.05)
    # Those with points have an objective that is no bound.
    assert "elbo" in models["mixture"]
    assert "objective" in models["learned noise"]
    check_pictures(folder, "regression_nuts")
    # Everything in the report is printed.
    for row in models.values():
        assert all(key in printed for key in row)


def test_the_original_regression(tmp_path):
    report, printed = report_of("regression.py", tmp_path, "--original")
    assert list(report["models"]) == ["learned means, original"]
    row = report["models"]["learned means, original"]
    assert row["log_prior"] == 0  # of flat means
    assert "objective" in printed
    check_pictures(tmp_path, "regression_learned_means_original")


def test_guides_beside_nuts(tmp_path):
    report, printed = report_of("guides.py", tmp_path)
    assert list(report["guides"]) == ["mean-field", "low-rank", "full-rank"]
    assert report["nuts"]["rhat_of_function"] > 0.9
    for name, row in report["guides"].items():
        assert f"ELBO {row['elbo']:.2f} ± {row['elbo_se']:.2f}" in printed
        assert name in printed
        for region in ("inside", "gap", "outside"):
            assert report["nuts"]["width"][region] > 0.4  # the noise alone: 0.66
            assert 0 < row[region]["mean"] < 2
            assert 0 < row[region]["ends"] < 2
            assert 0.2 < row[region]["width"] < 5
    check_pictures(tmp_path, "predictions")


def test_engines(tmp_path):
    report, printed = report_of("engines.py", tmp_path)
    engines, missing = report["engines"], report["missing"]
    assert {*engines, *missing} >= {"bnn.fit", "pm.fit", "pm.sample, pymc", "pm.find_MAP"}
    for name, library in missing.items():
        assert f"{name}: left out, {library} is not installed" in printed
    for name, row in engines.items():
        assert name in printed
        assert 0.35 < row["rmse"] < 2  # the noise is 0.4
        assert (row["effect_sd"] > 0) == (name != "pm.find_MAP")
    check_pictures(tmp_path, "effect")


def test_estimators(tmp_path):
    report, printed = report_of("estimators.py", tmp_path, "--only", "pathwise", "local")
    table = pd.DataFrame(report["estimators"])
    assert list(table) == ["pathwise", "local"]
    assert (table.loc["kl_weight"] == 1).all()
    assert (table.loc["elbo_per_example"] * 1437 - table.loc["elbo"]).abs().max() < 1e-6
    assert table.loc["noise_loc", "pathwise"] == 1
    assert table.loc["noise_loc", "local"] < 0.3
    assert (table.loc["total_loc"] > table.loc["noise_loc"]).all()
    assert (table.loc["steps_per_second"] > 0).all()
    assert f"{table.loc['elbo_per_example', 'local']:.3f}" in printed
    check_pictures(tmp_path, "elbo", "gradient_variance")


def test_priors(tmp_path):
    report, _ = report_of("priors.py", tmp_path, "--only", "fixed", "mixture")
    assert list(report["priors"]) == ["fixed", "mixture"]
    for row in report["priors"].values():
        assert row["kl_weight"] == 1
        assert row["elbo"] == pytest.approx(1437 * row["elbo_per_example"])
        assert 0 < row["ratio_1"] < 1.5
    assert report["priors"]["mixture"]["pruned"] is None  # said of Normal priors only
    learned = {name: numbers["mean"] for name, numbers in report["mixture"].items()}
    assert list(learned) == ["weight", "sigma_1", "sigma_2"]
    assert learned["sigma_1"] > learned["sigma_2"] > 0
    assert 0 < learned["weight"] < 1
    check_pictures(tmp_path, "priors", "mixture")


def test_memory_stays_flat_on_a_large_file(tmp_path):
    size = ["--gigabytes", "0.8", "--batch-size", "1024", "--predict", "9000"]
    done = run("larger_than_memory.py", *size, "--out", tmp_path)  # a process of its own
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["read_gb"] == pytest.approx(0.8, rel=1e-3)
    assert report["peak_gb_of_fit"] < 1.1
    # An eighth of the file's bytes kept, or every thirtieth batch that was sent, would show.
    assert report["peak_gb_of_fit"] - report["peak_gb_after_10_steps"] < 0.12
    assert report["predicted"] == 9000
    np.testing.assert_allclose(report["probabilities"], [0.4, 0.3, 0.2, 0.1], atol=0.03)


# ---------------------------------------------------------------- systems


def fits_of(script, folder, *arguments):
    """Run an example; return what it printed and the table of its fits, whose figures add up."""
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
    _, table = fits_of("cnn_vs_bayesian_cnn.py", tmp_path)
    assert list(table.index) == ["softmax", "honest"]
    assert table["kl_weight"].tolist() == [1, 1]
    assert pd.isna(table.loc["softmax", "elbo_per_example"])
    assert table.loc["softmax", "accuracy_single_draw"] == table.loc["softmax", "accuracy"]
    assert table.loc["softmax", "accuracy"] > 0.5
    assert table.loc["honest", "scale_ratios"].count("/") == 3
    steps = (f"held_out_honest_{step}" for step in (1, 30, 60))
    check_pictures(tmp_path, "reliability", "weights_honest", *steps)


def test_corrupted_mnist(tmp_path):
    _, table = fits_of("corrupted_mnist.py", tmp_path)
    assert list(table.index) == ["point", "honest"]
    scores = pd.read_csv(tmp_path / "scores.csv", index_col=[0, 1, 2])
    assert set(scores.index.droplevel(2)) == {
        (name, data) for name in table.index for data in ("clean", "spattered")
    }
    for name, row in table.iterrows():
        assert scores.loc[(name, "clean", "accuracy"), "value"] == pytest.approx(row["accuracy"])
    findings = pd.read_csv(tmp_path / "findings.csv", index_col=[0, 1])
    assert (findings["low"] <= findings["value"]).all()
    assert (findings["value"] <= findings["high"]).all()
    clean = pd.read_csv(tmp_path / "honest" / "predictions.csv")
    means = clean.groupby("correct")["entropy_bits"].mean()
    gap = findings.loc[("honest", "wrong - right, clean"), "value"]
    assert gap == pytest.approx(means[False] - means[True])
    intervals = [f"intervals_honest_{data}" for data in ("clean", "spattered")]
    check_pictures(tmp_path, "entropy_honest", "reliability", "spike_and_slab", *intervals)


def test_validation_images_choose_without_the_test_images(tmp_path):
    arguments = "corrupted_mnist.py", tmp_path, "--validate", "--only", "point"
    printed, _ = fits_of(*arguments)
    assert "spattered" not in printed
    validation = datasets.load_mnist(n_validation=5000)[1]
    predictions = pd.read_csv(tmp_path / "point" / "predictions.csv")
    assert predictions["label"].tolist() == validation.y[:300].tolist()


def test_local_reparameterisation(tmp_path):
    _, table = fits_of("local_reparameterisation.py", tmp_path)
    assert list(table.index) == ["dropout", "variational_dropout"]
    variables = pd.read_csv(tmp_path / "variational_dropout" / "variables.csv", index_col=0)
    weights = variables.loc[[f"dense{i}_W" for i in (1, 2, 3, 4)]]
    assert (weights["guide"] == "VariationalDropout").all()
    assert (weights["estimator"] == "local").all()
    check_pictures(tmp_path, "uncertain_dropout", "uncertain_variational_dropout")


def test_lenet5_refusal(tmp_path):
    printed, table = fits_of("lenet5_refusal.py", tmp_path, "--only", "last_layer")
    assert list(table.index) == ["last_layer"]
    assert table.loc["last_layer", "scale_ratios"].startswith("–/–/–/–/0.")
    report = json.loads((tmp_path / "last_layer" / "report.json").read_text())
    assert report["validation_nll"] > 0
    answered = pd.read_csv(tmp_path / "answered.csv", index_col=[0, 1])
    sets = ["digits", "spattered digits", "KMNIST", "noise"]
    assert answered.loc["last_layer"].index.tolist() == sets
    assert (answered["at chosen"] <= answered["at 0.2"]).all()
    conformal = pd.read_csv(tmp_path / "conformal.csv", index_col=0)
    assert conformal.loc["last_layer", "coverage"] >= conformal.loc["last_layer", "kept_above"]
    detection = pd.read_csv(tmp_path / "detection.csv", index_col=[0, 1, 2])
    assert len(detection) == 9
    assert ((detection >= 0) & (detection <= 1)).all(axis=None)
    assert "noise" in printed
    pictures = ["held_out", "risk_coverage", "reliability", "refusal_last_layer"]
    check_pictures(tmp_path, *pictures, "held_out_last_layer_20", "held_out_last_layer_40")


@pytest.mark.parametrize(("net", "prior"), [("conv", "hierarchical"), ("mlp", "fixed")])
def test_mnist(tmp_path, net, prior):
    arguments = "--quick", "--net", net, "--prior", prior, "--out", tmp_path, "--kl-weight", "0.5"
    done = run_here("mnist_hierarchical.py", *arguments)
    assert done.returncode == 0, done.stderr
    report = check_folder(tmp_path, 1000, 300, hierarchical=prior == "hierarchical")
    assert report["kl_weight"] == 0.5
    assert "kl_weight 0.5" in done.stdout
    assert report["net"] == net


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "--dist", "load", "-v", *sys.argv[1:]]))
