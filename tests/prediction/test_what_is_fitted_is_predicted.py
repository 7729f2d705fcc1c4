"""What can be fitted is predicted, or refused in one sentence that is right."""

import warnings

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import scipy.stats as st

import pymc_bnn as bnn

RNG = np.random.default_rng(4)
N = 100
X = RNG.normal(size=N)
Y = 2 * X + 0.5 * RNG.normal(size=N)
QUIET = {"random_seed": 1, "progressbar": False}


def fit(model, steps=5, **kwargs):
    return bnn.fit(model, steps=steps, **{**QUIET, **kwargs})


@pytest.mark.parametrize("kind", ["normal mixture", "one component", "two components", "vector"])
def test_mixtures_of_new_rows(kind):
    with pm.Model() as model:
        x, m = pm.Data("x", X), pm.Normal("m", [1.0, -3.0], 0.01, shape=2)
        w = [0.25, 0.75]
        mu = x[:, None] * m
        if kind == "normal mixture":
            pm.NormalMixture("y", w, mu=mu, sigma=0.1, observed=Y)
        elif kind == "one component":
            pm.Mixture("y", w, pm.Normal.dist(mu, 0.1), observed=Y)
        elif kind == "two components":
            parts = [pm.Normal.dist(x * m[0], 0.1), pm.Normal.dist(x * m[1], 0.1)]
            pm.Mixture("y", w, parts, observed=Y)
        else:
            sums = pm.MvNormal.dist(mu[:, :, None] * np.ones(2), cov=0.01 * np.eye(2))
            pm.Mixture("y", w, sums, observed=np.stack([Y, Y], axis=1))
    fitted = fit(model, batch_size=None, steps=1500)
    m = fitted.mean["m"].values
    pred = fitted.predict({"x": [1.0, 2.0, -3.0]}, draws=400, batch_size=2, random_seed=1)["y"]
    new = np.array([1.0, 2.0, -3.0])
    mean = (0.25 * m[0] + 0.75 * m[1]) * new
    spread = np.sqrt(0.25 * 0.75) * np.abs(m[0] - m[1]) * np.abs(new)
    if kind == "vector":
        mean, spread = mean[:, None], spread[:, None]
    assert pred.samples.shape == (400, 3, 2)[: 3 if kind == "vector" else 2]
    np.testing.assert_allclose(pred.mean - mean, 0 * pred.mean, atol=4.5 * spread.max() / 20)
    np.testing.assert_allclose(pred.std / spread, 1 + 0 * pred.std, atol=0.15)


@pytest.mark.filterwarnings("ignore:Data in y contains missing values")
def test_new_rows_of_a_variable_with_missing_values():
    y = Y.copy()
    y[[3, 50]] = np.nan
    with pm.Model() as model:
        b = pm.Normal("b", 0, 10)
        pm.Normal("y", b * pm.Data("x", X), 0.5, observed=y)
    fitted = fit(model, steps=2000)
    assert fitted.predict(draws=3)["y_observed"].samples.shape == (3, N - 2)
    joined = fitted.predict(draws=3, var_names="y")["y"].samples
    assert joined.shape == (3, N)
    pred = fitted.predict({"x": [1.0, 2.0, 3.0]}, draws=400, random_seed=1)
    sd = np.sqrt(0.25 + (float(fitted.std["b"]) * np.arange(1, 4)) ** 2)
    expected = float(fitted.mean["b"]) * np.arange(1, 4)
    np.testing.assert_allclose(pred["y"].mean, expected, atol=4.5 * sd.max() / 20)
    np.testing.assert_allclose(pred["y"].std, sd, rtol=0.15)
    same = fitted.predict({"x": X}, draws=3)
    assert same["y"].samples.shape == (3, N)


def two_lengths():
    with pm.Model() as model:
        b = pm.Normal("b", 2.0, 0.01)
        pm.Normal("y", b * pm.Data("x", X[:60]), 0.1, observed=Y[:60])
        pm.Normal("w", b * pm.Data("z", X[:40]), 0.1, observed=Y[:40])
        pm.Bernoulli("c", logit_p=b * pm.Data("v", X[:30]), observed=Y[:30] > 0)
        pm.Normal("alone", b, 1.0, observed=Y[:20])
    return fit(model)


