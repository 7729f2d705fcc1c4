"""Predictions of models of all kinds: likelihoods, rows, data and noise of their own."""

import numpy as np
import pymc as pm
import pytest
import scipy.special as sp
import scipy.stats as st

import pymc_bnn as bnn
from pymc_bnn.prediction.predict import ask, predict

RNG = np.random.default_rng(5)
N = 120
X = RNG.normal(size=(N, 3))
W = np.array([[2.0, -1.0, 0.0, 0.5], [0.0, 1.0, -1.0, 0.0], [1.0, 0.0, 0.0, -1.0]])
LABELS = np.argmax(X @ W + RNG.gumbel(size=(N, 4)), axis=1)
Y = X[:, 0] + 0.3 * RNG.normal(size=N)
NEW = RNG.normal(size=(23, 3))
QUIET = {"random_seed": 1, "progressbar": False}


@pytest.mark.parametrize("likelihood", ["normal", "student", "poisson", "bernoulli", "mixture"])
def test_predictive_samples_of_any_likelihood(likelihood):
    with pm.Model() as model:
        b = pm.Normal("b", 0, 1)
        mu = pm.Data("x", X[:, 0]) * b
        if likelihood == "normal":
            pm.Normal("y", mu, 0.3, observed=Y)
        elif likelihood == "student":
            pm.StudentT("y", nu=5, mu=mu, sigma=0.3, observed=Y)
        elif likelihood == "poisson":
            pm.Poisson("y", pm.math.exp(mu), observed=RNG.poisson(np.exp(X[:, 0])))
        elif likelihood == "bernoulli":
            pm.Bernoulli("y", logit_p=3 * mu, observed=(Y > 0).astype(int))
        else:
            parts = [pm.Normal.dist(mu, 0.1), pm.Normal.dist(mu, 0.5)]
            pm.Mixture("y", [0.5, 0.5], parts, observed=Y)
    fitted = bnn.fit(model, steps=2500, batch_size=60, learning_rate=0.01, **QUIET)
    x = np.array([-1.0, 0.0, 1.0, 2.0])
    pred = fitted.predict({"x": x}, draws=600, random_seed=1)
    m, s = float(fitted.mean["b"]), float(fitted.std["b"])
    b = m + s * st.norm.ppf((np.arange(200) + 0.5) / 200)[:, None]
    if likelihood == "bernoulli":
        np.testing.assert_allclose(
            pred.mean_probs[:, 1], sp.expit(3 * b * x).mean(axis=0), atol=0.02
        )
        return
    noise = {"normal": 0.09, "student": 0.09 * 5 / 3, "mixture": 0.5 * (0.01 + 0.25)}
    if likelihood == "poisson":
        mean = np.exp(b * x).mean(axis=0)
        var = mean + np.exp(b * x).var(axis=0)
    else:
        mean = m * x
        var = noise[likelihood] + s**2 * x**2
    error = np.sqrt(var / 600)
    assert (np.abs(pred["y"].mean - mean) < 4.5 * error).all()
    np.testing.assert_allclose(pred["y"].std, np.sqrt(var), rtol=0.2)
    assert pred["y"].samples.shape == (600, 4)


def test_likelihood_without_covariates_predicts_any_number_of_rows():
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("mu"), 1, observed=Y)
    fitted = bnn.fit(model, steps=500, **QUIET)
    assert fitted.predict(draws=3)["y"].samples.shape == (3, N)


def test_missing_covariate():
    with pm.Model() as model:
        b = pm.Normal("b", shape=2)
        mu = pm.Data("x", X[:, 0]) * b[0] + pm.Data("z", X[:, 1]) * b[1]
        pm.Normal("y", mu, 1, observed=Y)
    fitted = bnn.fit(model, steps=10, batch_size=60, **QUIET)
    with pytest.raises(ValueError, match=r"hold all data that vary per example.*add \['z'\]"):
        fitted.predict({"x": X[:5, 0]})


def test_mixing_rows_are_not_taken_apart():
    with pm.Model() as model:
        x = pm.Data("x", X)
        pm.Normal("y", (x - x.mean(axis=0)) @ pm.Normal("w", shape=3), 1, observed=Y)
    fitted = bnn.fit(model, steps=50, batch_size=None, **QUIET)
    whole = fitted.predict({"x": NEW}, draws=4, random_seed=1)["y"].samples
    parts = fitted.predict({"x": NEW}, draws=4, batch_size=5, random_seed=1)["y"].samples
    np.testing.assert_allclose(whole, parts)


def fit(model, batch_size=None, steps=300, **kwargs):
    return bnn.fit(model, steps=steps, batch_size=batch_size, **QUIET, **kwargs)


