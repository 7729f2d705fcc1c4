"""Guides of a conjugate regression: the exact posterior and evidence, and all a fit offers."""

from functools import cache

import numpy as np
import pytest
import scipy.stats as st
from scipy.linalg import subspace_angles

import pymc_bnn as bnn
from pymc_bnn.guides import Delta, FullRank, LowRank
from tests.support.guide_parts import (
    BADLY_SEEN,
    COV,
    EVIDENCE,
    MEAN,
    PRECISION,
    QUIET,
    SIGMA,
    TAU,
    D,
    N,
    OneScale,
    X,
    Y,
    check_everything,
    regression,
)


@cache
def fit(name):
    """A fit of the regression that several tests look at."""
    guide, options = {
        "MeanField": (None, {"steps": 2000}),
        "FullRank": (FullRank(), {"steps": 4000, "particles": 16}),
        "LowRank": (LowRank(2), {"steps": 4000, "particles": 4}),
        "Delta": (Delta(), {"steps": 3000}),
        "OneScale": (OneScale(), {"steps": 500}),
    }[name]
    return bnn.fit(regression(), guide=guide, learning_rate=0.03, **options, **QUIET)


def gap(mean, cov):
    """KL from Normal(mean, cov) to the exact posterior: the evidence minus the ELBO."""
    d = mean - MEAN
    quadratic = np.trace(PRECISION @ cov) + d @ PRECISION @ d - D
    return 0.5 * (quadratic - np.linalg.slogdet(cov)[1] - np.linalg.slogdet(PRECISION)[1])


BEST_MEAN_FIELD = gap(MEAN, np.diag(1 / np.diag(PRECISION)))


def test_full_rank_recovers_the_exact_posterior_and_evidence():
    fitted = fit("FullRank")
    p = fitted.params["*"]
    factor = np.exp(p["log_scale"])[:, None] * (np.eye(D) + np.tril(p["lower"], -1))
    sd = np.sqrt(np.diag(COV))
    cov = factor @ factor.T
    np.testing.assert_allclose(p["loc"], MEAN, atol=0.1 * sd.min())
    np.testing.assert_allclose(cov / np.outer(sd, sd), COV / np.outer(sd, sd), atol=0.05)
    assert np.abs(COV[:4, 4:] / np.outer(sd[:4], sd[4:])).max() > 0.6  # across the variables
    assert gap(p["loc"], cov) < 0.01 < 0.01 * BEST_MEAN_FIELD
    # What the user sees is the same distribution.
    draws = fitted.sample(4000, random_seed=1).posterior
    drawn = np.concatenate([draws["w"].values[0], draws["v"].values[0]], axis=1)
    errors = np.sqrt((np.outer(np.diag(cov), np.diag(cov)) + cov**2) / 4000)
    assert (np.abs(np.cov(drawn.T) - cov) < 4.5 * errors).all()
    np.testing.assert_allclose(fitted.std["w"], np.sqrt(np.diag(cov))[:4], rtol=1e-5)
    estimate = fitted.elbo(1000)
    assert estimate["elbo_se"] < 0.1
    assert abs(estimate["elbo"] - EVIDENCE) < 4 * estimate["elbo_se"]
    assert fitted.summary()["kl_method"].tolist() == ["closed form", "closed form"]
    assert fitted.kl().index.tolist() == ["*"]


def test_low_rank_recovers_the_leading_directions_and_beats_mean_field():
    mean_field, low_rank = fit("MeanField"), fit("LowRank")
    p = low_rank.params["*"]
    scale = np.diag(np.exp(p["log_scale"]))
    cov = scale @ (np.eye(D) + p["factor"] @ p["factor"].T) @ scale
    leading = np.linalg.eigh(cov)[1][:, -2:]
    assert np.degrees(subspace_angles(leading, BADLY_SEEN)).max() < 3
    assert gap(p["loc"], cov) < 0.06
    better, worse = low_rank.elbo(200), mean_field.elbo(200)
    gain, error = better["elbo"] - worse["elbo"], np.hypot(better["elbo_se"], worse["elbo_se"])
    assert BEST_MEAN_FIELD > 1
    assert abs(gain - BEST_MEAN_FIELD) < 4 * error + 0.1


def test_ridge_regression_is_delta_with_normal_priors():
    fitted = fit("Delta")
    w = np.concatenate([fitted.mean["w"], fitted.mean["v"]])
    np.testing.assert_allclose(w, MEAN, atol=2e-3)  # the posterior's mode
    assert float(fitted.std["w"].max()) < 1e-12
    nll, prior = -st.norm.logpdf(Y, X @ w, SIGMA).sum(), st.norm.logpdf(w, 0, TAU).sum()
    objective = fitted.elbo(5)
    assert list(objective.index) == [
        "objective", "nll", "kl", "log_prior", "objective_se", "objective_per_example",
    ]  # fmt: skip
    np.testing.assert_allclose(
        objective, [prior - nll, nll, 0, prior, 0, (prior - nll) / N], rtol=1e-5
    )


def test_a_partly_bayesian_model_has_an_objective_and_no_elbo():
    fitted = bnn.fit(regression(), steps=500, guide={"v": Delta()}, batch_size=50, **QUIET)
    assert fitted.points == ("v",)
    assert fitted.objective == "objective"
    assert list(fitted.history) == ["epoch", "objective", "nll", "kl", "log_prior"]
    last = fitted.history.iloc[-1]
    v = fitted.mean["v"].values
    assert last["objective"] == pytest.approx(-last["nll"] - last["kl"] + last["log_prior"])
    assert last["log_prior"] == pytest.approx(st.norm.logpdf(v, 0, TAU).sum(), rel=1e-2)
    estimate = fitted.elbo(10)
    assert {"objective", "objective_se"} <= set(estimate.index)
    assert not [name for name in estimate.index if name.startswith("elbo")]
    summary = fitted.summary()
    assert summary["guide"].to_dict() == {"w": "MeanField", "v": "Delta"}
    assert summary.loc["v", ["kl", "scale_ratio", "collapsed"]].isna().all()
    assert summary.loc["w", ["kl", "scale_ratio", "collapsed"]].notna().all()
    assert np.isnan(fitted.kl()["v"])


@pytest.mark.parametrize("name", ["MeanField", "Delta", "FullRank", "LowRank", "OneScale"])
def test_everything_a_fit_offers_works_under_every_guide(name):
    check_everything(fit(name), point=name == "Delta")
