"""The expected log prior of each variable under a Normal guide: a row for each closed form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.transforms import LogTransform
from pytensor.tensor.random.basic import (
    ExponentialRV,
    GammaRV,
    HalfNormalRV,
    InvGammaRV,
    LaplaceRV,
    LogNormalRV,
    NormalRV,
)
from pytensor.tensor.variable import TensorVariable

from pymc_bnn.guides.base import LOG_2PI
from pymc_bnn.model.terms import FreeVariable

__all__ = ["CLOSED_FORMS", "closed_form", "expected_log_prior"]

HALF_LOG_2PI = 0.5 * LOG_2PI
T = TensorVariable


def _normal(m: T, v: T, mu: T, sigma: T) -> T:
    r"""Return :math:`-\log\sigma - \tfrac12\log 2\pi - ((m-\mu)^2 + v)/2\sigma^2`."""
    return -(((m - mu) ** 2 + v) / (2 * sigma**2)) - pt.log(sigma) - HALF_LOG_2PI


def _laplace(m: T, v: T, mu: T, b: T) -> T:
    r"""Return :math:`-\log 2b - E|z - \mu|/b`, by the mean of a folded Normal variable."""
    d, s = m - mu, pt.sqrt(v)
    folded = s * np.sqrt(2 / np.pi) * pt.exp(-(d**2) / (2 * v)) + d * pt.erf(d / (s * np.sqrt(2)))
    return -pt.log(2 * b) - folded / b


def _log_half_normal(m: T, v: T, loc: T, sigma: T) -> T:
    r"""Return :math:`\tfrac12\log(2/\pi\sigma^2) - e^{2m+2v}/2\sigma^2 + m`, of u = log z."""
    constant = 0.5 * np.log(2 / np.pi) - pt.log(sigma)
    return constant - pt.exp(2 * m + 2 * v) / (2 * sigma**2) + m


def _log_log_normal(m: T, v: T, mu: T, sigma: T) -> T:
    """Return the Normal's, as the logarithm of a log-Normal variable is Normal."""
    return _normal(m, v, mu, sigma)


def _log_exponential(m: T, v: T, scale: T) -> T:
    r"""Return :math:`-\log\theta - e^{m+v/2}/\theta + m`."""
    return -pt.log(scale) - pt.exp(m + v / 2) / scale + m


def _log_gamma(m: T, v: T, alpha: T, scale: T) -> T:
    r"""Return :math:`\alpha m - e^{m+v/2}/\theta - \log\Gamma(\alpha) - \alpha\log\theta`."""
    return alpha * m - pt.exp(m + v / 2) / scale - pt.gammaln(alpha) - alpha * pt.log(scale)


def _log_inverse_gamma(m: T, v: T, alpha: T, beta: T) -> T:
    r"""Return :math:`\alpha\log\beta - \log\Gamma(\alpha) - \alpha m - \beta e^{-m+v/2}`."""
    return alpha * pt.log(beta) - pt.gammaln(alpha) - alpha * m - beta * pt.exp(-m + v / 2)


# Prior and transform to the unconstrained space (of which the guide is Normal, with mean m and
# variance v): the expectation of the elementwise log-prior there, Jacobian included.
CLOSED_FORMS: dict[tuple[type, type | None], Callable[..., T]] = {
    (NormalRV, None): _normal,
    (LaplaceRV, None): _laplace,
    (HalfNormalRV, LogTransform): _log_half_normal,
    (LogNormalRV, LogTransform): _log_log_normal,
    (ExponentialRV, LogTransform): _log_exponential,
    (GammaRV, LogTransform): _log_gamma,
    (InvGammaRV, LogTransform): _log_inverse_gamma,
}


def closed_form(free: FreeVariable) -> Callable[..., T] | None:
    """Return the closed form of the variable's prior, if there is one.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.StudentT("y", pm.Exponential("nu"), pm.Cauchy("mu", 0, 1), observed=np.zeros(4))
    >>> [closed_form(free) is not None for free in decompose(model).free]
    [True, False]
    """
    return CLOSED_FORMS.get((free.family, free.transform))


def expected_log_prior(free: FreeVariable, mean: T, scale: T) -> T:
    r"""Write :math:`E_q \log p(z \mid \text{parents})` of one free variable in closed form.

    The variable is Normal under q, with `mean` and `scale`, and independent of its parents, which
    are at their draws (a hierarchical scale is sampled).

    Parameters
    ----------
    free : FreeVariable
        A variable for which :func:`closed_form` has a row.
    mean, scale : TensorVariable
        Of the unconstrained value; they broadcast to it.

    Returns
    -------
    TensorVariable
        () nats, a graph in which the values of free variables are still to be replaced by draws.

    References
    ----------
    Kingma and Welling, *Auto-encoding variational Bayes*, ICLR 2014, appendix B (Normal); Leone,
    Nelson and Nottingham, *The folded normal distribution*, Technometrics 3 (1961), eq. 2 (for the
    Laplace prior); the others follow from the moments of a log-Normal variable.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu", 0, 2), observed=np.zeros(4))
    >>> [mu] = decompose(model).free
    >>> expected = expected_log_prior(mu, pt.constant(0.0), pt.constant(2.0))
    >>> bool(np.isclose(expected.eval(), -np.log(2) - 0.5 * np.log(2 * np.pi * np.e)))
    True
    """
    # Broadcast to the variable before summing: one σ may serve many weights.
    mean = pt.zeros(free.start.shape, dtype=free.value.type.dtype) + mean
    return closed_form(free)(mean, scale**2, *free.parameters).sum()
