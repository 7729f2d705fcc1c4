"""The summary table, by hand, against scikit-learn, and of streamed predictions."""

from __future__ import annotations

import math
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import sklearn.metrics

from pymc_bnn import uncertainty as unc
from tests.support.probabilities import random_probs, streamed

COLUMNS = [
    "label",
    "correct",
    "predicted",
    "voted",
    "probability",
    "probability_low",
    "probability_high",
    "vote_share",
    "chi_square",
    "p_value",
    "entropy_bits",
    "expected_entropy_bits",
    "mutual_information_bits",
    "nll",
]


def test_summary_worked_by_hand():
    sure = [[1.0, 0.0]] * 10
    split = [[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 6
    probs = np.stack([sure, split, sure], axis=1)  # (10, 3, 2)
    for votes in ("class", "label"):  # one-hot draws leave sampling no choice
        frame = unc.summary(probs, [0, 0, 1], votes=votes)
        assert list(frame.columns) == COLUMNS
        assert frame.index.name == "example"
        assert frame.index.tolist() == [0, 1, 2]
        assert frame["label"].tolist() == [0, 0, 1]
        assert frame["predicted"].tolist() == [0, 1, 0]
        assert frame["correct"].tolist() == [True, False, False]
        assert frame["voted"].tolist() == [0, 1, 0]
        assert frame["vote_share"].tolist() == [1.0, 0.6, 1.0]
        assert frame["probability"].tolist() == pytest.approx([1.0, 0.6, 1.0])
        assert frame["probability_low"].tolist() == pytest.approx([1.0, 0.0, 1.0])
        assert frame["probability_high"].tolist() == pytest.approx([1.0, 1.0, 1.0])
        assert frame["chi_square"].tolist() == pytest.approx([10.0, 0.4, 10.0])
        p_values = [math.erfc(math.sqrt(c / 2)) for c in (10.0, 0.4, 10.0)]  # 1 degree of freedom
        assert frame["p_value"].tolist() == pytest.approx(p_values)
        entropy = -(0.6 * math.log2(0.6) + 0.4 * math.log2(0.4))
        assert frame["entropy_bits"].tolist() == pytest.approx([0.0, entropy, 0.0])
        assert frame["expected_entropy_bits"].tolist() == [0.0, 0.0, 0.0]
        assert frame["mutual_information_bits"].tolist() == pytest.approx([0.0, entropy, 0.0])
        assert frame["nll"].tolist() == pytest.approx(
            [0.0, -math.log(0.4), -math.log(sys.float_info.min)]
        )


def test_summary_tells_the_vote_from_the_prediction():
    probs = [[[0.45, 0.55]]] * 6 + [[[1.0, 0.0]]] * 4  # mean 0.67 for class 0, 6 votes for 1
    row = unc.summary(probs, [1], votes="class").loc[0]
    assert row["predicted"] == 0
    assert row["voted"] == 1
    assert not row["correct"]
    assert row["probability"] == pytest.approx(0.67)
    assert row["vote_share"] == 0.6
    tied = unc.summary([[[0.4, 0.6]]] * 5 + [[[0.6, 0.4]]] * 5, votes="class").loc[0]
    assert tied["voted"] == 0


def test_summary_agrees_with_scikit_learn():
    probs = random_probs()
    y = np.random.default_rng(1).integers(5, size=40)
    frame = unc.summary(probs, y)
    mean = sum(probs) / len(probs)
    loss = sklearn.metrics.log_loss(y, mean, labels=range(5))
    assert frame["nll"].mean() == pytest.approx(loss, rel=1e-10)
    accuracy = sklearn.metrics.accuracy_score(y, mean.argmax(-1))
    assert frame["correct"].mean() == accuracy
    best = [max(row) for row in mean.tolist()]
    assert frame["probability"].tolist() == pytest.approx(best)
    for i, k in enumerate(frame["predicted"]):
        want = scipy.stats.mstats.mquantiles(probs[:, i, k], [0.025, 0.975], alphap=1, betap=1)
        assert frame.loc[i, ["probability_low", "probability_high"]].tolist() == pytest.approx(
            want.tolist()
        )


def test_summary_without_labels_leaves_their_columns_out():
    frame = unc.summary(random_probs())
    assert list(frame.columns) == [c for c in COLUMNS if c not in ("label", "correct", "nll")]


def test_summary_takes_its_label_votes_from_the_seed():
    probs = random_probs(concentration=3.0)
    seeded = unc.summary(probs, random_seed=4)["chi_square"]
    generator = np.random.default_rng(4)
    assert (seeded == unc.summary(probs, random_seed=generator)["chi_square"]).all()
    assert (seeded != unc.summary(probs, random_seed=5)["chi_square"]).any()


def test_summary_takes_labels_from_pandas_and_narrow_integers():
    probs = random_probs(n=3)
    frame = unc.summary(probs, pd.Series([1, 2, 3], index=[7, 8, 9], dtype="uint8"))
    assert frame["label"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("votes", ["label", "class"])
@pytest.mark.parametrize("keep", [False, True])
def test_summary_of_a_streamed_prediction(votes, keep):
    probs = random_probs(draws=50, n=12)
    y = np.arange(12) % 5
    pred = streamed(probs, keep=keep)
    frame = unc.summary(pred, y, votes=votes)
    from_array = unc.summary(probs, y, votes=votes)
    intervals = ["probability_low", "probability_high"]
    assert list(frame.columns) == [c for c in COLUMNS if keep or c not in intervals]
    own = ["voted", "vote_share", "chi_square", "p_value"] if votes == "label" else []
    same = [c for c in frame if c not in own]
    pd.testing.assert_frame_equal(frame[same], from_array[same], rtol=1e-12)
    counts = pred.label_votes if votes == "label" else pred.class_votes
    statistic = [scipy.stats.chisquare(row).statistic for row in counts]
    assert frame["chi_square"].tolist() == pytest.approx(statistic)
    assert frame["vote_share"].tolist() == pytest.approx([max(row) / 50 for row in counts])


def test_summary_warns_of_few_draws_at_the_callers_line():
    with pytest.warns(UserWarning, match="fewer than 5 per class") as seen:
        unc.summary(random_probs(draws=24))
    assert seen[0].filename == __file__
