"""Whole numbers for real ones: every distribution is what it is with their float twins."""

import jax
import numpy as np
import pymc as pm
import pytest
from pytensor.tensor.random.op import RandomVariable

import pymc_bnn as bnn
from pymc_bnn import guides
from pymc_bnn.elbo import assemble, kl
from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.model.decompose import decompose
from pymc_bnn.model.numbers import starting, widen
from pymc_bnn.runtime.precision import precision
from tests.support.parts import posterior_of

Y = [30, 31, 29, 30.5, 30.2]
NUMBERS = [12, 64, 100, 182, 300, 1000]
TYPES = {
    "int": int,
    "int8": lambda v: np.int8(min(v, 127)),
    "uint8": lambda v: np.uint8(min(v, 255)),
    "int16": np.int16,
    "int64": np.int64,
    "bool": lambda v: np.bool_(v),
    "float16": np.float16,
    "array": lambda v: np.array([v, v], "int16"),
    "pm.Data": lambda v: np.array(v, "int16"),
}
PRIORS = {  # those with a closed form
    "Normal": lambda z, v: pm.Normal(z, 0, v, shape=2),
    "Normal, mu": lambda z, v: pm.Normal(z, v, v, shape=2),
    "Laplace": lambda z, v: pm.Laplace(z, 0, v, shape=2),
    "HalfNormal": lambda z, v: pm.HalfNormal(z, v, shape=2),
    "LogNormal": lambda z, v: pm.LogNormal(z, 0, v, shape=2),
    "Exponential": lambda z, v: pm.Exponential(z, v, shape=2),
    "Exponential, scale": lambda z, v: pm.Exponential(z, scale=v, shape=2),
    "Gamma": lambda z, v: pm.Gamma(z, v, v, shape=2),
    "InverseGamma": lambda z, v: pm.InverseGamma(z, v, v, shape=2),
}
I8 = "int8"
OTHERS = {  # what PyMC itself gets wrong, or keeps inside an op of its own
    "Uniform": lambda c: pm.Uniform("z", c(-100), c(100)),
    "Uniform, start": lambda c: pm.Uniform("z", c(100), c(120)),
    "Beta": lambda c: pm.Beta("z", c(100), c(100)),
    "HalfStudentT": lambda c: pm.HalfStudentT("z", c(100), c(100)),
    "SkewNormal": lambda c: pm.SkewNormal("z", mu=c(100), sigma=c(100), alpha=c(100)),
    "ExGaussian": lambda c: pm.ExGaussian("z", mu=c(100), sigma=c(100), nu=c(100)),
    "Triangular": lambda c: pm.Triangular("z", lower=c(-100), upper=c(100), c=c(12)),
    "TruncatedNormal": lambda c: pm.TruncatedNormal(
        "z", c(100), c(100), lower=c(-100), upper=c(100)
    ),
    "SkewStudentT": lambda c: pm.SkewStudentT("z", a=c(100), b=c(100), mu=c(100), sigma=c(100)),
    "Pareto": lambda c: pm.Pareto("z", c(100), c(100)),
    "Wald": lambda c: pm.Wald("z", c(100), c(100)),
    "Truncated": lambda c: pm.Truncated(
        "z", pm.Laplace.dist(c(100), c(100)), lower=c(-100), upper=c(120), initval=100.0
    ),
    "NormalMixture": lambda c: pm.NormalMixture(
        "z", [0.5, 0.5], c(np.array([100, -100], I8)), sigma=c(100)
    ),
    "MvStudentT": lambda c: pm.MvStudentT(
        "z",
        nu=c(100),
        mu=c(np.array([100, 100], I8)),
        scale=c(np.array([[100, 12], [12, 100]], I8)),
    ),
    "ZeroSumNormal": lambda c: pm.ZeroSumNormal("z", c(100), shape=3),
    "own transform": lambda c: pm.Normal(
        "z", c(0), c(100), transform=pm.distributions.transforms.Interval(c(-100), c(100))
    ),
    "CustomDist": lambda c: pm.CustomDist(
        "z", c(100), logp=lambda value, s: -(value**2) / s**2 - np.log(100.0)
    ),
}
COUNTS = {
    "NegativeBinomial": lambda c: pm.NegativeBinomial("y", mu=c(100), alpha=c(100), observed=90),
    "BetaBinomial": lambda c: pm.BetaBinomial("y", c(100), c(100), n=120, observed=30),
    "DiscreteUniform": lambda c: pm.DiscreteUniform("y", -100, 100, observed=30),
    "DiscreteWeibull": lambda c: pm.DiscreteWeibull("y", q=0.99, beta=c(12), observed=1),
    "HyperGeometric": lambda c: pm.HyperGeometric("y", N=120, k=100, n=100, observed=80),
    "Binomial, uint8": lambda c: pm.Binomial("y", np.uint8(250), 0.5, observed=np.uint8(3)),
    "ZeroInflatedNegativeBinomial": lambda c: pm.ZeroInflatedNegativeBinomial(
        "y", psi=0.5, mu=c(100), alpha=c(100), observed=90
    ),
    "HurdleGamma": lambda c: pm.HurdleGamma("y", psi=0.5, alpha=c(100), beta=c(100), observed=1.5),
    "DirichletMultinomial": lambda c: pm.DirichletMultinomial(
        "y", n=120, a=c(np.array([100, 100], I8)), observed=[60, 60]
    ),
}


