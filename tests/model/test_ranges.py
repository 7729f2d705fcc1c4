"""Indices in the data lie inside what they index, in fits, predictions and streams."""

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytensor_ml.layers import Embedding

import pymc_bnn as bnn
from pymc_bnn.model.decompose import decompose
from pymc_bnn.model.ranges import Indices
from pymc_bnn.model.rows import find_rows

K, L, N = 3, 4, 7


def embedded(mu, nu, g, h):
    layer = Embedding("e", n_embeddings=K, n_features=2)
    return bnn.bayesian(lambda ids: layer(ids)[..., 0], g)


# Of vectors mu (K,) and nu (K, L), by g in 0…K − 1 and h in 0…L − 1; the last two: what g and h
# have to be below.
LAYOUTS = {
    "mu[g]": (lambda mu, nu, g, h: mu[g], K, None),
    "nu[g, h]": (lambda mu, nu, g, h: nu[g, h], K, L),
    "nu[:, h]": (lambda mu, nu, g, h: nu[:, h].sum(0), None, L),
    "nu[g][:, 0]": (lambda mu, nu, g, h: nu[g][:, 0], K, None),
    "nu[g, None]": (lambda mu, nu, g, h: nu[g, None].sum((1, 2)), K, None),
    "take": (lambda mu, nu, g, h: pt.take(mu, g), K, None),
    "take, axis 1": (lambda mu, nu, g, h: pt.take(nu, h, axis=1).sum(0), None, L),
    "mu[g][h]": (lambda mu, nu, g, h: mu[g][h], K, N),
    "table": (lambda mu, nu, g, h: mu[pt.as_tensor([2, 1, 0])[g]], K, None),
    "cast": (lambda mu, nu, g, h: mu[pt.cast(g, "int16")], K, None),
    "g[:, None]": (lambda mu, nu, g, h: mu[pt.as_tensor(g)[:, None]][:, 0], K, None),
    "one-hot": (lambda mu, nu, g, h: pt.eye(K)[g] @ mu, K, None),
    "increment": (lambda mu, nu, g, h: mu.mean() * pt.zeros(K)[g].inc(1.0)[g], K, None),
    "expression": (lambda mu, nu, g, h: (mu**2 + 1)[g], K, None),
    "vectorized": (
        lambda mu, nu, g, h: pt.vectorize(lambda i: mu[i], "()->()")(pt.as_tensor(g)),
        K,
        None,
    ),
    "mu[2 - g]": (lambda mu, nu, g, h: mu[2 - pt.as_tensor(g)], K, None),
    "beside the author's": (
        lambda mu, nu, g, h: mu[g] + mu[-1] + mu[np.array([-1, 0])].sum() + nu[1:-1, -2:].sum(),
        K,
        None,
    ),
    "embedding": (embedded, K, None),
}


def built(layout, g, h, kind):
    with pm.Model(coords={"group": range(K)}) as model:
        mu, nu = pm.Normal("mu", dims="group"), pm.Normal("nu", shape=(K, L))
        if kind == "data":
            g, h = pm.Data("g", g), pm.Data("h", h)
        pm.Normal("y", LAYOUTS[layout][0](mu, nu, g, h), 1.0, observed=np.zeros(N))
    return model


ARGUMENTS = {
    "layout": st.sampled_from(sorted(LAYOUTS)),
    "kind": st.sampled_from(["data", "constant"]),
    "dtype": st.sampled_from(["int8", "uint8", "int32", "int64"]),
    "which": st.sampled_from("gh"),
    "row": st.integers(0, N - 1),
    "value": st.integers(-2, N + 1),
    "by_rows": st.booleans(),
}


