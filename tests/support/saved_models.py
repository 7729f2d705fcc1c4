"""Models of many kinds, to be written and read again."""

import warnings

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.compile.mode import Mode
from pytensor_ml.layers import LSTM, Embedding, Linear, MultiheadAttention, Sequential

import pymc_bnn as bnn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3))
Y = X[:, 0] + 0.1 * RNG.normal(size=30)
G = np.arange(30) % 4
L = (Y > 0).astype(int) + (Y > 1)
UNOPTIMISED = Mode(linker="py", optimizer="fast_compile")
MODELS = {}


def model(function):
    """Register a function that writes a model."""
    MODELS[function.__name__] = function
    return function


@model
def hierarchical():
    m = pm.modelcontext(None)
    m.add_coord("school", list("abcd"))
    m.add_coord("obs", range(30))
    x, g = pm.Data("x", X[:, 0], dims="obs"), pm.Data("g", G, dims="obs")
    a = pm.Normal("a", pm.Normal("mu", 0, 1), pm.HalfCauchy("tau", 2), dims="school")
    pm.Deterministic("twice", a * 2, dims="school")
    pm.Normal("y", a[g] + x, pm.Exponential("s", 1), observed=Y, dims="obs")


@model
def transforms():
    t = pm.distributions.transforms
    low = pm.Uniform("low", -100.0, 100.0)
    total = low + pm.Uniform("u", low - 1, 200) + pm.Beta("b", 1, 2) + pm.Pareto("p", 2, 3)
    total += pm.Triangular("tri", lower=0, upper=2, c=1) + pm.Dirichlet("d", np.ones(3)).sum()
    total += pm.Normal("interval", transform=t.Interval(-1, 3)) + pm.TruncatedNormal("tn", lower=-1)
    cuts = pm.Normal("cuts", shape=3, transform=t.ordered, initval=[-1.0, 0, 1])
    pm.Mixture("mixed", [0.5, 0.5], [pm.Uniform.dist(0, 1), pm.Uniform.dist(0, 2)])
    pm.ZeroSumNormal("z", shape=(3, 4), n_zerosum_axes=2)
    pm.OrderedLogistic("y", eta=total, cutpoints=cuts, observed=G)


@model
def likelihoods():
    mu, s, w = pm.Normal("mu"), pm.HalfNormal("s"), pm.Dirichlet("w", np.ones(2))
    pm.Mixture("a", w, [pm.Normal.dist(mu, 1), pm.StudentT.dist(3, mu=0, sigma=2)], observed=Y)
    pm.Truncated("b", pm.Gamma.dist(2, s), upper=5, observed=np.abs(Y))
    pm.Censored("c", pm.Normal.dist(mu, 1), lower=-1, upper=1, observed=np.clip(Y, -1, 1))
    pm.ZeroInflatedPoisson("d", 0.5, s, observed=G)
    pm.HurdleGamma("e", 0.5, 2.0, s, observed=np.abs(Y))
    pm.BetaBinomial("f", 2, s, 10, observed=G)
    pm.DirichletMultinomial("h", n=4, a=s + np.ones(2), observed=[[1, 3], [2, 2]])


@model
def covariances():
    chol, _, _ = pm.LKJCholeskyCov("chol", n=3, eta=2.0, sd_dist=pm.Exponential.dist(1.0))
    pm.MvNormal("y", pm.Normal("mu", shape=3), chol=chol, observed=X)


@model
def correlations():
    c = pm.LKJCorr("c", n=3, eta=2.0)
    pm.MvNormal("y", np.zeros(3), cov=pt.eye(3) + 0.1 * c, observed=X)
    pm.Wishart("v", nu=5, V=np.eye(3))


