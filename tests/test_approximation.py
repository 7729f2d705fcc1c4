"""What a fit returns: moments, draws and summaries agree with the guide's own distributions."""

import arviz as az
import numpy as np
import pymc as pm
import pytest
import scipy.stats as st

import pymc_bnn as bnn

RNG = np.random.default_rng(2)
X = RNG.normal(size=(80, 2))
Y = X @ [1.0, -1.0] + 0.5 * RNG.normal(size=80)


@pytest.fixture(scope="module")
def fitted():
    with pm.Model(coords={"feature": ["a", "b"]}) as model:
        w = pm.Normal("w", 0, 2, dims="feature")
        s = pm.HalfNormal("s", 1)
        shares = pm.Dirichlet("shares", np.ones(3))
        u = pm.Uniform("u", -1, 3)
        pm.Deterministic("w_sum", w.sum())
        mu = pm.Deterministic("mu", pm.Data("x", X) @ w)
        pm.Normal("y", mu + 0 * (shares[0] + u), s, observed=Y)
    return bnn.fit(model, steps=3000, batch_size=40, random_seed=1, progressbar=False)


def test_draws_follow_the_guide(fitted):
    draws = fitted.sample(4000, random_seed=3).posterior
    w = draws["w"].values[0]
    loc, scale = fitted.params["w"]["loc"], np.exp(fitted.params["w"]["log_scale"])
    for i in range(2):
        assert st.kstest(w[:, i], st.norm(loc[i], scale[i]).cdf).pvalue > 1e-3
    s = fitted.params["s"]
    lognormal = st.lognorm(np.exp(s["log_scale"]), scale=np.exp(s["loc"]))
    assert st.kstest(draws["s"].values[0], lognormal.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(w.T)[0, 1]) < 0.06
    np.testing.assert_allclose(draws["shares"].sum("shares_dim_0"), 1, rtol=1e-5)
    np.testing.assert_allclose(draws["w_sum"], draws["w"].sum("feature"), rtol=1e-4, atol=1e-5)


def test_moments_agree_with_closed_forms_and_draws(fitted):
    s = fitted.params["s"]
    lognormal = st.lognorm(np.exp(s["log_scale"]), scale=np.exp(s["loc"]))
    np.testing.assert_allclose(fitted.mean["s"], lognormal.mean(), rtol=1e-4)
    np.testing.assert_allclose(fitted.std["s"], lognormal.std(), rtol=1e-3)
    assert fitted.mean["w"].dims == ("feature",)
    assert list(fitted.mean["feature"].values) == ["a", "b"]
    draws = fitted.sample(6000, random_seed=3).posterior
    for name in ("shares", "u"):
        mean, sd = draws[name].mean(("chain", "draw")), draws[name].std(("chain", "draw"))
        np.testing.assert_allclose(fitted.mean[name], mean, atol=5 * float(sd.max()) / 6000**0.5)
        np.testing.assert_allclose(fitted.std[name], sd, rtol=0.06)


def test_flat_directions_keep_their_prior(fitted):
    # Nothing is learned of u: its posterior on the unit interval stays close to the prior's.
    ratio = fitted.scale_ratio()
    assert 0.7 < ratio["u"] < 1.1  # the logistic distribution against its best Normal
    assert ratio["w"] < 0.06
    kl = fitted.kl(2000)
    assert kl["u"] < 0.05
    assert kl["shares"] < 0.2
    assert kl["w"] > 4


def test_elbo_agrees_with_the_end_of_the_history(fitted):
    elbo = fitted.elbo(100, batch_size=32)
    other = fitted.elbo(100, batch_size=80, random_seed=1)
    error = np.hypot(elbo["elbo_se"], other["elbo_se"])
    assert abs(elbo["elbo"] - other["elbo"]) < 4 * error
    tail = fitted.history["elbo"].iloc[-400:]
    assert abs(tail.mean() - elbo["elbo"]) < 4 * (tail.std() / 20 + elbo["elbo_se"])
    np.testing.assert_allclose(elbo["elbo_per_example"], elbo["elbo"] / 80)


