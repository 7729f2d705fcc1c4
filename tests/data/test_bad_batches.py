"""Batches, samples and arguments that do not fit are refused, each with one clear error."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

import pymc_bnn as bnn
from tests.support.stream_parts import LABELS, QUIET, Batched, N, X, Y, classes, linear

pytestmark = pytest.mark.filterwarnings("ignore:a batch of `data` has 3 rows")


def batch(**changes):
    return {"x": X[:9], "y": LABELS[:9], **changes}


BAD_BATCHES = [
    ({"x": X[:9]}, r"`data` must yield batches of \['x', 'y'\], by name or in this order, got "
     r"\['x'\] in batch 1; add \['y'\]"),
    (batch(z=1), r"got \['x', 'y', 'z'\] in batch 1; leave \['z'\] out"),
    ((X[:9], LABELS[:9], 1), r"a tuple of 3 in batch 1; yield \{'x': …, 'y': …\}"),
    (X[:9], "a ndarray in batch 1"),
    (batch(x=X[:9, :2]), r"`data\['x'\] of batch 1` must have the shape \(n, 3\), got \(9, 2\)"),
    (batch(x=X[0]), r"`data\['x'\] of batch 1` must have the shape \(n, 3\), got \(3,\)"),
    (batch(y=LABELS[:8]), r"as many rows of each, got \{'x': 9, 'y': 8\} in batch 1"),
    (batch(x=X[:0], y=LABELS[:0]), "`data` must yield batches with rows, got none in batch 1"),
    (batch(x=np.full((9, 3), "a")), r"`data\['x'\] of batch 1` must hold numbers, got .* <U1"),
    (batch(x=object()), r"`data\['x'\] of batch 1` must hold numbers, got object of dtype object"),
    (batch(x=[[1, 2, 3], [1, 2]]), r"`data\['x'\] of batch 1` must hold numbers, in rows of one"),
    (batch(y=LABELS[:9] + 0.0), r"`data\['y'\] of batch 1` must hold integers, got float64"),
    (batch(y=LABELS[:9] + 2), r"`data\['y'\] of batch 1` must be labels in 0…2.*labels in"),
    (batch(y=LABELS[:9] - 1), r"`data\['y'\] of batch 1` must be labels in 0…2"),
    (batch(x=np.where(X[:9] > 1, np.nan, X[:9])), r"`data\['x'\] of batch 1` must hold finite"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "message"), BAD_BATCHES)
def test_a_bad_first_batch(bad, message):
    with pytest.raises((ValueError, TypeError), match=message):
        bnn.fit(classes(), data=[bad], total_size=N, steps=9, **QUIET)


@pytest.mark.parametrize(("bad", "message"), BAD_BATCHES)
def test_a_bad_later_batch_keeps_the_state(bad, message):
    message = message.replace("batch 1", "batch 3")
    with pytest.raises((ValueError, TypeError), match=message) as got:
        bnn.fit(classes(), data=[batch(), batch(), bad], total_size=N, steps=9, **QUIET)
    assert len(got.value.approximation.history) == 2


def test_a_tensor_that_numpy_cannot_read():
    class OnDevice:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")

    with pytest.raises(TypeError, match=r"something NumPy can read, got a OnDevice .*\.cpu\(\)"):
        bnn.fit(classes(), data=[batch(x=OnDevice())], total_size=N, steps=9, **QUIET)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"data": batch()}, TypeError, r"`data` must be an iterable of batches.*one batch is \["),
        ({"data": X}, TypeError, "`data` must be an iterable of batches, got a ndarray"),
        ({"data": 3}, TypeError, "`data` must be an iterable of batches, got a int"),
        ({"data": lambda: []}, TypeError, "call the function"),
        ({"data": []}, ValueError, "`data` must yield at least one batch, got none"),
        ({"total_size": None}, ValueError, r"`total_size` must be given where.*got None, with a l"),
        ({"total_size": 0}, ValueError, "`total_size` must be an integer of at least 1, got 0"),
        ({"total_size": 5}, ValueError, "`total_size` must be the number of all.*5 where batch 1"),
        ({"batch_size": None}, ValueError, '`batch_size` must be an integer or "auto"'),
        ({"batch_size": "all"}, ValueError, '`batch_size` must be an integer or "auto"'),
        ({"batch_size": 0}, ValueError, "`batch_size` must be an integer in 1…203, got 0"),
        ({"batch_size": 8}, ValueError, "at most 8 rows a batch, as `batch_size` says, got 9"),
        ({"stall_timeout": 0}, ValueError, "`stall_timeout` must be a finite number above 0"),
        ({"steps": None, "epochs": 2, "data": iter([batch()])}, ValueError, "`epochs` must come"),
        ({"data": None}, ValueError, "`total_size` must come with `data`, got 203"),
    ],
)
def test_bad_arguments(arguments, error, message):
    good = {"data": [batch()], "total_size": N, "steps": 9}
    with pytest.raises(error, match=message):
        bnn.fit(classes(), **good | arguments, **QUIET)


def test_larger_batches_than_the_first():
    batches = [batch(), {"x": X[:12], "y": LABELS[:12]}]
    with pytest.raises(ValueError, match="at most 9 rows a batch, as the first batch says, got 12"):
        bnn.fit(classes(), data=batches, total_size=N, steps=9, **QUIET)
    fitted = bnn.fit(classes(), data=batches, total_size=21, batch_size=12, steps=4, **QUIET)
    assert len(fitted.history) == 4


@pytest.mark.parametrize("total", [150, 300])
def test_a_total_size_that_the_first_pass_contradicts(total):
    with pytest.warns(UserWarning, match=rf"had 203 examples, and total_size is {total}"):
        bnn.fit(linear(5), data=Batched(), total_size=total, epochs=2, **QUIET)


@pytest.mark.parametrize("n", [5, 7, 30])
def test_rows_that_depend_on_each_other_are_refused_however_small_the_sample(n):
    with pm.Model() as model:
        x = pm.Data("x", X[:n])
        w = pm.Normal("w", shape=3)
        pm.Normal("y", (x - x.mean(axis=0)) @ w, 1, observed=Y[:n])
    with pytest.raises(ValueError, match="a row depends on other rows"):
        bnn.fit(model, data=Batched(), steps=5, **QUIET)


def test_a_sample_too_small_to_tell_the_axis_of_examples():
    with pytest.raises(
        ValueError, match="`model` must hold a sample of at least 5 examples, got 4"
    ):
        bnn.fit(linear(4), data=Batched(), epochs=100, **QUIET)


def test_data_without_a_name_and_pm_minibatch():
    with pm.Model() as model:
        pm.Normal("y", pt.as_tensor(X[:5]) @ pm.Normal("w", shape=3), 1, observed=Y[:5])
    with pytest.raises(ValueError, match=r"`model` must have names .*wrap the sample"):
        bnn.fit(model, data=Batched(), steps=5, rows=None, **QUIET)
    with pm.Model() as model:
        x, y = pm.Minibatch(X[:8], Y[:8], batch_size=4)
        pm.Normal("y", x @ pm.Normal("w", shape=3), 1, observed=y, total_size=N)
    with pytest.raises(ValueError, match=r"`model` must (observe plain arrays|have names)"):
        bnn.fit(model, data=Batched(), steps=5, **QUIET)
