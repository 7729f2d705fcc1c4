"""Points: the mode, maximum likelihood, and what scikit-learn finds."""

import numpy as np
import pymc as pm
import pytest
import scipy.stats as st

import pymc_bnn as bnn
from pymc_bnn.guides import Delta
from tests.support.guide_parts import QUIET, N, X, Y


def test_the_mode_is_taken_in_the_models_own_space():
    y = 1.3 * np.random.default_rng(4).normal(size=8)
    with pm.Model() as model:
        pm.Normal("y", 0, pm.HalfNormal("s", 2.0), observed=y)
    fitted = bnn.fit(model, steps=2000, guide=Delta(), **QUIET)
    # d/ds of -n log s - Σy²/2s² - s²/2τ² = 0 is a quadratic of s²; with a Jacobian n is n - 1.
    mode = np.sqrt(4.0 * (-8 + np.sqrt(64 + 4 * (y**2).sum() / 4.0)) / 2)
    assert float(fitted.mean["s"]) == pytest.approx(mode, rel=1e-4)
    by_pymc = pm.find_MAP(
        model=model, progressbar=False, return_inferencedata=True, jitter=False,
        compile_kwargs={"mode": "FAST_COMPILE"},
    ).posterior["s"].item()  # fmt: skip
    assert float(fitted.mean["s"]) == pytest.approx(by_pymc, rel=1e-3)
    log_prior = st.halfnorm.logpdf(mode, scale=2.0)
    assert fitted.elbo(2)["log_prior"] == pytest.approx(log_prior, rel=1e-4)
    assert fitted.history["log_prior"].iloc[-1] == pytest.approx(log_prior, rel=1e-4)


def test_flat_priors_and_points_are_maximum_likelihood():
    with pm.Model() as model:
        w, b = pm.Flat("w", shape=5), pm.Flat("b")
        pm.Normal("y", pm.Data("x", X)[:, :5] @ w + b, pm.HalfFlat("s"), observed=Y)
    fitted = bnn.fit(model, steps=4000, guide=Delta(), learning_rate=0.05, **QUIET)
    design = np.column_stack([X[:, :5], np.ones(N)])
    best, residual, *_ = np.linalg.lstsq(design, Y)
    np.testing.assert_allclose(
        np.append(fitted.mean["w"], fitted.mean["b"]), best, atol=0.02 * np.abs(best).max()
    )
    assert float(fitted.mean["s"]) == pytest.approx(np.sqrt(residual[0] / N), rel=0.01)


def test_logistic_regression_agrees_with_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    labels = (X[:, 0] + 0.5 * np.random.default_rng(3).normal(size=N) > 0.3).astype(int)
    with pm.Model() as model:
        logit = pm.Data("x", X[:, :3]) @ pm.Flat("w", shape=3) + pm.Flat("b")
        pm.Bernoulli("y", logit_p=logit, observed=labels)
    fitted = bnn.fit(model, steps=4000, guide=Delta(), learning_rate=0.05, **QUIET)
    sklearn = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(X[:, :3], labels)
    np.testing.assert_allclose(fitted.mean["w"], sklearn.coef_[0], rtol=5e-3)
    np.testing.assert_allclose(fitted.mean["b"], sklearn.intercept_[0], rtol=5e-3, atol=5e-3)
    prediction = fitted.predict({"x": X[:20, :3]}, draws=5, random_seed=1)
    assert np.ptp(prediction.probs, axis=0).max() == 0  # one point: all draws are equal
    np.testing.assert_allclose(prediction.mean_probs, sklearn.predict_proba(X[:20, :3]), atol=5e-3)