def test_names_filters_and_arviz(fitted):
    tree = fitted.sample(50, ["w", "mu"], random_seed=1)
    assert set(tree.posterior.data_vars) == {"w", "mu"}
    assert tree.posterior["mu"].shape == (1, 50, 80)
    assert "mu" not in fitted.sample(5).posterior  # belongs to the examples
    assert set(fitted.sample(5, "^w", "regex").posterior.data_vars) == {"w", "w_sum"}
    assert set(fitted.sample(5, "har", "like").posterior.data_vars) == {"shares"}
    assert "w" not in fitted.sample(5, ["~w"]).posterior
    summary = az.summary(fitted.sample(200, ["w"], random_seed=1), kind="stats")
    assert list(summary.index) == ["w[a]", "w[b]"]
    with pytest.raises(KeyError, match="nothing"):
        fitted.sample(5, ["nothing"])
    with pytest.raises(ValueError, match=r"`var_names` must match some variable"):
        fitted.sample(5, "^zzz", "regex")


def test_gigabytes_are_refused_by_size(fitted):
    with pytest.raises(ValueError, match=r"`draws` must need no more than 2 GiB.* GiB .*var_names"):
        fitted.sample(10**8)
    with pytest.raises(ValueError, match=r"`draws` must be an integer of at least 1, got 0"):
        fitted.sample(0)


def test_same_seed_same_draws(fitted):
    one, two = (fitted.sample(20, ["w"], random_seed=7).posterior["w"] for _ in range(2))
    assert (one == two).all()
    assert (fitted.sample(20, ["w"], random_seed=8).posterior["w"] != one).any()


def test_moments_of_a_variable_bounded_by_another():
    with pm.Model() as model:
        up = pm.HalfNormal("up", 5)
        pm.Normal("y", pm.Uniform("u", 0, up), 10, observed=Y[:5])
    fitted = bnn.fit(model, steps=2000, learning_rate=0.02, random_seed=1, progressbar=False)
    draws = fitted.sample(4000, random_seed=5).posterior["u"]
    error = float(draws.std()) / np.sqrt(4000)
    assert abs(float(fitted.mean["u"]) - float(draws.mean())) < 6 * error
    np.testing.assert_allclose(fitted.std["u"], draws.std(), rtol=0.15)


@pytest.mark.filterwarnings("ignore:Data in y contains missing values")
def test_missing_values_and_flat_priors():
    gaps = Y.copy()
    gaps[3] = np.nan
    with pm.Model() as model:
        b = pm.Flat("b")
        pm.Normal("y", b * X[:, 0], 1, observed=gaps)
    fitted = bnn.fit(model, steps=5, batch_size=None, random_seed=1, progressbar=False)
    y = fitted.sample(3).posterior["y"].values
    np.testing.assert_allclose(np.delete(y[0, 0], 3), np.delete(Y, 3), rtol=1e-5)
    assert np.isnan(fitted.scale_ratio()["b"])


def test_repr(fitted):
    assert repr(fitted) == "<Approximation: 4 variables, 6 numbers, 3,000 steps, kl_weight=1>"


def test_the_prior_is_drawn_once_for_all_looks_at_a_fit(monkeypatch):
    with pm.Model() as model:
        pm.Normal("y", pm.StudentT("mu", nu=5), 1, observed=np.zeros(9))
    fitted = bnn.fit(model, steps=5, random_seed=1, progressbar=False)
    drawn, draw = [], pm.draw
    monkeypatch.setattr(pm, "draw", lambda *a, **k: drawn.append(1) or draw(*a, **k))
    ratio = fitted.summary().loc["mu", "scale_ratio"]
    assert fitted.scale_ratio()["mu"] == ratio == fitted.summary().loc["mu", "scale_ratio"]
    assert len(drawn) == 1
