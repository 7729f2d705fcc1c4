"""The examples run, small, as the README tells users to run them."""

import json

import pandas as pd
import pytest
import xarray as xr

from tests.support.example_parts import EXAMPLES, check_pictures, run, run_here

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


@pytest.mark.slow
def test_digits(tmp_path):
    done = run("digits.py", "--quick", "--out", tmp_path / "new" / "folder")
    assert done.returncode == 0, done.stderr
    report = check_folder(tmp_path / "new" / "folder", 1437, 360, hierarchical=True)
    assert f"{report['accuracy']:.4f}" in done.stdout
    assert report["accuracy"] > 0.5
    assert report["kl_weight"] == 1.0


def test_a_folder_that_cannot_be_made_fails_before_the_fit(tmp_path):
    (tmp_path / "file").touch()
    done = run_here("digits.py", "--quick", "--out", tmp_path / "file" / "below")
    assert done.returncode != 0
    assert "`folder` must be a folder that can be written to" in done.stderr


@pytest.mark.parametrize("script", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_every_example_says_what_it_takes(script):
    """Those that no test here runs: python tests/long/examples.py."""
    done = run_here(script, "--help")
    assert done.returncode == 0, done.stderr
    assert "--out" in done.stdout
