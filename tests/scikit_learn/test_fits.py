"""Fits: portions, warm starts, early stopping, members, programs shared, and what is refused."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import BayesianRidge

from pymc_bnn.sklearn import BNNClassifier, BNNRegressor
from tests.support.estimators import QUICK

ONE = {**QUICK, "steps": 1}


def test_folds_share_programs(table, compilations):
    x, y = table
    model = BNNRegressor((5,), **QUICK)
    model.fit(x, y).predict(x)
    compilations()
    scores = [clone(model).fit(x[:n], y[:n]).score(x[n:], y[n:]) for n in (147, 148)]
    assert compilations() == 0
    assert np.isfinite(scores).all()


def test_portions_add_up_to_the_posterior_of_all_rows(table):
    """Of a line, whose exact posterior is known: no portion is forgotten or counted twice."""
    x, y = table
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    model = BNNRegressor((), **{**QUICK, "steps": 1500, "noise": "constant"})
    model.partial_fit(z[::2], y[::2]).partial_fit(z[1::2], y[1::2])
    exact = BayesianRidge().fit(z, y)
    means, stds = model.fitted_.mean["dense1_W"], model.fitted_.std["dense1_W"]
    own = model.scale_.std / model.columns_.scaler.scale_
    error = np.sqrt(np.diag(exact.sigma_))
    assert np.abs((means.to_numpy()[:, 0] * own - exact.coef_) / error).max() < 0.6
    assert np.allclose(stds.to_numpy()[:, 0] * own / error, 1, atol=0.25)


def test_a_warm_start_goes_on(table):
    x, y = table
    model = BNNRegressor((5,), warm_start=True, **{**QUICK, "steps": 40}).fit(x, y)
    first = model.score(x, y)
    assert model.fit(x, y).score(x, y) > first + 0.02


def test_early_stopping_keeps_the_best(table):
    x, y = table
    options = {**QUICK, "steps": 4000, "early_stopping": True, "n_iter_no_change": 3}
    model = BNNRegressor((5,), validation_fraction=0.2, **options).fit(x, y)
    scores = model.validation_scores_[0]
    assert len(scores) < 40
    assert int(np.argmax(scores)) == len(scores) - 1 - 3
    assert model.n_iter_ == 100 * (1 + int(np.argmax(scores)))
    assert model.fitted_.n_examples == 120


def test_what_failed_has_no_answers(table, classifier):
    """Neither those of the fit before, in other columns or classes, nor as a prior."""
    x, y = table
    model = clone(classifier).set_params(steps=1).fit(x, y > 7)
    with pytest.raises(ValueError, match="`sizes` must"):
        model.set_params(hidden_layer_sizes=(0,)).fit(-x, y > 20)
    with pytest.raises(NotFittedError):
        model.predict(x)
    assert model.set_params(hidden_layer_sizes=(5,)).partial_fit(x, y > 7).n_iter_ == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"noise": "none"}, ValueError, '`noise` must be "input" or "constant", got \'none\''),
        ({"draws": 1}, ValueError, "`draws` must be an integer of at least 2, got 1"),
        ({"hidden_layer_sizes": "big"}, ValueError, "`hidden_layer_sizes` must be a tuple"),
        ({"hidden_layer_sizes": (0,)}, ValueError, "`sizes` must"),
        ({"network": 3}, TypeError, "`network` must be a function from"),
        ({"validation_fraction": 1.0}, ValueError, r"`validation_fraction` must be in \(0, 1\)"),
        ({"n_iter_no_change": 0}, ValueError, "`n_iter_no_change` must be an integer of at least"),
        ({"steps": 5, "epochs": 5}, ValueError, "`steps` must be given, or `epochs`, and not both"),
    ],
)
def test_bad_options_are_refused(table, options, error, message):
    with pytest.raises(error, match=message):
        BNNRegressor(**{**ONE, **options}).fit(*table)


def test_bad_questions_are_refused(regressor, table):
    x, _ = table
    with pytest.raises(ValueError, match=r"`level` must be in \(0, 1\), got 90"):
        regressor.predict_interval(x, 90)
    with pytest.raises(ValueError, match=r"`quantiles` must be numbers in \(0, 1\)"):
        regressor.predict_quantiles(x, (0.1, 1.0))
    with pytest.raises(ValueError, match="`n_samples` must be an integer of at least 1"):
        regressor.sample_y(x, 0)


def test_bad_portions_are_refused(regressor, table):
    x, y = table
    with pytest.raises(ValueError, match="`members` must be 1, and `refine` off, in partial_fit"):
        BNNRegressor(members=2, **ONE).partial_fit(x, y)
    with pytest.raises(ValueError, match="`kl_weight` must be a number where rows have weights"):
        BNNRegressor(kl_weight="auto", **ONE).partial_fit(x, y)
    with pytest.raises(ValueError, match="`class_weight` must be a dict in partial_fit"):
        BNNClassifier(class_weight="balanced", **ONE).partial_fit(x, y > 7)
    with pytest.raises(ValueError, match=r"`y` must have rows of shape \(\), got \(2,\)"):
        clone(regressor).set_params(steps=1).fit(x, y).partial_fit(x, np.stack([y, y], axis=1))
    with pytest.raises(ValueError, match="`y` must have two classes or more in rows that count"):
        BNNClassifier(**ONE).fit(x, y > 7, sample_weight=(y > 7).astype(float))
    with pytest.raises(ValueError, match=r"`y` must hold the classes \['a', 'b'\], got \['c'\]"):
        BNNClassifier(**ONE).partial_fit(x, np.full(150, "c"), classes=["a", "b"])
