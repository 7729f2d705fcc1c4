"""Simulation-based calibration: what it finds, what it costs, and what it refuses."""

import os
import signal
import warnings

import arviz as az
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import stats

import pymc_bnn as bnn
from pymc_bnn import simulation_based
from pymc_bnn._warnings import warn
from pymc_bnn.inference.prepare import DataOptions, prepare
from pymc_bnn.inference.simulating import simulate

QUIET = {"progressbar": False, "random_seed": 1}


def calibrate(model, simulations=4, steps=10, draws=20, **options):
    options = {**QUIET, **options}
    return bnn.simulation_based_calibration(
        model, simulations=simulations, steps=steps, draws=draws, **options
    )


def means():
    with pm.Model(coords={"k": ["a", "b"]}) as model:
        mu = pm.Normal("mu", 1, 1, dims="k")
        pm.Normal("y", mu, 1, observed=np.zeros((4, 2)))
    return model


def slopes():
    x = np.random.default_rng(0).normal(size=(20, 2))
    x[:, 1] = x[:, 0] + 0.4 * x[:, 1]
    with pm.Model() as model:
        b = pm.Normal("b", shape=2)
        pm.Normal("y", pm.Data("x", x) @ b, 0.5, observed=np.zeros(20))
    return model


@pytest.fixture(scope="module")
def exact():
    return calibrate(means(), 40, 1200, 99)


# What it finds -----------------------------------------------------------------------------------


def test_exact_posteriors_have_uniform_ranks(exact):
    row = exact.table.loc["mu"]
    assert row["verdict"] == "good"
    assert row["size"] == 2
    assert 0.78 < row["inside"] <= 1
    assert exact.ranks["mu"].dims == ("simulation", "k")
    assert list(exact.ranks["k"].values) == ["a", "b"]
    assert 0 <= exact.ranks["mu"].min() < 10
    assert 89 < exact.ranks["mu"].max() <= 99
    assert (exact.failed, exact.interrupted) == (0, False)
    assert repr(exact).endswith("40 simulations of 99 draws; mu good>")


def test_ranks_are_those_of_the_true_values_in_the_posteriors_of_their_data(exact):
    model = means()
    problem, _ = prepare(model, DataOptions())
    truth, data = simulate(problem, ["mu"], {"y": "y"}, 40, 1)
    variance = 1 / (1 + 4)
    mean = variance * (1 + data["y"].sum(axis=1))
    expected = stats.norm.cdf((truth["mu"] - mean) / np.sqrt(variance))
    error = (exact.ranks["mu"].to_numpy() + 0.5) / 100 - expected
    assert np.sqrt(np.mean(error**2)) < 0.07  # 0.04 of 99 draws alone
    assert abs(truth["mu"].mean() - 1) < 4 / np.sqrt(80)
    assert truth["mu"].std() == pytest.approx(1, abs=0.3)


def test_a_fit_that_has_only_begun_is_bad():
    assert calibrate(means(), 30, 5, 99).table.loc["mu", "verdict"] == "bad"


def test_correlated_slopes_are_too_narrow_and_in_the_right_place():
    row = calibrate(slopes(), 40, 1200, 99).table.loc["b"]
    assert row["verdict"] == "bad"
    assert row["says"].startswith("too narrow")
    assert row["symmetric_p"] > 0.05
    assert row["inside"] < 0.8


def test_a_full_rank_guide_is_what_mends_it():
    method = bnn.VI(guide=bnn.guides.FullRank())
    assert calibrate(slopes(), 25, 1500, 99, method=method).table.loc["b", "inside"] > 0.8


def test_arviz_takes_the_ranks(exact):
    assert exact.tree["prior_sbc"]["mu"].shape == (1, 40, 2)
    assert 0 < exact.tree["prior_sbc"]["mu"].min() < exact.tree["prior_sbc"]["mu"].max() < 1
    az.plot_ecdf_pit(exact.tree, backend="none")


# Models ------------------------------------------------------------------------------------------


