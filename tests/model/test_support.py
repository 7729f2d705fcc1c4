"""Parameters outside their support: against PyMC's own log-density, and in fits."""

import os
import warnings

import numpy as np
import pymc as pm
import pytensor
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymc.logprob.utils import ParameterValueError

import pymc_bnn as bnn
from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.model.conditions import conditions
from pymc_bnn.model.decompose import decompose
from pymc_bnn.model.rows import find_rows
from pymc_bnn.model.support import Support

EXAMPLES = int(os.environ.get("SEARCH_EXAMPLES", 10))  # more in tests/long
QUIET = {"progressbar": False, "random_seed": 1}
RNG = np.random.default_rng(0)


def normal(name, mu=0.0, sigma=1.0, **kwargs):
    return pm.Normal(name, mu, sigma, **kwargs)


# Laws by name: parameters that are drawn, those that are not, and what was observed.
LAWS = {
    "Bernoulli": (["p"], {}, [0, 1]),
    "Binomial": (["p"], {"n": 5}, [2, 3]),
    "BetaBinomial": (["alpha", "beta"], {"n": 5}, [2, 3]),
    "Poisson": (["mu"], {}, [1, 4]),
    "NegativeBinomial": (["mu", "alpha"], {}, [1, 4]),
    "Geometric": (["p"], {}, [1, 2]),
    "DiscreteWeibull": (["q", "beta"], {}, [1, 2]),
    "ZeroInflatedPoisson": (["psi", "mu"], {}, [0, 2]),
    "HurdlePoisson": (["psi"], {"mu": 2.0}, [0, 2]),
    "Normal": (["sigma"], {"mu": 0}, [0.1, 2.0]),
    "HalfNormal": (["sigma"], {}, [0.1, 2.0]),
    "LogNormal": (["sigma"], {"mu": 0}, [0.1, 2.0]),
    "StudentT": (["nu", "sigma"], {"mu": 0}, [0.1, 2.0]),
    "Laplace": (["b"], {"mu": 0}, [0.1, 2.0]),
    "AsymmetricLaplace": (["kappa", "b"], {"mu": 0}, [0.1, 2.0]),
    "Cauchy": (["beta"], {"alpha": 0}, [0.1, 2.0]),
    "Gumbel": (["beta"], {"mu": 0}, [0.1, 2.0]),
    "Logistic": (["s"], {"mu": 0}, [0.1, 2.0]),
    "Gamma": (["alpha", "beta"], {}, [0.1, 2.0]),
    "InverseGamma": (["alpha", "beta"], {}, [0.1, 2.0]),
    "Weibull": (["alpha", "beta"], {}, [0.1, 2.0]),
    "Beta": (["alpha", "beta"], {}, [0.1, 0.7]),
    "Kumaraswamy": (["a", "b"], {}, [0.1, 0.7]),
    "VonMises": (["kappa"], {"mu": 0}, [0.1, 0.7]),
    "ExGaussian": (["sigma", "nu"], {"mu": 0}, [0.1, 0.7]),
    "Pareto": (["alpha"], {"m": 0.05}, [0.1, 0.7]),
    "Uniform": (["upper"], {"lower": -5}, [-4.5, -4.0]),
    "Triangular": (["c"], {"lower": 0, "upper": 1}, [0.1, 0.7]),
}
LINKS = {
    "itself": lambda x: x,
    "exp": pm.math.exp,
    "sigmoid": pm.math.sigmoid,
    "softplus": lambda x: pm.math.log1pexp(x),
    "tanh": pm.math.tanh,
    "square": lambda x: x**2,
    "absolute": abs,
    "less": lambda x: x - 0.5,
    "one minus": lambda x: 1 - x,
    "log": lambda x: pm.math.log(pm.math.exp(x) + 0.3),
    "clipped": lambda x: pm.math.clip(x, 0.01, 0.99),
}


@settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES == 10)
@given(
    law=st.sampled_from(sorted(LAWS)),
    links=st.lists(st.sampled_from(sorted(LINKS)), min_size=2, max_size=2),
    at=st.lists(st.sampled_from([-6.1, -1.7, -0.4, 0.3, 0.8, 1.6, 3.1]), min_size=2, max_size=2),
)
def test_conditions_are_broken_where_pymcs_log_density_is(law, links, at):
    drawn, fixed, observed = LAWS[law]
    with pm.Model() as model:
        free = [pm.Flat(name) for name in drawn]
        own = {name: LINKS[k](x) for name, k, x in zip(drawn, links, free, strict=False)}
        getattr(pm, law)("y", **own, **fixed, observed=observed)
    terms = decompose(model)
    holds = [c.holds for c in conditions(terms)]
    inputs = [*terms.values, *terms.inputs]
    function = pytensor.function(inputs, holds, mode=INTERPRETED, on_unused_input="ignore")
    point = {f.value.name: np.float64(x) for f, x in zip(terms.free, at, strict=False)}
    with np.errstate(all="ignore"):
        truth = function(*point.values(), *terms.arrays().values())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.compile_logp(mode=INTERPRETED)(point)
            fine = True
        except ParameterValueError:
            fine = False
    assert all(truth) == fine


def models(build):
    with pm.Model() as model:
        build()
    return model


def categorical():
    pm.Categorical("y", p=normal("W", shape=(4, 3))[RNG.integers(0, 4, 9)], observed=np.zeros(9))


def pair():
    r = normal("r", 3.0)
    cov = pm.math.stack([pm.math.stack([1.0, r]), pm.math.stack([r, 1.0])])
    pm.MvNormal("y", mu=np.zeros(2), cov=cov, observed=np.ones((5, 2)))


def mixture():
    parts = [pm.Normal.dist(-1, 1), pm.Normal.dist(1, 1)]
    pm.Mixture("y", w=pm.Gamma("w", 2.0, 2.0, shape=2), comp_dists=parts, observed=[1.0, -1.0])


def potential():
    pm.Potential("term", pm.logp(pm.Gamma.dist(normal("a"), 1.0), np.ones(4)).sum())


def cutpoints():
    pm.OrderedLogistic("y", normal("e"), normal("cut", shape=3), observed=np.arange(40) % 4)


def neighbours():
    W = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    pm.CAR("y", np.zeros(3), W=W, alpha=normal("al", 1.0), tau=1.0, observed=np.zeros(3))


def scale_of_a_prior():
    normal("y", normal("t", 0, normal("s"), shape=3), 1, observed=np.ones(3))


BROKEN = {
    "`y` must be a Beta with alpha > 0 .*'a'": lambda: pm.Beta(
        "y", alpha=normal("a", -1.0), beta=normal("b", 2.0), observed=[0.2, 0.3]
    ),
    "`y` must be a NegativeBinomial with 0 <= p <= 1 .* mu and alpha": lambda: pm.NegativeBinomial(
        "y", mu=normal("m"), alpha=normal("al", 2.0), observed=[2, 3]
    ),
    "`y` must be a MultivariateNormal with posdef covariance .*LKJCholeskyCov": pair,
    "`y` must be a TruncatedNormal with sigma > 0 .*'s'": lambda: pm.Truncated(
        "y", pm.Normal.dist(normal("m"), normal("s")), lower=0.0, observed=[1.0, 2.0]
    ),
    "`y` must be a Mixture with 0 <= weights <= 1 .*'psi'": lambda: pm.ZeroInflatedPoisson(
        "y", psi=normal("psi", 1.0), mu=3.0, observed=[0, 1]
    ),
    "lower_bound <= upper_bound .*'lo', 'up'": lambda: pm.TruncatedNormal(
        "y", 0.0, 1.0, lower=normal("lo", 1.0), upper=normal("up", -1.0), observed=[0.0]
    ),
    "`y` must be a Uniform with lower <= upper .*correct the numbers": lambda: pm.Uniform(
        "y",
        pm.Data("lo", [1.0, 2.0]) + 0 * normal("s", 0, 0.01),
        pm.Data("up", [2.0, 1.0]),
        observed=[1.5, 1.5],
    ),
    "`y` must be a Dirichlet with a > 0 ": lambda: pm.Dirichlet(
        "y", a=normal("a", shape=3), observed=[[0.2, 0.3, 0.5]]
    ),
    r"`y` must be a Mixture with sum\(weights\) == 1 .*sum\(weights\) from": mixture,
    "`y` must be a VonMises with kappa > 0 ": lambda: pm.VonMises(
        "y", 0.0, kappa=normal("k"), observed=[0.1]
    ),
    "`t` must be a Normal with sigma > 0 .*'s'": scale_of_a_prior,
    "`term` must be a Potential with alpha > 0 .*'a'": potential,
    r"`y` must be a Multinomial with sum\(p\) = 1 .*softmax": lambda: pm.Multinomial(
        "y", n=5, p=normal("p", shape=3), observed=[[2, 2, 1]]
    ),
    r"`y` must be a Categorical .*NaN: did you mean logit_p\?": categorical,
    "OrderedCategorical .*transforms.ordered": cutpoints,
    "`y` must be a CAR with -1 < alpha < 1 .*tanh": neighbours,
    "`y` must be a Binomial with n >= 0 .*n from -2 to 3 .*correct": lambda: pm.Binomial(
        "y", n=np.array([3, -2]), p=pm.Beta("p", 1, 1), observed=[1, 2]
    ),
    "`y` must be a Poisson with mu >= 0 .* in (4|5).% of 200 draws": lambda: pm.Poisson(
        "y", mu=normal("a"), observed=np.zeros(50, int)
    ),
    r"sum\(p\) = 1 .*NaN: did you mean logit_p\?": lambda: pm.Categorical(
        "y", p=pm.math.exp(normal("b", shape=3)), observed=np.arange(60) % 3
    ),
}


