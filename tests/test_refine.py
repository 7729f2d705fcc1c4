"""Fits refined by NUTS: right where the posterior is known, and clear where they cannot be."""

import copy
import os
import signal
import subprocess
import sys
import warnings

import arviz as az
import cloudpickle
import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from scipy import stats

import pymc_bnn as bnn
from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.inference import chains
from pymc_bnn.inference.draw_progress import DrawProgress
from pymc_bnn.inference.log_joint import log_joint
from pymc_bnn.model.whole_or_rows import take_apart
from pymc_bnn.runtime.precision import precision
from tests.support.conjugate import BEST_SCALE, POSTERIOR_MEAN, PRECISION, X, Y, conjugate

QUIET = {"random_seed": 1, "progressbar": False}
RNG = np.random.default_rng(0)
SCHOOLS = np.array([28, 8, -3, 7, -1, 1, 18, 12]), np.array([15, 10, 16, 11, 9, 11, 10, 18])


def normal_model(y=(1.0, 2.0, 3.0), sigma=1):
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 10)
        pm.Normal("y", mu, sigma, observed=np.asarray(y, float))
    return model


def schools():
    y, sigma = SCHOOLS
    with pm.Model(coords={"school": list("abcdefgh")}) as model:
        mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
        z = pm.Normal("z", dims="school")
        theta = pm.Deterministic("theta", mu + tau * z, dims="school")
        pm.Normal("y", theta, sigma, observed=y)
    return model


def two_modes():
    with pm.Model() as model:
        a = pm.Normal("a", 0, 3)
        pm.Normal("y", a**2, 0.5, observed=np.array([4.0, 4.2, 3.9, 4.1]))
    return model


