"""Plain values and arrays come back from JSON as they were, and nothing else goes there."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pymc_bnn.saving.values import join, split

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()
)
KEYS = st.one_of(st.text(), st.integers(), st.tuples(st.text(), st.integers()))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(KEYS, inner, max_size=3),
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_nested_values(value):
    plain, arrays = split(value, "a", "callbacks")
    found = join(json.loads(json.dumps(plain)), arrays)
    assert found == value
    assert repr(found) == repr(value)  # tuples as tuples, True as no 1


def test_arrays_are_copies_and_keep_their_type():
    own = np.arange(3, dtype="uint8")
    plain, arrays = split({"w": (own, np.float32(0.1)), "": [own.astype("complex64")]}, "a", "x")
    own[:] = 9
    found = join(json.loads(json.dumps(plain)), arrays)
    assert found["w"][0].tolist() == [0, 1, 2]
    assert [v.dtype.name for v in (*found["w"], found[""][0])] == ["uint8", "float32", "complex64"]
    assert set(arrays) == {"a/0", "a/1", "a/2"}


@pytest.mark.parametrize("value", [object(), {1, 2}, [np.array(["a"])], lambda: 0, np.dtype("f4")])
def test_objects_are_refused(value):
    with pytest.raises(TypeError, match="`data` must have a state of numbers, strings and arrays"):
        split({"deep": [value]}, "a", "data")
