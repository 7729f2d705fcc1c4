"""A single example and a single class are warned of; what only looks like it is not."""

import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn

X = np.random.default_rng(1).normal(size=(40, 2))
QUIET = {"steps": 2, "random_seed": 1, "progressbar": False}


def classifier(y, kind="bernoulli", x=X):
    x = x[: len(y)]
    with pm.Model() as model:
        if kind == "bernoulli":
            pm.Bernoulli("y", logit_p=pm.Data("x", x) @ pm.Normal("w", shape=2), observed=y)
        else:
            pm.Categorical("y", logit_p=pm.Data("x", x) @ pm.Normal("w", shape=(2, 3)), observed=y)
    return model


@pytest.mark.parametrize("kind", ["bernoulli", "categorical"])
@pytest.mark.parametrize("dtype", [int, bool, np.int8])
@pytest.mark.parametrize("label", [0, 1])
def test_a_single_class(kind, dtype, label):
    model = classifier(np.full(40, label, dtype), kind)
    with pytest.warns(UserWarning, match=f"all 40 labels of 'y' are {label}, so that"):
        bnn.fit(model, batch_size=10, **QUIET)


def test_several_classes_and_a_coin_are_silent():
    bnn.fit(classifier(np.arange(40) % 2), **QUIET)
    bnn.fit(classifier(np.arange(40) % 2, "categorical"), **QUIET)  # of three
    with pm.Model() as coin:
        pm.Bernoulli("y", p=pm.Beta("p", 1, 1), observed=np.ones(20, int))
    bnn.fit(coin, **QUIET)


def test_the_sample_of_a_stream_may_be_of_one_class():
    y = np.arange(40) % 2
    bnn.fit(classifier(np.ones(6, int)), data=[(X, y)], total_size=40, **QUIET)


@pytest.mark.parametrize("batch_size", ["auto", None, 1])
def test_a_single_example(batch_size):
    with pm.Model() as model:
        pm.Normal("y", pm.Data("x", X[:1]) @ pm.Normal("w", shape=2), 1, observed=X[:1, 0])
    with pytest.warns(UserWarning, match="there is a single example of 'y'; are the data whole"):
        bnn.fit(model, batch_size=batch_size, **QUIET)


def test_an_observed_number_is_no_data_set():
    with pm.Model() as model:
        pm.Binomial("y", n=10, p=pm.Beta("p", 1, 1), observed=7)
    bnn.fit(model, **QUIET)
