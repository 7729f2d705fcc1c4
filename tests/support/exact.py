"""Predictions that are exactly as sure as they deserve to be: of conjugate models, without a fit.

Each draws its own truth from the prior, data, and as much of the exact posterior as it is asked
for. `sure` makes a posterior known to be bad: 1 is exact, 2 has half the width.
"""

import numpy as np
import scipy.stats as st

NOISE = 0.7


def regression(rng, rows=200, draws=400, train=50, columns=3, sure=1.0, noise=1.0):
    """Return draws of the means (draws, rows), of observations, and what is observed (rows,).

    `noise` is how many times the true one is what the fit believes its draws have.
    """
    w = rng.normal(size=columns)
    x, new = rng.normal(size=(train, columns)), rng.normal(size=(rows, columns))
    y = x @ w + NOISE * rng.normal(size=train)
    precision = x.T @ x / NOISE**2 + np.eye(columns)
    mean = np.linalg.solve(precision, x.T @ y) / NOISE**2
    spread = np.linalg.cholesky(np.linalg.inv(precision)) / sure
    means = (mean + rng.normal(size=(draws, columns)) @ spread.T) @ new.T
    samples = means + noise * NOISE * rng.normal(size=means.shape)
    return means, samples, new @ w + NOISE * rng.normal(size=rows)


def counts(rng, rows=200, draws=400, groups=10, train=50, spread=0.0):
    """Return draws of counts of some groups (draws, rows) and what is observed (rows,).

    With `spread` rates vary from row to row, which the fit does not know: overdispersion.
    """
    rates, group = rng.gamma(2.0, 1.0, size=groups), np.arange(rows) % groups

    def observe(of):
        factor = rng.gamma(1 / spread, spread, size=of.shape) if spread else 1.0
        return rng.poisson(of * factor)

    seen = observe(np.repeat(rates[:, None], train // groups, axis=1)).sum(axis=1)
    posterior = rng.gamma(2.0 + seen, 1 / (1.0 + train // groups), size=(draws, groups))
    return rng.poisson(posterior[:, group]), observe(rates[group])


def classes(rng, rows=500, draws=400, cells=20, train=10, sure=1.0):
    """Return probabilities (rows, 3) of cells, draws of labels (draws, rows), labels (rows,)."""
    truth, cell = rng.dirichlet([1.0, 1.0, 1.0], size=cells), rng.integers(cells, size=rows)
    seen = np.array([rng.multinomial(train, p) for p in truth])
    each = np.stack([rng.dirichlet(s + 1, size=draws) for s in seen], axis=1) ** sure
    each /= each.sum(axis=-1, keepdims=True)

    def observe(p):  # (…, cells, 3)
        upto = p.cumsum(axis=-1)[..., cell, :2]
        return (upto < rng.uniform(size=(*upto.shape[:-1], 1))).sum(axis=-1)

    return each.mean(axis=0)[cell], observe(each), observe(truth)


def densities(means, y, chains=4):
    """Return log predictive densities (chains, rows) of draws of means (draws, rows), nats."""
    return np.log(st.norm.pdf(y, means.reshape(chains, -1, len(y)), NOISE).mean(axis=1))