def test_several_observed_variables_data_and_deterministics():
    with pm.Model() as model:
        x = pm.Data("x", np.linspace(-1, 1, 6))
        b = pm.Normal("b", 0, 0.5)
        s = pm.HalfNormal("s")
        f = pm.Deterministic("f", b * x)
        pm.Deterministic("twice", 2 * b)
        pm.Deterministic("both", pt.stack([b, 3.0]))
        pm.Normal("y", f, s, observed=pm.Data("y_seen", np.zeros(6)))
        pm.Poisson("counts", pt.exp(f), observed=np.zeros(6, int))
    before = model["y_seen"].get_value()
    found = calibrate(model, 6, var_names="~f")
    assert list(found.ranks) == ["b", "s", "twice", "both"]
    np.testing.assert_array_equal(found.ranks["b"], found.ranks["twice"])
    np.testing.assert_array_equal(found.ranks["both"][:, 0], found.ranks["b"])
    assert (found.ranks["both"][:, 1] == -1).all()  # fixed
    assert found.table.loc["both", "size"] == 1
    np.testing.assert_array_equal(model["y_seen"].get_value(), before)
    assert calibrate(model, 3, var_names="f").ranks["f"].shape == (3, 6)
    with pytest.raises(KeyError, match="nothing"):
        calibrate(model, var_names="nothing")


def test_networks():
    x = np.random.default_rng(0).normal(size=(12, 2))
    with pm.Model() as model:
        f = bnn.bayesian(bnn.networks.mlp([2, 3, 1]), pm.Data("x", x))
        pm.Deterministic("f", f[:, 0])
        pm.Normal("y", f[:, 0], pm.HalfNormal("noise"), observed=np.zeros(12))
    found = calibrate(model, 3, var_names=["f", "noise"], batch_size=5)
    assert found.ranks["f"].shape == (3, 12)


def test_missing_values_are_parameters():
    with pm.Model() as model, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pm.Normal("y", pm.Normal("mu"), observed=np.array([1.0, np.nan, 2.0]))
    assert "y_unobserved" in calibrate(model).ranks


# What it costs -----------------------------------------------------------------------------------


@pytest.fixture
def each_fit(monkeypatch, compilations, traces):
    """What XLA compiled and JAX traced in each simulation."""
    found, add = [], simulation_based._Refits.add

    def counted(self, i, truth):
        compilations(), traces()
        add(self, i, truth)
        found.append((compilations(), traces()))

    monkeypatch.setattr(simulation_based._Refits, "add", counted)
    return found


@pytest.mark.parametrize("steps", [10, None])
def test_the_second_fit_compiles_nothing(each_fit, steps):
    with pm.Model() as model:
        b = pm.Normal("b", shape=2)
        pm.Normal("y", b.sum(), pm.HalfNormal("s"), observed=np.zeros(5))
    calibrate(model, 3, steps)
    assert each_fit[0][1] > 0
    assert each_fit[1:] == [(0, 0), (0, 0)]