@pytest.mark.parametrize("batch_size", [None, 60])
def test_observed_variables_have_noise_of_their_own(batch_size):
    with pm.Model() as model:
        mu = pm.Normal("mu")
        for i in (1, 2):
            pm.Normal(f"y{i}", mu, 1, observed=Y)
            pm.Bernoulli(f"b{i}", logit_p=0.01 * mu, observed=Y > 0)
    pred = fit(model, batch_size).predict(draws=50, random_seed=1)
    for kind in "yb":
        one, two = pred[f"{kind}1"].samples, pred[f"{kind}2"].samples
        mean = one.mean(axis=1, keepdims=True), two.mean(axis=1, keepdims=True)
        assert abs(np.corrcoef((one - mean[0]).ravel(), (two - mean[1]).ravel())[0, 1]) < 0.05


def test_at_the_mean_samples_of_values_still_vary():
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("mu"), 0.5, observed=Y + 3)
    pred = fit(model, steps=3000).predict(at="mean", draws=400, random_seed=0)["y"]
    np.testing.assert_allclose(pred.mean, (Y + 3).mean(), atol=0.12)
    np.testing.assert_allclose(pred.std, 0.5, rtol=0.2)
    with pytest.warns(UserWarning, match="one draw has no spread: std is NaN"):
        assert np.isnan(fit(model, steps=5).predict(draws=1)["y"].std).all()


@pytest.mark.parametrize("batch_size", [None, 60])
def test_predictions_use_the_data_that_the_model_holds_now(batch_size):
    with pm.Model(coords={"k": ["a", "b"]}) as model:
        b = pm.Normal("b", dims="k")
        pm.Normal("y", b[0] * pm.Data("x", X[:, 0]), 0.1, observed=X[:, 0])
    fitted = fit(model, batch_size, steps=2000)
    before = fitted.predict(draws=3, random_seed=1)["y"].samples
    with model:
        pm.set_data({"x": np.full(7, 100.0)})
    now = fitted.predict(draws=3, random_seed=1)
    asked = fitted.predict({"x": np.full(7, 100.0)}, draws=3, random_seed=1)
    np.testing.assert_array_equal(now["y"].samples, asked["y"].samples)
    assert now["y"].samples.shape == (3, 7)
    assert now.log_density is None
    with model:
        pm.set_data({"x": X[:, 0]})
    np.testing.assert_array_equal(fitted.predict(draws=3, random_seed=1)["y"].samples, before)
    assert list(fitted.sample(2).posterior["k"].values) == ["a", "b"]


def test_one_probability_for_all_rows():
    with pm.Model() as model:
        pm.Bernoulli("b", pm.Beta("p", 1, 1), observed=Y > 0)
        pm.Categorical("c", p=pm.Dirichlet("q", np.ones(4)), observed=LABELS)
    for batch_size in (None, 60):
        fitted = fit(model, batch_size, steps=2000)
        pred = fitted.predict(draws=50, random_seed=1)
        assert pred["b"].mean_probs.shape == (N, 2)
        np.testing.assert_allclose(pred["b"].mean_probs[:, 1], (Y > 0).mean(), atol=0.03)
        share = np.bincount(LABELS, minlength=4) / N
        np.testing.assert_allclose(pred["c"].mean_probs, np.tile(share, (N, 1)), atol=0.04)


def test_models_whose_rows_do_not_come_apart_still_predict():
    rng = np.random.default_rng(0)
    many = rng.normal(size=600)
    with pm.Model() as effects:
        rate = pm.math.exp(pm.Normal("a") + pm.Normal("eps", 0, 0.3, shape=600))
        pm.Poisson("y", rate, observed=rng.poisson(1.0, size=600))
    assert fit(effects, steps=5).predict(draws=2)["y"].samples.shape == (2, 600)
    with pm.Model() as series:
        pm.AR("y", pm.Normal("r", shape=1), init_dist=pm.Normal.dist(0, 9), observed=many)
    assert fit(series, steps=5).predict(draws=2)["y"].samples.shape == (2, 600)
    with pm.Model() as mixture:
        mu = pm.Normal("m", shape=2) * many[:, None]
        pm.NormalMixture("y", pm.Dirichlet("w", np.ones(2)), mu=mu, sigma=1.0, observed=many)
    assert fit(mixture, 100, steps=5).predict(draws=2)["y"].samples.shape == (2, 600)
    with pm.Model() as lengths:
        mu = pm.Normal("mu", shape=2)
        pm.Normal("one", mu[0] * pm.Data("x", X[:60, 0]), 1, observed=Y[:60])
        pm.Normal("two", mu[1], 1, observed=Y[:40])
    pred = fit(lengths, steps=5).predict(draws=3)
    assert pred["one"].samples.shape == (3, 60)
    assert pred["two"].samples.shape == (3, 40)
    fitted = bnn.fit(lengths, steps=5, rows=["one", "x"], batch_size=20, **QUIET)
    pred = fitted.predict({"x": X[:5, 0]}, draws=3)
    assert pred["one"].samples.shape == (3, 5)
    assert pred["two"].samples.shape == (3, 40)