@model
def time_series():
    walk = pm.GaussianRandomWalk(
        "walk", sigma=pm.HalfNormal("s"), init_dist=pm.Normal.dist(0, 1), shape=30
    )
    start = pm.Normal.dist(0, 1, shape=2)
    ar = pm.AR("ar", rho=pm.Normal("rho", shape=2), sigma=1.0, init_dist=start, steps=28)
    pm.Normal("y", walk + ar, 1, observed=Y)
    vol = {"alpha_1": pm.Beta("alpha", 1, 2), "beta_1": pm.Beta("beta", 1, 2)}
    pm.GARCH11("y2", omega=pm.HalfNormal("omega"), initial_vol=1.0, observed=Y, **vol)


@model
def latent_gp():
    scale = pm.HalfNormal("eta") ** 2
    gp = pm.gp.Latent(cov_func=scale * pm.gp.cov.ExpQuad(1, pm.Gamma("ls", 2, 1)))
    pm.Normal("y", gp.prior("f", X[:, :1]), 1, observed=Y)


@model
def marginal_gp():
    gp = pm.gp.Marginal(cov_func=pm.gp.cov.Matern52(1, pm.Gamma("ls", 2, 1)))
    gp.marginal_likelihood("y", X[:, :1], Y, sigma=pm.HalfNormal("s"))


@model
def hilbert_space_gp():
    gp = pm.gp.HSGP(m=[10], c=1.5, cov_func=pm.gp.cov.ExpQuad(1, pm.Gamma("ls", 2, 1)))
    f = gp.prior("f", X=pm.Data("x", X[:, :1]))
    pm.Normal("y", f, 1, observed=Y, shape=f.shape)


@model
def dense():
    layers = bnn.networks.mlp((3, 8, 3), dropout=0.2)
    out = bnn.bayesian(layers, pm.Data("x", X), name="net", prior=bnn.priors.Horseshoe())
    pm.Categorical("y", logit_p=out, observed=L)


@model
def standardised():
    unit = bnn.Scale.of(Y)
    f = bnn.bayesian(bnn.networks.mlp((3, 4, 1)), bnn.standardise("x", X))[:, 0]
    noise = unit.sigma(pm.HalfNormal("noise"))
    pm.Normal("y", unit.mu(f), noise, observed=Y, shape=f.shape)


@model
def convolutions():
    images = RNG.normal(size=(30, 12, 12, 1)).astype("float32")
    x = pm.Data("x", images, shape=(None, 12, 12, 1))
    layers = bnn.networks.convnet((12, 12, 1), 3, filters=(2,), dense=4)
    pm.Categorical("y", logit_p=bnn.bayesian(layers, x), observed=L)


@model
def words():
    layers = Sequential(
        Embedding("words", n_embeddings=5, n_features=4),
        MultiheadAttention("attend", n_embd=4, n_head=2),
        lambda x: x.mean(axis=1),
        Linear("top", n_in=4, n_out=3),
    )
    tokens = pm.Data("x", RNG.integers(0, 5, size=(30, 6)))
    tokens = pt.specify_shape(tokens, (None, 6))
    pm.Categorical("y", logit_p=bnn.bayesian(layers, tokens), observed=L)


@model
def recurrent():
    layers = Sequential(
        LSTM("lstm", n_in=2, n_hidden=3), lambda x: x[:, -1], Linear("top", n_in=3, n_out=1)
    )
    x = pm.Data("x", RNG.normal(size=(30, 4, 2)), shape=(None, 4, 2))
    f = bnn.bayesian(layers, x)[:, 0]
    pm.Normal("y", f, 1, observed=Y, shape=f.shape)


@model
def missing_values():
    y = Y.copy()
    y[3:6] = np.nan
    pm.Normal("y", pm.Normal("mu"), 1, observed=np.ma.masked_invalid(y))


@model
def potentials():
    mu = pm.Normal("mu")
    pm.Potential("p", -((mu - Y) ** 2) / 2)
    pm.Potential("q", pt.switch(mu > 0, 0.0, -1.0))


