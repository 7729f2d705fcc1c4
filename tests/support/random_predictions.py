"""Random small models, predicted in batches and whole, against PyTensor on the model itself."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from hypothesis import strategies as st
from pymc.logprob.utils import replace_rvs_by_values
from pytensor.compile.mode import Mode

import pymc_bnn as bnn

# What is asked for, of an array of a row for each example.
STEPS = {
    "as it is": lambda v: v,
    "tanh": pt.tanh,
    "over rows": lambda v: v - v.mean(axis=0),
    "over columns": lambda v: v - v.mean(axis=-1, keepdims=True),
    "running": lambda v: v.cumsum(axis=0),
    "across": lambda v: v.cumsum(axis=-1),
    "reversed": lambda v: v[::-1],
    "differences": lambda v: v[1:] - v[:-1],
    "sorted": lambda v: pt.sort(v, axis=0),
    "within": lambda v: pt.sort(v, axis=-1),
    "softmax": lambda v: pt.special.softmax(v, axis=-1),
    "shares": lambda v: pt.special.softmax(v, axis=0),
    "flat": lambda v: v.reshape((-1,)),
    "turned": lambda v: v.T,
    "twice": lambda v: pt.concatenate([v, v], axis=0),
    "wide": lambda v: pt.stack([v, 2 * v], axis=-1),
    "pair": lambda v: pt.stack([v, v + 1]),
    "first": lambda v: v[0],
    "total": lambda v: v.sum(),
    "top": lambda v: v.max(axis=-1),
    "own": lambda v: v * pt.ones_like(v),
    "positive": lambda v: pt.switch(v > 0, v, 0.0),
}
LAWS = ["normal", "student", "poisson", "bernoulli", "categorical", "mixture", "vector", "chain"]
STEP_LISTS = st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=3)


@st.composite
def cases(draw):
    return {
        "law": draw(st.sampled_from(LAWS)),
        "n": draw(st.sampled_from([3, 10, 17])),
        "columns": draw(st.sampled_from([None, 1, 3])),
        "dtype": draw(st.sampled_from(["float64", "float32", "int64"])),
        "steps": draw(st.lists(STEP_LISTS, min_size=4, max_size=8)),
        "likelihood": draw(st.sampled_from(["as it is", "tanh", "over rows", "running"])),
        "batch_size": draw(st.sampled_from([1, 2, 7])),
        "new": draw(st.sampled_from([1, 2, 5, 23])),
    }


def build(case, rng):
    """Return a model of a case, and the names of its deterministics."""
    n, k = case["n"], case["columns"]
    x = 3 * rng.normal(size=(n,) if k is None else (n, k))
    shape = x.shape
    with pm.Model() as model:
        data = pm.Data("x", x.astype(case["dtype"]))
        b = pm.Normal("b", 0.3, 0.2, shape=() if k is None else (k,))
        mu = pm.Deterministic("mu", data * b)
        pm.Deterministic("weight", b + 0.0)
        names = ["mu", "weight"]
        for i, steps in enumerate(case["steps"]):
            v = mu
            for step in steps:
                v = STEPS[step](v) if v.ndim else v
            names.append(pm.Deterministic(f"d{i}", v).name)
        used = STEPS[case["likelihood"]](mu)
        y = rng.normal(size=shape)
        law = case["law"]
        if law == "normal":
            pm.Normal("y", used, 1, observed=y)
        elif law == "student":
            pm.StudentT("y", 4, mu=used, sigma=1.5, observed=y)
        elif law == "poisson":
            pm.Poisson("y", pt.exp(used), observed=rng.poisson(1.0, shape))
        elif law == "bernoulli":
            pm.Bernoulli("y", logit_p=used, observed=y > 0)
        elif law == "categorical":
            logits = used[..., None] * np.array([0.0, 1.0, -1.0])
            pm.Categorical("y", logit_p=logits, observed=rng.integers(0, 3, shape))
        elif law == "mixture":
            pm.NormalMixture("y", [0.5, 0.5], used[..., None] * [1.0, -1.0], 1.0, observed=y)
        elif law == "vector":
            rows = used[:, None] if k is None else used
            pm.MvNormal("y", rows, np.eye(k or 1), observed=y.reshape(n, -1))
        else:
            one = pm.Normal("one", used, 1.0, observed=y)
            pm.Normal("y", 2 * one, 0.1, observed=y)
    return model, names


def reference(model, names, weights, x):
    """Evaluate deterministics by PyTensor's own code, on the graphs of the model."""
    with model:
        pm.set_data({"x": x})
    b = model["b"]
    graphs = replace_rvs_by_values(
        [model[name] for name in names],
        rvs_to_values={b: model.rvs_to_values[b]},
        rvs_to_transforms={b: None},
    )
    f = pytensor.function([model.rvs_to_values[b]], graphs, mode=Mode("py", None))
    try:
        return [np.stack(drawn) for drawn in zip(*(f(w) for w in weights), strict=True)]
    except ValueError as error:
        if "zero-size" not in str(error):
            raise
        return None  # the softmax of no entries, which PyTensor's own code refuses


def check(case):
    """Raise unless predictions of a random model are right, whatever the batches."""
    rng = np.random.default_rng(1)
    model, names = build(case, rng)
    old = model["x"].get_value()
    options = {"steps": 1, "random_seed": 1, "progressbar": False, "batch_size": None}
    fitted = bnn.fit(model, **options)
    new = (3 * rng.normal(size=(case["new"], *old.shape[1:]))).astype(case["dtype"])
    if case["n"] == 3:  # as many as there are classes, or columns of a covariance
        try:
            fitted.predict({"x": new}, 3)
        except ValueError as error:
            if "by coincidence, fit with rows=['x', 'y']" not in str(error):
                raise
            fitted = bnn.fit(model, **options, rows=["x", "y"])
    for x, new_data in ((old, None), (new, {"x": new})):
        whole, parts = (
            fitted.predict(new_data, 3, batch_size=size, var_names=names, random_seed=2)
            for size in (1000, case["batch_size"])
        )
        for name in {*names, *whole.variables}:
            a, b = whole[name].samples, parts[name].samples
            assert a.shape == b.shape, name
            close = np.isclose(a, b, rtol=1e-3, atol=1e-3, equal_nan=True)
            assert close.sum() >= 0.95 * close.size, (
                name,
                a,
                b,
            )  # a vote or a count may be one of two
        expected = reference(model, names, whole["weight"].samples, x)
        with model:
            pm.set_data({"x": old})
        for name, value in zip(names, expected, strict=True) if expected else ():
            assert whole[name].samples.shape == value.shape, name
            np.testing.assert_allclose(
                whole[name].samples, value, rtol=2e-4, atol=2e-4, err_msg=name
            )
        y = whole["y"].samples
        rows = 1 if case["law"] == "vector" and case["columns"] is None else None
        assert y.shape == (3, *x.shape, *([rows] if rows else [])), (y.shape, x.shape)
