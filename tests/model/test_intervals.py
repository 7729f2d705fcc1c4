"""Interval analysis: whatever the inputs, numbers lie in the interval that was found."""

import os

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytensor.graph.traversal import ancestors

from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.model.intervals import Intervals

EXAMPLES = int(os.environ.get("SEARCH_EXAMPLES", 40))  # more in tests/long
X, DATA = pt.vector("x", dtype="float64"), pt.vector("data", dtype="float64")
ONE = {
    "neg": lambda a: -a, "exp": pt.exp, "log": pt.log, "log1p": pt.log1p, "sqrt": pt.sqrt,
    "abs": abs, "sqr": pt.sqr, "sigmoid": pt.sigmoid, "softplus": pt.softplus, "tanh": pt.tanh,
    "expm1": pt.expm1, "erf": pt.erf, "erfc": pt.erfc, "arctan": pt.arctan, "sin": pt.sin,
    "cosh": pt.cosh, "sign": pt.sign, "floor": pt.floor, "round": pt.round,
    "softmax": pt.special.softmax,
    "share": lambda a: a / a.sum(axis=-1, keepdims=True), "sum": lambda a: a.sum(keepdims=True),
    "max": lambda a: a.max(keepdims=True), "mean": lambda a: a.mean(keepdims=True),
    "twice": lambda a: a * a, "cube": lambda a: a**3, "root": lambda a: a**0.3,
    "inverse": lambda a: 1 / a,
    "isnan": lambda a: pt.isnan(a).astype("float64"), "first": lambda a: a[:1],
    "clip": lambda a: pt.clip(a, -1, 2), "gammaln": pt.gammaln, "one minus": lambda a: 1 - a,
    "int": lambda a: a.astype("int64"), "log1mexp": pt.log1mexp,
}  # fmt: skip
TWO = {
    "add": pt.add, "sub": pt.sub, "mul": pt.mul, "div": pt.true_div, "pow": pt.pow,
    "maximum": pt.maximum, "minimum": pt.minimum, "switch": lambda a, b: pt.switch(a > b, a, b),
    "less": lambda a, b: (a < b).astype("float64"), "join": lambda a, b: pt.concatenate([a, b])[:3],
    "and": lambda a, b: ((a > 0) & (b <= 1)).astype("float64"),
    "isclose": lambda a, b: pt.isclose(a, b) * 1.0,
    "or": lambda a, b: ((a >= 0) | (b < 1)).astype("float64"), "eq": lambda a, b: pt.eq(a, b) * 1.0,
    "not": lambda a, b: (~(a > b)).astype("float64"),
    "set": lambda a, b: pt.set_subtensor(a[:1], b[:1]),
}  # fmt: skip
NUMBERS = st.lists(st.floats(-4, 4).map(lambda x: round(x, 2)), min_size=3, max_size=3)
GRAPHS = st.recursive(
    st.one_of(st.just(X), st.just(DATA), NUMBERS.map(lambda v: pt.constant(np.array(v)))),
    lambda inner: st.one_of(
        st.builds(lambda name, a: ONE[name](a), st.sampled_from(sorted(ONE)), inner),
        st.builds(lambda name, a, b: TWO[name](a, b), st.sampled_from(sorted(TWO)), inner, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES == 40)
@given(graph=GRAPHS, x=NUMBERS, data=NUMBERS)
def test_numbers_lie_in_their_interval(graph, x, data):
    x, data = np.array(x), np.array(data)
    found = Intervals({DATA: data})[graph]
    parts = [v for v in ancestors([graph]) if v.owner is not None and v.type.dtype == "float64"]
    with np.errstate(all="ignore"):
        function = pytensor.function(
            [X, DATA], [graph, *parts], mode=INTERPRETED, on_unused_input="ignore"
        )
        try:
            value, *values = function(x, data)
        except ValueError:  # shapes of 1 and 3 that were not known to broadcast
            assume(False)
    assume(not any(np.isinf(v).any() for v in values))  # overflow, or 1/0
    if np.isnan(value).any():
        assert not found.defined
    value = value[~np.isnan(value)]
    assert (value >= found.low - 1e-9 * abs(found.low)).all() if np.isfinite(found.low) else True
    assert (value <= found.high + 1e-9 * abs(found.high)).all() if np.isfinite(found.high) else True


W, M = pt.vector("w"), pt.matrix("m")


def share(x):
    e = pt.exp(x)
    return e / e.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize(
    "holds",
    [
        pt.exp(X) > 0,
        pt.softplus(X) + 1e-6 > 0,
        (pt.sigmoid(X) <= 1) & (1 - pt.sigmoid(X) >= 0),
        pt.isclose(pt.special.softmax(M, axis=-1).sum(axis=-1), 1),
        pt.isclose(pt.special.softmax(M, axis=0).T.sum(axis=-1), 1),
        pt.isclose(share(M).sum(axis=-1), 1),
        pt.isclose(pt.stack([pt.sigmoid(W), 1 - pt.sigmoid(W)], axis=-1).sum(axis=-1), 1),
        1 - pt.exp(-pt.exp(X)) <= 1,
        pt.sqrt(pt.exp(X) + X**2) > 0,
        pt.exp(X) / (1 + pt.exp(X)) >= 0,
        pt.maximum(X, 0) + 0.1 > 0,
        1 / (1 + X**2) > 0,
        pt.clip(X, 1e-6, 1 - 1e-6) < 1,
    ],
    ids=str,
)
def test_what_links_are_for_is_proven(holds):
    assert Intervals({})[holds].low == 1


@pytest.mark.parametrize(
    "open_question",
    [
        X > 0,
        pt.maximum(X, 0) > 0,
        pt.isclose(pt.special.softmax(M, axis=0).sum(axis=-1), 1),
        pt.isclose(share(M).sum(axis=0), 1),
        pt.isclose(pt.stack([pt.sigmoid(W), pt.sigmoid(W)], axis=-1).sum(axis=-1), 1),
        pt.sigmoid(pt.log(X)) <= 1,
        pt.exp(X) - 1 > 0,
        1 / X > 0,
    ],
    ids=str,
)
def test_what_may_not_hold_is_not_proven(open_question):
    assert Intervals({})[open_question].low == 0


def test_deep_graphs_need_no_recursion():
    x = X
    for _ in range(1500):
        x = pt.exp(-abs(x))
    assert Intervals({})[x].positive
