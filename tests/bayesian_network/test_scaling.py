"""Data in their own units: what a network gets is standardised, what a user gets is not."""

import copy
import subprocess
import sys

import cloudpickle
import numpy as np
import pandas as pd
import pymc as pm
import pytest
from sklearn.preprocessing import StandardScaler

import pymc_bnn as bnn
from pymc_bnn import networks
from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.model.columns import columns_of

RNG = np.random.default_rng(0)
N = 40
TABLE = pd.DataFrame(
    {
        "income": RNG.normal(50_000, 20_000, N),
        "age": RNG.integers(18, 90, N),
        "member": RNG.random(N) < 0.5,
        "same": np.full(N, 7.0),
    }
)
Y = 5000 + TABLE["income"] / 50 + 10.0 * TABLE["age"]
SHUFFLED = TABLE[["age", "same", "income", "member"]]
IMAGES = RNG.integers(0, 256, (6, 4, 3, 2), "uint8")
QUIET = {"random_seed": 1, "progressbar": False}


def regression(x=TABLE, own=True, width=4, **keywords):
    scale = bnn.Scale.of(Y)
    with pm.Model() as model:
        if own:
            x = bnn.standardise("x", x, **keywords)
        f = bnn.bayesian(networks.mlp((width, 3, 1)), x)[:, 0]
        noise = pm.HalfNormal("noise", 1.0)
        mu, sigma = (scale.mu(f), scale.sigma(noise)) if own else (f, noise)
        y = Y if own else StandardScaler().fit_transform(Y.to_numpy()[:, None])[:, 0]
        pm.Normal("y", pm.Deterministic("mean", mu), sigma, observed=y, shape=f.shape)
    return model


@pytest.fixture(scope="module")
def fitted():
    return bnn.fit(regression(), steps=60, **QUIET)


def predicted(fitted, x, **new):
    return fitted.predict({"x": x, **new}, draws=20, random_seed=2)


def test_a_fit_in_own_units_is_that_of_standardised_data(fitted):
    other = regression(StandardScaler().fit_transform(TABLE.astype(float)), own=False)
    other = bnn.fit(other, steps=60, **QUIET)
    for name in ("dense1_W", "dense2_W", "noise"):
        np.testing.assert_allclose(fitted.mean[name], other.mean[name], rtol=1e-3, atol=1e-4)
    lower = fitted.elbo(random_seed=0)["elbo"] - other.elbo(random_seed=0)["elbo"]
    np.testing.assert_allclose(lower, -N * np.log(Y.std(ddof=0)), rtol=1e-4)


def test_predictions_take_and_give_own_units(fitted):
    straight = predicted(fitted, TABLE, y=Y)
    mean = straight["y"].mean
    assert np.corrcoef(mean, Y)[0, 1] > 0.5
    assert abs(mean.mean() - Y.mean()) < 300
    density = straight.log_density
    assert density.shape == (N,)
    assert -9.5 < density.mean() < -6  # of a Normal of that spread: -log(400) - 1.4
    np.testing.assert_array_equal(predicted(fitted, SHUFFLED)["y"].mean, mean)
    np.testing.assert_array_equal(predicted(fitted, TABLE.to_numpy(float))["y"].mean, mean)
    with pytest.raises(ValueError, match=r"must have the columns.*no \['age'\]"):
        predicted(fitted, TABLE.drop(columns="age"))
    half = predicted(fitted, TABLE.assign(age=TABLE["age"] + 0.5))["y"].mean
    assert abs(half - mean).max() < 100
    few = predicted(fitted, TABLE[:3])["y"].mean
    assert abs(few - mean[:3]).max() < 0.6 * Y.std()  # of other noise


def test_set_data_takes_own_units():
    model = regression()
    fitted = bnn.fit(model, steps=20, **QUIET)
    expected = predicted(fitted, TABLE[:5])["y"].mean
    with model:
        pm.set_data({"x": TABLE[:5].to_numpy(float)})
        np.testing.assert_array_equal(fitted.predict(draws=20, random_seed=2)["y"].mean, expected)
        drawn = pm.sample_posterior_predictive(
            fitted.sample(20, random_seed=1), random_seed=1, progressbar=False, predictions=True
        )
    assert drawn.predictions["y"].shape[-1] == 5
    assert 3000 < drawn.predictions["y"].mean() < 10_000
    with pytest.raises((TypeError, ValueError)):
        pm.set_data({"x": np.ones((5, 3))}, model=model)


