"""Verdicts on fits: known good and known bad, and how often each is wrong."""

import numpy as np
import pandas as pd
import pymc as pm
import pytest

import pymc_bnn as bnn
from pymc_bnn.diagnostics.checks.case import Case
from pymc_bnn.diagnostics.checks.converged import judged
from pymc_bnn.diagnostics.checks.k_hat import judged_weights, log_weights, pareto_k
from pymc_bnn.diagnostics.checks.signal import (
    Losses,
    class_losses,
    judged_losses,
    signal,
    value_losses,
)
from pymc_bnn.diagnostics.diagnose import warn_of_bad
from pymc_bnn.inference.convergence import rise
from tests.support.conjugate import QUIET, conjugate

SEEDS = range(20)
X = np.random.default_rng(0).normal(size=(120, 3))
Y = X @ [1.0, -1.0, 0.5] + 0.2 * np.random.default_rng(1).normal(size=120)


def verdicts(verdict, seeds=SEEDS):
    """Return the share of each verdict over seeds."""
    found = [verdict(np.random.default_rng(seed)) for seed in seeds]
    return {word: found.count(word) / len(found) for word in ("good", "look", "bad")}


# Converged ---------------------------------------------------------------------------------------


def elbo(rng, climb, steps=3000):
    """Noise, and what is left of a climb after some steps of it."""
    return -climb * np.exp(-np.arange(steps) / (steps / 2)) + 3 * rng.normal(size=steps)


@pytest.mark.parametrize("falling", [False, True])
def test_a_level_elbo_is_good_and_a_climbing_one_is_not(falling):
    def of(climb):
        return verdicts(lambda rng: judged(rise(elbo(rng, climb)), 3000, falling).verdict)

    assert of(climb=0)["good"] >= 0.9
    assert of(climb=20)["look" if falling else "bad"] == 1


def test_noise_that_hides_a_rise_is_a_reason_to_look():
    found = verdicts(lambda rng: judged(rise(100 * elbo(rng, 0)), 3000, False).verdict)
    assert found["good"] == 0
    assert found["bad"] <= 0.15


def test_few_steps_tell_nothing():
    found = judged(rise(np.zeros(20)), 20, falling=True)
    assert found.verdict == "bad"
    assert "20 steps are too few" in found.says


# Signal ------------------------------------------------------------------------------------------


def of_values(rng, strength, predicted, noise=1.0, columns=5, rows=200, squares=True):
    x = rng.normal(size=(rows, columns))
    mean = strength * x[:, :1]
    y = mean + noise * (rng.normal if squares else rng.standard_cauchy)(size=mean.shape)
    found = value_losses(y, predicted * mean, 0 * mean, x, squares)
    return judged_losses("y", found).verdict


@pytest.mark.parametrize("squares", [True, False])
def test_means_that_follow_are_good_and_swallowed_ones_are_bad(squares):
    good = verdicts(lambda rng: of_values(rng, 2, 1, squares=squares))
    bad = verdicts(lambda rng: of_values(rng, 2, 0, squares=squares))
    assert good["bad"] == 0
    assert good["good"] >= 0.9
    assert bad["bad"] >= (1 if squares else 0.7)
    assert bad["good"] == 0


def test_noise_alone_is_never_called_a_swallowed_signal():
    found = verdicts(lambda rng: of_values(rng, 0, 0, columns=30, rows=60))
    assert found == {"good": 0, "look": 1, "bad": 0}


def of_classes(rng, strength, known, classes=3, columns=5):
    x = rng.normal(size=(200, columns))
    logits = strength * x[:, :classes]
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(classes, p=p) for p in probs])
    probs = known * probs + (1 - known) / classes
    return judged_losses("y", class_losses(labels, probs, x)).verdict


def test_classes():
    good, bad = (
        verdicts(lambda rng, k=known: of_classes(rng, 2, k), range(10)) for known in (1, 0)
    )
    assert good["bad"] == 0
    assert good["good"] >= 0.9
    assert bad["bad"] == 1
    noise = verdicts(lambda rng: of_classes(rng, 0, 0, columns=20), range(10))
    assert noise["bad"] == 0


def test_what_has_nothing_to_explain_has_no_losses():
    same = np.ones((50, 1))
    assert value_losses(same, same, 0 * same, X[:50]) is None
    assert class_losses(np.zeros(50, int), np.full((50, 2), 0.5), X[:50]) is None


def test_many_columns_are_taken_together():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(300, 2))
    x = hidden @ rng.normal(size=(2, 200)) + 0.1 * rng.normal(size=(300, 200))
    y = hidden[:, :1] + 0.1 * rng.normal(size=(300, 1))
    assert value_losses(y, 0 * y, 0 * y, x).explained[1] > 0.9


# k-hat -------------------------------------------------------------------------------------------


def of_widths(rng, width, draws=1000, numbers=1):
    """Of N(0, 1)s at draws of N(0, width²), whose k is 1 − width²."""
    squares = rng.normal(size=(draws, numbers)) ** 2
    return judged_weights(0.5 * (1 - width**2) * squares.sum(axis=1))


