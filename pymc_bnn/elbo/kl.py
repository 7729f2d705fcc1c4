"""The Kullback–Leibler divergence of each variable: closed form where there is one."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from pymc_bnn.decompose import Free
from pymc_bnn.guides.mean_field import Drawn

__all__ = ["has_closed_form", "kl_divergence"]


def has_closed_form(free: Free) -> bool:
    """Tell whether the KL of the variable is analytic: an untransformed Normal prior.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), pm.HalfNormal("s"), observed=np.zeros(4))
    >>> [has_closed_form(free) for free in decompose(model).free]
    [True, False]
    """
    return free.normal is not None


def kl_divergence(free: Free, drawn: Drawn) -> TensorVariable:
    r"""Write :math:`\mathrm{KL}(q(z)\,\|\,p(z \mid \text{parents}))` of one free variable.

    For a Normal prior, where q has mean :math:`m` and variance :math:`s^2`,

    .. math:: E_q \log p(z) = \sum_i -\tfrac12\log 2\pi - \log\sigma_i
              - \frac{(m_i-\mu_i)^2 + s_i^2}{2\sigma_i^2},

    with :math:`\mu` and :math:`\sigma` at the draw of their own free variables (a hierarchical
    scale is sampled). Other priors use the log-density at the draw (Monte Carlo). The entropy of
    q is exact in both.

    Parameters
    ----------
    free : Free
        The variable.
    drawn : Drawn
        Its guide.

    Returns
    -------
    TensorVariable
        () nats, a graph in which the values of free variables are still to be replaced by draws.

    References
    ----------
    Kingma and Welling, *Auto-encoding variational Bayes*, ICLR 2014, appendix B.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.decompose import decompose
    >>> from pymc_bnn.guides import MeanField
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu", 0, 2), observed=np.zeros(4))
    >>> [mu] = decompose(model).free
    >>> q = MeanField().express(mu)
    >>> kl = kl_divergence(mu, q)
    >>> round(float(kl.eval({q.params["loc"]: 0.0, q.params["log_scale"]: np.log(2.0)})), 6)
    0.0
    """
    if free.normal is None:
        return -drawn.entropy - free.logp.sum()
    mu, sigma = free.normal
    quadratic = ((drawn.mean - mu) ** 2 + drawn.variance) / (2 * sigma**2)
    # Broadcast log σ over the variable before summing: one σ may serve many weights.
    expected = -quadratic - pt.log(sigma) - 0.5 * np.log(2 * np.pi)
    return -drawn.entropy - expected.sum()
