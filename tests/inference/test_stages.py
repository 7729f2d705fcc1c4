"""Guides that contain mean-field ones start where these have converged, and end no lower."""

from functools import cache

import numpy as np
import optax
import pymc as pm
import pytest
import scipy.stats as st

import pymc_bnn as bnn
from pymc_bnn.guides import Delta, FullRank, LowRank
from pymc_bnn.inference.stages import Gain, within

QUIET = {"random_seed": 1, "progressbar": False}
N, D, SIGMA = 90, 60, 0.5
RNG = np.random.default_rng(1)
X = RNG.normal(size=(N, D)) + 0.7 * RNG.normal(size=(N, 1))
Y = X @ RNG.normal(size=D) / np.sqrt(D) + SIGMA * RNG.normal(size=N)
PRECISION = X.T @ X / SIGMA**2 + np.eye(D)
EVIDENCE = st.multivariate_normal(np.zeros(N), SIGMA**2 * np.eye(N) + X @ X.T).logpdf(Y)
# Of the best independent Normals (Bishop 2006, 10.1.2): what the correlations are worth.
BEHIND = 0.5 * (np.log(np.diag(PRECISION)).sum() - np.linalg.slogdet(PRECISION)[1])


def regression():
    """Sixty correlated coefficients, whose posterior is Normal."""
    with pm.Model() as model:
        w = pm.Normal("w", 0, 1, shape=D)
        pm.Normal("y", pm.Data("x", X) @ w, SIGMA, observed=Y)
    return model


@cache
def fit(guide=None, **options):
    return bnn.fit(regression(), guide=guide, **options, **QUIET)


def test_a_full_covariance_finds_what_correlations_are_worth():
    mean_field, full = fit(), fit(FullRank())
    assert BEHIND > 15
    error = np.hypot(full.elbo(200)["elbo_se"], 0.1)
    assert abs(full.elbo(200)["elbo"] - EVIDENCE) < 4 * error + 1
    assert full.converged
    # The first steps are those of the other fit, and the record says what the others gained.
    steps = mean_field.record.steps
    assert full.record.steps > steps
    assert (full.history["elbo"].iloc[:steps] == mean_field.history["elbo"]).all()
    assert abs(full.record.gain.nats - BEHIND) < 4 * full.record.gain.error + 1
    assert mean_field.record.gain is None


def test_a_few_directions_are_worth_a_part_of_it():
    low = fit(LowRank(3))
    assert 0 < low.record.gain.nats < BEHIND


def test_where_the_rest_only_adds_noise_the_result_is_what_it_started_from():
    with pm.Model() as model:  # independent numbers
        w = pm.Normal("w", 0, 1, shape=40)
        pm.Normal("y", w, 0.5, observed=RNG.normal(size=40))

    def noisy(guide):
        return bnn.fit(model, guide=guide, optimizer=optax.adam(0.05), **QUIET)

    with pytest.warns(UserWarning, match=r"nats .* below that of independent Normals: the result"):
        full = noisy(FullRank())
    assert (full.params["w"]["lower"] == 0).all()
    assert (full.mean["w"] == noisy(None).mean["w"]).all()
    assert full.record.gain.lost


def test_a_step_that_is_not_finite_leaves_what_it_started_from():
    with pm.Model() as model:
        w = pm.Normal("w", 0, 1, shape=3)
        pm.Normal("y", w.sum(), 0.5, observed=np.ones(4))

    def part(params):
        return {name: {role: role for role in roles} for name, roles in params.items()}

    rates = {"loc": 0.01, "log_scale": 0.01, "lower": 1e30}  # of covariances far too large
    optimizer = optax.partition({role: optax.sgd(rate) for role, rate in rates.items()}, part)
    options = {"optimizer": optimizer, "kl_warmup": 0, **QUIET}
    alone = bnn.fit(model, **options)
    said = r"stopped at step 2\d{3}: .*\n.*\nThe result is the fit of independent Normals"
    with pytest.warns(UserWarning, match=said):
        full = bnn.fit(model, guide=FullRank(), **options)
    assert (full.params["w"]["lower"] == 0).all()
    assert (full.mean["w"] == alone.mean["w"]).all()
    assert full.record.gain.lost
    assert (full.converged, full.record.settled) == (alone.converged, alone.record.settled)
    assert full.record.steps == int(full.state.step) > alone.record.steps
    assert np.isfinite(full.history.to_numpy()).all()


class Stop:
    def __init__(self, step):
        self.at_steps = frozenset([step])

    def on_chunk(self, state, info):
        self.guide = type(info.approximation().posterior.guide.blocks[0].guide).__name__
        return True


def test_stopped_in_the_first_stage_it_is_the_same_guide_without_correlations():
    stop = Stop(3500)
    full = bnn.fit(regression(), guide=FullRank(), callbacks=[stop], **QUIET)
    alone = bnn.fit(regression(), callbacks=[Stop(3500)], **QUIET)
    assert stop.guide == "MeanField"
    assert (full.params["w"]["lower"] == 0).all()
    assert (full.mean["w"] == alone.mean["w"]).all()
    np.testing.assert_allclose(full.std["w"], alone.std["w"], rtol=1e-6)
    assert full.record.gain is None


def test_stopped_in_the_second_stage_it_is_no_lower_than_the_first():
    full = bnn.fit(regression(), guide=FullRank(), callbacks=[Stop(9500)], **QUIET)
    assert full.record.steps == 9500 > fit().record.steps
    assert full.record.gain.nats > 0
    assert full.converged is None


def test_members_go_through_both_and_a_fit_from_an_earlier_one_through_the_second():
    with pm.Model() as model:
        a, b = pm.Normal("a", 0, 1), pm.Normal("b", 0, 1)
        pm.Normal("y", a + b, 0.1, observed=np.ones(5))
    mixture = bnn.fit(model, guide=FullRank(), members=2, **QUIET)
    assert all(m.record.gain.nats > 1 for m in mixture.members)
    started = bnn.fit(model, guide=FullRank(), start=mixture.members[0], **QUIET)
    assert started.record.gain is None


def test_which_guides_have_a_first_stage():
    assert within(None) is None
    assert within({"w": Delta()}) is None
    assert within(FullRank(init_scale=0.3))["*"].init_scale == 0.3


def test_a_loss_is_one_beyond_noise():
    noise = np.random.default_rng(0).normal(size=(2, 3000))
    assert not Gain.of(*noise).lost
    assert Gain.of(noise[0], noise[1] - 1).lost
