"""Trees of results: their groups beside SciPy, PyMC and the model, ArviZ on them, files."""

import warnings

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
import pytest
import scipy.stats as st
import xarray as xr

import pymc_bnn as bnn
from pymc_bnn.graphs.interpreted import SIMPLIFIED
from pymc_bnn.prior_check import judged

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(RNG.normal(size=(40, 3)), columns=["age", "bmi", "pressure"])
Y = TABLE["age"].to_numpy() + 0.1 * RNG.normal(size=40)
LABELS = (Y > 0).astype(int) + (Y > 1)
QUIET = {"random_seed": 1, "progressbar": False}
BIAS = {"var_names": ["dense1_b"]}


def regression():
    with pm.Model(coords={"person": range(100, 140)}) as model:
        out = bnn.bayesian(bnn.networks.mlp((3, 2, 1)), TABLE)
        mu = pm.Deterministic("mu", out[:, 0], dims="person")
        pm.Normal("y", mu, pm.HalfNormal("s"), observed=Y, dims="person")
    return model


def classifier():
    with pm.Model(coords={"dense1_out": ["low", "mid", "high"]}) as model:
        out = bnn.bayesian(bnn.networks.mlp((3, 3)), pm.Data("x", TABLE.to_numpy()))
        pm.Categorical("y", logit_p=out, observed=LABELS, shape=out.shape[0])
    return model


@pytest.fixture(scope="module")
def fitted():
    return bnn.fit(regression(), steps=200, members=2, **QUIET)


@pytest.fixture(scope="module")
def tree(fitted):
    return fitted.to_datatree(50, new_data={"x": TABLE[:5]}, random_seed=1)


@pytest.fixture(scope="module")
def classes():
    fitted = bnn.fit(classifier(), steps=100, **QUIET)
    groups = ["posterior", "posterior_predictive", "log_likelihood", "observed_data"]
    new = {"x": TABLE[:5].to_numpy()}
    return fitted.to_datatree(100, groups=groups, new_data=new, random_seed=1)


def test_groups_dims_and_coords(fitted, tree):
    groups = {"posterior", "posterior_predictive", "predictions", "predictions_constant_data"}
    groups |= {"prior", "prior_predictive", "observed_data", "constant_data", "sample_stats"}
    assert set(tree.children) == groups | {"log_likelihood", "log_prior"}
    assert tree.posterior["dense1_W"].dims == ("chain", "draw", "dense1_in", "dense1_out")
    assert tree.posterior["dense1_in"].values.tolist() == list(TABLE.columns)
    assert tree.constant_data["x_dim_1"].values.tolist() == list(TABLE.columns)
    for group in ("posterior_predictive", "log_likelihood"):
        assert tree[group]["y"].dims == ("chain", "draw", "person")
        assert tree[group]["person"].values[[0, -1]].tolist() == [100, 139]
    assert tree.predictions["y"].shape == (2, 50, 5)
    assert tree.predictions["person"].values.tolist() == list(range(5))
    assert tree.attrs["approximate"] == 1
    assert "fitted.loo()" in tree.attrs["loo"]
    np.testing.assert_array_equal(tree.observed_data["y"], Y)
    sampled = fitted.sample(50, random_seed=1).posterior
    xr.testing.assert_equal(tree.posterior.to_dataset(), sampled.to_dataset())


