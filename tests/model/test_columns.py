"""Names of columns: remembered where they are seen, and checked as scikit-learn does."""

import numpy as np
import pandas as pd
import pymc as pm
import pytest

import pymc_bnn as bnn
from pymc_bnn import networks
from pymc_bnn.model.columns import check_rows_aligned, columns_of
from pymc_bnn.model.decompose import decompose

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(size=(12, 3)), columns=["age", "height", "mass"])
Y = FRAME.to_numpy() @ [1.0, 2.0, 3.0]
RENAMED = FRAME.rename(columns={"mass": "weight"})


def by_network():
    with pm.Model() as model:
        mu = bnn.bayesian(networks.mlp((3, 2, 1)), FRAME)[:, 0]
        pm.Normal("y", mu, 1.0, observed=Y)
    return model


def by_coords():
    with pm.Model() as model:
        x = pm.Data("x", FRAME, dims=("person", "feature"), infer_dims_and_coords=True)
        pm.Normal("y", x @ pm.Normal("b", shape=3), 1.0, observed=Y)
    return model


def by_position():
    with pm.Model() as model:
        pm.Normal("y", pm.Data("x", FRAME) @ pm.Normal("b", shape=3), 1.0, observed=Y)
    return model


@pytest.fixture(scope="module")
def fitted():
    return {
        make.__name__: bnn.fit(make(), steps=3, random_seed=0, progressbar=False)
        for make in (by_network, by_coords, by_position)
    }


def predicted(fitted, x):
    return fitted.predict({"x": x}, draws=2, random_seed=0)["y"].mean


@pytest.mark.parametrize("where", ["by_network", "by_coords"])
def test_known_columns_are_reordered_or_refused(fitted, where):
    fit = fitted[where]
    straight = predicted(fit, FRAME)
    assert np.array_equal(predicted(fit, FRAME[["mass", "age", "height"]]), straight)
    assert np.array_equal(predicted(fit, FRAME.to_numpy()), straight)
    assert np.array_equal(predicted(fit, FRAME.set_axis(range(3), axis=1)), straight)
    for bad, got in {
        "renamed": (RENAMED, r"no \['mass'\] and the unknown \['weight'\]"),
        "missing": (FRAME.drop(columns="age"), r"no \['age'\]"),
        "extra": (FRAME.assign(bmi=1.0), r"the unknown \['bmi'\]"),
        "twice": (FRAME[["age", "age", "height", "mass"]], r"twice \['age'\]"),
    }.values():
        with pytest.raises(ValueError, match=rf"`new_data\['x'\]` must have the columns.*{got}"):
            predicted(fit, bad)


def test_where_pymc_made_an_array_of_it_positions_count(fitted):
    fit = fitted["by_position"]
    assert np.array_equal(predicted(fit, RENAMED), predicted(fit, FRAME))


def test_rows_of_x_and_y_come_in_one_order(fitted):
    y = pd.Series(Y)
    new = {"x": FRAME, "y": y}
    assert fitted["by_position"].predict(new, draws=2).log_density.shape == (12,)
    with pytest.raises(ValueError, match=r"one order.*'x'.*'y'; pass y.loc\[x.index\]"):
        fitted["by_position"].predict({"x": FRAME, "y": y[::-1]}, draws=2)


def test_streamed_tables_are_known_from_the_first_batch_on(tmp_path):
    with pm.Model() as model:
        pm.Normal("y", pm.Data("x", FRAME) @ pm.Normal("b", shape=3), 1.0, observed=Y)
    y = pd.Series(Y, name="y")
    options = {"total_size": 24, "steps": 4, "random_seed": 0, "progressbar": False}
    straight = bnn.fit(model, data=[(FRAME, y), (FRAME, y)], **options)
    other = bnn.fit(model, data=[(FRAME, y), (FRAME.iloc[:, ::-1], y)], **options)
    assert np.array_equal(straight.mean["b"], other.mean["b"])
    shuffled = predicted(straight, FRAME.iloc[:, ::-1])
    assert np.array_equal(shuffled, predicted(straight, FRAME))
    with pytest.raises(ValueError, match=r"`data\['x'\] of batch 2` must have the columns"):
        bnn.fit(model, data=[(FRAME, y), (RENAMED, y)], **options)
    with pytest.raises(ValueError, match=r"`batch 2 of data` must have its rows in one order"):
        bnn.fit(model, data=[(FRAME, y), (FRAME, y[::-1])], **options)
    with pytest.raises(TypeError, match=r"`data\['x'\] of batch 2` .* column 'age' \(str\)"):
        bnn.fit(model, data=[(FRAME, y), (FRAME.assign(age="old"), y)], **options)
    with pytest.raises(ValueError, match=r"`batches\['x'\] of batch 1` must have the columns"):
        straight.predict_to(tmp_path / "pred", [{"x": RENAMED}], draws=2, progressbar=False)


def test_labels_of_rows_that_the_model_knows_must_agree():
    shuffled = pd.Series(Y, name="y").iloc[::-1]
    with pm.Model() as model:
        x = pm.Data("x", FRAME, dims=("first", "feature"), infer_dims_and_coords=True)
        y = pm.Data("y_data", shuffled, dims="second", infer_dims_and_coords=True)
        pm.Normal("y", x @ pm.Normal("b", shape=3), 1.0, observed=y)
    with pytest.raises(ValueError, match=r"`model` must have its rows in one order.*'y_data'"):
        check_rows_aligned(decompose(model))


def test_numbered_columns_have_no_names():
    with pm.Model(coords={"feature": range(3)}) as model:
        x = pm.Data("x", FRAME.to_numpy(), dims=("person", "feature"))
    assert columns_of(x, model) is None
    with pm.Model(coords={"year": [2019, 2020, 2021]}) as model:
        x = pm.Data("x", FRAME.to_numpy(), dims=("person", "year"))
    assert columns_of(x, model) == (2019, 2020, 2021)
