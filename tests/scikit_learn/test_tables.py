"""DataFrames: text, categories, whole numbers and missing values, alone and in a pipeline."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from pymc_bnn.sklearn import BNNClassifier, BNNRegressor
from pymc_bnn.sklearn.columns import Columns
from tests.support.estimators import QUICK
from tests.support.polars_like import Lazy, Polars


@pytest.fixture(scope="module")
def homes():
    rng = np.random.default_rng(0)
    town = rng.choice(["Ulm", "Jena", "Köln"], 120)
    area = rng.normal(90, 30, 120)
    frame = pd.DataFrame({"area": area, "town": town, "rooms": rng.integers(1, 6, 120)})
    frame["garden"] = pd.array(rng.integers(0, 2, 120), dtype="Int64")
    frame["kind"] = pd.Categorical(rng.choice(["flat", "house"], 120))
    return frame, 3000 * area + 100_000 * (town == "Ulm") + rng.normal(0, 3000, 120)


@pytest.fixture(scope="module")
def fitted(homes):
    return BNNRegressor((5,), **{**QUICK, "steps": 400}).fit(*homes)


def test_columns_are_encoded(homes):
    frame, _ = homes
    found = Columns.of(frame).encoded(frame)
    assert found.shape == (120, 3 + 3 + 2)
    expected = pd.get_dummies(frame["town"])[["Jena", "Köln", "Ulm"]].to_numpy(float)
    assert np.array_equal(found[:, 3:6], expected)
    assert np.allclose(found[:, :3].mean(axis=0), 0)
    assert np.allclose(found[:, :3].std(axis=0), 1)


def test_numbers_among_objects_are_numbers(homes):
    """As an imputer leaves them that filled in text and booleans together."""
    frame = homes[0].assign(lift=homes[0]["rooms"] > 3)
    objects = frame.astype({"lift": object, "rooms": object})
    wanted = Columns.of(frame).encoded(frame)
    assert np.array_equal(Columns.of(objects).encoded(objects), wanted)
    assert np.array_equal(Columns.of(objects).encoded(frame), wanted)


def test_text_counts(fitted, homes):
    frame, price = homes
    assert fitted.score(frame, price) > 0.9
    assert fitted.feature_names_in_.tolist() == list(frame)
    assert fitted.n_features_in_ == 5
    moved = fitted.predict(frame.assign(town="Ulm")) - fitted.predict(frame.assign(town="Jena"))
    assert 60_000 < moved.mean() < 140_000


def test_inputs_and_classes_have_their_names(fitted, homes):
    frame, price = homes
    towns, kinds = ["town_Jena", "town_Köln", "town_Ulm"], ["kind_flat", "kind_house"]
    names = ["area", "rooms", "garden", *towns, *kinds]
    assert fitted.idata_.posterior["dense1_in"].values.tolist() == names
    dear = np.where(price > np.median(price), "dear", "cheap")
    model = BNNClassifier((2,), **{**QUICK, "steps": 1}).fit(frame[["area"]], dear)
    tree = model.fitted_.to_datatree(2, groups="posterior", new_data={"x": np.zeros((3, 1))})
    assert tree.posterior["dense1_in"].values.tolist() == ["area"]
    assert tree.predictions["y_class"].values.tolist() == ["cheap", "dear"]


def test_unknown_and_missing_categories_are_none(fitted, homes):
    frame = homes[0].head(3)
    unknown = fitted.predict(frame.assign(town="Paris"))
    assert np.array_equal(fitted.predict(frame.assign(town=None)), unknown)
    assert np.array_equal(fitted.predict(frame.assign(town=np.nan)), unknown)
    assert np.array_equal(fitted.predict(frame.iloc[1:2]), fitted.predict(frame)[1:2])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda f: f.assign(area=np.nan), ValueError, "finite numbers only, got 3 missing.*'area'"),
        (lambda f: f.assign(area="large"), TypeError, "hold numbers, got column 'area'"),
        (lambda f: f[list(f)[::-1]], ValueError, "same order"),
        (lambda f: f.drop(columns="town"), ValueError, "now missing"),
    ],
)
def test_other_columns_are_refused(fitted, homes, change, error, message):
    with pytest.raises(error, match=message):
        fitted.predict(change(homes[0].head(3)))


def test_tables_of_polars_are_as_those_of_pandas(fitted, homes):
    frame, _ = homes
    columns = {name: frame[name].tolist() for name in frame}
    columns["town"][:2] = None, "Paris"
    wanted = frame.assign(town=columns["town"])
    assert np.array_equal(fitted.predict(Polars(**columns)), fitted.predict(wanted))
    again = BNNRegressor((5,), **{**QUICK, "steps": 1}).fit(Polars(**columns), homes[1])
    assert again.feature_names_in_.tolist() == list(frame)
    assert again.columns_.encoded(wanted).shape == (120, 3 + 5 + 2)
    with pytest.raises(TypeError, match=r"`X` must be a table whose rows .*; pass X.collect\(\)"):
        fitted.predict(Lazy())
    columns["area"][4] = None
    with pytest.raises(ValueError, match=r"finite numbers only, got 1 missing.*'area'"):
        fitted.predict(Polars(**columns))


def test_times_are_refused(homes):
    frame, price = homes
    with pytest.raises(ValueError, match=r"got times in columns \['sold'\]; turn dates into"):
        BNNRegressor(**QUICK).fit(frame.assign(sold=pd.Timestamp("2026-01-01")), price)


def test_missing_values_by_a_pipeline(homes):
    frame, price = homes
    frame = frame.astype({"garden": float, "kind": object, "town": object})
    frame.loc[::7, "area"], frame.loc[::5, "town"] = np.nan, np.nan
    filled = make_column_transformer(
        (SimpleImputer(), ["area", "rooms", "garden"]),
        (SimpleImputer(strategy="most_frequent"), ["town", "kind"]),
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    model = make_pipeline(filled, BNNRegressor((5,), **QUICK)).fit(frame, price)
    assert model.score(frame, price) > 0.6
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict(frame), model.predict(frame))
    assert again[-1].feature_names_in_.tolist() == ["area", "rooms", "garden", "town", "kind"]
