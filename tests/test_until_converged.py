"""Fits of no given length: until the ELBO has stopped rising, then with falling rates."""

import signal
import warnings

import numpy as np
import optax
import pymc as pm
import pytest

import pymc_bnn as bnn
from tests.support.conjugate import (
    BEST_SCALE,
    POSTERIOR_MEAN,
    QUIET,
    closed_form_elbo,
    conjugate,
)


def test_it_finds_the_posterior_and_says_what_it_did():
    fitted = bnn.fit(conjugate(), **QUIET)
    np.testing.assert_allclose(fitted.mean["w"], POSTERIOR_MEAN, atol=0.1 * BEST_SCALE.min())
    np.testing.assert_allclose(fitted.std["w"], BEST_SCALE, rtol=0.08)
    best, *_ = closed_form_elbo(POSTERIOR_MEAN, BEST_SCALE)
    assert abs(fitted.elbo(100)["elbo"] - best) < 0.1 + 3 * fitted.elbo(100)["elbo_se"]
    assert fitted.converged
    assert fitted.kl_weight == 1
    assert "converged" in repr(fitted)
    weights = fitted.history["kl_weight"]
    assert weights.iloc[0] < 1
    assert (np.diff(weights) >= 0).all()
    assert fitted.record.settled < len(fitted.history)


def test_members_end_where_each_has_converged():
    fitted = bnn.fit(conjugate(), members=2, **QUIET)
    assert all(member.converged for member in fitted.members)
    alone = bnn.fit(conjugate(), **QUIET)
    assert (alone.mean["w"] == fitted.members[0].mean["w"]).all()


def test_pieces_and_chunks_do_not_change_the_numbers():
    class Look:
        def on_chunk(self, state, info):
            self.steps = info.steps

    look = Look()
    one = bnn.fit(conjugate(), callbacks=[look], chunk_steps=321, **QUIET)
    other = bnn.fit(conjugate(), **QUIET)
    assert (one.mean["w"] == other.mean["w"]).all()
    assert look.steps == len(one.history) == len(other.history)


def test_programs_are_those_of_fits_with_steps(compilations):
    bnn.fit(conjugate(), steps=5, **QUIET)
    compilations()
    bnn.fit(conjugate(), **QUIET)
    assert compilations() == 0


def test_numbers_in_the_thousands_need_no_hand_set_rate():
    """Against least squares, which vague priors hardly change."""
    rng = np.random.default_rng(10)
    age = rng.integers(18, 70, 300)
    y = 1000 + 12 * (age - 40) + rng.normal(0, 150, 300)
    with pm.Model() as model:
        a, b = pm.Normal("a", 0, 10_000), pm.Normal("b", 0, 100)
        pm.Normal("y", a + b * (age - 40), pm.HalfNormal("s", 500), observed=y)
    fitted = bnn.fit(model, **QUIET)
    design = np.column_stack([np.ones(300), age - 40])
    best, residual, *_ = np.linalg.lstsq(design, y, rcond=None)
    sd = np.sqrt(residual[0] / 298)
    scales = sd / np.sqrt((design**2).sum(axis=0))
    found = np.array([fitted.mean["a"], fitted.mean["b"]])
    assert (np.abs(found - best) < 0.3 * scales).all()
    np.testing.assert_allclose(fitted.mean["s"], sd, rtol=0.02)


def test_an_optimiser_of_ones_own_stops_where_it_has_converged():
    fitted = bnn.fit(conjugate(), optimizer=optax.adam(0.003), **QUIET)
    assert len(fitted.history) == fitted.record.settled
    np.testing.assert_allclose(fitted.mean["w"], POSTERIOR_MEAN, atol=0.05)


def test_a_schedule_of_ones_own():
    fitted = bnn.fit(conjugate(), kl_weight=optax.linear_schedule(0.1, 1.0, 500), **QUIET)
    assert fitted.kl_weight == 1
    with pytest.raises(ValueError, match=r"`kl_weight` must be constant after .*steps"):
        bnn.fit(conjugate(), kl_weight=optax.linear_schedule(0.1, 1.0, 10**6), **QUIET)


def test_from_an_earlier_fit_the_weight_does_not_rise_again():
    first = bnn.fit(conjugate(), steps=3000, **QUIET)
    assert "kl_weight" not in bnn.fit(conjugate(), start=first, **QUIET).history


def test_a_fit_that_is_stopped_while_the_weight_rises_is_cold_and_says_so():
    class Stop:
        at_steps = frozenset([50])

        def on_chunk(self, state, info):
            return True

    with pytest.warns(UserWarning, match=r"`kl_weight` had risen to 0\.\d+ of 1"):
        fitted = bnn.fit(conjugate(), callbacks=[Stop()], **QUIET)
    assert 0 < fitted.kl_weight < 1
    assert fitted.converged is None
    with warnings.catch_warnings(action="error"), pytest.raises(UserWarning) as caught:
        bnn.fit(conjugate(), callbacks=[Stop()], **QUIET)
    assert len(caught.value.approximation.history) == 50


def test_ctrl_c_keeps_what_was_learned():
    class Press:
        at_steps = frozenset([400])

        def on_chunk(self, state, info):
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.warns(UserWarning, match="kl_weight"):
            fitted = bnn.fit(conjugate(), callbacks=[Press()], **QUIET)
    finally:
        signal.signal(signal.SIGINT, before)
    assert fitted.interrupted
    assert len(fitted.history) >= 400


@pytest.mark.parametrize("bad", [-1, 0.5, "half", True])
def test_bad_warm_ups(bad):
    with pytest.raises((ValueError, TypeError), match="`kl_warmup` must be"):
        bnn.fit(conjugate(), steps=10, kl_warmup=bad, **QUIET)


def test_a_warm_up_of_ones_own():
    fitted = bnn.fit(conjugate(), steps=1000, kl_warmup=400, kl_weight=0.5, **QUIET)
    weights = fitted.history["kl_weight"]
    assert weights.iloc[0] < 0.5
    assert (weights.iloc[400:] == 0.5).all()
    with pytest.raises(ValueError, match="`kl_warmup` must be below the number of steps"):
        bnn.fit(conjugate(), steps=100, kl_warmup=400, **QUIET)
    with pytest.raises(ValueError, match="`kl_warmup` must be left out"):
        bnn.fit(conjugate(), steps=100, kl_warmup=40, kl_weight=lambda step: 1.0, **QUIET)
