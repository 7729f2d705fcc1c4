"""New data, counts and seeds of odd kinds: the numbers of plain ones, or one clear error.

``python tests/long/hostile.py`` tries many more, and models.
"""

import re
from functools import cache

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import pymc_bnn as bnn
from tests.support.conjugate import QUIET, SIGMA, TAU, X, Y, conjugate
from tests.support.hostile_inputs import laid_out, numbers, owned

CLEAR = re.compile(r"^`.*` must .*, got .*; .*")


@cache
def fitted():
    return bnn.fit(conjugate(), steps=30, **QUIET)


def predicted(x):
    return fitted().predict({"x": x}, draws=2, random_seed=1)["y"].samples


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.sampled_from([(1, 3), (7, 3), (0, 3), (7, 2), (3,), ()]))
def test_new_data_of_any_kind(seed, shape):
    rng = np.random.default_rng(seed)
    array = numbers(rng, shape)
    raw, whole = owned(rng, laid_out(rng, array) if array.ndim else array)
    good = whole and shape in ((1, 3), (7, 3))
    try:
        found = predicted(raw)
    except (ValueError, TypeError) as error:
        text, found = str(error), None
        refused_well = CLEAR.match(text) is not None
    if found is None:
        assert refused_well, text
        assert not good, text
    else:
        assert good
        np.testing.assert_allclose(found, predicted(np.asarray(array, float)), rtol=1e-5)


def test_masked_numbers_are_refused_and_masks_of_nothing_are_not():
    masked = np.ma.masked_array(X[:4], X[:4] > 0.5)
    with pytest.raises(
        ValueError, match=r"`new_data\['x'\]` must hold no masked numbers, got \d mas"
    ):
        predicted(masked)
    plain = np.ma.masked_array(X[:4], np.zeros((4, 3), bool))
    np.testing.assert_array_equal(predicted(plain), predicted(X[:4]))
    labels = np.ma.masked_array([0, 1], [True, False])
    with pytest.raises(ValueError, match="must hold no masked numbers, got 1 masked ones; drop"):
        bnn.uncertainty.evaluate(np.full((2, 2), 0.5), labels)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, np.array])
def test_counts_of_narrow_integers_are_as_plain_ones(kind):
    def numbers_of(draws):
        prediction = fitted().predict({"x": X}, draws=draws, random_seed=1)["y"].samples
        return prediction, fitted().sample(draws=draws, random_seed=2)["posterior"]["w"].values

    for one, other in zip(numbers_of(kind(3)), numbers_of(3), strict=True):
        np.testing.assert_array_equal(one, other)
    fit = bnn.fit(conjugate(), steps=kind(100), batch_size=kind(50), **QUIET)
    assert fit.history.equals(bnn.fit(conjugate(), steps=100, batch_size=50, **QUIET).history)


@pytest.mark.parametrize("draws", [10**9, 2**63, 10**30])
def test_huge_draws_are_refused_at_once(draws):
    with pytest.raises(ValueError, match=CLEAR):
        fitted().predict({"x": X}, draws=draws)
    with pytest.raises(ValueError, match=CLEAR):
        fitted().sample(draws=draws)


def test_tables_of_other_libraries_are_their_numbers():
    table = pd.DataFrame(X[:5].round()).astype("Int64")
    expected = predicted(X[:5].round())
    for same in (
        table,
        xr.DataArray(X[:5].round()),
        table.astype("float32").to_numpy()[::-1][::-1],
    ):
        np.testing.assert_allclose(predicted(same), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["0", "重 み.[w]", "elbo"])
def test_names_that_others_take_for_something_else(name):
    with pm.Model() as model:
        w = pm.Normal(name, 0, TAU, shape=3)
        pm.Normal("y", pm.Data("x", X) @ w, SIGMA, observed=Y)
    found = bnn.fit(model, steps=30, **QUIET)
    np.testing.assert_array_equal(found.mean[name], fitted().mean["w"])
    prediction = found.predict({"x": X[:3]}, draws=2, random_seed=1)["y"].samples
    np.testing.assert_allclose(prediction, predicted(X[:3]), rtol=1e-5)


OF_NAMES = {
    "sample": lambda f, names: f.sample(2, names),
    "predict": lambda f, names: f.predict(draws=2, var_names=names),
    "to_datatree": lambda f, names: f.to_datatree(2, groups=names),
    "prune": lambda f, names: bnn.pruning.prune(f, 0.5, names),
    "scale_posteriors": lambda f, names: bnn.plots.scale_posteriors({"s": np.ones(3)}, names),
    "Snapshots": lambda f, names: bnn.callbacks.Snapshots([1], var_names=names),
}


@pytest.mark.parametrize(
    "names", [3, 1.5, object(), [None], [1, "w"], b"w"], ids=lambda v: type(v).__name__
)
@pytest.mark.parametrize("call", OF_NAMES)
def test_what_is_no_name_is_refused_where_names_are_asked_for(call, names):
    with pytest.raises(TypeError, match=r"` must be a name, or several, got .*; pass \['mu', 'no"):
        OF_NAMES[call](fitted(), names)


def test_bounds_and_paddings_are_of_their_type():
    with pytest.raises(ValueError, match="`min_delta` must be at least 0, got 'much'"):
        bnn.callbacks.EarlyStopping(min_delta="much")
    with pytest.raises(ValueError, match=r"`padding` must be 'valid' or 'same', got \['same'\]"):
        bnn.networks.convnet((8, 8, 1), 3, padding=["same"])
    with pm.Model(), pytest.raises(TypeError, match="`name` must be a string, got 3; pass"):
        bnn.standardise(3, np.zeros((3, 2)))
