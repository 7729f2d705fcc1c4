"""Tables: numbers are read, and an error names the column, its type and the repair."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pymc_bnn._frames import as_numbers, check_aligned, column_names, reordered
from tests.support.polars_like import Polars

FRAME = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4, 5, 6]})
NUMBERS = {
    "bool": [True, False, True],
    "uint8": np.array([1, 2, 3], "uint8"),
    "Int64": pd.array([1, 2, 3], "Int64"),
    "boolean": pd.array([True, False, True], "boolean"),
    "Float64": pd.array([1.5, 2.0, 3.0], "Float64"),
}
MISSING = {
    "float": [1.0, np.nan, 2.0],
    "infinite": [1.0, np.inf, 2.0],
    "Int64": pd.array([1, None, 3], "Int64"),
    "boolean": pd.array([True, None, False], "boolean"),
}
REFUSED = {
    "str": (list("xyz"), "get_dummies"),
    "string": (pd.array(["x", None, "y"], "string"), "get_dummies"),
    "mixed": (pd.Series(["x", 1, 2.0], dtype=object), "get_dummies"),
    "category": (pd.Categorical(list("xyx")), "cat.codes"),
    "datetime": (pd.date_range("2020", periods=3), "dt.days"),
    "timedelta": (pd.to_timedelta([1, 2, 3], unit="D"), "total_seconds"),
    "object": (pd.Series([1, 2.5, 3], dtype=object), r"astype\(float\)"),
    "complex": ([1j, 2, 3], "real and imaginary"),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_read_whatever_their_type(name):
    column = pd.Series(NUMBERS[name], name="new")
    expected = column.to_numpy().astype(float)
    assert np.array_equal(as_numbers("x", column), expected)
    array = as_numbers("x", FRAME.assign(new=column))
    assert array.dtype == "float64"
    assert np.array_equal(array, np.column_stack([FRAME.to_numpy(), expected]))


@pytest.mark.parametrize("name", MISSING)
def test_missing_values_are_named(name):
    column = pd.Series(MISSING[name], name="new")
    rule = "`x` must hold finite numbers only, got 1 missing or infinite in column 'new', the first"
    for table in (column, FRAME.assign(new=column)):
        with pytest.raises(ValueError, match=rf"{rule} in row 1; .*fillna"):
            as_numbers("x", table)


@pytest.mark.parametrize("name", REFUSED)
def test_other_columns_are_named_with_their_type_and_the_repair(name):
    values, repair = REFUSED[name]
    column = pd.Series(values, name="new")
    for table in (column, FRAME.assign(new=column)):
        with pytest.raises(
            TypeError, match=rf"`x` must hold numbers, got column 'new' \(.*{repair}"
        ):
            as_numbers("x", table)


def test_the_repairs_work():
    city = pd.Series(list("xyx"), name="city")
    assert as_numbers("x", pd.get_dummies(FRAME.assign(city=city))).shape == (3, 4)
    assert as_numbers("x", city.astype("category").cat.codes).tolist() == [0, 1, 0]
    dates = pd.Series(pd.date_range("2020", periods=3))
    assert as_numbers("x", (dates - dates.min()).dt.days).tolist() == [0, 1, 2]
    assert as_numbers("x", (dates - dates.min()).dt.total_seconds())[1] == 86_400
    assert as_numbers("x", pd.Series(MISSING["Int64"]).fillna(7)).tolist() == [1, 7, 3]


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (np.array(["a"]), TypeError, "`x` must hold numbers, got ndarray of dtype <U1"),
        (None, TypeError, "`x` must hold numbers, got NoneType"),
        ([[1], [1, 2]], ValueError, "rows of one length, got a ragged list"),
        (np.array(["2020-01-01"], "M8[D]"), TypeError, "turn it into a number"),
        (np.array([1j]), TypeError, "real and imaginary"),
        (pd.DataFrame([["x", 1]], columns=["a", "a"]), TypeError, r"column 'a' \(str|object\)"),
    ],
)
def test_arrays_are_checked_too(value, error, match):
    with pytest.raises(error, match=match):
        as_numbers("x", value)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(names=st.permutations("abcd"), known=st.permutations("abcd"), change=st.sampled_from("-+=x"))
def test_columns_are_put_in_order_or_refused(names, known, change):
    values = np.arange(12.0).reshape(3, 4)
    frame = pd.DataFrame(values, columns=list(names))
    if change == "x":
        frame = frame.rename(columns={names[0]: "new"})
    if change == "-":
        frame = frame.drop(columns=names[1])
    if change == "+":
        frame.insert(2, "new", 0.0)
    if change == "=":
        found = as_numbers("x", reordered("x", frame, known))
        assert np.array_equal(found, frame[list(known)].to_numpy())
        assert np.array_equal(as_numbers("x", reordered("x", frame, None)), values)
        return
    named = names[1] if change == "-" else "new"
    with pytest.raises(ValueError, match=rf"`x` must have the columns .*got .*'{named}'"):
        reordered("x", frame, known)


def test_tables_of_polars_are_known_by_their_looks():
    table = Polars(b=[1.0, 2.0], a=[3.0, 4.0])
    assert column_names(table) == ("b", "a")
    assert as_numbers("x", reordered("x", table, ["a", "b"])).tolist() == [[3, 1], [4, 2]]
    with pytest.raises(TypeError, match=r"column 'c' \(String\)"):
        as_numbers("x", Polars(a=[1.0, 2.0], c=["x", "y"]))


def test_alignment_is_of_labels_not_of_places():
    y = pd.Series([1.0, 2.0, 3.0], index=[7, 8, 9])
    check_aligned("data", {"x": y, "y": y.copy(), "z": np.zeros(3)})
    check_aligned("data", {"x": y, "y": y.reset_index(drop=True)})  # other labels: not comparable
    check_aligned("data", {"x": y, "y": y[:2]})  # other errors say more
    with pytest.raises(
        ValueError, match=r"`data` must have its rows in one order.*'y'; pass y.loc"
    ):
        check_aligned("data", {"x": FRAME.set_axis([7, 8, 9]), "y": y[::-1]})
