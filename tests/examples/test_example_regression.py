"""The regression with its bands runs, small, as its docstring tells users to run it."""

import json

import pytest

from tests.support.example_parts import check_pictures, run_here


def run_quickly(folder, *arguments):
    done = run_here("regression.py", "--quick", "--out", folder, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "report.json").read_text()), done.stdout


@pytest.mark.slow
def test_models_beside_nuts(tmp_path):
    folder = tmp_path / "new" / "folder"
    report, printed = run_quickly(folder)
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
