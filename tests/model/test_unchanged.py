"""What is kept of a model for its next fit: right after every change, and gone with the model."""

import copy
import gc
import weakref

import cloudpickle
import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytest

import pymc_bnn as bnn
from pymc_bnn.model.decompose import decompose
from pymc_bnn.model.rows import find_rows
from pymc_bnn.model.unchanged import kept_with
from pymc_bnn.model.undivided import Undivided

N = 40
RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(N, 2)), RNG.normal(size=N)


def line(x=X, y=Y):
    with pm.Model(coords={"row": np.arange(len(x)), "k": ["a", "b"]}) as model:
        x = pm.Data("x", x, dims=("row", "k"))
        b = pm.Normal("b", 0, 1, dims="k")
        s = pm.HalfNormal("s", 1.0)
        pm.Deterministic("mu", x @ b)
        pm.Normal("y", model["mu"], s, observed=pm.Data("targets", y, dims="row"), dims="row")
    return model


def effect():
    """An effect per group, an index of integers, counts and a Potential."""
    with pm.Model() as model:
        a = pm.Normal("a", 0, 2, shape=3)
        g = pm.Data("g", np.arange(N) % 3)
        pm.Potential("sum", -(a.sum() ** 2))
        pm.Poisson("y", pm.math.exp(a[g]), observed=np.arange(N) % 4)
    return model


def missing():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 10)
        with pytest.warns(UserWarning, match="missing|impute"):
            pm.Normal("y", mu, 1, observed=pd.Series(np.where(np.arange(N) < 3, np.nan, Y)))
    return model


def two():
    with pm.Model() as model:
        out = bnn.bayesian(bnn.networks.mlp((2, 5, 2)), pm.Data("x", X))
        pm.Normal("y", out[:, 0], 1, observed=Y)
        pm.Bernoulli("z", logit_p=out[:, 1], observed=(Y > 0).astype(int))
    return model


MODELS = [line, effect, missing, two]


def fitted(model, seed=5, **options):
    return bnn.fit(model, steps=4, random_seed=seed, progressbar=False, **options)


def numbers(fit):
    return {n: v.values for n, v in fit.sample(3, random_seed=1).posterior.data_vars.items()}


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], name)


WAYS = [(make, None) for make in MODELS] + [(make, 16) for make in (line, effect, two)]


@pytest.mark.parametrize(("make", "batch_size"), WAYS)
def test_a_fitted_model_is_fitted_as_one_that_is_new(make, batch_size):
    used = make()
    fitted(used, 1, batch_size=batch_size)
    assert kept_with(used)
    again = fitted(used, batch_size=batch_size)
    same(numbers(again), numbers(fitted(make(), batch_size=batch_size)))


def test_graphs_are_not_made_again():
    model = line()
    fitted(model)
    rows, _ = find_rows(model, None)
    assert decompose(model, rows).row_logp is decompose(model, rows).row_logp
    assert decompose(model).rest_logp is not decompose(model, rows).rest_logp


def test_other_data_are_seen():
    model, other = line(), line(X[::-1] + 1, 2 * Y)
    fitted(model)
    pm.set_data({"x": X[::-1] + 1, "targets": 2 * Y}, model)
    same(numbers(fitted(model)), numbers(fitted(other)))


def test_data_written_over_in_place_are_seen():
    model = line()
    fitted(model)
    model["x"].get_value(borrow=True)[:] = X[::-1]
    same(numbers(fitted(model)), numbers(fitted(line(X[::-1]))))


def test_more_rows_are_seen():
    model = line()
    fitted(model)
    x, y = np.tile(X, (2, 1)), np.tile(Y, 2)
    pm.set_data({"x": x, "targets": y}, model, coords={"row": np.arange(2 * N)})
    same(numbers(fitted(model)), numbers(fitted(line(x, y))))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_numbers_are_refused_as_before(bad):
    model = line()
    fitted(model)
    y = Y.copy()
    y[3] = bad
    pm.set_data({"targets": y}, model)
    with pytest.raises(ValueError, match="finite"):
        fitted(model)


