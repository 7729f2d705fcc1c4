"""What `predict` returns is taken everywhere, and so is what an error recommends."""

import ast
import inspect
import re
import warnings

import numpy as np
import pandas as pd
import pytest

from pymc_bnn import uncertainty as unc
from pymc_bnn.prediction import ClassPrediction, Prediction, ValuePrediction

N, DRAWS, CLASSES = 40, 15, 3
RNG = np.random.default_rng(0)
PROBS = RNG.dirichlet(np.ones(CLASSES), size=(DRAWS, N))
SAMPLES = RNG.normal(size=(DRAWS, N))
Y, VALUES = RNG.integers(CLASSES, size=N), RNG.normal(size=N)


def of_classes(kept=True):
    votes = unc.label_votes(PROBS, 0), unc.class_votes(PROBS)
    labels = unc.sample_labels(PROBS, 0)
    own = (PROBS, labels) if kept else (None, None)
    entropy = unc.expected_entropy(PROBS, "nats")
    return ClassPrediction(DRAWS, PROBS.mean(0), entropy, *votes, *own)


def of_values(kept=True, shift=0.0):
    samples = SAMPLES + shift
    return ValuePrediction(DRAWS, samples.mean(0), samples.std(0), samples if kept else None)


def of(**variables):
    return Prediction(variables, DRAWS, np.zeros(N))


PREDICTIONS = {
    "classes": of(y=of_classes()),
    "classes without draws": of(y=of_classes(False)),
    "values": of(y=of_values()),
    "values without draws": of(y=of_values(False)),
    "values and their mean": of(y=of_values(), mu=of_values(shift=1.0)),
    "both": of(label=of_classes(), y=of_values()),
    "two of classes": of(y=of_classes(), z=of_classes()),
}
CONFORMAL = unc.conformal(PROBS, Y)
CONFORMAL_VALUES = unc.conformal_values(SAMPLES, VALUES)
# Each public function, of a prediction p and labels or values y; the name that errors give p.
OF_CLASSES = {
    "brier_score": lambda p, y=Y: unc.brier_score(p, y),
    "nlpd": lambda p, y=Y: unc.nlpd(p, y),
    "evaluate": lambda p, y=Y: unc.evaluate(p, y, repeats=5),
    "reliability": lambda p, y=Y: unc.reliability(p, y, 3),
    "calibration_error": lambda p, y=Y: unc.calibration_error(p, y, 3),
    "calibration_floor": lambda p, y=Y: unc.calibration_floor(p, 3, repeats=5),
    "uncertainty_score": lambda p, y=Y: unc.uncertainty_score(p),
    "risk_coverage": lambda p, y=Y: unc.risk_coverage(p, y),
    "area_under_risk_coverage": lambda p, y=Y: unc.area_under_risk_coverage(p, y),
    "coverage_at_risk": lambda p, y=Y: unc.coverage_at_risk(p, y, 0.5),
    "refusal_threshold": lambda p, y=Y: unc.refusal_threshold(p, 0.9),
    "refuses": lambda p, y=Y: unc.refuses(p, 1.0),
    "abstains": lambda p, y=Y: unc.abstains(p, 1.0),
    "detect": lambda p, y=Y: unc.detect(p, p, repeats=5),
    "detection_table": lambda p, y=Y: unc.detection_table(p, {"a": p}, ["entropy"], repeats=5),
    "conformal": lambda p, y=Y: unc.conformal(p, y),
    "Conformal": lambda p, y=Y: CONFORMAL.sets(p),
    "summary": lambda p, y=Y: unc.summary(p, y),
    "predictive_entropy": lambda p, y=Y: unc.predictive_entropy(p),
    "expected_entropy": lambda p, y=Y: unc.expected_entropy(p),
    "mutual_information": lambda p, y=Y: unc.mutual_information(p),
    "probability_interval": lambda p, y=Y: unc.probability_interval(p),
    "sample_labels": lambda p, y=Y: unc.sample_labels(p, 1),
    "label_votes": lambda p, y=Y: unc.label_votes(p, 1),
    "class_votes": lambda p, y=Y: unc.class_votes(p),
}
OF_VALUES = {
    "value_interval": lambda p, y=VALUES: unc.value_interval(p),
    "interval_coverage": lambda p, y=VALUES: unc.interval_coverage(p, y),
    "crps": lambda p, y=VALUES: unc.crps(p, y),
    "evaluate_values": lambda p, y=VALUES: unc.evaluate_values(p, y, repeats=5),
    "variance_parts": lambda p, y=VALUES: unc.variance_parts(p, 1.0),
    "pit": lambda p, y=VALUES: unc.pit(p, y),
    "coverage_table": lambda p, y=VALUES: unc.coverage_table(p, y),
    "conformal_values": lambda p, y=VALUES: unc.conformal_values(p, y).threshold,
    "ConformalValues": lambda p, y=VALUES: CONFORMAL_VALUES.intervals(p),
}
# What no prediction goes into.
OTHERS = {
    "bootstrap_interval", "chi_square", "conformal_coverage_interval", "count_votes",
    "error_detection", "interval_summary", "set_summary",
}  # fmt: skip