def check_one(layout, kind, dtype, which, row, value, by_rows):
    """Build a model with one index changed: outside it is refused, else not."""
    if dtype == "uint8":
        value = abs(value)
    if layout in ("table", "one-hot") and kind == "constant":
        by_rows = True  # PyTensor folds a constant of a constant away; fits look at both forms
    arrays = {"g": np.arange(N) % K, "h": np.arange(N) % L}
    arrays[which][row] = value
    arrays = {name: array.astype(dtype) for name, array in arrays.items()}
    model = built(layout, arrays["g"], arrays["h"], kind)
    terms = decompose(model, find_rows(model)[0] if by_rows else (), strict=False)
    below = LAYOUTS[layout][1:]["gh".index(which)]
    if below is None or 0 <= value < below:
        Indices.of(terms).check(terms.arrays())
        return
    with pytest.raises(ValueError, match="indices in 0…") as caught:
        Indices.of(terms).check(terms.arrays())
    if kind == "data":
        assert f"`{which}`" in str(caught.value)
    if value == -1 and layout != "mu[2 - g]":
        assert "pandas writes -1 for a missing category" in str(caught.value)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(**ARGUMENTS)
def test_indices_outside_are_refused_and_others_are_not(**arguments):
    check_one(**arguments)


def group_model(g, y=None):
    with pm.Model() as model:
        mu = pm.Normal("mu", shape=K)
        pm.Normal("y", mu[pm.Data("g", g)], 1.0, observed=np.zeros(len(g)) if y is None else y)
    return model


def test_fits_predictions_and_streams_refuse_before_work():
    g = np.arange(300) % K
    bad = g.copy()
    bad[280] = 7
    options = {"steps": 3, "progressbar": False, "random_seed": 0}
    rule = r"must hold indices in 0…2, as 'mu' has 3 entries there, got 1 other of"
    for codes in (bad, bad[200:]):  # by rows and all data
        with pytest.raises(ValueError, match=rf"`g` {rule}"):
            bnn.fit(group_model(codes), **options)
    fitted = bnn.fit(group_model(g), **options)
    assert fitted.predict({"g": [2, 2]}, draws=2)["y"].mean.shape == (2,)
    missing = pd.Series(["b", None]).astype("category").cat.codes
    with pytest.raises(ValueError, match=rf"`new_data\['g'\]` {rule} 2.*-1.*pandas"):
        fitted.predict({"g": missing}, draws=2)
    y = np.zeros(100)
    batches = [{"g": codes, "y": y} for codes in (g[:100], bad[200:])]
    with pytest.raises(ValueError, match=rf"`data\['g'\] of batch 2` {rule}"):
        bnn.fit(group_model(g[:9]), data=batches, total_size=200, **options)


def test_lengths_may_come_with_the_data():
    with pm.Model() as model:
        table = pm.Data("table", [1.0, 2.0])
        rate = (table * pm.Normal("b"))[pm.Data("g", [0, 1, 1])]
        pm.Normal("y", rate, 1.0, observed=np.zeros(3))
    terms = decompose(model)
    indices, arrays = Indices.of(terms), terms.arrays()
    indices.check(arrays)
    with pytest.raises(ValueError, match=r"`g` must hold indices in 0…1, as 'b' has 2 entries"):
        indices.check({**arrays, "g": np.array([0, 2, 0])})
    indices.check({"table": np.ones(3), "g": np.array([0, 2, 0]), "y": np.zeros(3)})


def test_groups_of_groups():
    for last, match in (
        (-1, "`of` must hold indices in 0…2.*pandas"),
        (5, "`of` must hold indices in 0…2.* the first 5 at index 2"),
    ):
        with pm.Model() as model:
            a = pm.Normal("a", shape=3)
            b = pm.Normal("b", a[pm.Data("of", [0, 1, last])], shape=3)
            pm.Normal("y", b[np.array([0, 1, 2, 2])], observed=np.zeros(4))
        with pytest.raises(ValueError, match=match):
            Indices.of(terms := decompose(model)).check(terms.arrays())


def test_clipped_and_wrapped_indices_are_the_authors():
    for mode in ("clip", "wrap"):
        with pm.Model() as model:
            mu = pm.Normal("mu", shape=K)
            chosen = pt.take(mu, pm.Data("g", [0, 9, -1]), axis=0, mode=mode)
            pm.Normal("y", chosen, observed=np.zeros(3))
        terms = decompose(model)
        Indices.of(terms).check(terms.arrays())
