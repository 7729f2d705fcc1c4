"""Twenty models of the kinds that people fit, on which defaults are chosen: none has a test set."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
    make_friedman1,
    make_moons,
)

import pymc_bnn as bnn
from pymc_bnn import networks, priors

MODELS = {}


def suite_model(function):
    """Put a function that returns a model into the suite, under its name."""
    MODELS[function.__name__] = function
    return function


def standard(a):
    return (a - a.mean(axis=0)) / np.where(a.std(axis=0) > 0, a.std(axis=0), 1)


def hierarchical():
    return priors.Normal(sigma=priors.HalfNormal(1.0, per="layer"))


def network_regression(x, y, hidden, prior=None, activation="tanh"):
    """A network for standardised y, with a noise that is learned."""
    x, y = standard(x), standard(y)
    net = networks.mlp((x.shape[1], *hidden, 1), activation=activation)
    with pm.Model() as model:
        data = pm.Data("x", x)
        mu = bnn.bayesian(net, data, hierarchical() if prior is None else prior)[:, 0]
        pm.Normal("y", mu, pm.HalfNormal("noise", 1.0), observed=y)
    return model


def network_classes(x, y, hidden, prior, activation="tanh"):
    """A network for classes."""
    net = networks.mlp((x.shape[1], *hidden, int(y.max()) + 1), activation=activation)
    with pm.Model() as model:
        logits = bnn.bayesian(net, pm.Data("x", standard(x)), prior)
        pm.Categorical("y", logit_p=logits, observed=y, shape=logits.shape[0])
    return model


@suite_model
def friedman_150():
    return network_regression(*make_friedman1(150, noise=1, random_state=3), (50,))


@suite_model
def friedman_700():
    return network_regression(*make_friedman1(700, noise=1, random_state=4), (50,))


@suite_model
def friedman_deep():
    return network_regression(*make_friedman1(400, noise=1, random_state=5), (50, 50))


@suite_model
def diabetes():
    return network_regression(*load_diabetes(return_X_y=True), (20,), activation="relu")


@suite_model
def steps_and_waves():
    """One input, 500 rows, little noise: what a table of yacht's kind looks like."""
    rng = np.random.default_rng(7)
    x = rng.uniform(-2, 2, (500, 2))
    y = np.exp(1.5 * x[:, 0]) + 0.3 * np.sin(4 * x[:, 1]) + rng.normal(0, 0.05, 500)
    return network_regression(x, y, (50,))


@suite_model
def noise_of_inputs():
    """The noise depends on the input: a network with two outputs."""
    rng = np.random.default_rng(8)
    x = rng.uniform(-2, 2, (400, 1))
    y = np.sin(2 * x[:, 0]) + rng.normal(0, 0.05 + 0.3 * (x[:, 0] > 0), 400)
    net = networks.mlp((1, 30, 2), activation="tanh")
    with pm.Model() as model:
        out = bnn.bayesian(net, pm.Data("x", x), hierarchical())
        pm.Normal("y", out[:, 0], pt.softplus(out[:, 1]) + 1e-3, observed=y)
    return model


@suite_model
def wine():
    return network_classes(*load_wine(return_X_y=True), (10,), priors.Normal(0, 1))


@suite_model
def iris_deep():
    x, y = load_iris(return_X_y=True)
    return network_classes(x, y, (100, 100, 100), priors.fan_in_normal(), "relu")


@suite_model
def breast_cancer():
    return network_classes(*load_breast_cancer(return_X_y=True), (50,), hierarchical())


@suite_model
def moons():
    x, y = make_moons(600, noise=0.2, random_state=1)
    return network_classes(x, y, (50, 50), priors.fan_in_normal())


@suite_model
def rare_class():
    x, y = make_classification(3000, 20, weights=[0.95], random_state=1)
    return network_classes(x, y, (10,), priors.fan_in_normal())


@suite_model
def digits():
    x, y = load_digits(return_X_y=True)
    return network_classes(x[:1200] / 16, y[:1200], (40,), hierarchical(), "relu")


@suite_model
def eight_schools():
    y = np.array([28, 8, -3, 7, -1, 1, 18, 12])
    sigma = np.array([15, 10, 16, 11, 9, 11, 10, 18])
    with pm.Model() as model:
        mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
        theta = pm.Normal("theta", 0, 1, shape=8)
        pm.Normal("y", mu + tau * theta, sigma, observed=y)
    return model


