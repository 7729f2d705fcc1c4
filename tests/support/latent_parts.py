"""Models with a free variable for each row, and exact answers to one of them."""

import numpy as np
import pymc as pm
from scipy import stats

MU, TAU, S, SIGMA = 1.0, 2.0, 1.0, 0.7  # of x_true, of its measurement, of y around the line


def measured(n, seed=0):
    """Return x_obs and y of a line of slope 1.5 through (0, 0.5), x_true being measured badly."""
    rng = np.random.default_rng(seed)
    x = rng.normal(MU, TAU, n)
    return x + rng.normal(0, S, n), 0.5 + 1.5 * x + rng.normal(0, SIGMA, n)


def errors_in_variables(x_obs, y):
    with pm.Model() as model:
        a, b = pm.Normal("a", 0, 5), pm.Normal("b", 0, 5)
        x = pm.Normal("x_true", MU, TAU, shape=len(y))
        pm.Normal("x_obs", x, S, observed=x_obs)
        pm.Normal("y", a + b * x, SIGMA, observed=y)
    return model


def overdispersed(n, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = rng.poisson(np.exp(1 + 0.5 * x + rng.normal(0, 0.6, n)))
    with pm.Model() as model:
        a, b = pm.Normal("a", 0, 2), pm.Normal("b", 0, 1)
        u = pm.Normal("u", 0, pm.HalfNormal("s", 1), shape=n)
        pm.Poisson("y", pm.math.exp(a + b * pm.Data("x", x) + u), observed=y)
    return model


def mean_field_optimum(x_obs, y, sweeps=20_000):
    """Return the ELBO, and (mean, variance) of a, b and x, where coordinate ascent ends.

    Bishop, Pattern Recognition and Machine Learning (2006), section 10.1: of a density that is a
    quadratic in each of its arguments, each factor is Normal.
    """
    n, p = len(y), 1 / SIGMA**2
    (a, va), (b, vb), x, vx = (0.0, 1.0), (1.0, 1.0), x_obs.copy(), np.ones(n)
    before = -np.inf
    for sweep in range(sweeps):
        vx = np.broadcast_to(1 / (1 / TAU**2 + 1 / S**2 + p * (b**2 + vb)), n)
        x = vx * (MU / TAU**2 + x_obs / S**2 + p * b * (y - a))
        # a and b are one factor each; x sees both.
        for _ in range(3):
            va = 1 / (1 / 25 + n * p)
            a = va * p * (y - b * x).sum()
            vb = 1 / (1 / 25 + p * (x**2 + vx).sum())
            b = vb * p * ((y - a) * x).sum()
        if sweep % 100 == 0:
            elbo = exact_elbo(x_obs, y, (a, va), (b, vb), (x, vx))
            if elbo - before < 1e-9:
                break
            before = elbo
    return elbo, (a, va), (b, vb), (x, vx)


def exact_elbo(x_obs, y, a, b, x):
    """Return the ELBO of independent Normals, each a pair of mean and variance, in nats."""
    (a, va), (b, vb), (x, vx) = a, b, x
    misfit = (y - a - b * x) ** 2 + va + vb * x**2 + vx * (b**2 + vb)
    found = -0.5 * misfit / SIGMA**2 - np.log(SIGMA) - 0.5 * np.log(2 * np.pi)
    found += stats.norm.logpdf(x_obs, x, S) - 0.5 * vx / S**2
    kl = [(a, va, 0, 25), (b, vb, 0, 25), (x, vx, MU, TAU**2)]
    kl = [0.5 * np.sum((v + (m - mu) ** 2) / w - 1 - np.log(v / w)) for m, v, mu, w in kl]
    return found.sum() - sum(kl)


def exact_slope(x_obs, y):
    """Return the posterior mean and standard deviation of b on a grid, x_true integrated out."""
    bs, aas = np.linspace(1, 2, 101)[:, None, None], np.linspace(-1, 2, 101)[None, :, None]
    # x | x_obs is Normal; y given it, too.
    v = 1 / (1 / TAU**2 + 1 / S**2)
    m = v * (MU / TAU**2 + x_obs / S**2)
    log_p = np.zeros((101, 101))
    for mean, own in zip(m, y, strict=True):
        log_p += stats.norm.logpdf(own, aas + bs * mean, np.sqrt(SIGMA**2 + bs**2 * v))[:, :, 0]
    log_p += stats.norm.logpdf(aas, 0, 5)[..., 0] + stats.norm.logpdf(bs, 0, 5)[..., 0]
    p = np.exp(log_p - log_p.max())
    p = p.sum(axis=1) / p.sum()
    mean = (p * bs.ravel()).sum()
    return mean, np.sqrt((p * (bs.ravel() - mean) ** 2).sum())