def test_copies_keep_the_scale(fitted):
    expected = predicted(fitted, TABLE)["y"].mean
    for twin in (copy.deepcopy(fitted), cloudpickle.loads(cloudpickle.dumps(fitted))):
        np.testing.assert_array_equal(predicted(twin, SHUFFLED)["y"].mean, expected)
    model = regression()
    point = model.initial_point()
    density = model.compile_logp(mode=INTERPRETED)(point)
    for other in (model.copy(), copy.deepcopy(model)):
        assert other.compile_logp(mode=INTERPRETED)(point) == pytest.approx(density)
        assert columns_of(other["x"], other) == tuple(TABLE)
    predicted(bnn.fit(pm.do(model, {"noise": 1.0}), steps=2, **QUIET), SHUFFLED)


def test_a_fit_goes_to_another_process(fitted, tmp_path):
    path = tmp_path / "fit.pkl"
    path.write_bytes(cloudpickle.dumps((fitted, SHUFFLED)))
    code = (
        "import cloudpickle, sys; f, x = cloudpickle.load(open(sys.argv[1], 'rb'));"
        "print(f.predict({'x': x}, draws=20, random_seed=2)['y'].mean[0])"
    )
    command = [sys.executable, "-c", code, str(path)]
    out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    np.testing.assert_allclose(float(out), predicted(fitted, TABLE)["y"].mean[0], rtol=1e-5)


DATA = {
    "frame": TABLE,
    "array": TABLE.to_numpy(float),
    "ints": IMAGES[:, :, 0, 0],
    "beyond int32": np.array([[3_000_000_000], [3_600_000_000], [5_000_000_000]]),
    "bools": IMAGES[:, :, 0, 0] > 99,
    "nullable": TABLE[["age"]].astype("Int64"),
    "series": TABLE["age"],
    "list": [1, 2, 4],
    "images": IMAGES,
    "one row": np.ones((1, 4)),
    "as many rows as columns": RNG.normal(9, 1, (4, 4)),
    "far": 1e6 + 100 * RNG.normal(size=(9, 2)),
}


@pytest.mark.parametrize("name", DATA)
def test_numbers_are_those_of_scikit_learn(name):
    x = DATA[name]
    array = np.asarray(x, float)
    columns = array.reshape(-1, array.shape[-1] if array.ndim > 1 else 1)
    expected = StandardScaler().fit_transform(columns).reshape(array.shape)
    with pm.Model() as model:
        z = bnn.standardise("x", x)
    np.testing.assert_allclose(z.eval(), expected, atol=1e-6)
    np.testing.assert_array_equal(model["x"].get_value(), array)
    assert model["x"].type.shape == (None, *array.shape[1:])
    scale = bnn.Scale.of(x)
    np.testing.assert_allclose(scale.mu(scale.standard(array)), array, rtol=1e-9, atol=1e-9)
    with pm.Model():
        np.testing.assert_allclose(bnn.Scale.of(pm.Data("x", array)).std, scale.std)


