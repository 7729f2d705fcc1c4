"""Weights of a mixture, chosen by data that its members have not seen."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

__all__ = ["stacking_weights"]

_STEPS, _CLOSE = 10_000, 1e-6


def stacking_weights(log_densities: np.ndarray) -> tuple[float, ...]:
    r"""Return the weights that maximise the mean log predictive density of a mixture.

    The maximum of :math:`\sum_i \log \sum_m w_m p_m(y_i)` is unique where the members differ; EM,
    whose step multiplies each weight by the mean responsibility, climbs to it.

    Parameters
    ----------
    log_densities : ndarray
        (rows, members), nats.

    Returns
    -------
    tuple of float
        One per member, which sum to 1.

    References
    ----------
    Yao, Vehtari, Simpson and Gelman, *Using stacking to average Bayesian predictive distributions*,
    Bayesian Analysis 13 (2018), eq. 4.

    Examples
    --------
    >>> better_half = np.log([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]])
    >>> np.round(stacking_weights(better_half), 3).tolist()
    [0.5, 0.5]
    """
    members = log_densities.shape[1]
    weights = np.full(members, 1 / members)
    for _ in range(_STEPS):
        shares = log_densities - logsumexp(log_densities, axis=1, b=weights, keepdims=True)
        ascent = np.exp(logsumexp(shares, axis=0)) / len(log_densities)
        weights = weights * ascent
        if ascent.max() - 1 < _CLOSE:  # the optimum's condition: no member would gain
            break
    return tuple((weights / weights.sum()).tolist())
