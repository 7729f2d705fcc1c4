"""Leave-one-out, k-fold and held-out densities beside closed forms and brute force."""

from types import SimpleNamespace

import arviz as az
import jax
import numpy as np
import pymc as pm
import pytest
import scipy.stats as st
from arviz_stats import loo_subsample

import pymc_bnn as bnn
from pymc_bnn.arviz_trees.drawn import Drawn
from pymc_bnn.arviz_trees.leave_one_out import leave_one_out, warn_of_rows
from pymc_bnn.diagnostics.log_densities import LogDensities
from pymc_bnn.inference.holding_out import folds_of
from pymc_bnn.inference.refine import Refinement
from pymc_bnn.model.decompose import decompose
from pymc_bnn.model.problem import Problem
from pymc_bnn.model.rows import find_rows
from pymc_bnn.posterior.of_draws import KeptDraws
from pymc_bnn.posterior.of_members import MemberPosterior
from pymc_bnn.posterior.runs import Run
from tests.support.conjugate import QUIET, SIGMA, TAU, N, X, Y, conjugate

FULL = {"guide": bnn.guides.FullRank(), "batch_size": 50, "steps": 2000}


def without(rows):
    """Return the exact log predictive density of some rows given all others."""
    kept = np.setdiff1d(np.arange(N), rows)
    precision = X[kept].T @ X[kept] / SIGMA**2 + np.eye(3) / TAU**2
    mean = np.linalg.solve(precision, X[kept].T @ Y[kept]) / SIGMA**2
    spread = np.einsum("ij,ij->i", X[rows], np.linalg.solve(precision, X[rows].T).T)
    return st.norm.logpdf(Y[rows], X[rows] @ mean, np.sqrt(SIGMA**2 + spread))


EXACT = np.concatenate([without(np.array([i])) for i in range(N)])


@pytest.fixture(scope="module")
def fitted():
    return bnn.fit(conjugate(), **FULL, **QUIET)


@pytest.fixture(scope="module")
def narrow():
    """A cold posterior, of half the variance."""
    return bnn.fit(conjugate(), kl_weight=0.5, **FULL, **QUIET)


@pytest.fixture(scope="module")
def whole(fitted):
    return fitted.loo()


@pytest.fixture(scope="module")
def mended(narrow):
    return narrow.loo(3000)


def test_loo_of_minibatches_is_that_of_the_closed_form(whole):
    np.testing.assert_allclose(whole.elpd_i, EXACT, atol=0.05)
    assert abs(whole.elpd - EXACT.sum()) < 0.3
    assert 2 < whole.p < 4
    assert whole.approx_posterior
    assert not whole.warning


def test_total_size_does_not_count_rows_twice():
    def density(**size):
        with pm.Model() as model:
            x = pm.Data("x", X[:20])
            mu = x @ pm.Normal("w", 0, TAU, shape=3)
            pm.Normal("y", mu, pm.HalfNormal("s"), observed=Y[:20], **size)
        problem = Problem.of(decompose(model, find_rows(model)[0]), None, "float32")
        return LogDensities(problem, pointwise=True)({"w": np.ones((2, 3)), "s": np.zeros(2)})

    plain, scaled = density(), density(total_size=200)
    np.testing.assert_allclose(scaled.joint, plain.joint)
    np.testing.assert_allclose(
        scaled.likelihood["y"], st.norm.logpdf(Y[:20], X[:20].sum(1))[None].repeat(2, 0)
    )


def test_loo_mends_what_the_guide_lacks(narrow, mended):
    groups = ["posterior", "log_likelihood"]
    raw = az.loo(narrow.to_datatree(2000, groups=groups, random_seed=1))
    assert raw.p == pytest.approx(0.5 * EXACT_P, abs=0.4)
    assert mended.p == pytest.approx(EXACT_P, abs=0.4)
    np.testing.assert_allclose(mended.elpd_i, EXACT, atol=0.08)


def exact_p():
    precision = X.T @ X / SIGMA**2 + np.eye(3) / TAU**2
    mean = np.linalg.solve(precision, X.T @ Y) / SIGMA**2
    spread = np.einsum("ij,ij->i", X, np.linalg.solve(precision, X.T).T)
    return (st.norm.logpdf(Y, X @ mean, np.sqrt(SIGMA**2 + spread)) - EXACT).sum()


EXACT_P = exact_p()