@pytest.mark.parametrize("match", BROKEN)
def test_a_start_outside_names_law_variable_share_and_repair(match):
    terms = decompose(models(BROKEN[match]))
    rng = np.random.default_rng(1)

    def draw(i):
        return {f.name: f.start + 0.1 * rng.standard_normal(f.start.shape) for f in terms.free}

    with pytest.raises(ValueError, match=match):
        Support(terms).check_start(draw, {})


def lkj():
    chol, _, _ = pm.LKJCholeskyCov("ch", n=2, eta=2, sd_dist=pm.Exponential.dist(1), initval=None)
    pm.MvNormal("y", np.zeros(2), chol=chol, observed=RNG.normal(size=(5, 2)))


def zero_inflated():
    counts = {
        "psi": pm.Beta("psi", 1, 1),
        "mu": pm.HalfNormal("m"),
        "alpha": pm.Exponential("a", 1),
    }
    pm.ZeroInflatedNegativeBinomial("y", **counts, observed=[0, 2, 0])


def two_parts():
    w = pm.Beta("w", 2, 2)
    pm.NormalMixture("y", w=pm.math.stack([w, 1 - w]), mu=[-1, 1], sigma=1, observed=[1.0, -1.0])


ORDINARY = {
    "logits": lambda: pm.Bernoulli("y", logit_p=normal("a"), observed=[0, 1]),
    "softmax": lambda: pm.Categorical("y", logit_p=normal("a", shape=3), observed=[0, 1]),
    "dirichlet": lambda: pm.Categorical("y", p=pm.Dirichlet("p", np.ones(3)), observed=[0, 1]),
    "probit": lambda: pm.Bernoulli("y", p=pm.math.invprobit(normal("a")), observed=[0, 1]),
    "cloglog": lambda: pm.Bernoulli(
        "y", p=1 - pm.math.exp(-pm.math.exp(normal("a"))), observed=[0, 1]
    ),
    "hierarchy": lambda: normal("y", normal("t", 0, pm.HalfCauchy("s", 1)), 1, observed=[0.0]),
    "noise": lambda: normal("y", 0, pm.math.exp(normal("s")) + 0.01, observed=[0.0]),
    "counts": lambda: pm.NegativeBinomial(
        "y", mu=pm.math.exp(normal("m")), alpha=pm.Exponential("a", 1), observed=[2, 3]
    ),
    "trials": lambda: pm.Binomial(
        "y", n=np.array([3, 2], "int8"), p=pm.Uniform("p", 0, 1), observed=[1, 2]
    ),
    "zero inflated": zero_inflated,
    "two parts": two_parts,
    "constant covariance": lambda: pm.MvNormal(
        "y", normal("m", shape=2), cov=np.eye(2) * 2 + 0.1, observed=np.ones((5, 2))
    ),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_models_have_nothing_left_to_check(name):
    assert conditions(decompose(models(ORDINARY[name]))) == []


def test_a_network_has_nothing_left_to_check():
    x = RNG.normal(size=(30, 4))
    with pm.Model() as model:
        h = pm.math.tanh(pm.Data("x", x) @ normal("W", shape=(4, 5)))
        out = h @ normal("V", 0, pm.HalfNormal("s"), shape=(5, 4))
        pm.Categorical("k", logit_p=out[:, :3], observed=np.arange(30) % 3)
        pm.Gamma("g", mu=pm.math.exp(out[:, 3]), sigma=pm.Exponential("e", 1), observed=np.ones(30))
    assert conditions(decompose(model)) == []


def test_checks_that_the_model_switched_off_are_off():
    with pm.Model(check_bounds=False) as model:
        pm.Poisson("y", mu=normal("a"), observed=[0, 0])
    assert conditions(decompose(model)) == []


def test_batches_prove_nothing():
    with pm.Model() as model:
        n = pm.Data("n", np.array([3, 4]))
        pm.Binomial("y", n=n, p=pm.Beta("p", 1, 1), observed=np.array([1, 2]))
    terms = decompose(model, find_rows(model)[0])
    assert conditions(terms) == []
    assert [c.rule for c in conditions(terms, held=False)] == ["n >= 0"]


def test_fits_are_refused_before_they_start():
    with pytest.raises(ValueError, match="`t` must be a Normal with sigma > 0 wherever the guide"):
        bnn.fit(models(scale_of_a_prior), steps=5, **QUIET)


def test_an_end_outside_warns_and_keeps_the_fit():
    with pm.Model() as model:
        pm.Bernoulli("y", p=normal("a", 0.5, 0.5), observed=np.ones(400, int))
    with pytest.warns(UserWarning, match="p from .* in 100% of 200 .*'a'.*'y' is a Bernoulli with"):
        fitted = bnn.fit(model, steps=3000, **QUIET)
    assert fitted.mean["a"] > 1  # PyMC's own log-probability is -inf there


def test_a_point_that_leaves_the_support_warns():
    with pm.Model() as model:
        pm.Bernoulli("y", p=normal("a", 0.9), observed=np.ones(50, int))
    with pytest.warns(UserWarning, match=r"p [1-9].* in 100% of 200 draws"):
        bnn.fit(model, steps=300, guide=bnn.guides.Delta(), **QUIET)


def test_discrete_probabilities_above_1_warn():
    with pm.Model() as model:
        pm.CustomDist(
            "y", normal("a"), logp=lambda v, a: 5.0 + 0 * a * v, dtype="int64", observed=[0, 0]
        )
    with pytest.warns(UserWarning, match="discrete 'y' is above 0 in 100% of 200 draws"):
        bnn.fit(model, steps=5, **QUIET)


def test_a_warning_that_is_an_error_keeps_the_fit():
    with pm.Model() as model:
        pm.Bernoulli("y", p=pm.Normal("a", 0.5, 0.5), observed=np.ones(400, int))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "the fit has p")
        with pytest.raises(UserWarning, match="the fit has p") as caught:
            bnn.fit(model, **{**QUIET, "steps": 3000})
    assert float(caught.value.approximation.mean["a"]) > 1


def test_rows_of_large_data_are_all_seen():
    p = np.full(9000, 0.5)
    p[7777] = 1.5
    with pm.Model() as model:
        pm.Bernoulli("y", p=pm.Data("p", p) + 1e-6 * normal("a"), observed=np.arange(9000) % 2)
    with pytest.raises(ValueError, match=r"p from .* to 1\.5 in (4|5).% of 200 draws"):
        bnn.fit(model, steps=5, batch_size=50, **QUIET)


def test_batches_from_outside_are_seen():
    with pm.Model() as model:
        n = pm.Data("n", np.full(12, 3))
        pm.Binomial("y", n=n, p=pm.Beta("p", 1, 1), observed=np.ones(12, int))
    batches = [(np.array([3, -3, 3, 3]), np.ones(4, int))]
    with pytest.raises(ValueError, match="`y` must be a Binomial with n >= 0"):
        bnn.fit(model, steps=5, data=batches, total_size=4, **QUIET)