def everything():
    """Three likelihoods of other lengths, pandas, integers, potentials, transforms."""
    x = RNG.normal(size=150)
    frame = pd.DataFrame({"height": x, "weight": 0.5 + x})
    with pm.Model() as model:
        a = pm.Normal("a", 0, 2, shape=2)
        s = pm.Gamma("s", 2, 1)
        p = pm.Dirichlet("p", np.ones(3))
        lower = pm.Uniform("lower", -1, 1)
        pm.Normal("y", a[0] + a[1] * frame["height"], s, observed=frame["weight"])
        pm.Categorical("c", p, observed=np.array([0, 1, 1, 2]))
        pm.Normal("z", 0, s, observed=[1, 2])  # with a mean that no draw changes
        pm.Cauchy("h", a[0], 1, observed=x[:3])  # and without one
        pm.Potential("far", -0.5 * (lower - a[0]) ** 2)
        pm.Poisson("k", pm.math.exp(a[0]), observed=np.array([1, 2, 70_000 // 10_000]))
    return model


@pytest.fixture(scope="module")
def simple():
    fitted = bnn.fit(normal_model(), steps=1500, **QUIET)
    return fitted, fitted.refine(500, tune=150, **QUIET)


@pytest.fixture(scope="module")
def modes():
    return bnn.fit(two_modes(), steps=3000, members=4, **QUIET)


@pytest.fixture(scope="module")
def correlated():
    return bnn.fit(conjugate(), steps=2000, **QUIET)


# Right -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [schools, two_modes, everything])
def test_the_density_is_that_of_the_model(make):
    model = make()
    reference = model.compile_logp(mode=INTERPRETED)
    names = {model.rvs_to_values[rv].name: rv.name for rv in model.free_RVs}
    initial = model.initial_point()
    for dtype, rel in (("float32", 1e-5), ("float64", 1e-7)):
        terms = take_apart(model, "auto", None, 0, False).terms
        with precision(dtype):
            found = log_joint(terms, dtype)
            for seed in range(2):
                rng = np.random.default_rng(seed)
                point = {k: v + rng.normal(0, 0.3, np.shape(v)) for k, v in initial.items()}
                values = {names[k]: np.asarray(v, dtype) for k, v in point.items()}
                got = float(found(values, terms.arrays()))
                assert got == pytest.approx(float(reference(point)), rel=rel)


def test_a_conjugate_mean(simple):
    _, refined = simple
    drawn = refined.sample().posterior["mu"].values
    assert drawn.shape == (4, 500)
    sd = 1 / np.sqrt(3 + 1 / 100)
    assert drawn.mean() == pytest.approx(6 * sd**2, abs=4 * sd / np.sqrt(500))
    assert drawn.std() == pytest.approx(sd, rel=0.1)
    assert float(refined.mean["mu"]) == pytest.approx(drawn.mean(), abs=1e-4)
    assert float(refined.std["mu"]) == pytest.approx(drawn.std(), rel=1e-4)
    assert set(refined.convergence["verdict"]) == {"good"}


@pytest.mark.long
def test_correlations_that_mean_field_cannot_have(correlated):
    refined = correlated.refine(600, tune=200, **QUIET)
    w = refined.sample().posterior["w"].values.reshape(-1, 3)
    exact = np.linalg.inv(PRECISION)
    np.testing.assert_allclose(w.mean(axis=0), POSTERIOR_MEAN, atol=4 * BEST_SCALE.max() / 20)
    np.testing.assert_allclose(np.cov(w.T), exact, atol=0.12 * np.diag(exact).max())
    summary = refined.summary()
    assert summary.loc["w", "size"] == 3
    widened = np.median(np.sqrt(np.diag(exact)) / BEST_SCALE)
    assert summary.loc["w", "widened"] == pytest.approx(widened, rel=0.1)


# pm.sample(5000, tune=2000, chains=4, target_accept=0.99) of PyMC 6.4: means, and spreads.
SCHOOLS_MEANS = [4.43, 3.57, 6.22, 4.97, 3.99, 4.78, 3.65, 4.07, 6.30, 4.83]
SCHOOLS_STDS = [3.33, 3.19, 5.57, 4.62, 5.26, 4.77, 4.68, 4.88, 5.06, 5.26]


def test_eight_schools_as_pm_sample_has_them():
    fitted = bnn.fit(schools(), steps=3000, **QUIET)
    refined = fitted.refine(800, tune=300, target_accept=0.95, **QUIET)
    drawn = refined.sample()
    assert list(drawn.posterior["theta"]["school"].values) == list("abcdefgh")
    parts = [drawn.posterior[name].values.reshape(3200, -1) for name in ("mu", "tau", "theta")]
    values = np.concatenate(parts, axis=1)
    shift = (values.mean(axis=0) - SCHOOLS_MEANS) / SCHOOLS_STDS
    assert abs(shift).max() < 0.15
    np.testing.assert_allclose(values.std(axis=0), SCHOOLS_STDS, rtol=0.15)
    assert float(az.rhat(drawn)["mu"]) < 1.03


@pytest.mark.long
def test_a_mixture_keeps_its_modes(modes):
    signs = np.sign([float(m.mean["a"]) for m in modes.members])
    assert set(signs) == {-1, 1}
    refined = modes.refine(200, tune=100, **QUIET)
    a = refined.sample().posterior["a"].values
    np.testing.assert_array_equal(np.sign(a), signs[:, None] * np.ones((1, 200)))
    grid = np.linspace(1.5, 2.5, 4001)
    log_p = -0.5 * (grid / 3) ** 2
    log_p += (-0.5 * ((np.array([[4.0], [4.2], [3.9], [4.1]]) - grid**2) / 0.5) ** 2).sum(axis=0)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    assert abs(a).mean() == pytest.approx(p @ grid, abs=0.01)
    assert abs(a).std() == pytest.approx(np.sqrt(p @ (grid - p @ grid) ** 2), rel=0.15)
    with pytest.raises(TypeError, match=r'a mean that stands for it.*at="draws"'):
        refined.predict(draws=5, at="mean")
    more = quietly(modes.refine, 20, tune=50, chains=8, **QUIET).sample().posterior["a"].values
    assert more.shape == (8, 20)
    # A long leapfrog of tuning may land in the other mode.
    assert np.mean(np.sign(more[:, -1]) == [*signs, *signs]) > 0.7


def quietly(function, *args, **kwargs):
    """Call what may warn of chains that differ, and of nothing else."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "NUTS: .*see refined.convergence")
        return function(*args, **kwargs)


# The same face ------------------------------------------------------------------------------------


def test_arviz_sees_posterior_and_statistics(simple):
    drawn = simple[1].sample()
    assert set(drawn.sample_stats.data_vars) == {
        "lp", "energy", "acceptance_rate", "step_size", "tree_depth", "n_steps", "diverging",
        "reached_max_treedepth",
    }  # fmt: skip
    assert drawn.sample_stats["diverging"].shape == (4, 500)
    assert drawn.sample_stats["diverging"].dtype == bool
    assert float(az.rhat(drawn)["mu"]) < 1.02
    assert float(az.summary(drawn).loc["mu", "ess_bulk"]) > 300
    logp = normal_model().compile_logp(mode=INTERPRETED)
    at = float(drawn.posterior["mu"][2, 17])
    assert float(drawn.sample_stats["lp"][2, 17]) == pytest.approx(
        float(logp({"mu": at})), rel=1e-5
    )


def test_fewer_draws_are_spread_over_those_kept(simple):
    refined = simple[1]
    everything = refined.sample().posterior["mu"].values
    few = refined.sample(50)
    np.testing.assert_array_equal(few.posterior["mu"].values[:, -1], everything[:, -1])
    assert few.sample_stats["lp"].shape == (4, 50)
    assert np.isin(few.posterior["mu"].values, everything).all()
    taken = [float(refined.posterior.draw_number(None, i)["mu"]) for i in range(2000)]
    np.testing.assert_allclose(np.sort(taken), np.sort(everything.ravel()), rtol=1e-6)
    first = [refined.posterior.place(i) for i in range(8)]
    assert {c for c, _ in first[:4]} == {0, 1, 2, 3}
    assert {i for _, i in first} == {0, 256}


def test_predictions_and_densities(simple):
    refined = simple[1]
    new = {"y": np.array([2.0, 2.5])}
    exact = -stats.norm.logpdf(new["y"], 6 / 3.01, np.sqrt(1 + 1 / 3.01)).mean()
    assert refined.nll(new, draws=2000) == pytest.approx(exact, abs=0.03)
    assert refined.predict(new, draws=2000, random_seed=1)["y"].mean == pytest.approx(
        [2, 2], abs=0.1
    )
    assert refined.scale_ratio()["mu"] == pytest.approx(1 / np.sqrt(3.01) / 10, rel=0.1)
    again = bnn.fit(normal_model(), steps=1, start=refined.posterior, learning_rate=1e-9, **QUIET)
    assert float(again.mean["mu"]) == pytest.approx(float(refined.mean["mu"]), abs=1e-4)


def test_the_same_seed_gives_the_same_draws(correlated):
    one, two, other = (
        quietly(correlated.refine, 15, tune=20, chains=2, random_seed=seed, progressbar=False)
        for seed in (3, np.int64(3), 4)
    )
    np.testing.assert_array_equal(one.posterior.values["w"], two.posterior.values["w"])
    assert not np.allclose(one.posterior.values["w"], other.posterior.values["w"])
    assert one.posterior.shape == (2, 15)
    assert not np.allclose(one.posterior.values["w"][0, 0], one.posterior.values["w"][1, 0])


@pytest.mark.long
def test_in_float64():
    fitted = bnn.fit(normal_model(), steps=500, dtype="float64", **QUIET)
    refined = fitted.refine(200, tune=100, **QUIET)
    assert refined.posterior.values["mu"].dtype == np.float64
    assert float(refined.mean["mu"]) == pytest.approx(6 / 3.01, abs=0.1)


def test_copies_and_pickles_of_another_process(simple, tmp_path):
    refined = simple[1]
    expected = refined.predict(draws=6, random_seed=3)["y"].samples
    np.testing.assert_array_equal(
        copy.deepcopy(refined).predict(draws=6, random_seed=3)["y"].samples, expected
    )
    (tmp_path / "refined.pkl").write_bytes(cloudpickle.dumps(refined))
    code = (
        "import sys, cloudpickle, numpy as np\n"
        f"refined = cloudpickle.load(open({str(tmp_path / 'refined.pkl')!r}, 'rb'))\n"
        "print(refined, *refined.predict(draws=6, random_seed=3)['y'].samples.ravel())\n"
        "print(refined.convergence.shape, refined.sample(5).sample_stats['lp'].shape)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said, shapes = run.stdout.strip().splitlines()
    assert said.startswith("<Refined: 4 chains of 500 draws, 1 variables, 1 numbers> ")
    found = np.array(said.split("> ")[1].split(), float)
    np.testing.assert_allclose(found, expected.ravel(), rtol=1e-5)
    assert shapes == "(4, 2) (4, 5)"


def test_stacked_members_keep_their_weights(modes):
    stacked = copy.copy(modes)
    object.__setattr__(stacked, "weights", (0.2, 0.8, 0.0, 0.0))
    object.__setattr__(
        stacked, "posterior", type(modes.posterior)(modes.posterior.members, stacked.weights)
    )
    refined = stacked.refine(250, tune=60, **QUIET)
    assert refined.posterior.shape == (2, 250)
    assert refined.posterior.weights == pytest.approx((0.2, 0.8))
    drawn = refined.sample()
    assert drawn.posterior["a"].shape == drawn.sample_stats["lp"].shape == (1, 500)
    assert np.mean([refined.posterior.place(i)[0] == 1 for i in range(100)]) == pytest.approx(0.8)
    means, _ = refined.posterior.moments()
    values = refined.posterior.values["a"]
    assert means["a"] == pytest.approx(0.2 * values[0].mean() + 0.8 * values[1].mean(), rel=1e-5)


@pytest.mark.long
def test_whatever_a_model_holds():
    fitted = bnn.fit(everything(), steps=1500, **QUIET)
    before = fitted.predict(draws=3, random_seed=1)["y"].samples
    refined = quietly(fitted.refine, np.int64(60), tune=100, **QUIET)
    np.testing.assert_array_equal(fitted.predict(draws=3, random_seed=1)["y"].samples, before)
    drawn = refined.sample()
    assert drawn.posterior["p"].shape == (4, 60, 3)
    np.testing.assert_allclose(drawn.posterior["p"].sum("p_dim_0"), 1, rtol=1e-5)
    assert (abs(drawn.posterior["lower"]) < 1).all()
    checks = {name.split(", ")[1] for name in refined.convergence.index if ", " in name}
    assert checks == {
        *("mean of y", "probabilities of c", "mean of k"),
        *("log-density of z", "log-density of h"),
    }


@pytest.mark.long
def test_a_model_of_potentials_alone():
    with pm.Model() as model:
        a = pm.Normal("a", shape=2)
        pm.Potential("together", -8 * (a[0] - a[1]) ** 2)
    refined = bnn.fit(model, steps=800, **QUIET).refine(500, tune=100, **QUIET)
    a = refined.sample().posterior["a"].values.reshape(-1, 2)
    exact = np.linalg.inv(np.eye(2) + 16 * np.array([[1, -1], [-1, 1]]))
    np.testing.assert_allclose(np.cov(a.T), exact, atol=0.1)
    assert "R-hat, a" in refined.convergence.index


# What it says -------------------------------------------------------------------------------------


def test_cold_fits_and_points_get_the_posterior_itself():
    cold = bnn.fit(normal_model(), steps=800, kl_weight=0.1, **QUIET)
    with pytest.warns(UserWarning, match="kl_weight was 0.1, the refined posterior has 1"):
        refined = cold.refine(200, tune=60, **QUIET)
    assert refined.kl_weight == 1
    assert float(refined.std["mu"]) == pytest.approx(1 / np.sqrt(3.01), rel=0.15)
    point = bnn.fit(normal_model(), steps=800, guide=bnn.guides.Delta(), **QUIET)
    with pytest.warns(UserWarning, match=r"what was a point \(mu\) has a distribution"):
        refined = point.refine(200, tune=100, **QUIET)
    assert float(refined.std["mu"]) == pytest.approx(1 / np.sqrt(3.01), rel=0.15)


@pytest.mark.long
def test_dropout_is_left_out():
    with pm.Model() as model:
        net = bnn.networks.mlp((3, 4, 1), dropout=0.2)
        out = bnn.bayesian(net, pm.Data("x", X), bnn.priors.Normal())
        pm.Normal("y", out[:, 0], 1, observed=Y)
    fitted = bnn.fit(model, steps=10, **QUIET)
    with pytest.warns(UserWarning, match="the refined posterior is without dropout"):
        quietly(fitted.refine, 4, tune=4, chains=1, max_tree_depth=3, **QUIET)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"draws": 0}, "`draws` must be an integer of at least 1, got 0"),
        ({"draws": 2.5}, "`draws` must be an integer"),
        ({"tune": 0}, "`tune` must be an integer of at least 1"),
        ({"chains": 0}, "`chains` must be an integer of at least 1"),
        ({"target_accept": 1}, "`target_accept` must be a number in 0…1, got 1"),
        ({"target_accept": "high"}, "`target_accept` must be a finite number above 0"),
        ({"max_tree_depth": 16}, "`max_tree_depth` must be an integer in 1…15"),
        ({"max_minutes": 0}, "`max_minutes` must be a finite number above 0"),
        ({"random_seed": -1}, "`random_seed` must be an integer"),
        ({"draws": 10**9}, "2 GiB of memory, got 1000000000 of 4 chains and 1 numbers, 14.9 GiB"),
        ({"max_minutes": 1e-6}, r"no more than 1e-06 minutes, got .* 400 steps.*max_minutes=1 to"),
    ],
)
def test_what_is_refused(simple, options, match):
    with pytest.raises((ValueError, TypeError), match=match):
        simple[0].refine(**{"progressbar": False, **options})


@pytest.mark.parametrize(
    ("ask", "match"),
    [
        (lambda r: r.elbo(), r"must have an ELBO, got draws by NUTS.*nll\(new_data\)"),
        (lambda r: r.kl(), "must have a KL"),
        (lambda r: r.params, "must have parameters"),
        (lambda r: r.history, "must have a history"),
        (lambda r: r.posterior.log_density({"mu": 0.0}), "must have a density"),
        (lambda r: r.sample(501), "`draws` must be an integer in 1…500, got 501"),
    ],
)
def test_what_draws_cannot_answer(simple, ask, match):
    with pytest.raises((ValueError, TypeError), match=match):
        ask(simple[1])


def test_streams_are_refused():
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("mu"), observed=np.zeros(10), shape=10)
    fitted = bnn.fit(model, data=[{"y": np.zeros(10)}] * 3, total_size=30, steps=3, **QUIET)
    with pytest.raises(ValueError, match="hold all data to be refined, got a sample of 10 of 30"):
        fitted.refine()


def test_without_blackjax(simple, monkeypatch):
    monkeypatch.setitem(sys.modules, "blackjax", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install blackjax$"):
        simple[0].refine()


@pytest.fixture
def interrupt_after(monkeypatch):
    """Let Ctrl-C be pressed once so many steps are done."""

    def arm(steps):
        pressed = []

        def update(self, done, divergent):
            if done > steps and not pressed:
                pressed.append(done)
                os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(DrawProgress, "update", update)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield arm
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_keeps_the_draws_so_far(simple, interrupt_after, caplog):
    interrupt_after(150)
    found = quietly(simple[0].refine, 2_000_000, tune=100, max_minutes=None, **QUIET)
    assert found.interrupted
    assert not simple[1].interrupted
    chains, draws = found.posterior.shape
    assert chains == 4
    assert 50 < draws < 1000
    assert found.sample(50).sample_stats["lp"].shape == (4, 50)
    said = f"after draw {draws:,} of 2,000,000: the {draws:,} draws of each of 4 chains"
    assert said in caplog.text


def test_chains_are_the_same_at_once_and_in_turn(simple, monkeypatch):
    found = []
    for count in (1, 4):
        monkeypatch.setattr(chains, "cores", lambda count=count: count)
        found.append(quietly(simple[0].refine, 30, tune=30, **QUIET).sample(30).posterior)
    xr.testing.assert_equal(*(each.dataset for each in found))


def test_ctrl_c_in_tuning_returns_the_fit(simple, interrupt_after, caplog):
    interrupt_after(30)
    assert simple[0].refine(5, tune=100_000, max_minutes=None, **QUIET) is simple[0]
    (said,) = caplog.messages
    assert "of 100,000: the fit is returned as it was" in said


def test_the_progress_bar_says_how_long(simple, capfd):
    quietly(simple[0].refine, 5, tune=20, random_seed=1)
    said = capfd.readouterr().out
    assert "NUTS, 4 chains, at most" in said
    assert "0 divergent" in said