def test_k_hat_of_guides_of_known_width():
    assert verdicts(lambda rng: of_widths(rng, 0.9).verdict)["good"] >= 0.95
    assert verdicts(lambda rng: of_widths(rng, 1.5).verdict)["good"] == 1
    assert verdicts(lambda rng: of_widths(rng, 0.2).verdict)["bad"] >= 0.7
    assert verdicts(lambda rng: of_widths(rng, 0.4, numbers=10).verdict)["bad"] >= 0.95
    for width in (0.3, 0.6):
        found = [of_widths(np.random.default_rng(seed), width, 4000).value for seed in SEEDS]
        assert abs(np.mean(found) - (1 - width**2)) < 0.12


def test_a_few_draws_call_bad_only_what_is():
    """Of weights u^-k with u uniform the k is known."""

    def first(k, seed):
        return pareto_k(-k * np.log(np.random.default_rng(seed).uniform(size=128)))

    assert max(first(0.7, seed) for seed in range(200)) < 1.6
    assert min(first(8.0, seed) for seed in range(200)) > 1.5


def test_constant_weights_are_exact_and_infinite_ones_bad():
    found = judged_weights(np.full(1000, -3.0))
    assert (found.verdict, "exact" in found.says) == ("good", True)
    assert np.isnan(found.value)
    assert np.isnan(pareto_k(np.zeros(1000)))
    assert judged_weights(np.r_[-np.inf, np.zeros(999)]).verdict == "bad"


# Fits --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    return bnn.fit(conjugate(), steps=3000, guide=bnn.guides.FullRank(), **QUIET)


def test_log_weights_are_those_of_the_model(fitted):
    """Constant, and the evidence, at the posterior that the model has."""
    weigh = log_weights(fitted.problem, fitted.posterior, 0)
    weights = weigh(range(100))
    assert len(weights) == 100
    np.testing.assert_allclose(weigh(range(60, 100)), weights[60:], rtol=1e-6)
    assert weights.std() < 0.2
    assert abs(weights.mean() - fitted.elbo(200)["elbo"]) < 4 * fitted.elbo(200)["elbo_se"] + 0.1


def test_the_table_of_a_good_fit(fitted):
    table = fitted.diagnose()
    assert list(table.columns) == ["value", "verdict", "says"]
    assert table.index.name == "check"
    assert list(table.index) == ["converged", "unmoved", "pruned", "signal in y", "k_hat"]
    assert set(table["verdict"]) == {"good"}
    pd.testing.assert_frame_equal(table, fitted.diagnose())


def network(noise, layers=(3, 4, 1)):
    with pm.Model() as model:
        out = bnn.bayesian(bnn.networks.mlp(layers), pm.Data("x", X), bnn.priors.Normal(0.0, 1.0))
        pm.Normal("y", out[:, 0], noise, observed=Y)
    return model


def case_of(fitted):
    return Case(fitted.problem, fitted.program, fitted.posterior, fitted.record)


def test_noise_that_swallows_the_signal_is_bad_and_warned_of():
    with pytest.warns(UserWarning, match=r"explains .*% .* see fitted.diagnose\(\)") as caught:
        fitted = bnn.fit(network(noise=30.0), **QUIET)
    assert {w.filename for w in caught} == {__file__}
    assert fitted.converged
    table = fitted.diagnose(draws=50)
    assert table["verdict"].to_dict() == {
        "converged": "good",
        "unmoved": "good",
        "pruned": "bad",
        "signal in y": "bad",
    }
    warn_of_bad(case_of(fitted), seconds=0)  # no time, no word


def test_members_points_and_few_steps():
    both = bnn.fit(network(noise=0.2), steps=30, members=2, guide=bnn.guides.Delta(), **QUIET)
    table = both.diagnose()
    assert table.index.names == ["member", "check"]
    assert list(table.loc[1].index) == ["converged", "unmoved", "signal in y"]
    assert set(table.xs("converged", level="check")["verdict"]) == {"bad"}


def test_of_streams_only_the_run_and_the_guides_are_looked_at():
    with pm.Model() as model:
        pm.Normal("y", pm.Data("x", X[:9]) @ pm.Normal("w", shape=3), 0.2, observed=Y[:9])
    fitted = bnn.fit(model, data=[(X, Y)], total_size=120, steps=90, **QUIET)
    assert list(fitted.diagnose().index) == ["converged", "unmoved", "pruned"]


def test_losses_of_a_network_that_does_better_are_good():
    assert judged_losses("y", Losses(np.full(50, 0.1), np.full(50, 0.9))).verdict == "good"
    assert not list(signal(case_of(bnn.fit(normal(), steps=1, **QUIET))))


def normal():
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("mu"), 1, observed=Y)
    return model


def test_bad_draws(fitted):
    with pytest.raises((ValueError, TypeError), match="`draws` must be"):
        fitted.diagnose(draws=0)
