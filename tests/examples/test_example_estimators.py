"""Comparisons of estimators and of priors: the examples, run small, and their parts."""

import json

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from scipy import stats

import pymc_bnn as bnn
from pymc_bnn import plots
from pymc_bnn.efficiency import gradient_variance, step_rates
from tests.support.example_parts import check_pictures, run_here

# ---------------------------------------------------------------- examples


@pytest.mark.slow
def test_estimators(tmp_path):
    done = run_here("estimators.py", "--quick", "--only", "pathwise", "local", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    table = pd.DataFrame(report["estimators"])
    assert list(table) == ["pathwise", "local"]
    assert (table.loc["kl_weight"] == 1).all()
    assert (table.loc["elbo_per_example"] * 1437 - table.loc["elbo"]).abs().max() < 1e-6
    assert table.loc["noise_loc", "pathwise"] == 1
    assert table.loc["noise_loc", "local"] < 0.3
    assert (table.loc["total_loc"] > table.loc["noise_loc"]).all()
    assert (table.loc["steps_per_second"] > 0).all()
    assert f"{table.loc['elbo_per_example', 'local']:.3f}" in done.stdout
    check_pictures(tmp_path, "elbo", "gradient_variance")


@pytest.mark.slow
def test_priors(tmp_path):
    done = run_here("priors.py", "--quick", "--only", "fixed", "mixture", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["priors"]) == ["fixed", "mixture"]
    for row in report["priors"].values():
        assert row["kl_weight"] == 1
        assert row["elbo"] == pytest.approx(1437 * row["elbo_per_example"])
        assert 0 < row["ratio_1"] < 1.5
    assert report["priors"]["mixture"]["pruned"] is None  # said of Normal priors only
    learned = {name: numbers["mean"] for name, numbers in report["mixture"].items()}
    assert list(learned) == ["weight", "sigma_1", "sigma_2"]
    assert learned["sigma_1"] > learned["sigma_2"] > 0
    assert 0 < learned["weight"] < 1
    check_pictures(tmp_path, "priors", "mixture")


# ---------------------------------------------------------------- the gradient's variance


def linear(n=60):
    """A regression with a weight of 2 numbers, whose gradient has a closed form."""
    x = np.random.default_rng(0).normal(size=(n, 2))
    with pm.Model() as model:
        w = pm.Normal("w", shape=2)
        pm.Normal("y", pm.Data("x", x) @ w, 1.0, observed=x @ [1.0, -1.0])
    return x, bnn.fit(model, steps=50, batch_size=20, random_seed=1, progressbar=False)


def test_pathwise_variance_agrees_with_the_closed_form():
    x, fitted = linear()
    # By w the loss −ELBO/N has the gradient −x'(y − xw)/N + (of the KL, no noise), on all data:
    # with w = m + s ε its covariance is H S H for H = x'x/N, S = diag(s²).
    s = np.exp(np.asarray(fitted.params["w"]["log_scale"], float))
    hessian = x.T @ x / len(x)
    exact = np.trace(hessian @ np.diag(s**2) @ hessian)
    table = gradient_variance(fitted, "pathwise", draws=400, batch_size=None)
    for column in ("noise_loc", "total_loc"):  # all data: nothing but noise
        assert abs(table.loc["w", column] - exact) < 4 * table.loc["w", f"{column}_se"]
    half = gradient_variance(fitted, "pathwise", draws=400, batch_size=None, particles=2)
    assert abs(half.loc["w", "noise_loc"] - exact / 2) < 4 * half.loc["w", "noise_loc_se"]


def test_local_variance_agrees_with_a_loop_over_examples():
    x, fitted = linear()
    # Each example has noise of its own, a_i = x_i m + |x_i s| ε_i; by m the gradient is
    # x'(a − y)/N, whose variance is Σ_i |x_i|² (x_i² s²) / N².
    s = np.exp(np.asarray(fitted.params["w"]["log_scale"], float))
    exact = sum((row @ row) * (row**2 @ s**2) for row in x) / len(x) ** 2
    table = gradient_variance(fitted, "local", draws=400, batch_size=None)
    assert abs(table.loc["w", "noise_loc"] - exact) < 4 * table.loc["w", "noise_loc_se"]


def test_minibatches_add_their_own_variance():
    _, fitted = linear()
    table = gradient_variance(fitted, "pathwise", draws=100)
    assert table.loc["(all)", "total_loc"] > table.loc["(all)", "noise_loc"]
    again = gradient_variance(fitted, "pathwise", draws=100)
    pd.testing.assert_frame_equal(table, again)
    parts = ["noise_loc", "noise_scale", "total_loc", "total_scale"]
    np.testing.assert_allclose(table.loc["w", parts], table.loc["(all)", parts])


def test_a_fit_on_all_data_may_be_asked_about_other_estimators():
    with pm.Model() as model:
        w = pm.Normal("w", shape=2)
        pm.Normal("y", pm.Data("x", np.eye(8, 2)) @ w, 1.0, observed=np.ones(8))
    settings = {"batch_size": None, "estimator": "pathwise", "progressbar": False}
    fitted = bnn.fit(model, steps=20, random_seed=1, **settings)
    assert gradient_variance(fitted, "flipout", draws=2).loc["w", "noise_loc"] > 0


def test_errors():
    _, fitted = linear(20)
    with pytest.raises(ValueError, match="`draws` must be"):
        gradient_variance(fitted, draws=1)
    with pytest.raises(ValueError, match="`particles` must be"):
        gradient_variance(fitted, particles=0)
    with pytest.raises(ValueError, match="`estimator` must be one of"):
        gradient_variance(fitted, "none")
    with pytest.raises(ValueError, match="`batch_size` must be"):
        gradient_variance(fitted, batch_size=21)
    with pytest.raises(ValueError, match="`contenders` must map names"):
        step_rates(fitted, {})
    with pytest.raises(ValueError, match=r"`contenders\['a'\]` must be keywords"):
        step_rates(fitted, {"a": {"steps": 1}})
    with pm.Model() as model:
        pm.MvNormal("y", pm.Normal("mu", shape=3), np.eye(3), observed=np.ones(3))
    whole = bnn.fit(model, steps=5, batch_size=None, progressbar=False)
    assert whole.problem.row_terms.unsure
    with pytest.raises(ValueError, match="`batch_size` must be None"):
        gradient_variance(whole, batch_size=2)
    assert gradient_variance(whole, draws=2).loc["mu", "noise_loc"] > 0


def test_step_rates_have_their_intervals():
    _, fitted = linear()
    table = step_rates(
        fitted, {"one": {"estimator": "pathwise"}, "64": {"particles": 64}}, rounds=3
    )
    assert list(table.index) == ["one", "64"]
    assert (table["steps_per_second"] > 0).all()
    assert (table["low"] <= table["steps_per_second"]).all()
    assert (table["steps_per_second"] <= table["high"]).all()
    assert (table["compile_s"] > 0).all()


# ---------------------------------------------------------------- pictures


def histories(sign=-1.0):
    step = np.arange(1, 401)
    index = pd.Index(step, name="step")
    return {
        name: pd.DataFrame(
            {"epoch": step / 20, "elbo": sign * (a + 40 * np.exp(-step / 30))}, index
        )
        for name, a in (("slow", 60.0), ("fast", 50.0))
    }


def test_elbo_curves_are_drawn_over_time_at_the_speed_of_each():
    speeds = {"slow": 1.0, "fast": 2.0}
    ax = plots.elbo_curves(histories(), 100, steps_per_second=speeds, n_classes=10)
    slow, fast, uniform = ax.get_lines()
    assert ax.get_xlabel() == "minutes"
    assert slow.get_xdata()[-1] == pytest.approx(400 / 60)
    assert fast.get_xdata()[-1] == pytest.approx(200 / 60)
    np.testing.assert_allclose(slow.get_ydata()[-1], -0.6, atol=1e-4)
    assert uniform.get_ydata()[0] == pytest.approx(-np.log(10))
    assert "−0.5 at the end" in fast.get_label()
    assert "logarithmic in −ELBO" in ax.get_ylabel()
    low, high = ax.get_ylim()
    assert low < high < 0  # larger is better, and up
    ticks = ax.get_yticks()
    assert len(ticks) >= 3
    assert ((ticks >= low) & (ticks <= high)).all()


def test_elbo_curves_are_linear_where_some_are_positive():
    ax = plots.elbo_curves(histories(1.0))
    assert ax.get_xlabel() == "epoch"
    assert ax.get_ylabel() == "ELBO [nats]"
    assert ax.get_yscale() == "linear"
    assert ax.get_lines()[0].get_xdata()[-1] == 20


def test_dots_lie_where_the_numbers_are():
    table = pd.DataFrame({"a": [1.0, 10.0], "b": [2.0, 5.0]}, index=["first", "second"])
    ax = plots.dots(table, xlabel="x", log=True, line=(3.0, "three"), errors=0.1 * table)
    drawn = {line.get_label(): line for line in ax.get_lines()}
    for column in table:
        np.testing.assert_array_equal(drawn[column].get_xdata(), table[column])
        np.testing.assert_allclose(drawn[column].get_ydata(), [1, 0], atol=0.3)
    assert list(drawn["three"].get_xdata()) == [3.0, 3.0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["first", "second"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "2", "5", "10"]
    with pytest.raises(ValueError, match="`table` must be above 0"):
        plots.dots(-table, log=True)


def test_mixture_density_agrees_with_scipy():
    ax = plots.mixture_density(0.3, 2.0, 0.1, normals=(0.5,))
    x, y = (np.ravel(v) for v in ax.get_lines()[0].get_data())
    expected = 0.3 * stats.norm.pdf(x, 0, 2.0) + 0.7 * stats.norm.pdf(x, 0, 0.1)
    np.testing.assert_allclose(y, expected, rtol=1e-12)
    assert (np.diff(x) > 0).all()
    np.testing.assert_allclose(x[[0, -1]], [-8, 8])
    other = ax.get_lines()[1]
    np.testing.assert_allclose(np.ravel(other.get_ydata()), stats.norm.pdf(x, 0, 0.5))


def test_a_learned_mixture_has_a_band_that_holds_nine_draws_of_ten():
    rng = np.random.default_rng(0)
    draws = rng.uniform(0.2, 0.4, 500), rng.uniform(0.8, 1.2, 500), rng.uniform(0.05, 0.1, 500)
    ax = plots.mixture_density(*draws)
    [band] = ax.collections
    vertices = band.get_paths()[0].vertices
    at_zero = vertices[np.isclose(vertices[:, 0], 0), 1]
    share, wide, narrow = draws
    density = (share / wide + (1 - share) / narrow) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(sorted(set(at_zero)), np.quantile(density, [0.05, 0.95]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.5, 1.0, 0.1), "`weight` must lie in 0…1"),
        ((0.5, 1.0, -0.1), "`sigma_2` must be above 0"),
        (([0.5, 0.5], 1.0, 0.1), "`weight` must have the size"),
    ],
)
def test_mixture_density_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        plots.mixture_density(*arguments)