def test_two_likelihoods_of_different_lengths():
    fitted = two_lengths()
    lengths = {"y": 60, "w": 40, "c": 30, "alone": 20}
    every = fitted.predict(draws=2, batch_size=7)
    assert {k: len(v.class_votes if k == "c" else v.mean)
            for k, v in every.variables.items()} == {**lengths}  # fmt: skip
    one = fitted.predict({"x": np.arange(5.0)}, draws=50, batch_size=2, random_seed=1)
    assert set(one.variables) == {"y", "alone"}
    np.testing.assert_allclose(one["y"].mean, 2 * np.arange(5.0), atol=0.2)
    two = fitted.predict(
        {"x": np.arange(5.0), "z": np.arange(7.0), "v": np.zeros(3)}, draws=50, random_seed=2
    )
    np.testing.assert_allclose(two["y"].mean, 2 * np.arange(5.0), atol=0.2)
    np.testing.assert_allclose(two["w"].mean, 2 * np.arange(7.0), atol=0.2)
    assert two["c"].mean_probs.shape == (3, 2)
    pm.set_data({"z": np.arange(7.0)}, model=fitted.problem.model)
    now = fitted.predict(draws=50, random_seed=3)
    assert now["y"].mean.shape == (60,)
    np.testing.assert_allclose(now["w"].mean, 2 * np.arange(7.0), atol=0.2)


def custom(random=None):
    with pm.Model() as model:
        mu = pm.Deterministic("mu", pm.Normal("b", 2.0, 0.01) * pm.Data("x", X))
        pm.CustomDist(
            "y", mu, logp=lambda v, m: -0.5 * (v - m) ** 2 - np.log(2 * np.pi) / 2,
            random=random, observed=Y,
        )  # fmt: skip
    return fit(model)


def test_a_custom_distribution_without_random():
    fitted = custom()
    for new_data in (None, {"x": X[:5]}, {"x": X[:5], "y": Y[:5]}):
        with pytest.raises(
            ValueError, match=r"`model` must have `random` in a pm.CustomDist .*'y'"
        ):
            fitted.predict(new_data, draws=2)
    pred = fitted.predict({"x": X[:5]}, draws=50, var_names="mu", random_seed=1)
    assert set(pred.variables) == {"mu"}
    np.testing.assert_allclose(pred["mu"].mean, 2 * X[:5], atol=0.05)
    nll = fitted.nll({"x": X[:5], "y": Y[:5]})
    np.testing.assert_allclose(nll, -st.norm.logpdf(Y[:5], 2 * X[:5], 1).mean(), atol=0.01)
    drawn = custom(lambda mu, rng=None, size=None: rng.normal(mu, 1.0, size)).predict(draws=400)
    np.testing.assert_allclose(drawn["y"].std, 1.0, rtol=0.2)


def test_a_model_of_potentials_alone():
    with pm.Model() as model:
        mu = pm.Deterministic("mu", pm.Normal("b", 2.0, 0.01) * pm.Data("x", X))
        pm.Potential("likelihood", -0.5 * (Y - mu) ** 2)
    fitted = fit(model)
    for new_data in (None, {"x": X[:5]}):
        with pytest.raises(ValueError, match="`model` must have observed variables to predict"):
            fitted.predict(new_data)
        pred = fitted.predict(new_data, draws=50, var_names=["mu"])
        np.testing.assert_allclose(pred["mu"].mean, 2 * X[: len(pred["mu"].mean)], atol=0.1)
    with pytest.raises(ValueError, match=r"`model` must have observed variables, got potentials"):
        fitted.nll({"x": X[:5]})


def test_arrays_that_are_no_data_have_the_name_of_their_argument():
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("b") * X, 1.0 + X**2, observed=Y)
    fitted = fit(model)
    message = r"add \['y_.*'\], or make pm.Data of the arrays behind \['y_"
    with pytest.raises(ValueError, match=message):
        fitted.predict({"y": Y[:3]})
    pred = fitted.predict({"y_mu": X[:3], "y_sigma": np.ones(3)}, draws=3)
    assert pred["y"].mean.shape == (3,)


@pytest.mark.parametrize("batch_size", [None, "auto"])
def test_a_table_with_as_many_entries_as_there_are_rows_is_no_data(batch_size):
    with pm.Model() as model:
        x = pm.Data("x", X[:3])
        table = pt.tanh(pm.Normal("b") * x)[:, None] * np.array([0.0, 1.0, -1.0])
        pm.Categorical("y", logit_p=table, observed=[0, 1, 2])
    assert fit(model, batch_size=batch_size).predict({"x": X[:5]})["y"].samples.shape[1:] == (5,)


def test_a_table_among_rows_that_mix_is_told_from_data_by_naming_these():
    with pm.Model() as model:
        used = pm.Normal("b") * pm.Data("x", X[:3])
        table = (used - used.mean())[:, None] * np.array([0.0, 1.0, -1.0])
        pm.Categorical("y", logit_p=table, observed=[0, 1, 2])
    with pytest.raises(ValueError, match=r"by coincidence, fit with rows=\['x', 'y'\]"):
        fit(model).predict({"x": X[:5]})
    fitted = fit(model, rows=["x", "y"], batch_size=None)
    assert fitted.predict({"x": X[:5]})["y"].samples.shape[1:] == (5,)