def test_of_members_the_weights_are_of_their_mixture(fitted, narrow):
    both = MemberPosterior((fitted.posterior, narrow.posterior), (0.3, 0.7))
    chain = Run(both, jax.random.key(1))
    rows = np.arange(0, N, 10)
    found = leave_one_out(Drawn(fitted.problem, both, (chain,), 2000, 0), rows)
    np.testing.assert_allclose(found.elpd_i[rows], EXACT[rows], atol=0.08)
    values = chain.draw_numbers(None, range(5))
    one_by_one = [both.log_density({"w": w}) for w in values["w"]]
    np.testing.assert_allclose(both.log_densities(values), one_by_one, rtol=1e-5)
    np.testing.assert_allclose(values["w"][3], chain.draw_number(None, 3)["w"], rtol=1e-6)


def test_some_rows_tell_of_all_as_arviz_does_with_the_whole_matrix(fitted):
    found = fitted.loo(500, observations=60, random_seed=3)
    index = found.loo_subsample_observations
    tree = fitted.to_datatree(500, groups=["posterior", "log_likelihood"], random_seed=3)
    stats = tree.sample_stats
    same = loo_subsample(
        tree, np.asarray(index), pointwise=True, log_p=stats["lp"], log_q=stats["log_q"]
    )
    for name in ("elpd", "se", "p", "subsampling_se"):
        assert found[name] == pytest.approx(same[name], rel=1e-6)
    np.testing.assert_allclose(found.elpd_i, same.elpd_i)
    np.testing.assert_allclose(found.pareto_k, same.pareto_k)
    assert abs(found.elpd - EXACT.sum()) < 4 * found.subsampling_se
    chosen = fitted.loo(500, observations=index.tolist(), random_seed=3)
    assert chosen.elpd == found.elpd


def test_several_variables_of_a_row_are_left_out_together():
    """Beside brute force: weights of exact draws of everything that is observed."""
    rng = np.random.default_rng(0)
    both, counts = rng.normal(size=(30, 2)), rng.poisson(3, 30)
    with pm.Model() as model:
        mu, rate = pm.Normal("mu", shape=2), pm.HalfNormal("rate", 3)
        pm.Normal("y", mu, 1, observed=both)
        pm.Poisson("n", rate, observed=counts)
        pm.Potential("penalty", -(mu**2).sum())
    fitted = bnn.fit(model, guide=bnn.guides.FullRank(), steps=2000, **QUIET)
    found = fitted.loo(2000)
    scale = np.sqrt(1 / (29 + 3))
    total = both.sum(axis=0) - both  # precision of mu: prior 1, penalty 2, rows 29
    of_y = st.norm.logpdf(both, total * scale**2, np.sqrt(1 + scale**2)).sum(axis=1)
    grid = np.linspace(0.01, 12, 4000)
    each = st.poisson.logpmf(counts[:, None], grid)
    prior = st.halfnorm.logpdf(grid, scale=3)
    left = np.exp(prior + each.sum(axis=0) - each - (prior + each.sum(axis=0)).max())
    of_n = np.log((left * np.exp(each)).sum(axis=1) / left.sum(axis=1))
    np.testing.assert_allclose(found.elpd_i, of_y + of_n, atol=0.06)
    assert found.elpd_i.dims == ("rows_dim_0",)
    tree = fitted.to_datatree(20, groups=["posterior", "log_likelihood"], random_seed=1)
    assert tree.log_likelihood["y"].shape == (1, 20, 30, 2)
    point = {"mu": tree.posterior["mu"][0, 7], "rate_log__": np.log(tree.posterior["rate"][0, 7])}
    logp = model.compile_logp(mode="FAST_COMPILE")
    assert float(tree.sample_stats["lp"][0, 7]) == pytest.approx(float(logp(point)), rel=1e-5)


def test_networks_are_compared_by_loo_k_fold_and_held_out_rows(fitted, narrow, whole, mended):
    table = az.compare({"full": whole, "narrow": mended})
    assert set(table.index) == {"full", "narrow"}
    assert table["weight"].sum() == pytest.approx(1, abs=0.02)
    az.plot_compare(table)
    az.plot_khat(whole)
    held = {
        name: f.elpd({"x": X[:20], "y": Y[:20]}, 200) for name, f in (("a", fitted), ("b", narrow))
    }
    assert held["a"].elpd == pytest.approx(-20 * fitted.nll({"x": X[:20], "y": Y[:20]}, 200))
    assert len(az.compare(held)) == 2


