"""An array in place of one of the model's is read by one law, whoever asks for it."""

import re

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pymc_bnn as bnn
from pymc_bnn.data.arrays import ArraySpec, Origin, read_arrays
from pymc_bnn.data.loader import Loader
from pymc_bnn.data.spec import BatchSpec
from pymc_bnn.model.decompose import decompose

N = 12
X = np.random.default_rng(0).normal(size=(N, 3))
G, Y = np.arange(N) % 3, X[:, 0]
QUIET = {"random_seed": 0, "progressbar": False}


def spec(dtype="float32", shape=(None,), columns=None):
    return ArraySpec("x", shape, np.dtype(dtype), columns)


class OnDevice:
    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


# What is asked for, and what is read: the value, the start of the error, and its repair.
REFUSED = {
    "shape": (spec(shape=(None, 3)), X[:, :2], r"have the shape \(n, 3\), got \(12, 2\); reshape"),
    "axes": (spec(shape=(None, 3)), X[0], r"have the shape \(n, 3\), got \(3,\); reshape"),
    "scalar": (spec(shape=()), [1.0], r"have the shape \(\), got \(1,\)"),
    "text": (spec(), ["a"], r"hold numbers, got list of dtype <U1; encode"),
    "nothing": (spec(), None, "hold numbers, got NoneType; pass an array"),
    "ragged": (spec(), [[1], [1, 2]], "hold numbers, in rows of one length, got a ragged list"),
    "elsewhere": (spec(), OnDevice(), r"be something NumPy can read, got a OnDevice \(can't .*cpu"),
    "complex": (spec(), [1j], "hold real numbers, got list of dtype complex128; pass real and"),
    "nan": (spec(), [0, np.nan], r"hold finite numbers only, got 1 NaN .* index \(1,\); remove"),
    "huge": (spec(), [1e300], r"fit float32, in which .*, got float64 in 1e\+300…1e\+300; recode"),
    "fractions": (spec("int32"), [0.5], r"hold integers, got float64; convert it by .astype\(int"),
    "floats": (spec("int32"), [1.0], "hold integers, got float64; convert"),
    "wide": (spec("int32"), [2**40], "fit int32, in which the model's data are held, got int64 in"),
    "negative": (spec("uint8"), [-1, 300], "fit uint8, in which .*, got int64 in -1…300; recode"),
    "mask": (spec("bool"), [0, 2], "fit bool, in which .*, got int64 in 0…2; recode"),
    "columns": (
        spec(shape=(None, 1), columns=("a",)), pd.DataFrame({"b": [1.0]}),
        r"have the columns \['a'\], got no \['a'\] and the unknown \['b'\]; add",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_under_the_users_own_name(name):
    law, raw, message = REFUSED[name]
    with pytest.raises((ValueError, TypeError), match=rf"^`data\['x'\] of batch 3` must {message}"):
        law.read(raw, Origin("data", batch=3)["x"])


@pytest.mark.parametrize(
    ("dtype", "raw"),
    [
        ("float32", [1, 2]),
        ("float32", np.array([0.1, 1e30])),
        ("float64", np.array([0.1, 1e300])),
        ("int32", np.array([True, False])),
        ("uint8", np.array([0, 255], "int64")),
        ("int32", pd.Series([1, 2], dtype="Int64")),
        ("bool", [0, 1]),
    ],
)
def test_what_fits_is_cast(dtype, raw):
    found = spec(dtype).read(raw, "x")
    assert found.dtype == dtype
    assert np.array_equal(found, np.asarray(raw).astype(dtype))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.sampled_from("CF"), st.sampled_from(["float32", "float64"]), st.integers(0, 5))
def test_what_is_read_is_a_copy_in_order(order, dtype, rows):
    raw = np.full((rows, 3), 7, dtype, order=order)
    found = spec(dtype, (None, 3)).read(raw, "x")
    assert found.flags.c_contiguous
    assert not np.shares_memory(found, raw)
    raw[:] = 0
    assert (found == 7).all()


def model(n=N):
    with pm.Model() as made:
        g = pm.Data("g", G[:n])
        mu = pm.Data("x", X[:n]) @ pm.Normal("b", shape=3) + pm.Normal("a", shape=3)[g]
        pm.Normal("y", mu, 1.0, observed=Y[:n])
    return made


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_specifications_are_read_off_the_model(precision):
    bits = precision[-2:]
    found = {d.name: ArraySpec.of(d, precision) for d in decompose(model()).data}
    assert found["x"] == spec(precision, (None, 3))
    assert found["y"].dtype == precision
    assert found["g"].dtype in ("int32", f"int{bits}")  # as PyMC holds integers


@pytest.fixture(scope="module")
def fitted():
    return bnn.fit(model(), steps=3, **QUIET)


@pytest.mark.parametrize(
    "bad",
    [
        {"x": X[:, :2]},
        {"x": X * np.nan},
        {"x": X * 1e300},
        {"x": X.astype(str)},
        {"g": G + 0.5},
        {"g": G + 1},
        {"g": G + 2**40},
        {"y": Y * 1j},
    ],
)
def test_the_same_array_is_refused_in_the_same_words_everywhere(fitted, tmp_path, bad):
    batch = {"x": X, "g": G, "y": Y, **bad}
    asked = {
        "new_data[]": lambda: fitted.predict(batch, draws=2),
        "data[] of batch 1": lambda: bnn.fit(
            model(9), data=[batch], total_size=N, steps=3, **QUIET
        ),
        "batches[] of batch 1": lambda: fitted.predict_to(tmp_path / "new", [batch], **QUIET),
    }
    said = []
    for argument, ask in asked.items():
        with pytest.raises((ValueError, TypeError)) as refused:
            ask()
        label = argument.replace("[]", f"['{next(iter(bad))}']")
        assert str(refused.value).startswith(f"`{label}` must ")
        said.append((refused.type, re.sub(r"^`.*?` ", "", str(refused.value))))
    assert len(set(said)) == 1


def test_rows_of_tables_come_in_one_order():
    tables = {"x": pd.Series([1.0, 2.0], ["a", "b"]), "y": pd.Series([1.0, 2.0], ["b", "a"])}
    specs = {"x": spec(), "y": spec()}
    with pytest.raises(ValueError, match="`batch 2 of data` must have its rows in one order"):
        read_arrays(specs, tables, Origin("data", 2))


def test_the_columns_of_the_first_table_hold_for_later_ones():
    loader = Loader(BatchSpec({"x": spec(shape=(None, 2))}, "float32"), total_size=9)
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    assert loader([X[:2, :2]], 1, 0).columns == {}
    assert loader([frame], 2, 0).columns == {"x": ("a", "b")}
    again = loader([frame[["b", "a"]]], 3, 0)
    assert again.rows["x"].tolist() == [[1, 3], [2, 4]]
    assert loader.spec.columns == {"x": ("a", "b")}
    with pytest.raises(ValueError, match=r"`data\['x'\] of batch 4` must have the columns"):
        loader([frame.rename(columns={"a": "c"})], 4, 0)


def test_padding_repeats_a_row_and_does_not_count():
    loader = Loader(BatchSpec({"x": spec()}, "float32"), total_size=10, capacity=4)
    made = loader({"x": [1.0, 2.0]}, 1, 0)
    assert made.rows["x"].tolist() == [1, 2, 2, 2]
    assert made.size == 2