@model
def minibatches():
    x, y = pm.Minibatch(X, Y, batch_size=5)
    pm.Normal("y", x @ pm.Normal("w", shape=3), 1, observed=y, total_size=30)


@model
def nested():
    with pm.Model(name="a"):
        w = pm.Normal("w", shape=3)
        with pm.Model(name="b"):
            v = pm.HalfNormal("v")
    pm.Normal("y", pt.dot(X, w), v, observed=Y)


@model
def initial_values():
    a, b = pm.Normal("a", initval=2.0), pm.Normal("b", initval="prior")
    c = pm.HalfNormal("c", initval=3)
    d = pm.Normal("d", shape=2, initval=pt.as_tensor([1.0, 2.0]) + 1)
    pm.Normal("y", a + b + c + d.sum(), 1, observed=Y)


@model
def matrices():
    k = pm.KroneckerNormal("k", mu=np.zeros(4), covs=[np.eye(2), np.eye(2)], sigma=0.1)
    t = pm.MvStudentT("t", nu=3, scale=np.eye(2), mu=np.zeros(2))
    n = pm.MatrixNormal("n", mu=np.zeros((2, 2)), rowcov=np.eye(2), colcov=np.eye(2))
    w = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    c = pm.CAR("c", mu=np.zeros(3), W=w, alpha=0.5, tau=1.0)
    i, s = pm.ICAR("i", W=w), pm.StickBreakingWeights("s", alpha=1.0, K=5)
    pm.Normal("y", sum(v.sum() for v in (k, t, n, c, i, s)), 1, observed=Y)


@model
def odd_priors():
    kinds = [pm.Flat("a"), pm.HalfFlat("b"), pm.HalfStudentT("c", 3, 1), pm.Wald("d", 1, 1)]
    kinds += [pm.Rice("e", 1, 1), pm.Moyal("f", 0, 1), pm.Weibull("h", 1, 2)]
    kinds += [pm.SkewNormal("i", alpha=1), pm.ExGaussian("j", 0, 1, nu=2), pm.VonMises("k", 0, 1)]
    kinds += [pm.AsymmetricLaplace("l", 1, 2, 3), pm.Kumaraswamy("m", 1, 2)]
    pm.Normal("y", sum(kinds), 1, observed=Y)
    pm.Multinomial("z", 4, pm.Dirichlet("o", np.ones(2)), observed=[[1, 3], [2, 2]])


def make(name):
    """Return a model by its name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pm.Model() as made:
            MODELS[name]()
    return made


def density(made, points):
    """Return the log-density at points, by PyMC's own function."""
    with warnings.catch_warnings():  # of a library that is not linked
        warnings.simplefilter("ignore")
        function = made.compile_fn(made.logp(), inputs=made.value_vars, mode=UNOPTIMISED)
        return [float(function(point)) for point in points]


def random_points(made, count=3, seed=1):
    """Return points near the initial one."""
    rng, start = np.random.default_rng(seed), made.initial_point(0)
    near = {
        k: np.asarray(v, float) + 0.1 * rng.normal(size=(count, *v.shape)) for k, v in start.items()
    }
    return [{k: np.asarray(v[i], start[k].dtype) for k, v in near.items()} for i in range(count)]


def facts(made):
    """Return what must be the same of a model that was read."""
    lists = ("free_RVs", "observed_RVs", "potentials", "deterministics", "data_vars", "value_vars")
    transforms = [type(made.rvs_to_transforms[rv]).__name__ for rv in made.free_RVs]
    return {
        **{name: [v.name for v in getattr(made, name)] for name in lists},
        "types": {name: str(v.type) for name, v in made.named_vars.items()},
        "dims": {k: tuple(v) for k, v in made.named_vars_to_dims.items()},
        "coords": {k: tuple(v) for k, v in made.coords.items()},
        "transforms": transforms,
        "start": {k: v.tolist() for k, v in made.initial_point(0).items()},
    }