REFUSED = {
    "NaN": (np.array([[1.0, 2.0], [1.0, np.nan]]), "missing or infinite in column 1, .* row 1"),
    "missing": (TABLE.assign(age=np.nan), "40 missing or infinite in column 'age'"),
    "infinite": (np.array([1.0, np.inf]), "missing or infinite in column 0"),
    "words": (TABLE.assign(city="Ulm"), "column 'city'.*get_dummies"),
    "category": (TABLE.assign(c=pd.Categorical(["a", "b"] * 20)), "column 'c'.*cat.codes"),
    "scalar": (3.0, "at least one row, got a scalar"),
    "nothing": (np.zeros((0, 3)), r"at least one row, got shape \(0, 3\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_data_are_refused_with_their_columns(name):
    x, match = REFUSED[name]
    with pm.Model(), pytest.raises((TypeError, ValueError), match=f"`x` must hold .*{match}"):
        bnn.standardise("x", x)
    with pytest.raises((TypeError, ValueError), match=f"`values` must hold .*{match}"):
        bnn.Scale.of(x)


def test_bad_arguments():
    with pytest.raises(TypeError, match="`standardise` must be called inside a model"):
        bnn.standardise("x", TABLE)
    with pm.Model():
        x = pm.Data("known", np.ones((3, 2)))
        with pytest.raises(TypeError, match=r"`x` must be an array or a table.*\.standard"):
            bnn.standardise("x", x)
        with pytest.raises(TypeError, match="`scale` must be a Scale"):
            bnn.standardise("x", TABLE, scale=2.0)
        with pytest.raises(ValueError, match=r"`x` must have the shape of `scale`, \(4,\)"):
            bnn.standardise("x", np.ones((3, 2)), scale=bnn.Scale.of(TABLE))
        with pytest.raises(ValueError, match=r"must have the columns .*the unknown \['wage'\]"):
            bnn.standardise("x", TABLE.rename(columns={"age": "wage"}), bnn.Scale.of(TABLE))
        with pytest.raises(TypeError, match="`values` must be known numbers"):
            bnn.Scale.of(x + 1)
    with pytest.raises(ValueError, match="`x` must have 4 columns"):
        bnn.Scale.of(TABLE).mu(np.ones(3))
    with pytest.raises(ValueError, match="`std` must be finite and above 0"):
        bnn.Scale([1.0], [0.0])
    with pytest.raises(ValueError, match="`mean` must have the shape of `std`"):
        bnn.Scale(1.0, [1.0])


def test_scales_from_elsewhere():
    ours, theirs = bnn.Scale.of(TABLE), StandardScaler().fit(TABLE)
    for scale in (ours, theirs):
        with pm.Model() as model:
            z = bnn.standardise("x", SHUFFLED[:5], scale)  # columns go in the scale's order
        np.testing.assert_allclose(z.eval(), theirs.transform(TABLE)[:5], atol=1e-6)
        np.testing.assert_array_equal(model["x"].get_value(), TABLE[:5].to_numpy(float))
    shifted = StandardScaler(with_mean=False).fit(TABLE)
    np.testing.assert_allclose(bnn.Scale.of(shifted).standard(TABLE), shifted.transform(TABLE))
    np.testing.assert_array_equal(bnn.Scale.of(ours).std, ours.std)


def test_streams_are_standardised_by_the_scale_of_all():
    scale, y = bnn.Scale.of(TABLE), Y.to_numpy()
    model = regression(TABLE, scale=scale)
    batches = [{"x": TABLE[i : i + 10], "y": y[i : i + 10]} for i in range(0, N, 10)]
    fitted = bnn.fit(model, data=batches, total_size=N, steps=8, **QUIET)
    np.testing.assert_array_equal(
        predicted(fitted, SHUFFLED)["y"].mean, predicted(fitted, TABLE)["y"].mean
    )


def test_dims_and_names():
    with pm.Model() as model:
        bnn.standardise("x", TABLE, dims=("person", "column"))
    assert tuple(model.coords["column"]) == tuple(TABLE.columns)
    with pm.Model(name="outer") as model:
        z = bnn.standardise("x", TABLE["age"], dims="person")
    assert (z.name, model.named_vars_to_dims["outer::x"]) == ("x_standardised", ("person",))


def test_targets_of_several_columns():
    targets = RNG.normal([100, 2], [30, 0.1], (N, 2))
    scale = bnn.Scale.of(targets)
    with pm.Model() as model:
        f = bnn.bayesian(networks.mlp((4, 3, 2)), bnn.standardise("x", TABLE))
        noise = pm.HalfNormal("noise", 1.0, shape=2)
        pm.Normal("y", scale.mu(f), scale.sigma(noise), observed=targets, shape=f.shape)
    mean = predicted(bnn.fit(model, steps=50, **QUIET), TABLE)["y"].mean.mean(axis=0)
    np.testing.assert_allclose(mean, [100, 2], rtol=0.2)


def test_what_float32_cannot_tell_apart_is_said():
    times = pd.DataFrame({"time": 1.7e9 + np.arange(9.0), "x": np.arange(9.0)})
    with (
        pytest.warns(UserWarning, match=r"'x' too coarsely: .* 'time' is tiny; subtract") as caught,
        pm.Model(),
    ):
        bnn.standardise("x", times)
    assert caught[0].filename == __file__
