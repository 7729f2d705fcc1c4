"""scikit-learn's tools and checks on the estimators; more of them in tests/long/estimators.py."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.utils.estimator_checks import estimator_checks_generator

from pymc_bnn.sklearn import BNNClassifier, BNNRegressor

SMALL = {"steps": 100, "draws": 20, "fit_options": {"learning_rate": 0.03}}
ESTIMATORS = [BNNRegressor((3,), **SMALL), BNNClassifier((3,), **SMALL)]
CHECKS = [
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_no_attributes_set_in_init",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimators_unfitted",
    "check_mixin_order",
    "check_parameters_default_constructible",
    "check_complex_data",
    "check_estimators_empty_data_messages",
    "check_all_zero_sample_weights_error",
    "check_estimator_sparse_array",
    "check_fit2d_1sample",
    "check_fit1d",
    "check_requires_y_none",
    "check_supervised_y_no_nan",
    "check_classifiers_one_label",
    "check_classifiers_regression_target",
    "check_regressor_data_not_an_array",
    "check_classifier_data_not_an_array",
    "check_sample_weights_not_an_array",
    "check_sample_weights_list",
]


def checks():
    for estimator in ESTIMATORS:
        for own, check in estimator_checks_generator(estimator):
            name = getattr(check, "func", check).__name__
            if name in CHECKS:
                yield pytest.param(own, check, id=f"{type(own).__name__}-{name}")


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_importance_is_that_of_the_columns(regressor, table):
    found = permutation_importance(regressor, *table, n_repeats=3, random_state=0)
    assert found.importances_mean.argmax() == 1
    assert abs(found.importances_mean[2]) < 0.1


def test_partial_dependence_rises(regressor, table):
    found = partial_dependence(regressor, table[0], [1], grid_resolution=7)
    assert (np.diff(found["average"][0]) > 0).all()


def test_thresholds_and_calibration(classifier, table):
    x, y = table
    labels = np.where(y > 7, "high", "low")
    tuned = TunedThresholdClassifierCV(classifier, cv="prefit", refit=False).fit(x, labels)
    assert tuned.score(x, labels) > 0.7
    calibrated = CalibratedClassifierCV(FrozenEstimator(classifier)).fit(x, labels)
    assert calibrated.score(x, labels) > 0.7