def as_float(value):
    return np.asarray(value, float)[()]


def model_of(prior, value):
    with pm.Model() as model:
        z = prior("z", pm.Data("v", value) if isinstance(value, np.ndarray) else value)
        pm.Normal("y", z.sum(), 10, observed=Y)
    return model


def parts(model, dtype, guide=None):
    """KL and log-likelihood at the guide's first parameters, without noise."""
    terms = decompose(model)
    posterior = posterior_of(terms, guide, dtype)
    elbo = assemble(terms, posterior, dtype)
    with precision(dtype):
        noise = elbo.draw_noise(jax.random.key(0), 1)
        params = {b.name: b.params for b in posterior.blocks}
        return elbo(params, noise, terms.arrays())


@pytest.mark.parametrize("prior", PRIORS)
def test_closed_forms_of_whole_numbers_are_those_of_their_float_twins(prior):
    for kind, of in TYPES.items():
        for number in NUMBERS:
            try:
                model = model_of(PRIORS[prior], of(number))
            except TypeError:  # PyMC takes no booleans for most parameters
                assert kind == "bool"
                continue
            twin = model_of(PRIORS[prior], as_float(of(number)))
            [z], [same] = widen([model["z"]]), widen([twin["z"]])
            for a, b in zip(*(rv.owner.op.dist_params(rv.owner) for rv in (z, same)), strict=True):
                assert a.type.dtype == "float64"
                a, b = (p.eval(mode=INTERPRETED) for p in (a, b))
                np.testing.assert_allclose(a, b, rtol=1e-3 if kind == "float16" else 1e-12)
    number = 10 if prior == "LogNormal" else 100  # its support point exp(σ²/2) is still finite
    found = [parts(model_of(PRIORS[prior], v), "float64") for v in (number, float(number))]
    ints, floats = found
    np.testing.assert_allclose(ints.kl, floats.kl, rtol=1e-12)
    assert ints.kl > 0