def test_k_fold_is_that_of_the_closed_form(fitted):
    found = bnn.k_fold(fitted, 2, draws=400, random_seed=4, progressbar=False)
    folds = folds_of(fitted.problem.row_terms, 2, 4)
    exact = np.empty(N)
    for k in range(2):
        exact[folds == k] = without(np.flatnonzero(folds == k))
    np.testing.assert_allclose(found.elpd_i, exact, atol=0.1)
    assert found.elpd == pytest.approx(exact.sum(), abs=0.6)
    assert (found.kind, found.n_folds) == ("loo_kfold", 2)


# Refusals ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def short():
    with pm.Model() as model:
        pm.Normal("y", pm.Data("x", X[:40]) @ pm.Normal("w", shape=3), 1, observed=Y[:40])
    return bnn.fit(model, steps=20, **QUIET)


@pytest.fixture(scope="module")
def lengths():
    with pm.Model() as model:
        mu = pm.Normal("mu")
        pm.Normal("y", mu, 1, observed=np.zeros(5))
        pm.Normal("z", mu, 1, observed=np.zeros(3))
    return bnn.fit(model, steps=2, **QUIET)


@pytest.mark.parametrize(
    ("fit", "options", "text"),
    [
        ("short", {}, "k-hat up to 0.7, got .* of 128 draws; take exact draws: .*elpd.*k_fold"),
        ("lengths", {}, "must have observed variables whose log-likelihood has one value"),
        ("short", {"draws": 50}, "`draws` must be at least 100"),
        ("short", {"observations": 1}, "`observations` must be an integer in 2…40"),
        ("short", {"observations": [1, 40]}, "must be two or more numbers of rows in"),
    ],
)
def test_what_cannot_be_weighed_is_one_error(fit, options, text, request):
    fitted, wide = request.getfixturevalue(fit), jax.config.jax_enable_x64
    with pytest.raises(ValueError, match=text) as caught:
        fitted.loo(**options)
    assert jax.config.jax_enable_x64 == wide  # what was given up midway leaves JAX as it was
    assert "\n" not in str(caught.value)


def test_rows_that_stick_out_are_warned_of():
    found = SimpleNamespace(pareto_k=np.r_[np.zeros(39), 0.9], good_k=0.67)
    with pytest.warns(
        UserWarning, match=r"k-hat of 1 of 40 rows is above 0.67, up to 0.90.*k_fold"
    ):
        warn_of_rows(found)


def test_k_fold_refuses(short, lengths):
    with pytest.raises(ValueError, match="comes apart by rows"):
        bnn.k_fold(lengths)
    with pytest.raises(ValueError, match="`folds` must be an integer in 2…40"):
        bnn.k_fold(short, 1)
    with pytest.raises(TypeError, match="`fitted` must be what"):
        bnn.k_fold(short.problem)


# Draws by NUTS -----------------------------------------------------------------------------------


def test_exact_draws_are_weighed_as_they_are(fitted):
    precision = X.T @ X / SIGMA**2 + np.eye(3) / TAU**2
    mean, rng = np.linalg.solve(precision, X.T @ Y) / SIGMA**2, np.random.default_rng(0)
    drawn = rng.multivariate_normal(mean, np.linalg.inv(precision), (4, 300)).astype("float32")
    stats = {"diverging": np.zeros((4, 300), bool)}
    record = Refinement(KeptDraws({"w": drawn}, (0.25,) * 4), stats, 0, 8, 0.0, False)
    refined = bnn.Refined(fitted.problem, fitted.posterior, record)
    found = refined.loo()
    np.testing.assert_allclose(found.elpd_i, EXACT, atol=0.05)
    assert not found.approx_posterior
    assert found.n_samples == 1200
    tree = refined.to_datatree(groups=["posterior", "log_likelihood"])
    np.testing.assert_array_equal(tree.posterior["w"], drawn)
    assert set(tree.sample_stats.data_vars) == {"diverging"}
    assert tree.attrs["approximate"] == 0
    assert az.loo(tree).elpd == pytest.approx(found.elpd, abs=0.05)
    part = refined.loo(observations=50)
    assert abs(part.elpd - EXACT.sum()) < 4 * part.subsampling_se
    assert refined.to_datatree(30, groups="posterior").posterior["w"].shape == (4, 30, 3)
