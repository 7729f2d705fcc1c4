"""Predictions written batch by batch are those of all examples at once, and none are lost."""

import threading

import numpy as np
import pymc as pm
import pytest
import xarray as xr

import pymc_bnn as bnn

RNG = np.random.default_rng(0)
N = 203
X = RNG.normal(size=(N, 3))
Y = X @ [1.0, -2.0, 0.5]
LABELS = (Y > 0).astype(int) + (Y > 1)
QUIET = {"random_seed": 1, "progressbar": False}


@pytest.fixture(scope="module")
def fitted():
    network = bnn.networks.mlp((3, 4, 3), activation="tanh")
    with pm.Model() as model:
        logits = bnn.bayesian(network, pm.Data("x", X))
        pm.Deterministic("margin", logits[:, 0] - logits[:, 1])
        pm.Deterministic("constant", model["dense1_W"].sum())
        pm.Categorical("y", logit_p=logits, observed=LABELS, shape=logits.shape[0])
    return bnn.fit(model, epochs=20, **QUIET)


@pytest.fixture(scope="module")
def values():
    with pm.Model() as model:
        pm.Normal("y", pm.Data("x", X) @ pm.Normal("w", shape=(3, 2)), 1, observed=X[:, :2])
    return bnn.fit(model, epochs=20, **QUIET)


def batches(size=50, names=("x", "y"), stop=N):
    whole = {"x": X, "y": LABELS}
    for start in range(0, stop, size):
        yield {name: whole[name][start : start + size] for name in names}


@pytest.mark.parametrize("at", ["draws", "mean"])
@pytest.mark.parametrize("batch_size", [16, 512])
def test_classes_are_those_of_predict(fitted, tmp_path, at, batch_size):
    options = {"draws": 15, "at": at, "var_names": ["margin"], "random_seed": 3}
    found = fitted.predict_to(
        tmp_path / "new", batches(), batch_size=batch_size, keep_draws=True, progressbar=False,
        **options,
    )  # fmt: skip
    whole = fitted.predict({"x": X, "y": LABELS}, **options)
    np.testing.assert_allclose(found["y_mean_probs"], whole.mean_probs, atol=1e-6)
    np.testing.assert_allclose(found["y_expected_entropy"], whole.expected_entropy, atol=1e-5)
    np.testing.assert_array_equal(found["y_label_votes"], whole.label_votes)
    np.testing.assert_array_equal(found["y_class_votes"], whole.class_votes)
    np.testing.assert_allclose(found["y_probs"], whole.probs, atol=1e-6)
    np.testing.assert_array_equal(found["y"], whole["y"].samples)
    np.testing.assert_allclose(found["log_density"], whole.log_density, atol=1e-5)
    np.testing.assert_allclose(found["margin_mean"], whole["margin"].mean, atol=1e-5)
    np.testing.assert_allclose(found["margin"], whole["margin"].samples, atol=1e-5)
    assert found.attrs["complete"] == 1
    assert found.attrs["draws"] == 15
    again = xr.open_zarr(tmp_path / "new", chunks=None, consolidated=False)
    assert again.sizes == found.sizes
    bnn.uncertainty.evaluate(found["y_mean_probs"].values, LABELS)


def test_a_reused_buffer_does_no_harm(values, tmp_path):
    def reusing():
        x = np.empty((29, 3))
        for start in range(0, N, 29):
            x[:] = X[start : start + 29]
            yield {"x": x}

    one = values.predict_to(tmp_path / "one", reusing(), 5, **QUIET)
    two = values.predict_to(tmp_path / "two", batches(29, ["x"]), 5, **QUIET)
    np.testing.assert_array_equal(one["y_mean"], two["y_mean"])


def test_without_draws_there_are_sums_only(fitted, tmp_path):
    found = fitted.predict_to(tmp_path / "new", batches(names=["x"]), 5, **QUIET)
    assert set(found) == {"y_mean_probs", "y_expected_entropy", "y_label_votes", "y_class_votes"}
    assert found.sizes == {"example": N, "y_class": 3}


def test_values_are_those_of_predict_but_for_the_draws_of_later_batches(values, tmp_path):
    loader = [(X[:150],), (X[150:],)]  # tuples, without the observed variable
    found = values.predict_to(tmp_path / "new", loader, 400, keep_draws=True, **QUIET)
    whole = values.predict({"x": X}, 400, random_seed=1)["y"]
    np.testing.assert_allclose(found["y_mean"][:150], whole.mean[:150], atol=1e-5)
    np.testing.assert_allclose(found["y_std"][:150], whole.std[:150], atol=1e-5)
    gap = (found["y_mean"] - whole.mean) / (whole.std * np.sqrt(2 / 400))
    assert abs(gap).max() < 5
    assert 0.7 < float(gap[150:].std()) < 1.3
    first, later = found["y"][:, 0], found["y"][:, 150]
    assert found["y"].shape == (400, N, 2)
    assert not np.allclose(first, later)