def test_elbo_curves_errors():
    with pytest.raises(ValueError, match="`histories` must map names"):
        plots.elbo_curves({})
    match = r"`steps_per_second\['fast'\]` must be a finite number above 0, got None"
    with pytest.raises(ValueError, match=match):
        plots.elbo_curves(histories(), steps_per_second={"slow": 1.0})
    with pytest.raises(ValueError, match="`n_classes` must come with"):
        plots.elbo_curves(histories(), n_classes=10)
    objective = {"point": histories()["slow"].rename(columns={"elbo": "objective"})}
    with pytest.raises(ValueError, match="elbo"):
        plots.elbo_curves(objective)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"errors": 3}, TypeError, "`errors` must be a pandas DataFrame, got a int"),
        ({"errors": pd.DataFrame({"b": [1.0]})}, ValueError, "`errors` .* none named a"),
        ({"errors": pd.DataFrame({"a": [1.0]})}, ValueError, "`errors` must have the rows of"),
        ({"errors": pd.DataFrame({"a": [1.0, -1.0]})}, ValueError, "`errors` .* number -1;"),
        ({"line": 0.5}, TypeError, "`line` must be a pair of a number and what it is, got 0.5"),
    ],
)
def test_dots_errors(options, error, match):
    with pytest.raises(error, match=match):
        plots.dots(pd.DataFrame({"a": [1.0, 2.0]}), **options)


def test_dots_of_two_columns_of_one_name():
    with pytest.raises(ValueError, match=r"`table` must have each column once, got \['a'\] twice"):
        plots.dots(pd.DataFrame(np.ones((2, 2)), columns=["a", "a"]))
