"""What looks across rows is predicted whole, whatever the batches; what does not, in batches."""

import jax
import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn
from pymc_bnn.prediction.predict import ask, predict
from pymc_bnn.prediction.streaming import settled

RNG = np.random.default_rng(3)
QUIET = {"random_seed": 1, "progressbar": False}


def model_of(n):
    with pm.Model() as model:
        x = pm.Data("x", RNG.normal(size=n))
        b = pm.Normal("b")
        mu = pm.Deterministic("mu", b * x)
        pm.Deterministic("slope", b + 0.0)
        pm.Deterministic("centred", mu - mu.mean())
        pm.Deterministic("running", mu.cumsum())
        pm.Deterministic("middle", mu.mean())
        pm.Deterministic("pair", pm.math.stack([mu, mu]))
        pm.Deterministic("columns", pm.math.stack([mu, 2 * mu], axis=1))
        pm.Deterministic("table", b * np.arange(10.0))
        pm.Normal("y", mu, 1.0, observed=RNG.normal(size=n))
    return model


def expected(slope, x):
    mu = slope[:, None] * x
    return {
        "mu": mu,
        "centred": mu - mu.mean(axis=1, keepdims=True),
        "running": mu.cumsum(axis=1),
        "middle": mu.mean(axis=1),
        "pair": np.stack([mu, mu], axis=1),
        "columns": np.stack([mu, 2 * mu], axis=2),
        "table": slope[:, None] * np.arange(10.0),
    }


@pytest.fixture(scope="module", params=[256, 600])
def fitted(request):
    return bnn.fit(model_of(request.param), steps=5, **QUIET)


@pytest.mark.parametrize("new", [None, 23, 1])
def test_numbers_do_not_depend_on_the_batches(fitted, new):
    x = fitted.problem.model["x"].get_value() if new is None else RNG.normal(size=new)
    names = ["slope", *expected(np.ones(1), x)]
    for batch_size in (7, 256, 1000):
        pred = fitted.predict(
            None if new is None else {"x": x}, 4, batch_size=batch_size, var_names=names,
            random_seed=1,
        )  # fmt: skip
        for name, values in expected(pred["slope"].samples, x).items():
            found = pred[name].samples
            assert found.shape == values.shape, name
            np.testing.assert_allclose(found, values, rtol=1e-4, atol=2e-4, err_msg=name)
        assert pred["y"].samples.shape == (4, len(x))
    if new == 23:
        data = pred.to_datatree().predictions
        assert data["pair"].dims == ("chain", "draw", "pair_dim_0", "example")
        assert data["running"].dims == ("chain", "draw", "example")
        assert data["columns"].dims == ("chain", "draw", "example", "columns_dim_1")
        assert data["middle"].dims == ("chain", "draw")
        assert data["table"].dims == ("chain", "draw", "table_dim_0")


@pytest.mark.parametrize("name", ["centred", "running", "middle", "pair"])
def test_a_store_refuses_what_looks_across_rows(fitted, name, tmp_path):
    batches = [{"x": np.arange(5.0)}] * 2
    message = f"`var_names` must predict each example by itself, and '{name}' does not, got "
    with pytest.raises(ValueError, match=message):
        fitted.predict_to(tmp_path / name, batches, 3, var_names=[name], progressbar=False)
    assert not (tmp_path / name).exists()


def test_a_store_takes_what_stands_row_by_row(fitted, tmp_path):
    pytest.importorskip("zarr")
    batches = [{"x": np.arange(5.0)}, {"x": np.arange(5.0, 8.0)}]
    found = fitted.predict_to(tmp_path / "s", batches, 3, var_names=["mu", "columns"],
                              random_seed=1, progressbar=False)  # fmt: skip
    whole = fitted.predict({"x": np.arange(8.0)}, 3, var_names=["mu", "columns"], random_seed=1)
    np.testing.assert_allclose(found["columns_mean"], whole["columns"].mean, rtol=1e-5)


def test_a_likelihood_that_looks_across_rows_is_predicted_whole(tmp_path):
    x = RNG.normal(size=300)
    with pm.Model() as model:
        mu = pm.Normal("b") * pm.Data("x", x)
        centred = pm.Deterministic("centred", mu - mu.mean())
        pm.Bernoulli("c", logit_p=centred, observed=x > 0)
        pm.Normal("y", centred, 0.5, observed=x)
    fitted = bnn.fit(model, steps=5, batch_size=None, **QUIET)
    parts = [fitted.predict(draws=3, batch_size=b, var_names="centred", random_seed=1)
             for b in (9, 300)]  # fmt: skip
    for name in ("y", "c", "centred"):
        np.testing.assert_allclose(parts[0][name].samples, parts[1][name].samples, atol=1e-5)
    logits = parts[0]["centred"].samples
    np.testing.assert_allclose(parts[0].probs[..., 1], 1 / (1 + np.exp(-logits)), rtol=1e-4)
    with pytest.raises(ValueError, match="`model` must predict each example by itself"):
        fitted.predict_to(tmp_path / "s", [{"x": x[:9]}], 3, progressbar=False)


def test_of_what_the_graph_does_not_say_numbers_decide():
    from pytensor.graph.basic import Apply
    from pytensor.graph.op import Op
    from pytensor.link.jax.dispatch import jax_funcify

    class Opaque(Op):
        __props__ = ("mixes",)

        def __init__(self, mixes):
            self.mixes = mixes

        def make_node(self, x):
            return Apply(self, [x], [x.type()])

        def perform(self, node, inputs, outputs):
            [x] = inputs
            outputs[0][0] = np.sort(x) if self.mixes else x + 0

    @jax_funcify.register(Opaque)
    def _(op, **_):
        import jax.numpy as jnp

        return jnp.sort if op.mixes else lambda x: x + 0

    x = RNG.normal(size=300)
    with pm.Model() as model:
        mu = pm.Normal("b") * pm.Data("x", x)
        pm.Deterministic("alone", Opaque(False)(mu))
        pm.Deterministic("sorted", Opaque(True)(mu))
        pm.Normal("y", mu, 1.0, observed=x)
    fitted = bnn.fit(model, steps=5, **QUIET)
    predictor, rows = ask(fitted.problem, None, ["alone", "sorted"])
    pred = predict(fitted.posterior, predictor, rows, 3, batch_size=50, random_seed=1)
    predictor = settled(predictor, rows, fitted.posterior.draw(jax.random.key(0)), 50)
    assert predictor.kinds["alone"] == "rows"
    assert predictor.kinds["sorted"] != "rows"
    np.testing.assert_allclose(pred["sorted"].samples, np.sort(pred["alone"].samples), rtol=1e-6)