def test_an_index_beyond_its_table_is_refused_as_before():
    model = effect()
    fitted(model)
    pm.set_data({"g": np.arange(N) % 4}, model)
    with pytest.raises(ValueError, match="0…2"):
        fitted(model)


def test_whole_numbers_that_need_more_bits_are_seen():
    def counts(times):
        with pm.Model() as model:
            pm.Normal("y", pm.Normal("mu", 0, 1e11) * pm.Data("x", np.arange(N) * times), 1e9,
                      observed=Y)  # fmt: skip
        return model

    model, times = counts(1), 10**10
    fitted(model)
    pm.set_data({"x": np.arange(N) * times}, model)
    same(numbers(fitted(model)), numbers(fitted(counts(times))))


def _variable(model):
    with model:
        pm.Normal("more", model["b"].sum(), 1, observed=[0.5])


def _potential(model):
    with model:
        pm.Potential("more", -model["s"])


def _deterministic(model):
    with model:
        pm.Deterministic("more", model["s"] ** 2)


def _start(model):
    model.set_initval(model["s"], np.array(3.0))


def _transform(model):
    rv = model["s"]
    value = pm.draw(rv).dtype
    model.values_to_rvs.pop(model.rvs_to_values[rv])
    model.rvs_to_transforms[rv] = pm.distributions.transforms.Interval(0, 50)
    own = pytensor.tensor.scalar("s_interval__", dtype=value)
    model.rvs_to_values[rv], model.values_to_rvs[own] = own, rv


def _in_the_graph(model):
    node = model["s"].owner
    node.inputs[-1] = pytensor.tensor.constant(np.float64(9.0))


CHANGES = [_variable, _potential, _deterministic, _start, _transform, _in_the_graph]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change):
    model, new = line(), line()
    fitted(model)
    before = decompose(model)
    change(model)
    change(new)
    assert decompose(model).rest_logp is not before.rest_logp
    same(numbers(fitted(model)), numbers(fitted(new)))


def test_a_start_written_over_in_place_is_seen():
    model, start = line(), np.ones(2)
    model.rvs_to_initial_values[model["b"]] = start
    first = Undivided(model).start["b"]
    start[:] = 4.0
    assert first.tolist() == [1.0, 1.0]
    assert Undivided(model).start["b"].tolist() == [4.0, 4.0]


def test_random_starts_are_of_the_seed():
    model = line()
    model.set_initval(model["b"], "prior")
    starts = [Undivided(model, seed).start["b"] for seed in (1, 2, 1)]
    assert (starts[0] == starts[2]).all()
    assert (starts[0] != starts[1]).all()


def test_labels_are_those_of_now():
    model = line()
    fitted(model)
    model._coords["k"] = ("left", "right")
    terms = decompose(model)
    assert terms.coords["k"] == ["left", "right"]
    assert next(d for d in terms.data if d.name == "x").columns == ("left", "right")


def test_another_precision_of_pytensor_is_seen():
    model = line()
    first = decompose(model)
    with pytensor.config.change_flags(floatX="float32"):
        assert decompose(model).rest_logp is not first.rest_logp


@pytest.mark.parametrize("make", MODELS)
def test_a_model_is_freed_with_what_is_kept(make):
    model = make()
    fitted(model)
    assert kept_with(model)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("copied", [copy.copy, lambda m: cloudpickle.loads(cloudpickle.dumps(m))])
def test_a_copy_begins_anew_and_is_fitted_alike(copied):
    model = line()
    first = numbers(fitted(model))
    other = copied(model)
    assert other is model or not kept_with(other)
    same(numbers(fitted(other)), first)


def test_pymc_does_not_see_it():
    model = line()
    known = set(vars(model))
    fitted(model)
    assert set(vars(model)) == known
