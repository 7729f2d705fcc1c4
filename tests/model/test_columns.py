"""Names of columns: remembered where they are seen, and checked as scikit-learn does."""

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest

import pymc_bnn as bnn
from pymc_bnn import networks
from pymc_bnn.model.columns import check_rows_aligned, class_names, columns_of
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


# Names of inputs, and of classes ------------------------------------------------------------------


def kept(name="x", frame=FRAME):
    dims = (f"{name}_row", f"{name}_column")
    return pm.Data(name, frame, dims=dims, infer_dims_and_coords=True)


INPUTS = {
    "a table": (lambda: FRAME, ["age", "height", "mass"]),
    "kept by PyMC": (kept, ["age", "height", "mass"]),
    "standardised": (lambda: bnn.standardise("x", FRAME), ["age", "height", "mass"]),
    "years": (lambda: FRAME.set_axis([2019, 2020, 2021], axis=1), [2019, 2020, 2021]),
    "side by side": (
        lambda: pt.concatenate([bnn.standardise("x", FRAME), 2 * kept("z", FRAME[["mass"]])], 1),
        ["age", "height", "mass", "mass"],
    ),
    "one by one": (
        lambda: pt.stack([pm.Data("age", Y), pt.log(pm.Data("bmi", Y**2))], axis=1),
        ["age", "bmi"],
    ),
    "an array": (lambda: pm.Data("x", FRAME), range(3)),
    "a part without": (lambda: pt.concatenate([kept(), pm.Data("z", FRAME)], axis=1), range(6)),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_inputs_of_networks_are_called_as_columns_are(kind):
    make, names = INPUTS[kind]
    names = list(names) if len(set(names)) == len(names) else list(range(len(names)))
    with pm.Model() as model:
        bnn.bayesian(networks.mlp((len(names), 2)), make())
    assert list(model.coords["dense1_in"]) == names


def labelled(p, **coords):
    """A model of two classes, and an observed variable beside it."""
    with pm.Model(coords=coords) as model:
        x = pm.Data("x", FRAME.to_numpy())
        pm.Categorical("y", **p(x), observed=np.arange(12) % 2, shape=(12,))
    return model


def free(x):
    return x @ pm.Normal("w", shape=(3, 2))


def weights():
    return pm.Normal("w", dims=("feature", "kind"), shape=(3, 2))


KINDS = ["cat", "dog"]
CLASSES = {
    "said of the variable": (
        lambda x: {"logit_p": free(x)},
        {"y_class": KINDS},
        KINDS,
    ),
    "of a deterministic": (
        lambda x: {"p": pm.Deterministic("p", pm.math.softmax(free(x), -1), dims=(None, "kind"))},
        {"kind": KINDS},
        KINDS,
    ),
    "of weights": (
        lambda x: {"logit_p": 2 * (x @ weights()) + 1},
        {"kind": KINDS, "feature": list("abc")},
        KINDS,
    ),
    "of a network": (
        lambda x: {"logit_p": bnn.bayesian(networks.mlp((3, 2, 2)), x)},
        {"dense2_out": KINDS, "dense1_out": ["up", "down"]},
        KINDS,
    ),
    "of another layer": (
        lambda x: {"logit_p": bnn.bayesian(networks.mlp((3, 2, 2)), x)},
        {"dense1_out": ["up", "down"]},
        [0, 1],
    ),
    "too many": (
        lambda x: {"logit_p": free(x)},
        {"y_class": list("abc")},
        [0, 1],
    ),
}


@pytest.mark.parametrize("kind", CLASSES)
def test_classes_are_called_as_the_model_says(kind):
    p, coords, names = CLASSES[kind]
    terms = decompose(labelled(p, **coords))
    assert class_names(terms, "y", 2) == names
