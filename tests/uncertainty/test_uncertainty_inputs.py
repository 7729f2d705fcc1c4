"""What all metrics of a prediction share: the forms it may have, and one clear error each."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from pymc_bnn import uncertainty as unc

N, CLASSES = 60, 4
PROBS = np.random.default_rng(0).dirichlet(np.full(CLASSES, 0.4), size=(30, N))
Y = np.random.default_rng(1).integers(CLASSES, size=N)
MEAN = sum(PROBS) / len(PROBS)
FLAT = np.sqrt(MEAN) / np.sqrt(MEAN).sum(-1, keepdims=True)
STREAMED = SimpleNamespace(
    mean_probs=MEAN,
    expected_entropy=sum(scipy.stats.entropy(p, axis=-1) for p in PROBS) / len(PROBS),
)
# name: (function of the prediction, name of the argument, name of its labels)
OF_PREDICTION = {
    "nlpd": (lambda p, y: unc.nlpd(p, y), "pred", "y"),
    "brier_score": (lambda p, y: unc.brier_score(p, y), "pred", "y"),
    "reliability": (lambda p, y: unc.reliability(p, y, 3), "pred", "y"),
    "calibration_error": (lambda p, y: unc.calibration_error(p, y, 3), "pred", "y"),
    "calibration_floor": (lambda p, y: unc.calibration_floor(p, 3, repeats=5), "pred", None),
    "uncertainty_score": (lambda p, y: unc.uncertainty_score(p), "pred", None),
    "own score": (lambda p, y: unc.uncertainty_score(p, np.arange(N)), "pred", None),
    "risk_coverage": (lambda p, y: unc.risk_coverage(p, y), "pred", "y"),
    "area_under_risk_coverage": (lambda p, y: unc.area_under_risk_coverage(p, y), "pred", "y"),
    "coverage_at_risk": (lambda p, y: unc.coverage_at_risk(p, y, 0.3), "pred", "y"),
    "refusal_threshold": (lambda p, y: unc.refusal_threshold(p, 0.9), "pred", None),
    "refuses": (lambda p, y: unc.refuses(p, 1.0), "pred", None),
    "detect inside": (lambda p, y: unc.detect(p, FLAT, repeats=5), "inside", None),
    "detect foreign": (lambda p, y: unc.detect(FLAT, p, repeats=5), "foreign", None),
    "detection_table": (
        lambda p, y: unc.detection_table(FLAT, {"noise": p}, ["entropy"], repeats=5),
        r"foreign\['noise'\]",
        None,
    ),
    "conformal": (lambda p, y: unc.conformal(p, y), "calibration_pred", "calibration_y"),
    "sets": (lambda p, y: unc.conformal(MEAN, Y).sets(p), "pred", None),
    "evaluate": (lambda p, y: unc.evaluate(p, y, repeats=5), "pred", "y"),
}


def same(a, b):
    if isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b, rtol=1e-12)
    elif isinstance(a, unc.Conformal):
        assert a.method == b.method
        assert a.threshold == pytest.approx(b.threshold, rel=1e-12)
    else:
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("name", OF_PREDICTION)
def test_draws_means_and_streamed_predictions_are_the_same(name):
    function = OF_PREDICTION[name][0]
    before = PROBS.copy()
    of_draws = function(PROBS, Y)
    same(of_draws, function(MEAN, Y))
    same(of_draws, function(STREAMED, Y))
    same(of_draws, function((MEAN * 1.0005).tolist(), pd.Series(Y, dtype="uint8")))
    assert (before == PROBS).all()


BAD = {
    "one axis": ([0.5, 0.5], ValueError, r"must have shape \(draws, n, classes\) or \(n, classes"),
    "four axes": (PROBS[None], ValueError, r"must have shape .* got shape \(1, 30, 60, 4\)"),
    "empty": (np.zeros((0, 3)), ValueError, "must hold at least one draw, one example"),
    "one class": (np.ones((N, 1)), ValueError, "must hold .* two classes"),
    "NaN": (np.full((N, 2), np.nan), ValueError, "must hold finite numbers only, got 120 NaN"),
    "negative": ([[-0.1, 1.1]], ValueError, r"must be non-negative, got -0.1 at index \(0, 0\)"),
    "logits": ([[0.5, 1.5]], ValueError, r"must sum to 1 .* got 2 at index \(0,\)"),
    "ragged": ([[0.5, 0.5], [1.0]], ValueError, "must be an array, got a list that numpy"),
    "text": ([["a", "b"]], TypeError, "must be an array of real numbers, got a list"),
    "object": (object(), TypeError, "must be an array of real numbers, got a object"),
}


@pytest.mark.parametrize("name", OF_PREDICTION)
@pytest.mark.parametrize("case", BAD)
def test_bad_predictions(name, case):
    pred, error, match = BAD[case]
    function, argument, _ = OF_PREDICTION[name]
    with pytest.raises(error, match=f"`{argument}` {match}"):
        function(pred, Y)


@pytest.mark.parametrize("name", OF_PREDICTION)
def test_bad_streamed_means(name):
    function, argument, _ = OF_PREDICTION[name]
    with pytest.raises(ValueError, match=rf"`{argument}\.mean_probs` must have shape \(n, classes"):
        function(SimpleNamespace(mean_probs=PROBS), Y)


@pytest.mark.parametrize("name", [name for name, row in OF_PREDICTION.items() if row[2]])
@pytest.mark.parametrize(
    ("y", "error", "match"),
    [
        (Y[:-1], ValueError, r"must have shape \(60,\), .* got shape \(59,\)"),
        (Y.astype(float), TypeError, "must hold integers, got dtype float64"),
        (Y + 1, ValueError, "must hold class numbers in 0…3, got values in 1…4"),
    ],
)
def test_bad_labels(name, y, error, match):
    function, _, argument = OF_PREDICTION[name]
    with pytest.raises(error, match=f"`{argument}` {match}"):
        function(PROBS, y)


def test_labels_of_a_series_are_taken_in_their_order_whatever_its_index():
    shuffled = pd.Series(Y, index=np.arange(N)[::-1] + 100)
    for function, _, labels in OF_PREDICTION.values():
        if labels:
            same(function(PROBS, Y), function(PROBS, shuffled))


OF_DRAWS = {
    "predictive_entropy": unc.predictive_entropy,
    "expected_entropy": unc.expected_entropy,
    "mutual_information": unc.mutual_information,
    "class_votes": unc.class_votes,
    "label_votes": lambda p: unc.label_votes(p, 1),
    "sample_labels": lambda p: unc.sample_labels(p, 1),
    "probability_interval": unc.probability_interval,
}


@pytest.mark.parametrize("name", OF_DRAWS)
def test_predictions_that_kept_their_draws_are_their_draws(name):
    kept = SimpleNamespace(mean_probs=MEAN, probs=PROBS)
    np.testing.assert_array_equal(OF_DRAWS[name](kept), OF_DRAWS[name](PROBS))
    match = "`probs` must hold posterior draws, .* got a prediction without draws; pass what"
    with pytest.raises(ValueError, match=match):
        OF_DRAWS[name](SimpleNamespace(mean_probs=MEAN, probs=None))


def test_a_prediction_of_several_variables_is_told_to_choose_one():
    with pytest.raises(TypeError, match=r"`pred` must be an array .* one variable: prediction\['y"):
        unc.nlpd(SimpleNamespace(variables={}), Y)


def test_the_score_of_each_name():
    mean_entropy = scipy.stats.entropy(MEAN, base=2, axis=-1)
    divergence = sum(scipy.stats.entropy(p, MEAN, base=2, axis=-1) for p in PROBS) / len(PROBS)
    largest = np.array([max(row) for row in MEAN.tolist()])
    for pred in (PROBS, STREAMED):
        np.testing.assert_allclose(unc.uncertainty_score(pred), mean_entropy)
        found = unc.uncertainty_score(pred, "mutual_information")
        np.testing.assert_allclose(found, divergence, rtol=1e-10)
        np.testing.assert_allclose(unc.uncertainty_score(pred, "probability"), 1 - largest)
    own = list(range(N))
    assert unc.uncertainty_score(PROBS, own).tolist() == own


@pytest.mark.parametrize(
    ("pred", "score", "error", "match"),
    [
        (MEAN, "mutual_information", ValueError, r"`pred` must hold posterior draws.* \(60, 4\)"),
        (
            SimpleNamespace(mean_probs=MEAN),
            "mutual_information",
            ValueError,
            "`pred` must hold posterior draws",
        ),
        (
            SimpleNamespace(mean_probs=MEAN, expected_entropy=[1.0]),
            "mutual_information",
            ValueError,
            r"`pred.expected_entropy` must have shape \(60,\)",
        ),
        (MEAN, "chi", ValueError, '`score` must be "entropy" or "mutual_information" or .*\'chi\''),
        (MEAN, [1.0, 2.0], ValueError, r"`score` must be one of .* got shape \(2,\)"),
        (MEAN, [np.nan] * N, ValueError, "`score` must hold finite numbers"),
        (MEAN, None, TypeError, "`score` must be an array of real numbers, got a NoneType"),
    ],
)
def test_bad_scores(pred, score, error, match):
    with pytest.raises(error, match=match):
        unc.uncertainty_score(pred, score)
