"""When a noisy ELBO counts as one that has stopped rising: how often that is wrong."""

import numpy as np
import pytest
from scipy.signal import lfilter

from pymc_bnn.data.epochs import EpochPlan
from pymc_bnn.inference.convergence import Convergence, rise
from pymc_bnn.inference.plan import Length, Plan

STEPS = 3000


def noise(rng, memory, sd=10.0):
    """Stationary noise that hangs together over 1/(1 − memory) steps."""
    white = rng.normal(size=STEPS + 500) * sd * np.sqrt(1 - memory**2)
    return lfilter([1.0], [1.0, -memory], white)[500:]


@pytest.mark.parametrize(("memory", "most"), [(0.0, 0.07), (0.9, 0.10)])
def test_false_alarms(memory, most):
    """An ELBO that has stopped rising is taken for one that rises in 5 % of looks."""
    rng = np.random.default_rng(0)
    alarms = np.mean([rise(noise(rng, memory)).goes_on for _ in range(2000)])
    assert 0.03 < alarms < most


def test_a_rise_is_seen_where_it_is_three_standard_errors():
    rng = np.random.default_rng(1)
    error = 10 * np.sqrt(2 / 1000)
    slope = 3.5 * error / 1000 * np.arange(STEPS)
    seen = np.mean([rise(noise(rng, 0.0) + slope).goes_on for _ in range(1000)])
    assert seen > 0.9


def test_the_rise_is_that_of_the_last_thirds():
    elbo = np.concatenate([np.full(1000, -500.0), np.full(1000, 3.0), np.full(1000, 5.0)])
    assert rise(elbo).nats == 2
    assert rise(elbo).goes_on
    assert not rise(elbo, n_examples=1000).goes_on  # 0.002 nats per example
    assert rise(np.zeros(10)).goes_on  # too short to say


def test_looks_come_at_steps_that_grow():
    ends = Convergence(warmup=100, first=1000, growth=2, falling=0.5, most=5000)
    looks = [ends.look_after(100)]
    while looks[-1] < ends.most:
        looks.append(ends.look_after(looks[-1]))
    assert looks == [1100, 2100, 4100, 8100]
    assert ends.most_steps == 8100 + 4050


@pytest.mark.parametrize(
    ("rows", "first"), [(2_000, 2500), (20_000, 19_750), (10**6, Convergence().most)]
)
def test_latents_of_rows_come_as_far_as_what_every_step_moves(rows, first):
    """They move at most ten times as far in the one step of an epoch that sees them."""
    batches = EpochPlan(rows, 256)
    ends = Plan.of(batches, Length(), latents=True).convergence
    assert (ends.first, ends.fall_after(ends.first)) == (first, first)
    assert Plan.of(batches, Length()).convergence == Convergence()