def test_an_observed_variable_may_depend_on_another():
    with pm.Model() as model:
        y1 = pm.Normal("y1", pm.Normal("a"), 1, observed=Y)
        pm.Normal("y2", pm.Normal("c") * y1, 0.5, observed=2 * Y)
        pm.Deterministic("residual", y1 - 1.0)
    fitted = fit(model, 60, steps=3000)
    np.testing.assert_allclose(fitted.mean["c"], 2.0, atol=0.1)
    np.testing.assert_allclose(
        fitted.sample(2, "residual").posterior["residual"][0, 0], Y - 1, atol=1e-6
    )


def test_deterministics_keep_their_own_length():
    with pm.Model() as model:
        w = pm.Normal("w", shape=10)
        pm.Deterministic("ew", pm.math.exp(w))
        pm.Normal("y", w[0] * pm.Data("x", Y), 1, observed=Y)
    pred = fit(model, 60, steps=5).predict(draws=3, batch_size=10, var_names="ew")
    assert pred["ew"].mean.shape == (10,)
    assert pred["y"].mean.shape == (N,)


def test_total_size_leaves_the_density_alone():
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("mu", 0, 10), 1, observed=Y, total_size=10 * N)
    fitted = fit(model, 60, steps=3000)
    direct = -st.norm.logpdf(Y[:50], Y.mean(), 1).mean()
    np.testing.assert_allclose(fitted.nll({"y": Y[:50]}), direct, atol=0.02)
    elbo = fitted.elbo(50)
    np.testing.assert_allclose(
        elbo["elbo_per_example"], st.norm.logpdf(Y, Y.mean(), 1).mean(), atol=0.03
    )
    np.testing.assert_allclose(elbo["elbo_per_example"], elbo["elbo"] / (10 * N))


def test_distributions_made_of_others_in_minibatches():
    counts = RNG.poisson(np.exp(X[:, 0]))
    with pm.Model() as model:
        rate = pm.math.exp(pm.Normal("b") * pm.Data("x", X[:, 0]))
        pm.HurdlePoisson("y", psi=pm.Beta("p", 1, 1), mu=rate, observed=counts)
    fitted = fit(model, 60, steps=3000)
    np.testing.assert_allclose(fitted.mean["p"], (counts > 0).mean(), atol=0.06)
    samples = fitted.predict(draws=400, random_seed=1)["y"].samples
    mu = np.exp(float(fitted.mean["b"]) * X[:, 0])
    expected = float(fitted.mean["p"]) * mu / -np.expm1(-mu)  # of a zero-truncated Poisson
    np.testing.assert_allclose(samples.mean(), expected.mean(), rtol=0.05)


def test_whole_numbers_that_do_not_fit_are_refused():
    with pm.Model() as model:
        x = pm.Data("x", np.arange(N, dtype="uint8"))
        pm.Normal("y", pm.Normal("b") * x, 1, observed=Y)
    with pytest.raises(ValueError, match=r"`new_data\['x'\]` must fit uint8.*got int64 in -1…300"):
        fit(model, 60, steps=5).predict({"x": np.array([100, 300, -1])})
    with pytest.raises(TypeError, match=r"`new_data` must be a dictionary.*got ndarray"):
        fit(model, 60, steps=5).predict(np.arange(3))


def test_points_run_through_the_network_once_and_vote_as_often_as_asked(monkeypatch):
    rng = np.random.default_rng(0)
    with pm.Model() as model:
        w = pm.Normal("w", shape=(2, 3))
        pm.Categorical("y", logit_p=pm.Data("x", rng.normal(size=(90, 2))) @ w,
                       observed=rng.integers(0, 3, 90))  # fmt: skip
    fitted = bnn.fit(model, steps=50, guide=bnn.guides.Delta(), random_seed=1, progressbar=False)
    calls = []
    predictor, rows = ask(fitted.problem, None)
    [program] = predictor.evaluations(batched=True)
    executable = program.forward.executable

    def counted(*shapes):
        forward = executable(*shapes)
        return lambda *given: calls.append(1) or forward(*given)

    monkeypatch.setattr(program.forward, "executable", counted)
    prediction = predict(fitted.posterior, predictor, rows, 400, batch_size=30, random_seed=2)
    assert len(calls) == 3
    assert (prediction.probs == prediction.probs[0]).all()
    assert (prediction.class_votes.max(1) == 400).all()
    expected = 400 * prediction.mean_probs
    error = np.sqrt(expected * (1 - prediction.mean_probs))
    assert (abs(prediction.label_votes - expected) < 5 * error + 1).all()
    samples = prediction["y"].samples
    assert (samples[0] != samples[1]).any()