def test_an_observed_variable_that_another_depends_on_is_drawn_with_it():
    with pm.Model() as model:
        y1 = pm.Normal("y1", pm.Normal("a", 0.0, 0.01), 1.0, observed=X)
        c = pm.Bernoulli("c", logit_p=y1, observed=X > 0)
        pm.Normal("y2", 2.0 * y1 + 4.0 * c, 0.5, observed=2 * X)
        pm.Deterministic("twice", 2.0 * y1)
    fitted = fit(model)
    pred = fitted.predict(draws=300, batch_size=17, var_names="twice", random_seed=1)
    y1, y2, c = pred["y1"].samples, pred["y2"].samples, pred["c"].samples
    rest = y2 - 2 * y1 - 4 * c
    np.testing.assert_allclose([rest.mean(), rest.std()], [0, 0.5], atol=0.02)
    np.testing.assert_allclose(pred["twice"].samples, 2 * y1, rtol=1e-6)
    np.testing.assert_allclose(pred["c"].probs[..., 1], 1 / (1 + np.exp(-y1)), rtol=1e-5)
    with model:
        tree = pm.sample_posterior_predictive(
            fitted.sample(300, random_seed=1), random_seed=1, progressbar=False
        )
    other = {k: tree.posterior_predictive[k].values for k in ("y1", "c", "y2")}
    assert abs(np.corrcoef(other["y1"].ravel(), other["y2"].ravel())[0, 1]
               - np.corrcoef(y1.ravel(), y2.ravel())[0, 1]) < 0.01  # fmt: skip
    np.testing.assert_allclose(y2.std(), other["y2"].std(), rtol=0.02)
    # Given the one, the others are those of its values.
    given = fitted.predict({"y1": np.array([0.0, 3.0])}, draws=300, random_seed=1)
    np.testing.assert_allclose(
        given["c"].mean_probs[:, 1], 1 / (1 + np.exp([0.0, -3.0])), rtol=1e-5
    )
    given = fitted.predict({"y1": np.array([0.0, 3.0]), "c": [0, 1]}, draws=300, random_seed=1)
    np.testing.assert_allclose(given["y2"].mean, [0.0, 10.0], atol=0.15)
    np.testing.assert_allclose(given["y2"].std, 0.5, rtol=0.2)


def test_free_variables_of_the_rows_want_as_many():
    with pm.Model() as model:
        eps = pm.Normal("eps", shape=N)
        pm.Normal("y", pm.Data("x", X) + eps, 1.0, observed=Y)
    fitted = fit(model)
    assert fitted.predict({"x": X}, draws=2)["y"].mean.shape == (N,)
    for few in (5, 1):
        with pytest.raises(ValueError, match=r"pass as many rows as the fit had: \['eps'\] belong"):
            fitted.predict({"x": X[:few]}, draws=2)


def test_figures_of_the_fit_say_that_the_data_changed():
    with pm.Model() as model:
        mu = pm.Deterministic("mu", pm.Normal("b") * pm.Data("x", X))
        pm.Normal("y", mu, 1.0, observed=pm.Data("seen", Y))
    for fitted in (fit(model), fit(model, batch_size=20)):
        before = fitted.elbo(5)
        with model:
            pm.set_data({"x": X[:7]})
        with pytest.warns(UserWarning, match=r"elbo is of the data of the fit.*\['x'\]"):
            assert (fitted.elbo(5) == before).all()
        with pytest.warns(UserWarning, match="sample is of the data of the fit"):
            fitted.sample(2, "mu")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fitted.sample(2, "b")
        pred = fitted.predict(draws=2, var_names="mu")
        assert pred["y"].mean.shape == pred["mu"].mean.shape == (7,)
        assert pred.log_density is None
        with model:
            pm.set_data({"seen": Y[:7]})
        assert fitted.predict(draws=2).log_density.shape == (7,)
        with model:
            pm.set_data({"x": X, "seen": Y[::-1].copy()})
        density = fitted.predict(draws=9, random_seed=1).log_density
        asked = fitted.predict({"x": X, "seen": Y[::-1]}, draws=9, random_seed=1).log_density
        np.testing.assert_array_equal(density, asked)
        with model:
            pm.set_data({"seen": Y})
        fitted.elbo(5)


def test_data_set_half_are_refused():
    with pm.Model() as model:
        mu = pm.Normal("b") * pm.Data("x", X) + pm.Data("z", X)
        pm.Normal("y", mu, 1.0, observed=Y)
    fitted = fit(model)
    with model:
        pm.set_data({"x": X[:7]})
    with pytest.raises(ValueError, match=r"`pm.set_data` must .*set \['z'\], too"):
        fitted.predict(draws=2)


def test_one_draw_has_no_spread():
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("b") * pm.Data("x", X), 1.0, observed=Y)
        pm.Bernoulli("c", pm.Beta("p", 1, 1), observed=Y > 0)
    fitted = fit(model)
    with pytest.warns(UserWarning, match="one draw has no spread: std is NaN") as caught:
        pred = fitted.predict(draws=1)
    assert len(caught) == 1
    assert np.isnan(pred["y"].std).all()
    assert np.isfinite(pred["c"].mean_probs).all()
