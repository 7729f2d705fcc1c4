"""Rows in batches against the same rows among all: what is told, for which outputs, and when."""

import numpy as np
import pytest

from pymc_bnn.model.independence.compare import check_rows, compare_rows, rows_agree

RNG = np.random.default_rng(2)
Y = RNG.normal(size=10_000)

ALONE = {
    "rows": lambda y: 2 * y,
    "rows of vectors": lambda y: y[:, None] * np.arange(3.0),
    "single precision": lambda y: np.exp(y).astype("float32"),
    "whole numbers": lambda y: (y > 0).astype("int32"),
    "truth values": lambda y: y > 0,
    "infinite in some rows": lambda y: np.where(y > 1, -np.inf, y),
    "not a number in some rows": lambda y: np.where(y > 1, np.nan, y),
    "rounding of the largest": lambda y: 1e6 * np.sign(y) + 1e-12 * len(y),
}
TOGETHER = {
    "a mean": lambda y: y - y.mean(),
    "the row before": lambda y: np.roll(y, 1),
    "its place": lambda y: y + np.arange(len(y)),
    "the number of rows": lambda y: y * len(y),
    "infinite in a batch": lambda y: np.where(len(y) > 1000, y, np.inf),
    "infinite among all": lambda y: np.where(len(y) > 1000, np.inf, y),
    "whole numbers of all": lambda y: (y > y.mean()).astype("int32") + len(y),
    "one for all": lambda y: y.sum(),
    "two for each row": lambda y: np.repeat(y, 2),
    "a square": lambda y: np.multiply.outer(y, y),
}


@pytest.mark.parametrize("n", [2100, 10_000])
def test_outputs_are_told_apart(n):
    outputs = {**ALONE, **TOGETHER}
    found = rows_agree(lambda rows: [np.asarray(f(Y[rows])) for f in outputs.values()], n, 256)
    assert dict(zip(outputs, found, strict=True)) == {
        **dict.fromkeys(ALONE, True),
        **dict.fromkeys(TOGETHER, False),
    }


@pytest.mark.parametrize("n", [1, 2, 3, 7, 256, 2049])
@pytest.mark.parametrize("size", [1, 2, 100, 5000])
def test_every_row_is_looked_at_in_batches_of_one_size(n, size):
    asked = []

    def evaluate(rows):
        asked.append(rows)
        return [Y[rows]]

    order = np.random.default_rng(n).permutation(n)
    batches = list(compare_rows(evaluate, np.arange(n), order, size, np.zeros_like))
    whole, *parts = asked
    assert len(whole) == n
    assert {len(rows) for rows in parts} == {min(size, -(-n // 2))}
    assert set(np.concatenate(parts)) == set(range(n))
    assert all(output.equal.all() for [output] in batches)


@pytest.mark.parametrize("output", TOGETHER)
def test_log_likelihoods_that_mix_rows_are_refused(output):
    rows, rng = {"y": Y[:2000]}, np.random.default_rng(0)
    with pytest.raises(ValueError, match="`batch_size` must be None where"):
        check_rows(lambda data: TOGETHER[output](data["y"]), rows, {}, rng, "y", 256)


def test_a_model_that_fails_on_some_rows_is_refused():
    def logp(data):
        return data["y"] + np.zeros(300)

    with pytest.raises(ValueError, match=r"fails on 150 of 300 rows .*; taken per example are 'y'"):
        check_rows(logp, {"y": Y[:300]}, {}, np.random.default_rng(0), "'y'", 256)
