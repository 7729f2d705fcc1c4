"""Threads: what several do at once is what each would do, and leaves the process as it was."""

import gc
import sys
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor

import cloudpickle
import joblib
import numpy as np
import pymc as pm
import pytensor
import pytest
from pytensor.configparser import _ChangeFlagsDecorator
from sklearn.model_selection import cross_val_score

import pymc_bnn as bnn
from pymc_bnn._warnings import collected, unheard, warn
from pymc_bnn.graphs.interpreted import _TURN, Interpreted
from pymc_bnn.sklearn import BNNRegressor

# What SciPy leaves out for a moment in one thread it does in all, and so the filters of others.
pytestmark = pytest.mark.filterwarnings("ignore:Explicitly requested dtype")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = X[:, 0] + RNG.normal(0, 0.1, 120)
QUIET = {"random_seed": 1, "progressbar": False}


def build(units):
    with pm.Model() as model:
        f = bnn.bayesian(bnn.networks.mlp((3, units, 1)), pm.Data("x", X))[:, 0]
        pm.Normal("y", f, pm.HalfNormal("noise", 1), observed=Y, shape=f.shape)
    return model


def settings():
    """What PyTensor and the collector are set to; filters of warnings SciPy changes, too."""
    config = {k: getattr(pytensor.config, k) for k in ("cxx", "traceback__limit", "floatX", "mode")}
    return config | {"collects": gc.isenabled()}


def together(function, given):
    """Call a function in four threads, which change turns all the time."""
    before, interval = settings(), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(function, given))
    finally:
        sys.setswitchinterval(interval)
    assert settings() == before
    return found


def test_fits_of_several_models():
    def elbo(model):
        return bnn.fit(model, steps=50, **QUIET).elbo(4, random_seed=0)["elbo"]

    expected = [elbo(build(units)) for units in (2, 3, 4)]
    models = [build(units) for units in (2, 3, 4)]
    assert together(elbo, [*models, *models]) == [*expected, *expected]


def test_predictions_of_one_fit():
    fitted = bnn.fit(build(3), steps=50, **QUIET)

    def answers(n):
        prediction = fitted.predict({"x": X[:n]}, draws=5, random_seed=0)
        return prediction.mean.shape, float(prediction.mean.sum())

    sizes = [1, 7, 30, 31, 2, 120] * 4
    assert together(answers, sizes) == [answers(n) for n in sizes]


def test_summaries_of_one_fit():
    fitted = bnn.fit(build(3), steps=50, **QUIET)
    ways = {
        "sample": lambda: float(fitted.sample(9, random_seed=0).posterior["noise"].sum()),
        "diagnose": lambda: str(fitted.diagnose()),
        "summary": lambda: len(fitted.summary()),
        "table": lambda: str(bnn.table(fitted)),
    }
    expected = {name: way() for name, way in ways.items()}
    assert together(lambda name: ways[name](), [*ways] * 3) == [expected[n] for n in [*ways] * 3]


@pytest.mark.filterwarnings("ignore::UserWarning")  # of fits that are short
def test_folds_of_scikit_learn_in_threads():
    model = BNNRegressor(epochs=5, random_state=0)
    expected = cross_val_score(model, X, Y, cv=3)
    before = settings()
    with joblib.parallel_backend("threading", n_jobs=3):
        np.testing.assert_array_equal(cross_val_score(model, X, Y, cv=3), expected)
    assert settings() == before


@pytest.mark.filterwarnings("ignore::UserWarning")  # of fits that are short
def test_settings_of_pytensor_change_in_turn_only(monkeypatch, tmp_path):
    """In everything that a fit does; PyTensor's own building of a model is the user's."""
    model, enter, strangers = build(3), _ChangeFlagsDecorator.__enter__, []

    def watched(self):
        if not _TURN._is_owned():
            strangers.append(traceback.format_stack(limit=12))
        return enter(self)

    monkeypatch.setattr(_ChangeFlagsDecorator, "__enter__", watched)
    fitted = bnn.fit(model, steps=50, batch_size=40, **QUIET)
    fitted.predict({"x": X[:5]}, draws=5)
    fitted.elbo(4)
    fitted.diagnose()
    fitted.to_datatree(draws=5)
    fitted.save(tmp_path / "fit")
    bnn.load(tmp_path / "fit").predict({"x": X[:5]}, draws=5)
    fitted.refine(draws=4, tune=4, chains=1, **QUIET)
    bnn.fit(model, steps=20, start={"noise": 0.3}, members=2, **QUIET)
    BNNRegressor(epochs=2, random_state=0).fit(X, Y).predict(X, return_std=True)
    assert strangers == []


def test_a_function_is_pickled_without_its_turn():
    x = pytensor.tensor.dscalar()
    again = cloudpickle.loads(cloudpickle.dumps(Interpreted([x], 2 * x)))
    assert again(3.0) == 6.0


def test_contexts_of_two_threads_that_overlap_take_away_their_own():
    before = list(warnings.filters)
    first, second = unheard("one"), unheard("one")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.warn("one", stacklevel=1)
    assert caught == []
    second.__exit__(None, None, None)
    assert warnings.filters == before


def test_warnings_are_collected_of_one_thread():
    with ThreadPoolExecutor(1) as pool, collected() as kept:
        warn("mine")
        with pytest.warns(UserWarning, match="of another"):
            pool.submit(warn, "of another").result()
    assert kept == ["mine"]