def test_a_seed_is_all_that_numbers_depend_on():
    one, again, other = (calibrate(means(), 2, random_seed=seed).ranks["mu"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


# What goes wrong ---------------------------------------------------------------------------------


def heavy(nu):
    with pm.Model() as model:
        pm.StudentT("y", nu=nu, mu=pm.Normal("mu"), observed=np.zeros(2))
    return model


def test_fits_that_fail_are_counted_and_said():
    with pytest.warns(UserWarning, match=r"\d+ simulations are left out.*the first: ") as caught:
        found = calibrate(heavy(0.03), 20)
    assert len(caught) == 1
    assert 0 < found.failed < 20
    assert found.ranks.sizes["simulation"] == 20 - found.failed
    assert f"{found.failed} simulations" in str(caught[0].message)
    with pytest.raises(bnn.NonFiniteError):
        calibrate(heavy(1e-4), 3)


def test_equal_warnings_of_many_fits_are_one_sentence(monkeypatch):
    run, rose = simulation_based.run, iter(range(100))

    def warns(*args):
        warn(f"the ELBO rose by {next(rose)}.5e-3 nats")
        return run(*args)

    monkeypatch.setattr(simulation_based, "run", warns)
    with pytest.warns(UserWarning, match="of 4 fits .* 4 times like “the ELBO rose by") as caught:
        calibrate(means())
    assert len(caught) == 1


@pytest.fixture
def interrupt_after(monkeypatch):
    """Let Ctrl-C be pressed once so many simulations are done."""

    def arm(count):
        fit = simulation_based._Refits._fit

        def pressed(self, *args):
            if len(self.below) == count:
                os.kill(os.getpid(), signal.SIGINT)
            return fit(self, *args)

        monkeypatch.setattr(simulation_based._Refits, "_fit", pressed)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield arm
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_keeps_what_there_is(interrupt_after, caplog):
    interrupt_after(3)
    found = calibrate(means(), 1000, 10_000)
    assert found.interrupted
    assert found.ranks.sizes["simulation"] == 3
    said = "simulations interrupted after 3 of 1,000: their ranks are returned, interrupted=True"
    assert caplog.messages == [said]


def test_ctrl_c_before_the_first_is_one(interrupt_after):
    interrupt_after(0)
    with pytest.raises(KeyboardInterrupt):
        calibrate(means())


def flat():
    pm.Normal("y", pm.Normal("a") + pm.Flat("b"), observed=np.zeros(3))


def no_random():
    pm.CustomDist("y", pm.Normal("a"), logp=lambda v, mu: -((v - mu) ** 2), observed=np.zeros(3))


def potential():
    a = pm.Normal("a")
    pm.Potential("bound", -(a**4))
    pm.Normal("y", a, observed=np.zeros(3))


def part():
    pm.Normal("y", pm.Normal("a"), observed=np.zeros(3), total_size=30)


def minibatch():
    y = pm.Minibatch(np.zeros(30), batch_size=3)
    pm.Normal("y", pm.Normal("a"), observed=y, total_size=30)


def lagged():
    y = pm.Data("seen", np.zeros(4))
    pm.Normal("y", pm.Normal("a") * pt.roll(y, 1), observed=y)


def changed():
    pm.Normal("y", pm.Normal("a"), observed=2 * pm.Data("seen", np.zeros(4)))


def large():
    pm.Poisson("y", 1000 + pm.HalfNormal("a"), observed=pm.Data("seen", np.zeros(4, "uint8")))


REFUSED = {
    flat: "variables that can be drawn .* got 'b'; give it a proper prior",
    no_random: "variables that can be drawn .* got 'y'",
    potential: r"no potentials.* got \['bound'\]",
    part: "hold all data .* got 'y' with total_size",
    minibatch: "hold whole data .* pm.Minibatch",
    lagged: "data of its own .* got 'y' observed in data that are used elsewhere",
    changed: "data of its own .* got 'y'",
    large: "data of the type observed, .* of 'y', observed as uint8",
}


@pytest.mark.parametrize("write", REFUSED, ids=lambda f: f.__name__)
def test_models_that_cannot_be_simulated(write, monkeypatch):
    with pm.Model() as model:
        write()
    monkeypatch.setattr(simulation_based._Refits, "__post_init__", None)  # no work before
    with pytest.raises(ValueError, match=f"`model` must .*{REFUSED[write]}"):
        calibrate(model)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"simulations": 1}, ValueError, "`simulations` must be an integer of at least 2"),
        ({"draws": 0}, ValueError, "`draws` must"),
        ({"method": bnn.VI(kl_weight="auto")}, ValueError, "`kl_weight` must be a number"),
        ({"method": "vi"}, TypeError, "`method` must be a Method"),
        ({"dtype": "float16"}, ValueError, "`dtype` must"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_arguments(options, error, match):
    with pytest.raises(error, match=match):
        calibrate(means(), **options)