@pytest.mark.parametrize(
    "guide",
    [
        guides.MeanField(),
        guides.FullRank(),
        guides.LowRank(rank=1),
        guides.Delta(),
        guides.VariationalDropout(),
    ],
    ids=lambda g: type(g).__name__,
)
def test_guides_of_whole_numbers(guide):
    found = [parts(model_of(PRIORS["Normal"], v), "float32", {"z": guide}) for v in (100, 100.0)]
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", [*OTHERS, *COUNTS])
def test_log_densities_and_starts_of_whole_numbers(name):
    found = []
    for convert in (lambda v: v, as_float):
        with pm.Model() as model:
            if name in OTHERS:
                pm.Normal("y", OTHERS[name](convert).sum(), 100, observed=[0.0, 1.0])
            else:
                pm.Normal("a")
                COUNTS[name](convert)
        terms = decompose(model)
        outputs = [*(f.logp.sum() for f in terms.free), terms.rest_logp]
        start = {f.name: f.start for f in terms.free}
        with precision("float64"):
            f = jax.jit(jaxify([*terms.values, *terms.inputs], outputs, "float64"))
            first = found[0][0] if found else start
            found.append((start, np.array(f(*first.values(), *terms.arrays().values()))))
    for key, value in found[1][0].items():
        np.testing.assert_allclose(found[0][0][key], value, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-6)
    assert np.isfinite(found[1][1]).all()


def test_a_mean_of_five_numbers():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 15)
        pm.Normal("y", mu, 10, observed=Y)
    fitted = bnn.fit(model, steps=3000, learning_rate=0.1, random_seed=1, progressbar=False)
    precision = 1 / 15**2 + 5 / 10**2
    mean, std = np.sum(Y) / 10**2 / precision, precision**-0.5
    assert float(fitted.mean["mu"]) == pytest.approx(mean, abs=0.3)
    assert float(fitted.std["mu"]) == pytest.approx(std, rel=0.05)
    exact = np.log(15 / std) + (std**2 + mean**2) / (2 * 15**2) - 0.5
    assert fitted.kl()["mu"] == pytest.approx(exact, abs=0.05)
    evidence = pm.logp(pm.MvNormal.dist(np.zeros(5), 100 * np.eye(5) + 225), Y).eval()
    assert fitted.elbo(2000, random_seed=1)["elbo"] == pytest.approx(evidence, abs=0.05)


def test_a_wide_half_normal():
    with pm.Model() as model:
        s = pm.HalfNormal("s", 20)
        pm.Normal("y", 0, s, observed=Y)
    elbo = bnn.fit(model, steps=2000, random_seed=1, progressbar=False).elbo(100)["elbo"]
    assert -30 < elbo < -24


def test_data_keep_their_type_and_graphs_without_whole_numbers_are_shared():
    z = pm.Normal.dist(np.float64(0), np.float64(100))
    assert widen([z])[0] is z
    with pm.Model() as model:
        x = pm.Data("x", np.array([1, 2], "int8"))
        pm.Normal("y", pm.Normal("b") * x, 1, observed=[1.0, 2.0])
    terms = decompose(model)
    assert [d.variable.dtype for d in terms.data if d.name == "x"] == ["int32"]


def test_counts_stay_whole_numbers_of_a_draw():
    [y] = widen([pm.Binomial.dist(np.int8(100), 0.5)])
    assert isinstance(y.owner.op, RandomVariable)
    assert y.owner.op.dist_params(y.owner)[0].dtype == "int64"
    assert 20 < y.eval(mode=INTERPRETED) < 80


def test_initial_points_are_pymcs_where_nothing_overflows():
    with pm.Model(coords={"g": range(3)}) as model:
        s = pm.HalfNormal("s", 2)
        pm.Normal("a", 1, s, dims="g")
        pm.Beta("p", 2, 3, initval=0.4)
        pm.Gamma("c", 2, 3, initval="prior")
    ours, theirs = starting(model)(7), model.initial_point(7)
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-6)


def test_a_negative_divergence_names_its_variable(monkeypatch):
    form = kl.CLOSED_FORMS[kl.NormalRV, None]
    monkeypatch.setitem(kl.CLOSED_FORMS, (kl.NormalRV, None), lambda *a: form(*a) + 9)
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("mu", 0, pm.HalfNormal("s", 1)), 1, observed=Y)
    with pytest.raises(ArithmeticError, match=r"KL divergence of 'mu' .* at least 0 nats"):
        bnn.fit(model, steps=10, random_seed=1, progressbar=False)
