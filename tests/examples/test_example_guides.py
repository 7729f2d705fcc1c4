"""The comparison of guides with NUTS runs, small, as the README tells users to run it."""

import json

import pytest

from tests.support.example_parts import check_pictures, run_here


@pytest.mark.slow
def test_guides_beside_nuts(tmp_path):
    done = run_here("guides.py", "--quick", "--out", tmp_path / "new" / "folder")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "new" / "folder" / "report.json").read_text())
    assert list(report["guides"]) == ["mean-field", "low-rank", "full-rank"]
    assert report["nuts"]["rhat_of_function"] > 0.9
    for name, row in report["guides"].items():
        assert f"ELBO {row['elbo']:.2f} ± {row['elbo_se']:.2f}" in done.stdout
        assert name in done.stdout
        for region in ("inside", "gap", "outside"):
            assert report["nuts"]["width"][region] > 0.4  # the noise alone: 0.66
            assert 0 < row[region]["mean"] < 2
            assert 0 < row[region]["ends"] < 2
            assert 0.2 < row[region]["width"] < 5
    check_pictures(tmp_path / "new" / "folder", "predictions")
