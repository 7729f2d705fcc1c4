"""The table of reports, and what `write_report` refuses before it computes anything."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from pymc_bnn.report import compare, write_report

MEAN = np.full((3, 2), 0.5)
PREDICTION = SimpleNamespace(mean_probs=MEAN, class_votes=np.full((3, 2), 5))


def write(folder, report):
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(report))


def test_reports_of_other_programs_are_left_out_of_the_table(tmp_path):
    write(tmp_path / "other", {"estimators": {}})
    with pytest.raises(ValueError, match="`folder` must have subfolders with a report"):
        compare(tmp_path)
    ratios = {"a_W": 0.5, "a_b": 3.0, "b_W": None}
    write(tmp_path / "fit", {"accuracy": 0.9, "scale_ratio": ratios, "seconds": 30})
    table = compare(tmp_path)
    assert table.index.tolist() == ["fit"]
    assert table.loc["fit"].tolist() == [0.9, "0.50/–", 0.5]
    assert (tmp_path / "comparison.csv").read_text().startswith("fit,accuracy,scale_ratios,minutes")


@pytest.mark.parametrize(
    ("prediction", "options", "error", "match"),
    [
        (MEAN, {}, TypeError, "`prediction` must be a prediction of one categorical .* a ndarray"),
        (PREDICTION, {"seconds": 0.0}, ValueError, "`seconds` must be a finite number above 0"),
        (PREDICTION, {"elbo_draws": 1}, ValueError, "`elbo_draws` .* at least 2, got 1"),
        (PREDICTION, {"images": np.ones((2, 8, 8))}, ValueError, "`images` must have shape .3, h"),
    ],
)
def test_nothing_is_written_for_bad_arguments(tmp_path, prediction, options, error, match):
    with pytest.raises(error, match=match):
        write_report(tmp_path / "new", None, prediction, [0, 1, 0], **{"seconds": 1.0} | options)
    assert not (tmp_path / "new").exists()