@suite_model
def varying_slopes():
    rng = np.random.default_rng(9)
    group = rng.integers(0, 30, 600)
    x = rng.normal(size=600)
    slope, intercept = rng.normal(1, 0.5, 30), rng.normal(3, 2, 30)
    y = intercept[group] + slope[group] * x + rng.normal(0, 0.7, 600)
    with pm.Model() as model:
        mus = pm.Normal("mu", 0, 10, shape=2)
        sds = pm.HalfNormal("sd", 5, shape=2)
        a = pm.Normal("a", mus[0], sds[0], shape=30)
        b = pm.Normal("b", mus[1], sds[1], shape=30)
        pm.Normal("y", a[group] + b[group] * x, pm.HalfNormal("s", 5), observed=y)
    return model


@suite_model
def far_from_one():
    """Numbers in the thousands, a coefficient of 1e-2, raw units."""
    rng = np.random.default_rng(10)
    income, age = rng.normal(40_000, 9_000, 300), rng.integers(18, 70, 300)
    y = 1000 + 0.02 * income + 12 * age + rng.normal(0, 150, 300)
    with pm.Model() as model:
        a = pm.Normal("a", 1000, 1000)
        b = pm.Normal("b", 0, 100, shape=2)
        s = pm.HalfNormal("s", 500)
        pm.Normal("y", a + b[0] * (income - 40_000) / 9_000 + b[1] * age, s, observed=y)
    return model


@suite_model
def gaussian_process():
    rng = np.random.default_rng(11)
    x = np.sort(rng.uniform(0, 10, 60))[:, None]
    y = np.sin(x[:, 0]) + 0.3 * x[:, 0] + rng.normal(0, 0.3, 60)
    with pm.Model() as model:
        length, size = pm.InverseGamma("length", 5, 5), pm.HalfNormal("size", 2)
        gp = pm.gp.Marginal(cov_func=size**2 * pm.gp.cov.ExpQuad(1, length))
        gp.marginal_likelihood("y", x, y, pm.HalfNormal("s", 1))
    return model


@suite_model
def ordinal():
    rng = np.random.default_rng(12)
    x = rng.normal(size=(400, 3))
    latent = x @ [1.0, -0.5, 0.2] + rng.logistic(size=400)
    y = np.digitize(latent, [-2, 0, 1])
    with pm.Model() as model:
        beta = pm.Normal("beta", 0, 2, shape=3)
        cuts = pm.Normal(
            "cuts",
            0,
            5,
            shape=3,
            transform=pm.distributions.transforms.ordered,
            initval=np.array([-1.0, 0.0, 1.0]),
        )
        pm.OrderedLogistic("y", x @ beta, cuts, observed=y)
    return model


@suite_model
def counts():
    rng = np.random.default_rng(13)
    x = rng.normal(size=(800, 4))
    mu = np.exp(2 + x @ [0.8, -0.4, 0, 0.1])
    y = rng.negative_binomial(3, 3 / (3 + mu))
    with pm.Model() as model:
        a, b = pm.Normal("a", 0, 5), pm.Normal("b", 0, 2, shape=4)
        pm.NegativeBinomial("y", pt.exp(a + x @ b), pm.Exponential("alpha", 1), observed=y)
    return model


@suite_model
def correlated_logistic():
    rng = np.random.default_rng(14)
    common = rng.normal(size=(500, 1))
    x = common + 0.2 * rng.normal(size=(500, 8))
    y = rng.uniform(size=500) < 1 / (1 + np.exp(-2 * common[:, 0] + 1))
    with pm.Model() as model:
        a, b = pm.Normal("a", 0, 10), pm.Normal("b", 0, 5, shape=8)
        pm.Bernoulli("y", logit_p=a + x @ b, observed=y.astype(int))
    return model


@suite_model
def outliers():
    rng = np.random.default_rng(15)
    x = rng.normal(size=(250, 3))
    y = 5 + x @ [2, 0, -1] + 0.5 * rng.standard_t(2, 250)
    with pm.Model() as model:
        a, b = pm.Normal("a", 0, 20), pm.Normal("b", 0, 10, shape=3)
        nu, s = pm.Gamma("nu", 2, 0.1), pm.HalfNormal("s", 5)
        pm.StudentT("y", nu=nu, mu=a + x @ b, sigma=s, observed=y)
    return model
