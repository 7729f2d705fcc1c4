"""Fits that are not finite name the term."""

import re

import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn

QUIET = {"progressbar": False, "random_seed": 1, "steps": 20}
ORDERED = pm.distributions.transforms.ordered


def cutpoints():
    cut = pm.Normal("cut", 0, 3, shape=3, transform=ORDERED)
    pm.OrderedLogistic("y", pm.Normal("e"), cut, observed=np.arange(40) % 4)


def bounds_cross():
    u = pm.Uniform("u", pm.Normal("low", 0, 0.1), pm.Normal("up", 0, 0.1))
    pm.Normal("y", u, 1, observed=[1.0, 1.2])


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (cutpoints, r"`cut` must start inside .*cut_ordered__ = .*-inf.*initval= .*increasing"),
        (bounds_cross, "`u` must start inside .*u_interval__ = nan.*initval="),
    ],
)
def test_starts_without_finite_values_are_named(build, match):
    with pm.Model() as model:
        build()
    with pytest.raises(ValueError, match=match):
        bnn.fit(model, **QUIET)


def test_ordered_cutpoints_with_initval_fit():
    with pm.Model() as model:
        cut = pm.Normal("cut", 0, 3, shape=3, transform=ORDERED, initval=[-1.0, 0.0, 1.0])
        pm.OrderedLogistic("y", pm.Normal("e"), cut, observed=np.arange(40) % 4)
    assert np.isfinite(bnn.fit(model, **QUIET).history["elbo"]).all()


def censored():
    time = np.r_[np.linspace(0.1, 2, 19), 0.0]
    law = pm.Weibull.dist(alpha=pm.HalfNormal("shape"), beta=pm.HalfNormal("scale"))
    pm.Censored("t", law, lower=None, upper=2.0, observed=time)


def uniform():
    pm.Uniform("y", 0, pm.HalfNormal("top"), observed=[0.5, 0.7, 5.0])


def counts():
    pm.Poisson("y", pm.math.exp(pm.Normal("b")), observed=np.r_[np.ones(300, int), -1])


def potential():
    a = pm.Normal("a")
    pm.Normal("y", a, 1, observed=np.ones(300))
    pm.Potential("bound", pm.math.switch(a < 5, -np.inf, 0.0))


def two():
    a = pm.Normal("a")
    pm.Normal("y", a, 1, observed=np.ones(9))
    pm.Exponential("z", pm.math.exp(a), observed=np.r_[np.ones(7), -2.5, 1])


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (censored, r"'t' \(Censored\) is NaN at every .*row 19, where t = 0.0.*'shape'.*'scale'"),
        (uniform, r"'y' \(Uniform\) is -inf at every .*row 2, where y = 5.0; .*'top'"),
        (counts, r"'y' \(Poisson\) is -inf at every .*row 300, where y = -1; .*'b'"),
        (potential, "the potential of 'bound' is -inf at every draw of the guide; .*'a'"),
        (two, r"'z' \(Exponential\) is -inf at every .*row 7, where z = -2.5; .*'a'"),
    ],
)
def test_a_first_step_names_term_row_and_initval(build, match):
    with pm.Model() as model:
        build()
    with pytest.raises(bnn.NonFiniteError, match=match) as caught:
        bnn.fit(model, batch_size=None, **QUIET)
    assert "initval" in str(caught.value)
    assert "learning_rate" not in str(caught.value)


def test_gradients_are_named_where_values_are_finite():
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1)
        pm.Normal("y", pm.math.sqrt(a), 1, observed=np.ones(9))
    with pytest.raises(bnn.NonFiniteError, match=r"'y' \(Normal\) is finite, .* gradient by 'a'"):
        bnn.fit(model, guide=bnn.guides.Delta(), **QUIET)


def test_a_condition_that_breaks_on_the_way_is_named_with_its_repair():
    with pm.Model() as model:
        a = pm.Normal("a", 0.3)
        pm.Poisson("y", mu=a, observed=np.zeros(50, int))
    match = r"(?s)'y' is a Poisson with mu >= 0, and the guide has mu -.*Pass pm.math.exp"
    with pytest.raises(bnn.NonFiniteError, match=match) as caught:
        bnn.fit(model, guide=bnn.guides.Delta(), **{**QUIET, "steps": 300})
    assert "learning_rate" not in str(caught.value)


def test_bad_batches_name_their_row():
    with pm.Model() as model:
        pm.Exponential("y", pm.HalfNormal("rate"), observed=np.ones(12))
    batches = [{"y": np.ones(20)}, {"y": np.r_[np.ones(13), -3.0, np.ones(6)]}]
    with pytest.raises(bnn.NonFiniteError, match=r"row 13, where y = -3.0; .*'rate'"):
        bnn.fit(model, data=batches, total_size=40, **QUIET)


def test_float64_is_named_where_it_helps():
    with pm.Model() as model:
        pm.Normal("y", pm.math.exp(pm.Normal("a", 95.0)), 1e30, observed=[1.0, 1.0])
    with pytest.raises(bnn.NonFiniteError, match='finite with dtype="float64"'):
        bnn.fit(model, **QUIET)


def overflowing():
    pm.Normal("y", pm.math.exp(pm.Normal("a", 95.0)), 1e30, observed=[1.0, 1.0])


def collapsing():
    x = pm.Data("x", np.linspace(-2, 2, 150))
    scale = pm.math.exp(pm.Normal("log_scale", -60, 1))
    pm.Normal("y", pm.Normal("slope", initval=3) * x, scale, observed=np.arange(150))


def of_two_levels():
    w = pm.Normal("w", 0, pm.math.exp(pm.Normal("t", -120)), shape=3)
    pm.Normal("y", w.sum(), 1, observed=np.ones(9), total_size=90)


def without_a_law():
    a = pm.Normal("a", 95.0)
    pm.Normal("z", pm.Normal("other"), 1, observed=np.ones(4))
    pm.Potential("bound", -(pm.math.exp(a) ** 2))


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (overflowing, r"'y' .*y = 1.0; with mu inf, sigma 1e\+30; it depends on 'a' \(95\);"),
        (
            collapsing,
            r"; with mu from -6 to 6, sigma 8.757e-27; .*'log_scale' \(-60\), 'slope'",
        ),
        (
            of_two_levels,
            r"log-prior of 'w' .*; with w 0, mu 0, sigma 0; .* on 't' \(-120\)",
        ),
        (without_a_law, r"potential of 'bound' is -inf .*; it depends on 'a' \(95\)"),
    ],
)
def test_sizes_of_what_a_term_is_made_of_are_told(build, match):
    """Numbers of the model's own start: exp(95) is beyond float32, exp(-60) squared below it."""
    with pm.Model() as model:
        build()
    guide = bnn.guides.MeanField(init_scale=1e-6)
    with pytest.raises(bnn.NonFiniteError, match=match) as caught:
        bnn.fit(model, batch_size=None, guide=guide, **QUIET)
    assert len(str(caught.value).splitlines()) < 10


def test_sizes_are_those_of_the_last_finite_state():
    """The root is the steeper the nearer its argument is to 0, and a step goes beyond."""
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1, initval=0.5)
        pm.Normal("y", pm.math.sqrt(a), 1, observed=np.full(20, -50.0))
    with pytest.raises(bnn.NonFiniteError, match=r"it depends on 'a' \(") as caught:
        bnn.fit(model, guide=bnn.guides.Delta(), **{**QUIET, "steps": 5000})
    told = float(re.search(r"'a' \(([^)]*)\)", str(caught.value))[1])
    assert told == pytest.approx(float(caught.value.approximation.mean["a"]), rel=1e-3)
