"""What is wrong with probabilities, labels, votes and options is one clear error."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from pymc_bnn import uncertainty as unc
from tests.support.probabilities import random_probs, streamed

HALVES = [0.5, 0.5]

FUNCTIONS_OF_PROBS = {
    "sample_labels": lambda probs: unc.sample_labels(probs, 0),
    "label_votes": lambda probs: unc.label_votes(probs, 0),
    "class_votes": unc.class_votes,
    "predictive_entropy": unc.predictive_entropy,
    "expected_entropy": unc.expected_entropy,
    "mutual_information": unc.mutual_information,
    "probability_interval": unc.probability_interval,
    "summary": unc.summary,
}
BAD_PROBS = {
    "one axis": (HALVES, ValueError, r"must have shape \(draws, n, classes\), got shape \(2,\)"),
    "two axes": ([HALVES], ValueError, r"must have shape .* got shape \(1, 2\); use `probs\[None"),
    "no draws": (np.zeros((0, 3, 2)), ValueError, "must hold at least one draw, one example"),
    "no examples": (np.zeros((3, 0, 2)), ValueError, "must hold at least one draw, one example"),
    "no classes": (np.zeros((3, 2, 0)), ValueError, "must hold at least one draw, one example"),
    "one class": (np.ones((3, 2, 1)), ValueError, r"two classes, got shape \(3, 2, 1\)"),
    "NaN": ([[[np.nan, 1.0]]], ValueError, r"finite numbers only, got 1 NaN .* \(0, 0, 0\)"),
    "infinite": ([[HALVES, [np.inf, 0]]], ValueError, r"finite numbers only, got 1 .* \(0, 1, 0\)"),
    "negative": ([[[-0.1, 1.1]]], ValueError, r"must be non-negative, got -0.1 at index \(0, 0, 0"),
    "sum": ([[HALVES, [0.5, 0.502]]], ValueError, r"sum to 1 .* got 1.002 at index \(0, 1\)"),
    "ragged": ([[[0.5, 0.5], [1.0]]], ValueError, "must be an array, got a list that numpy"),
    "text": ([[["a", "b"]]], TypeError, "must be an array of real numbers, got a list"),
    "object": (object(), TypeError, "must be an array of real numbers, got a object"),
}


@pytest.mark.parametrize("function", FUNCTIONS_OF_PROBS)
@pytest.mark.parametrize("case", BAD_PROBS)
def test_bad_probabilities(function, case):
    probs, error, match = BAD_PROBS[case]
    argument = "pred" if function == "summary" else "probs"
    with pytest.raises(error, match=f"`{argument}` .*{match}"):
        FUNCTIONS_OF_PROBS[function](probs)


@pytest.mark.parametrize(
    ("y", "error", "match"),
    [
        ([0, 1], ValueError, r"`y` must have shape \(3,\), .* got shape \(2,\)"),
        ([[0], [1], [1]], ValueError, r"`y` must have shape \(3,\), .* got shape \(3, 1\)"),
        ([], ValueError, r"`y` must have shape \(3,\), .* got shape \(0,\)"),
        ([0.0, 1.0, 1.0], TypeError, r"`y` must hold integers, got dtype float64; .*astype"),
        ([True, False, True], TypeError, "`y` must hold integers, got dtype bool"),
        (["0", "1", "1"], TypeError, "`y` must hold integers, got dtype <U1"),
        ([0, 1, 2], ValueError, r"`y` must hold class numbers in 0…1, got values in 0…2"),
        ([0, -1, 1], ValueError, r"`y` must hold class numbers in 0…1, got values in -1…1"),
        ([[0], [1, 1], 2], ValueError, "`y` must be an array, got a list that numpy refuses"),
    ],
)
def test_bad_labels(y, error, match):
    probs = np.tile(HALVES, (10, 3, 1))
    with pytest.raises(error, match=match):
        unc.summary(probs, y)
    with pytest.raises(error, match=match):
        unc.summary(streamed(probs), y)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda p: unc.predictive_entropy(p, "bit"), ValueError, "`unit` must be .*got 'bit'"),
        (lambda p: unc.expected_entropy(p, None), ValueError, "`unit` must be .*got None"),
        (lambda p: unc.mutual_information(p, ["nats"]), ValueError, "`unit` must be "),
        (lambda p: unc.probability_interval(p, 1.0), ValueError, "`level` .* got 1.0"),
        (lambda p: unc.probability_interval(p, 95), ValueError, "`level` .* got 95"),
        (lambda p: unc.probability_interval(p, float("nan")), ValueError, "`level` .* got nan"),
        (lambda p: unc.probability_interval(p, "0.9"), ValueError, "`level` .* got '0.9'"),
        (lambda p: unc.summary(p, level=0), ValueError, "`level` .* got 0"),
        (lambda p: unc.summary(p, votes="labels"), ValueError, "`votes` .* got 'labels'"),
        (lambda p: unc.summary(p, random_seed=-1), ValueError, "`random_seed` .* got -1"),
        (lambda p: unc.sample_labels(p, None), TypeError, "`random_seed` .* got None"),
        (lambda p: unc.label_votes(p, 1.5), TypeError, "`random_seed` .* got 1.5"),
    ],
)
def test_bad_options(call, error, match):
    with pytest.raises(error, match=match):
        call(np.tile(HALVES, (10, 3, 1)))


@pytest.mark.parametrize(
    ("labels", "n_classes", "error", "match"),
    [
        ([0, 1], 2, ValueError, r"`labels` must have shape \(draws, n\).* got shape \(2,\)"),
        (np.zeros((0, 2), int), 2, ValueError, r"`labels` .* got shape \(0, 2\)"),
        ([[0.0, 1.0]], 2, TypeError, "`labels` must hold integers, got dtype float64"),
        ([[0, 2]], 2, ValueError, r"`labels` must hold class numbers in 0…1, got values in 0…2"),
        ([[-1, 1]], 2, ValueError, r"`labels` .* got values in -1…1"),
        ([[0, 0]], 1, ValueError, "`n_classes` must be an integer of at least 2, got 1"),
        ([[0, 1]], 2.0, TypeError, "`n_classes` must be an integer of at least 2, got 2.0"),
    ],
)
def test_bad_labels_to_count(labels, n_classes, error, match):
    with pytest.raises(error, match=match):
        unc.count_votes(labels, n_classes)


@pytest.mark.parametrize(
    ("votes", "error", "match"),
    [
        ([10, 20], ValueError, r"`votes` must have shape \(n, classes\).* got shape \(2,\)"),
        (np.zeros((0, 2), int), ValueError, r"`votes` .* got shape \(0, 2\)"),
        ([[10]], ValueError, r"`votes` .* got shape \(1, 1\)"),
        ([[0.5, 0.5]], TypeError, "`votes` must hold integer counts, got dtype float64"),
        ([[9, 9], [10, -1]], ValueError, r"`votes` .* got \[10, -1\] for example 1"),
        ([[9, 9], [9, 9], [0, 0]], ValueError, r"`votes` .* got \[0, 0\] for example 2"),
    ],
)
def test_bad_votes(votes, error, match):
    with pytest.raises(error, match=match):
        unc.chi_square(votes)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"draws": 0}, ValueError, "`pred.draws` must be an integer of at least 1, got 0"),
        ({"mean_probs": HALVES}, ValueError, r"`pred.mean_probs` .* got shape \(2,\)"),
        ({"mean_probs": [[1.0, 1.0]]}, ValueError, "`pred.mean_probs` must sum to 1"),
        ({"expected_entropy": [0.1]}, ValueError, r"`pred.expected_entropy` .* got shape \(1,\)"),
        ({"expected_entropy": [np.nan] * 3}, ValueError, "`pred.expected_entropy` .* finite"),
        ({"label_votes": [[5, 4]] * 3}, ValueError, r"`pred.label_votes` .* summing to 9…9"),
        ({"label_votes": [[5, 5]] * 2}, ValueError, r"`pred.label_votes` .* got shape \(2, 2\)"),
        ({"label_votes": [[5.0, 5.0]] * 3}, TypeError, "`pred.label_votes` .* integer counts"),
        ({"probs": np.tile(HALVES, (9, 3, 1))}, ValueError, r"`pred.probs` .* \(9, 3, 2\)"),
    ],
)
def test_bad_streamed_predictions(change, error, match):
    pred = streamed(np.tile(HALVES, (10, 3, 1)))
    vars(pred).update(change)
    with pytest.raises(error, match=match):
        unc.summary(pred)


def test_a_prediction_without_an_attribute_is_named():
    pred = streamed(np.tile(HALVES, (10, 3, 1)))
    del pred.class_votes, pred.draws
    with pytest.raises(TypeError, match="got a SimpleNamespace without class_votes, draws"):
        unc.summary(pred)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda f: f.to_numpy(), TypeError, "`summary_frame` must be a DataFrame .* a ndarray"),
        (lambda f: f.drop(columns=["correct", "label"]), ValueError, "2 rows, without correct"),
        (lambda f: f.iloc[:0], ValueError, "`summary_frame` .* got no rows"),
        (lambda f: f.assign(correct=[1.0, 0.0]), TypeError, "of booleans, got dtype float64"),
        (lambda f: f.assign(chi_square=[np.nan, 1.0]), ValueError, "'chi_square'.* finite"),
        (lambda f: f.assign(chi_square=["a", "b"]), TypeError, "'chi_square'.* real numbers"),
    ],
)
def test_bad_summary_frames(change, error, match):
    frame = unc.summary(np.tile([0.9, 0.1], (10, 2, 1)), [0, 1])
    with pytest.raises(error, match=match):
        unc.error_detection(change(frame))


def test_inputs_are_left_as_they_were():
    probs = random_probs().astype(np.float64) * 1.0005
    before = probs.copy()
    unc.summary(probs, np.zeros(40, int))
    unc.mutual_information(probs)
    assert (probs == before).all()


def test_imports_alone():
    code = (
        "import sys, pymc_bnn.uncertainty\n"
        "print([m for m in ('pymc', 'pytensor', 'jax', 'pandas', 'scipy', 'sklearn', 'arviz')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
