"""Equal mixtures of Normal distributions, one for each posterior draw: moments and quantiles."""

from __future__ import annotations

import numpy as np
from scipy.optimize import elementwise
from scipy.special import logsumexp, ndtr, ndtri

__all__ = ["log_density", "moments", "quantiles"]


def moments(mu: np.ndarray, sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each mixture.

    Parameters
    ----------
    mu, sigma : array of shape (draws, ...)
        Means and standard deviations of the Normals.

    Returns
    -------
    mean, std : array of shape (...)
        By the law of total variance: that of the means, and the mean variance.

    Examples
    --------
    >>> mean, std = moments(np.array([-3.0, 3.0]), np.array([4.0, 4.0]))
    >>> float(mean), float(std)
    (0.0, 5.0)
    """
    return mu.mean(axis=0), np.sqrt(mu.var(axis=0) + (sigma**2).mean(axis=0))


def quantiles(mu: np.ndarray, sigma: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return quantiles of each mixture, found between those of its Normals.

    Parameters
    ----------
    mu, sigma : array of shape (draws, ...)
        As of :func:`moments`.
    probabilities : array of shape (k,)
        In (0, 1).

    Returns
    -------
    array of shape (..., k)

    Examples
    --------
    >>> quantiles(np.array([-3.0, 3.0]), np.ones(2), np.array([0.25, 0.5])).round(3).tolist()
    [-3.0, 0.0]
    """
    shape = mu.shape[1:]
    mu, sigma = mu.reshape(len(mu), -1), sigma.reshape(len(mu), -1)
    p = np.asarray(probabilities, float)
    of_each = mu[..., None] + sigma[..., None] * ndtri(p)
    low, high = of_each.min(axis=0), of_each.max(axis=0)
    column = np.broadcast_to(np.arange(mu.shape[1])[:, None], low.shape)

    def above(x: np.ndarray, column: np.ndarray, p: np.ndarray) -> np.ndarray:
        x, column, p = np.broadcast_arrays(x, column.astype(int), p)
        return ndtr((x - mu[:, column]) / sigma[:, column]).mean(axis=0) - p

    wider = 1e-9 * (1 + high - low)  # equal Normals have but one quantile
    args = column, np.broadcast_to(p, low.shape)
    found = elementwise.find_root(above, (low - wider, high + wider), args=args)
    return found.x.reshape(*shape, len(p))


def log_density(y: np.ndarray, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return the log-density of values under their mixtures, of several targets jointly, in nats.

    Parameters
    ----------
    y : array of shape (n,) or (n, targets)
        Values.
    mu, sigma : array of shape (draws, n) or (draws, n, targets)
        As of :func:`moments`.

    Returns
    -------
    array of shape (n,)

    Examples
    --------
    >>> log_density(np.zeros(1), np.zeros((2, 1)), np.ones((2, 1))).round(4).tolist()
    [-0.9189]
    """
    each = -0.5 * ((y - mu) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi)
    if each.ndim == 3:
        each = each.sum(axis=2)
    return logsumexp(each, axis=0) - np.log(len(mu))
