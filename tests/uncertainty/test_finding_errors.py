"""How well a score finds the errors, by counting pairs."""

from __future__ import annotations

import numpy as np
import pytest

from pymc_bnn import uncertainty as unc
from tests.support.probabilities import random_probs


def area_by_pairs(scores, wrong):
    """Share of (error, correct) pairs in which the error scores higher, ties half."""
    pairs = [(e, c) for e, w in zip(scores, wrong, strict=True) if w
             for c, v in zip(scores, wrong, strict=True) if not v]  # fmt: skip
    return sum(1.0 if e > c else 0.5 if e == c else 0.0 for e, c in pairs) / len(pairs)


def test_error_detection_agrees_with_counting_pairs():
    probs = random_probs()
    y = np.where(np.arange(40) % 3 == 0, 1, probs.mean(0).argmax(-1))
    frame = unc.summary(probs, y)
    found = unc.error_detection(frame)
    wrong = [not c for c in frame["correct"]]
    scores = {
        "auroc_chi_square": [-c for c in frame["chi_square"]],
        "auroc_entropy": list(frame["entropy_bits"]),
        "auroc_mutual_information": list(frame["mutual_information_bits"]),
        "auroc_probability": [-p for p in frame["probability"]],
    }
    for name, score in scores.items():
        assert found[name] == pytest.approx(area_by_pairs(score, wrong), rel=1e-12)
    assert found["accuracy"] == pytest.approx(1 - sum(wrong) / 40)
    for column in ("chi_square", "entropy_bits"):
        for group, chosen in (("errors", True), ("correct", False)):
            values = [v for v, w in zip(frame[column], wrong, strict=True) if w is chosen]
            assert found[f"{column}_{group}"] == pytest.approx(sum(values) / len(values))


def test_error_detection_is_perfect_when_all_errors_are_less_sure():
    sure, unsure = [[0.99, 0.01]] * 20, [[0.6, 0.4]] * 10 + [[0.4, 0.6]] * 9 + [[0.6, 0.4]]
    frame = unc.summary(np.stack([sure, sure, unsure], axis=1), [0, 0, 1], votes="class")
    found = unc.error_detection(frame)
    areas = found.filter(like="auroc")
    assert areas.tolist() == [1.0] * 4
    assert found["chi_square_correct"] == pytest.approx(20.0)
    assert found["chi_square_errors"] == pytest.approx(2 * 1**2 / 10)


@pytest.mark.parametrize(("label", "lacking"), [(0, "errors"), (1, "correct predictions")])
def test_error_detection_without_errors_or_correct_predictions(label, lacking):
    frame = unc.summary(np.tile([0.9, 0.1], (20, 3, 1)), [label] * 3, votes="class")
    with pytest.warns(UserWarning, match=f"there are no {lacking} among the 3 examples"):
        found = unc.error_detection(frame)
    assert found["accuracy"] == 1 - label
    assert found.filter(like="auroc").isna().all()
    empty, full = ("errors", "correct") if label == 0 else ("correct", "errors")
    assert np.isnan(found[f"chi_square_{empty}"])
    assert found[f"chi_square_{full}"] == pytest.approx(20.0)