def test_a_failure_leaves_what_was_written(fitted, tmp_path):
    def failing():
        yield from batches(50, stop=100)
        raise OSError("no such shard")

    with pytest.raises(bnn.StreamError, match="`batches` failed at batch 3: OSError") as got:
        fitted.predict_to(tmp_path / "new", failing(), 5, **QUIET)
    assert got.value.written == 100
    assert "100 examples are written" in got.value.__notes__[0]
    found = xr.open_zarr(tmp_path / "new", chunks=None, consolidated=False)
    assert found.attrs["complete"] == 0
    whole = fitted.predict({"x": X[:100]}, 5, random_seed=1)
    np.testing.assert_array_equal(found["y_label_votes"], whole.label_votes)


def test_a_batch_written_by_half_is_taken_back(fitted, tmp_path, monkeypatch):
    write, calls = xr.Dataset.to_zarr, []

    def half(self, store, **options):
        calls.append(1)
        if len(calls) == 3:
            write(self[["y_mean_probs"]], store, **options)
            raise OSError("No space left on device")
        return write(self, store, **options)

    monkeypatch.setattr(xr.Dataset, "to_zarr", half)
    with pytest.raises(OSError, match="No space left") as got:
        fitted.predict_to(tmp_path / "new", batches(), 5, **QUIET)
    assert got.value.written == 100
    found = xr.open_zarr(tmp_path / "new", chunks=None, consolidated=False)
    assert found.sizes["example"] == 100


def test_a_stalled_iterable(fitted, tmp_path):
    released = threading.Event()

    def stalling():
        yield from batches(50, stop=50)
        released.wait(30)

    with pytest.raises(
        bnn.StreamError, match=r"`batches` yielded nothing for 0\.3 s, after 1"
    ) as got:
        fitted.predict_to(tmp_path / "new", stalling(), 5, stall_timeout=0.3, **QUIET)
    released.set()
    assert got.value.written == 50


def test_chunks_are_not_many_small_files(fitted, tmp_path):
    fitted.predict_to(tmp_path / "new", batches(10), 5, **QUIET)
    files = [p for p in (tmp_path / "new" / "y_mean_probs" / "c").rglob("*") if p.is_file()]
    assert len(files) == 1


@pytest.mark.parametrize(
    ("bad", "arguments", "error", "message"),
    [
        ([], {}, ValueError, "`batches` must yield at least one batch"),
        ({"x": X}, {}, TypeError, "`batches` must be an iterable of batches, got a dict"),
        ([{"z": X}], {}, ValueError, r"`batches` must yield batches of \['x', 'y'\].*leave"),
        ([{"x": X}, {"x": X[:, :2]}], {}, ValueError, r"`batches\['x'\] of batch 2` must have"),
        ([{"x": X, "y": LABELS + 1}], {}, ValueError, r"`batches\['y'\] of batch 1` must be l"),
        ([{"x": X[:0]}], {}, ValueError, "`batch 1 of batches` must have at least one row"),
        ([{}], {}, TypeError, "`batch 1 of batches` must be a dictionary .*, got an empty one"),
        ([{"y": LABELS}], {}, ValueError, "`batch 1 of batches` must hold all data"),
        ([{"x": X}, {"x": X, "y": LABELS}], {}, ValueError, "the names of the first batch"),
        ([{"x": X}], {"var_names": ["constant"]}, ValueError, "`var_names` must vary per example"),
        ([{"x": X}], {"draws": 0}, ValueError, "`draws` must be an integer of at least 1"),
        ([{"x": X}], {"at": "mode"}, ValueError, "`at` must be"),
        ([{"x": X}], {"stall_timeout": -1}, ValueError, "`stall_timeout` must be"),
    ],
)
def test_bad_arguments(fitted, tmp_path, bad, arguments, error, message):
    with pytest.raises(error, match=message):
        fitted.predict_to(tmp_path / "new", bad, **{"draws": 5, **QUIET, **arguments})


def test_a_store_that_exists_is_not_touched(fitted, tmp_path):
    with pytest.raises(ValueError, match="`store` must be a store that does not exist yet"):
        fitted.predict_to(tmp_path, batches(), **QUIET)
    assert not list(tmp_path.iterdir())


def test_without_zarr_the_error_says_what_to_install(fitted, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(ImportError, match=r"pip install zarr$"):
        fitted.predict_to(tmp_path / "new", [], **QUIET)
