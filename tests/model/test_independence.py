"""What a graph says of its rows, against what its numbers say."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytensor_ml.layers import (
    BatchNorm,
    Conv2D,
    Embedding,
    LayerNorm,
    Linear,
    MaxPool2D,
    Sequential,
)

from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.model.independence import row_use

GROUPS = np.arange(24.0).reshape(4, 2, 3)


def group(x, column=0, k=4):
    return pt.floor(x[:, column]).astype(int) % k


# name: (function of a matrix of rows, what the graph must say, axis of the rows)
MATRIX = {
    "exp": (pt.exp, "rows", 0),
    "product": (lambda x: x @ np.ones((3, 2)), "rows", 0),
    "matrix times vector": (lambda x: x @ np.ones(3), "rows", 0),
    "transposed": (lambda x: x.T, "rows", 1),
    "product of the transposed": (lambda x: np.ones((2, 3)) @ x.T, "rows", 1),
    "stack": (lambda x: pt.stack([x, x]), "rows", 1),
    "sum of columns": (lambda x: x.sum(axis=1), "rows", 0),
    "largest column": (lambda x: x.argmax(axis=1), "rows", 0),
    "softmax": (lambda x: pm.math.softmax(x, axis=-1), "rows", 0),
    "cumsum of columns": (lambda x: x.cumsum(axis=1), "rows", 0),
    "sorted columns": (lambda x: pt.sort(x, axis=1), "rows", 0),
    "a column": (lambda x: x[:, 1], "rows", 0),
    "last columns": (lambda x: x[..., -2:], "rows", 0),
    "chosen columns": (lambda x: x[:, np.array([2, 0])], "rows", 0),
    "a column set": (lambda x: pt.set_subtensor(x[:, 1], 0.0), "rows", 0),
    "intercept": (lambda x: pt.concatenate([x, pt.ones((x.shape[0], 1))], axis=1), "rows", 0),
    "reshaped": (lambda x: x.reshape((x.shape[0], 3, 1)), "rows", 0),
    "reshaped by -1": (lambda x: x.reshape((-1, 1, 3)), "rows", 0),
    "zeros": (pt.zeros_like, "rows", 0),
    "full": (lambda x: pt.full((x.shape[0],), 2.0), "rows", 0),
    "where": (lambda x: pt.where(x > 0, 1.0, x), "rows", 0),
    "group": (lambda x: pt.as_tensor(GROUPS)[group(x)], "rows", 0),
    "group of two": (lambda x: pt.as_tensor(GROUPS)[group(x), :, group(x, 1, 3)], "rows", 0),
    "group on the last axis": (lambda x: pt.as_tensor(GROUPS)[:, :, group(x, 0, 3)], "rows", 2),
    "its own column": (lambda x: pt.take_along_axis(x, group(x, 0, 3)[:, None], axis=1), "rows", 0),
    "matrix by row": (lambda x: x[:, :, None] @ x[:, None, :], "rows", 0),
    "inverse": (lambda x: pt.linalg.inv(pt.eye(3) + x[:, :, None] * x[:, None, :]), "rows", 0),
    "solve": (lambda x: pt.linalg.solve(np.eye(3) * 2, x.T), "rows", 1),
    "flattened by row": (lambda x: x.reshape((-1, 3, 1)).flatten(2), "rows", 0),
    "entries and back": (
        lambda x: (x.reshape((x.shape[0] * 3, 1)) @ np.ones((1, 2))).reshape((-1, 6)),
        "rows",
        0,
    ),
    "entries and back by length": (
        lambda x: pt.exp(x.reshape((-1,))).reshape((x.shape[0], 3)),
        "rows",
        0,
    ),
    "joined and split": (
        lambda x: pt.split_dims(pt.join_dims(x[:, :, None], 0, 2), (x.shape[0], 3), axis=0),
        "rows",
        0,
    ),
    "layer norm": (lambda x: LayerNorm(n_in=3)(x), "rows", 0),
    "mean over rows": (lambda x: x.mean(), "mixed", None),
    "centred": (lambda x: x - x.mean(axis=0), "mixed", None),
    "cumsum": (lambda x: x.cumsum(axis=0), "mixed", None),
    "cumsum of all": (lambda x: x.cumsum(), "unknown", None),
    "lag": (lambda x: pt.concatenate([x[:1], x[:-1]]), "mixed", None),
    "difference": (lambda x: pt.diff(x, axis=0), "mixed", None),
    "a few rows": (lambda x: x[:5], "mixed", None),
    "one row": (lambda x: x[0], "mixed", None),
    "reversed": (lambda x: x[::-1], "mixed", None),
    "sorted": (lambda x: pt.sort(x, axis=0), "mixed", None),
    "flat": (lambda x: x.flatten(), "mixed", None),
    "pairs": (lambda x: x[:, None, :] * x[None, :, :], "mixed", None),
    "gram": (lambda x: x @ x.T, "mixed", None),
    "covariance": (lambda x: x.T @ x, "mixed", None),
    "softmax of rows": (lambda x: pm.math.softmax(x, axis=0), "mixed", None),
    "trend": (lambda x: x[:, 0] * pt.arange(x.shape[0]), "mixed", None),
    "share": (lambda x: x / x.shape[0], "mixed", None),
    "effect per place": (lambda x: x[:, 0] + np.arange(8.0), "mixed", None),
    "table of rows": (lambda x: x[group(x)], "mixed", None),
    "other rows": (lambda x: x[np.array([1, 0, 2, 3, 4, 5, 6, 7])], "mixed", None),
    "entries in groups of two": (lambda x: x.reshape((-1, 2)), "mixed", None),
    "entries transposed": (lambda x: x.T.reshape((-1, 3)), "mixed", None),
    "entries summed": (lambda x: x.reshape((-1,)).sum() + x, "unknown", None),
    "one row set": (lambda x: pt.set_subtensor(x[0], 0.0), "mixed", None),
    "totals of groups": (lambda x: pt.inc_subtensor(pt.zeros(4)[group(x)], x[:, 1]), "mixed", None),
    "total": (lambda x: pt.sum(x[:, 0] * x[:, 1]) + x[:, 0], "mixed", None),
    "mask": (lambda x: x[x[:, 0] > 0], "mixed", None),
    "batch norm": (lambda x: BatchNorm(n_in=3)(x), "mixed", None),
    "repeated rows": (lambda x: pt.repeat(x, 2, axis=0), "mixed", None),
    "padded columns": (lambda x: pt.pad(x, ((0, 0), (1, 2)), mode="reflect"), "rows", 0),
    "padded rows": (lambda x: pt.pad(x, ((1, 0), (0, 0))), "mixed", None),
    "kernel": (lambda x: pt.linalg.cholesky(pt.eye(x.shape[0]) + x @ x.T), "mixed", None),
    "diagonal": (pt.diagonal, "unknown", None),
    "constant": (lambda x: pt.as_tensor(np.ones(8)) * 2, "none", None),
}
ROWS = np.random.default_rng(0).normal(size=(8, 3)).round(2) * 4


def stands_alone(function, index, axis):
    """Whether rows taken before are the rows taken after."""
    alone, after = function(ROWS[index]), np.take(function(ROWS), index, axis=axis)
    return alone.shape == after.shape and np.allclose(alone, after, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("case", MATRIX)
def test_the_graph_says_what_numbers_say(case):
    build, kind, axis = MATRIX[case]
    x = pt.tensor("x", dtype="float64", shape=(None, 3))
    output = build(x)
    (use,) = row_use([output], [x])
    assert (use.kind, use.axis) == (kind, axis)
    assert bool(use.why) == (kind in ("mixed", "unknown"))
    if kind == "rows":
        function = pytensor.function([x], output, mode=INTERPRETED)
        for index in ([3], [5, 1, 0, 7], np.arange(8)[::-1]):
            assert stands_alone(function, np.array(index), axis)


def test_images_and_embeddings_are_rows():
    image = pt.tensor("image", dtype="float64", shape=(None, 8, 8, 1))
    network = Sequential(
        Conv2D(in_channels=1, out_channels=2, kernel_size=3), MaxPool2D(kernel_size=2)
    )
    assert [(u.kind, u.axis) for u in row_use([network(image)], [image])] == [("rows", 0)]
    same = Sequential(
        Conv2D(in_channels=1, out_channels=2, kernel_size=3, padding="same"),
        MaxPool2D(kernel_size=2),
    )
    assert [(u.kind, u.axis) for u in row_use([same(image)], [image])] == [("rows", 0)]
    number = pt.ivector("number")
    output = Sequential(Embedding(n_embeddings=5, n_features=3), Linear(n_in=3, n_out=2))(number)
    assert [(u.kind, u.axis) for u in row_use([output], [number])] == [("rows", 0)]


LAWS = {
    "Normal": lambda x: pm.Normal.dist(x[:, 0], 2),
    "StudentT": lambda x: pm.StudentT.dist(3, mu=x[:, 0], sigma=2),
    "Gamma": lambda x: pm.Gamma.dist(2, pt.exp(x[:, 0])),
    "Laplace": lambda x: pm.Laplace.dist(x[:, 0], 1),
    "TruncatedNormal": lambda x: pm.TruncatedNormal.dist(x[:, 0], 1, lower=-9),
    "Censored": lambda x: pm.Censored.dist(pm.Normal.dist(x[:, 0], 1), -9, 9),
    "NormalMixture": lambda x: pm.NormalMixture.dist(pm.math.softmax(x, -1), np.arange(3.0), 1.0),
    "Mixture": lambda x: pm.Mixture.dist(
        [0.3, 0.7], [pm.Normal.dist(x[:, 0], 1), pm.StudentT.dist(3, mu=x[:, 1], sigma=2)]
    ),
    "Bernoulli": lambda x: pm.Bernoulli.dist(logit_p=x[:, 0]),
    "Categorical": lambda x: pm.Categorical.dist(logit_p=x),
    "OrderedLogistic": lambda x: pm.OrderedLogistic.dist(x[:, 0], [-1, 1]),
    "ZeroInflatedPoisson": lambda x: pm.ZeroInflatedPoisson.dist(0.3, pt.exp(x[:, 0])),
    "NegativeBinomial": lambda x: pm.NegativeBinomial.dist(mu=pt.exp(x[:, 0]), alpha=2),
    "Multinomial": lambda x: pm.Multinomial.dist(5, pm.math.softmax(x, axis=-1)),
    "Dirichlet": lambda x: pm.Dirichlet.dist(pt.exp(x)),
    "MvNormal": lambda x: pm.MvNormal.dist(x, np.eye(3)),
}


@pytest.mark.parametrize("law", LAWS)
def test_densities_and_draws_of_laws_are_rows(law):
    x = pt.tensor("x", dtype="float64", shape=(None, 3))
    rv = LAWS[law](x)
    y = pt.tensor("y", dtype=rv.dtype, shape=(None, *rv.type.shape[1:]))
    assert [(u.kind, u.axis) for u in row_use([pm.logp(rv, y)], [x, y])] == [("rows", 0)]
    assert [(u.kind, u.axis) for u in row_use([rv], [x])] == [("rows", 0)]


@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(st.lists(st.sampled_from(sorted(MATRIX)), min_size=2, max_size=4))
def test_whatever_is_called_rows_stands_alone(steps):
    """Random chains of operations: nothing that mixes rows may pass for rows."""
    x = pt.tensor("x", dtype="float64", shape=(None, 3))
    output = x
    for step in steps:
        try:
            output = MATRIX[step][0](output)
        except (ValueError, TypeError, IndexError, NotImplementedError):
            break  # no such step of so many axes: the chain before it is looked at
    (use,) = row_use([output], [x])
    if use.kind != "rows":
        return
    function = pytensor.function([x], output, mode=INTERPRETED, on_unused_input="ignore")
    try:
        whole = function(ROWS)
    except (ValueError, TypeError, IndexError, AssertionError):
        return
    assert whole.shape[use.axis] == len(ROWS)
    assert stands_alone(function, np.array([6, 2, 3]), use.axis)
