"""Warnings point at the line of the user's code, however deep the package is when it warns."""

import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn

QUIET = {"random_seed": 1, "progressbar": False}


def normal(y, **keywords):
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("mu", **keywords), 1, observed=y)
    return model


def single_example():
    bnn.fit(normal(np.zeros(1)), steps=1, **QUIET)


def one_class():
    with pm.Model() as model:
        pm.Bernoulli("y", logit_p=pm.Data("x", np.arange(9.0)) * pm.Normal("b"), observed=[1] * 9)
    bnn.fit(model, steps=1, **QUIET)


def another_start():
    before = bnn.fit(normal(np.zeros(9)), steps=1, **QUIET)
    bnn.fit(normal(np.zeros((9, 2)), shape=2), steps=1, start=before, **QUIET)


def all_rows():
    x = np.arange(300.0)
    with pm.Model() as model:
        mu = pm.Normal("b") * pm.Data("x", x)
        pm.Normal("y", mu, 1, observed=x)
        pm.Normal("total", mu.sum(), 1, observed=x.sum())
    bnn.fit(model, steps=1, **QUIET)


def outside_its_support():
    with pm.Model() as model:
        pm.Bernoulli("y", p=pm.Normal("a", 0.9, initval=0.9), observed=[1] * 50)
    bnn.fit(model, steps=300, guide=bnn.guides.Delta(), **QUIET)


def short_batch():
    batches = [(np.zeros(20),), (np.zeros(1),)]
    bnn.fit(normal(np.zeros(9)), data=batches, total_size=21, steps=4, **QUIET)


def changed_data():
    with pm.Model() as model:
        pm.Normal("y", pm.Data("x", np.zeros(9)) * pm.Normal("b"), observed=np.zeros(9))
    fitted = bnn.fit(model, steps=1, **QUIET)
    pm.set_data({"x": np.ones(9)}, model=model)
    fitted.elbo()


def one_draw():
    bnn.fit(normal(np.zeros(9)), steps=1, **QUIET).predict(draws=1)


def far_from_scale_one():
    with pm.Model() as model:
        f = bnn.bayesian(bnn.networks.mlp((2, 1)), 1000 * np.eye(9)[:, :2])[:, 0]
        pm.Normal("y", f, 1, observed=np.zeros(9), shape=f.shape)
    bnn.fit(model, steps=1, **QUIET)


def too_few_votes():
    bnn.uncertainty.chi_square(np.array([[2, 1, 0]]))


CASES = {
    single_example: "single example",
    one_class: "all 9 labels",
    another_start: "`start` gave nothing",
    all_rows: "Every step uses all 300 rows",
    outside_its_support: "PyMC's log-probability is -inf",
    short_batch: "far fewer than the first",
    changed_data: "pm.set_data has changed",
    far_from_scale_one: "input 'x', columns 0",
    one_draw: "one draw has no spread",
    too_few_votes: "poor approximation",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_warnings_point_at_the_users_line(case):
    with pytest.warns(UserWarning, match=CASES[case]) as caught:
        case()
    assert {w.filename for w in caught if CASES[case] in str(w.message)} == {__file__}