def test_every_public_function_is_in_a_table():
    functions = {n for n in unc.__all__ if inspect.isfunction(getattr(unc, n))}
    makers = {"Conformal", "ConformalValues"}
    assert functions | makers == {*OF_CLASSES, *OF_VALUES, *OTHERS}


def recommended(message):
    """Return the expressions of a prediction that the last part of an error spells out."""
    repair = message.rpartition("; ")[2]
    found = re.findall(r"prediction\[[^\]]+\](?:\.\w+)?|(?:probs|labels|y)\.\w+\(\w+\)", repair)
    return [code for code in found if ast.parse(code, mode="eval")]


@pytest.mark.parametrize("kind", PREDICTIONS)
@pytest.mark.parametrize("name", [*OF_CLASSES, *OF_VALUES])
def test_predictions_are_taken_or_the_repair_is(name, kind):
    function = {**OF_CLASSES, **OF_VALUES}[name]
    prediction = PREDICTIONS[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few draws
        try:
            function(prediction)
        except (TypeError, ValueError) as error:
            message = str(error)
            if "keep_draws=True" in message:
                assert "without draws" in kind
                function(PREDICTIONS[kind.removesuffix(" without draws")])
                return
            codes = recommended(message)
            other = OF_VALUES if name in OF_CLASSES else OF_CLASSES
            if not codes:  # the wrong kind of function: another is recommended, which takes it
                rule = "values" if name in OF_VALUES else "classes"
                assert f"must predict {rule}, which this is for" in message
                names = [n for n in re.findall(r"\w+", message.rpartition("; ")[2]) if n in other]
                assert names
                if "without draws" not in kind and "two" not in kind and "mean" not in kind:
                    for n in names:
                        other[n](prediction)
                return
            for code in codes:
                chosen = eval(code, {"prediction": prediction})
                if hasattr(chosen, "mean_probs") or chosen.samples is not None:
                    function(chosen)
            return
        assert "two" not in kind
    # What was taken gives what the arrays give, but for random numbers.
    same = function(PROBS if name in OF_CLASSES else SAMPLES)
    taken = function(prediction)
    if isinstance(taken, np.ndarray):
        np.testing.assert_allclose(taken, same, rtol=1e-12)


@pytest.mark.parametrize("name", OF_VALUES)
def test_values_of_one_variable_are_taken(name):
    function = OF_VALUES[name]
    expected = np.asarray(function(SAMPLES))
    np.testing.assert_array_equal(np.asarray(function(PREDICTIONS["values"]["y"])), expected)
    if name != "variance_parts":  # of a whole prediction it cannot know the mean function
        for kind in ("values", "both"):
            np.testing.assert_array_equal(np.asarray(function(PREDICTIONS[kind])), expected)


@pytest.mark.parametrize("name", ["evaluate", "conformal", "summary", "nlpd"])
def test_a_regression_is_told_that_this_is_for_classes(name):
    rule = "must predict classes, which this is for, got a ValuePrediction of values; for values "
    for prediction in (PREDICTIONS["values"], PREDICTIONS["values"]["y"]):
        with pytest.raises(TypeError, match=f"{rule}there is evaluate_values, interval_coverage"):
            OF_CLASSES[name](prediction)


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (Y.astype(float), r"convert it: (\w+)\.astype\(int\)$"),
        (Y > 0, r"convert it: (\w+)\.astype\(int\)$"),
        (Y + 0.5, "this is for classes; for values there is evaluate_values"),
        (Y.astype(str), r"pandas.Categorical\(\w+, categories=…\).codes"),
        (pd.Series(Y).astype("category").cat.rename_categories(list("abc")), "pandas.Categorical"),
    ],
)
@pytest.mark.parametrize("name", ["nlpd", "evaluate", "conformal", "summary"])
def test_labels_that_are_no_integers(name, y, match):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(TypeError, match=match):
            OF_CLASSES[name](PROBS, y)
        OF_CLASSES[name](PROBS, np.asarray(Y > 0).astype(int))
        OF_CLASSES[name](PROBS, pd.Series(Y, dtype="Int64"))


def test_rows_in_another_order_are_refused():
    mean = pd.DataFrame(PROBS.mean(0), index=np.arange(N) + 5)
    y = pd.Series(Y, index=mean.index)
    unc.evaluate(mean, y, repeats=5)
    with pytest.raises(ValueError, match="`y` must have its rows in one order"):
        unc.evaluate(mean, y[::-1], repeats=5)
    with pytest.raises(ValueError, match="`calibration_y` must have its rows in one order"):
        unc.conformal(mean, y[::-1])
    density = pd.Series(np.zeros(N), index=mean.index)
    with pytest.raises(ValueError, match="`log_density` must have its rows in one order"):
        unc.evaluate_values(SAMPLES, pd.Series(VALUES, mean.index), density[::-1], repeats=5)
