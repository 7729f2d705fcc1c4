"""Nothing that a fit does calls a C compiler: seconds a node, where its result is not kept yet."""

import numpy as np
import pymc as pm
import pytensor
import pytest

import pymc_bnn as bnn
from pymc_bnn.graphs.interpreted import INTERPRETED, without_c

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))


def covariance():
    chol, _, _ = pm.LKJCholeskyCov("c", n=2, eta=2, sd_dist=pm.HalfNormal.dist())
    pm.MvNormal("y", np.zeros(2), chol=chol, observed=X[:, :2])


def process():
    cov = pm.gp.cov.ExpQuad(1, ls=pm.HalfNormal("l"))
    pm.gp.Marginal(cov_func=cov).marginal_likelihood("y", X=X[:, :1], y=X[:, 1], sigma=0.3)


def mixture_of_scales():
    out = bnn.bayesian(bnn.networks.mlp((3, 2, 1)), pm.Data("x", X), bnn.priors.ScaleMixture())
    pm.Normal("y", out[:, 0], 1, observed=X[:, 0])


def walk():
    steps = pm.GaussianRandomWalk("w", 1, init_dist=pm.Normal.dist(), shape=40)
    pm.Normal("y", steps, 1, observed=X[:, 0])


def counts():
    rate = pm.Gamma("rate", 2, 1)
    pm.ZeroInflatedPoisson("y", pm.Beta("p", 1, 1), rate, observed=RNG.poisson(1.0, 40))


def censored():
    mu = pm.Truncated("mu", pm.Normal.dist(0, 1), lower=-1)
    clipped = np.clip(X[:, 0], -0.5, 0.5)
    pm.Censored("y", pm.Normal.dist(mu, 1), lower=-0.5, upper=0.5, observed=clipped)


@pytest.fixture
def nothing_compiled(monkeypatch, tmp_path):
    """A C compiler that must not be called, and none of its earlier results."""
    from pytensor.link.c import basic, cmodule

    def called(*args, **kwargs):
        raise AssertionError("a C compiler was called")

    with pytensor.config.change_flags(cxx="g++"):
        monkeypatch.setattr(cmodule.GCC_compiler, "compile_str", called)
        monkeypatch.setattr(basic, "get_module_cache", lambda **_: cmodule.ModuleCache(tmp_path))
        yield


@pytest.mark.parametrize(
    "parts",
    [
        covariance,
        walk,
        *(
            pytest.param(p, marks=pytest.mark.long)
            for p in (process, mixture_of_scales, counts, censored)
        ),
    ],
)
def test_a_fit_and_what_is_asked_of_it_need_no_c_compiler(parts, nothing_compiled):
    with pm.Model() as model:
        parts()
    fitted = bnn.fit(model, steps=2, random_seed=1, progressbar=False)
    fitted.elbo(2)
    fitted.summary()
    fitted.sample(2)
    fitted.predict(draws=2)


def test_the_check_above_can_fail(nothing_compiled):
    with pm.Model():
        chol, _, _ = pm.LKJCholeskyCov("c", n=2, eta=2, sd_dist=pm.HalfNormal.dist())
    with pytest.raises(AssertionError, match="C compiler was called"):
        chol.eval(mode="FAST_COMPILE")
    first, again = (chol.eval(mode=INTERPRETED) for _ in range(2))
    assert first.shape == again.shape == (2, 2)
    with without_c():
        assert chol.eval(mode="FAST_COMPILE").shape == (2, 2)