def test_densities_are_those_of_scipy_at_the_same_draws(fitted):
    tree = fitted.to_datatree(
        20,
        groups=["posterior", "log_likelihood", "log_prior"],
        var_names=["mu", "s"],
        random_seed=1,
    )
    s = tree.posterior["s"]
    expected = st.norm.logpdf(Y, tree.posterior["mu"], s.values[..., None])
    np.testing.assert_allclose(tree.log_likelihood["y"], expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(tree.log_prior["s"], st.halfnorm.logpdf(s), rtol=1e-5)
    weights = fitted.to_datatree(20, groups=["posterior"], random_seed=1).posterior
    density = fitted.problem.model.compile_logp(mode=SIMPLIFIED)
    point = {name: weights[name].values[1, 3] for name in weights.data_vars}
    point["s_log__"] = np.log(point.pop("s"))
    lp = float(tree.sample_stats["lp"][1, 3])
    assert lp == pytest.approx(float(density(point)), rel=1e-4)
    parts = tree.log_prior.to_dataset().to_array().sum("variable")[1, 3]
    assert lp == pytest.approx(float(parts + point["s_log__"] + expected[1, 3].sum()), rel=1e-4)


def test_predictions_are_of_the_same_draws(tree, fitted):
    again = fitted.to_datatree(
        50, groups="posterior_predictive", var_names="mu", random_seed=1
    ).posterior_predictive
    assert {"y", "mu"} == set(again.data_vars)
    noise = (again["y"] - again["mu"]) / tree.posterior["s"]
    assert abs(noise.std() - 1) < 0.05
    xr.testing.assert_equal(again["y"], tree.posterior_predictive["y"])


def test_prior_draws_are_of_the_prior(tree):
    drawn = tree.prior["s"].values.ravel()
    assert st.kstest(drawn, "halfnorm").pvalue > 1e-3
    assert st.kstest(tree.prior["dense1_b"].values.ravel(), "norm").pvalue > 1e-3
    assert tree.prior_predictive["y"].shape == (1, 50, 40)


ARVIZ = {
    "summary": lambda t: az.summary(t),
    "plot_forest": lambda t: az.plot_forest(t, **BIAS),
    "plot_trace_dist": lambda t: az.plot_trace_dist(t, **BIAS),
    "plot_rank": lambda t: az.plot_rank(t, **BIAS),
    "plot_prior_posterior": lambda t: az.plot_prior_posterior(t, **BIAS),
    "psense_summary": lambda t: az.psense_summary(t, **BIAS),
    "plot_ppc_pit": lambda t: az.plot_ppc_pit(t),
    "plot_loo_pit": lambda t: az.plot_loo_pit(t),
}
OF_VALUES = {
    "plot_ppc_dist": lambda t: az.plot_ppc_dist(t),
    "of the prior": lambda t: az.plot_ppc_dist(t, group="prior_predictive"),
}
OF_CLASSES = {"plot_ppc_pava": lambda t: az.plot_ppc_pava(t, data_type="categorical")}


@pytest.mark.parametrize("name", [*ARVIZ, *OF_VALUES])
def test_arviz_takes_values(tree, name):
    assert {**ARVIZ, **OF_VALUES}[name](tree) is not None


@pytest.mark.parametrize("name", ["plot_ppc_pit", "plot_loo_pit", "plot_ppc_pava"])
def test_arviz_takes_classes(classes, name):
    assert {**ARVIZ, **OF_CLASSES}[name](classes) is not None


def test_probabilities_of_new_rows(classes):
    probs = classes.predictions["y_probs"]
    assert probs.dims == ("chain", "draw", "y_dim_0", "y_class")
    assert probs["y_class"].values.tolist() == ["low", "mid", "high"]
    np.testing.assert_allclose(probs.sum("y_class"), 1, rtol=1e-5)
    assert set(np.unique(classes.posterior_predictive["y"])) <= {0, 1, 2}
    assert classes.observed_data["y"].dtype.kind == "i"


def test_files(tree, tmp_path):
    tree.to_netcdf(tmp_path / "tree.nc")
    xr.testing.assert_identical(xr.open_datatree(tmp_path / "tree.nc").load(), tree)
    tree.to_zarr(tmp_path / "tree.zarr", consolidated=False)
    back = xr.open_datatree(tmp_path / "tree.zarr", engine="zarr", consolidated=False)
    xr.testing.assert_identical(back.load(), tree)


def test_pymc_predicts_from_it(tree, fitted):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawn = pm.sample_posterior_predictive(
            tree, fitted.problem.model, progressbar=False, random_seed=1,
            compile_kwargs={"mode": SIMPLIFIED},
        )  # fmt: skip
    own, theirs = tree.posterior_predictive["y"], drawn.posterior_predictive["y"]
    assert own.dims == theirs.dims
    assert abs(own.mean() - theirs.mean()) < 0.1
    assert abs(own.std() / theirs.std() - 1) < 0.1


# Models of strangers -----------------------------------------------------------------------------


def test_what_cannot_be_is_left_out_or_refused_by_name():
    x = TABLE.to_numpy()
    with pm.Model() as model:
        mu = pm.Data("x", x[:10]) @ pm.Flat("w", shape=3)
        pm.Normal("y", mu, 1, observed=Y[:10].tolist())
    streamed = bnn.fit(model, data=[{"x": x, "y": Y}], total_size=40, steps=2, **QUIET)
    tree = streamed.to_datatree(5)
    left = {"log_likelihood", "log_prior", "prior", "prior_predictive", "sample_stats"}
    assert not left & set(tree.children)
    assert "log_likelihood: the model holds 10 of 40 examples" in tree.attrs["left_out"]
    assert "prior: `model` must have variables that can be drawn" in tree.attrs["left_out"]
    with pytest.raises(ValueError, match="must hold all data for their log-densities"):
        streamed.to_datatree(5, groups="log_likelihood")
    with pytest.raises(ValueError, match="proper prior"):
        streamed.to_datatree(5, groups=["prior"])
    with pytest.raises(
        ValueError, match="`groups` must name groups of a tree, got \\['posteriors'"
    ):
        streamed.to_datatree(5, groups=["posteriors"])
    with pytest.raises(ValueError, match="`draws` must be an integer of at least 1"):
        streamed.to_datatree(0)


def test_lengths_potentials_points_and_loaded_fits(tmp_path):
    with pm.Model() as model:
        a = pm.Normal("a", shape=2)
        pm.Normal("y", a, 1, observed=np.ones((6, 2), int))
        pm.Poisson("n", pm.math.exp(a[0]), observed=pd.Series([1, 2, 3, 4]))
        pm.Potential("p", -(a**2).sum())
    fitted = bnn.fit(model, steps=5, guide=bnn.guides.Delta(), **QUIET)
    tree = fitted.to_datatree(3, random_seed=1)
    assert tree.log_likelihood["y"].shape == (1, 3, 6, 2)
    assert tree.log_likelihood["n"].shape == (1, 3, 4)
    assert tree.posterior_predictive["y"].shape == (1, 3, 6, 2)
    assert "potentials" in tree.attrs["left_out"]
    assert "sample_stats" not in tree.children  # points have no density
    fitted.save(tmp_path / "fit")
    loaded = bnn.load(tmp_path / "fit").to_datatree(3, random_seed=1)
    assert set(loaded.children) == {"posterior"}
    assert "not saved" in loaded.attrs["left_out"]


def test_too_much_is_refused_with_its_size(fitted):
    with pytest.raises(ValueError, match="must need no more than 2 GiB"):
        fitted.to_datatree(10**8)


# Before a fit ------------------------------------------------------------------------------------


def test_prior_predictive_check():
    found = bnn.prior_predictive_check(regression(), 200, random_seed=1)
    assert set(found.table["verdict"]) == {"good"}
    assert list(found.table.index.get_level_values("statistic")) == ["mean", "std", "min", "max"]
    assert "y good" in repr(found)
    az.plot_ppc_dist(found.tree, group="prior_predictive")


DRAWN = np.random.default_rng(0).normal(size=500)


@pytest.mark.parametrize(
    ("what", "observed", "drawn", "verdict", "text"),
    [
        ("mean", 0.1, DRAWN, "good", "of the prior's data sets have a lower one"),
        ("mean", 2.3, DRAWN, "look", "the data would surprise it"),
        ("mean", 9.0, DRAWN, "bad", "the data would surprise it"),
        ("std", 0.01, np.abs(DRAWN), "look", "times as widely"),
        ("std", 1e-4, np.abs(DRAWN), "bad", "times as widely"),
        ("std", 0.0, np.abs(DRAWN), "bad", "and these do not"),
        ("top_share", 0.9, np.where(DRAWN > -1, 1.0, 0.5), "look", "100.0% of one class"),
    ],
)
def test_verdicts_of_prior_data_sets(what, observed, drawn, verdict, text):
    found = judged(what, observed, drawn)
    assert found["verdict"] == verdict
    assert text in found["says"]


@pytest.mark.parametrize(
    ("prior", "options", "text"),
    [
        (pm.Flat, {}, "proper prior"),
        (pm.Normal, {"draws": 3}, "`draws` must be an integer of at least 20"),
    ],
)
def test_prior_predictive_check_refuses(prior, options, text):
    with pm.Model() as model:
        pm.Normal("y", prior("mu"), 1, observed=Y)
    with pytest.raises(ValueError, match=text):
        bnn.prior_predictive_check(model, **options)
