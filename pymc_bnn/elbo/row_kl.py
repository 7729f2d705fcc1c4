"""The divergence of free variables that belong to the examples, row by row."""

from __future__ import annotations

import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from pymc_bnn.elbo.kl import HALF_LOG_2PI, closed_form
from pymc_bnn.guides import GuideDraw
from pymc_bnn.model.terms import FreeVariable

__all__ = ["row_kl"]


def row_kl(
    free: FreeVariable, drawn: GuideDraw, held: GuideDraw | None
) -> tuple[TensorVariable, str]:
    r"""Write :math:`\mathrm{KL}(q(z_i)\,\|\,p(z_i))` of each row i, and name the method.

    Each number is Normal under the guide. The expected log prior is taken in closed form where
    there is one, else at the draw; there the gradient of the entropy leaves the score of the
    parameters out, which are those of `held`, without a gradient.

    Parameters
    ----------
    free : FreeVariable
        One that belongs to the examples.
    drawn : GuideDraw
        Its draw (rows, …).
    held : GuideDraw or None
        The same with parameters that no gradient is taken of; None to leave the score in.

    Returns
    -------
    kl : TensorVariable
        (rows,) nats, a graph in which values of free variables are still to be replaced by draws.
    method : str
        As in ``fitted.summary()``.

    References
    ----------
    Roeder, Wu and Duvenaud, *Sticking the landing*, NeurIPS 2017, eq. 8.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     u = pm.Normal("u", 0, 2, shape=3)
    ...     y = pm.Normal("y", u, 1, observed=np.zeros(3))
    >>> [free] = decompose(model).free
    >>> mean, scale = pt.constant([0.0, 2.0, 0.0]), pt.constant([2.0, 2.0, 1.0])
    >>> row_kl(free, GuideDraw(mean, mean, scale, mean), None)[0].eval().round(3).tolist()
    [0.0, 0.5, 0.318]
    """
    entropy = _by_row(pt.log(drawn.scale) + HALF_LOG_2PI + 0.5)
    closed = closed_form(free)
    if closed is not None:
        expected = closed(drawn.mean, drawn.scale**2, *free.parameters)
        return -entropy - _by_row(expected), "closed form"
    method = "Monte Carlo, exact entropy"
    if held is not None:
        method = "Monte Carlo, sticking the landing"
        entropy = (
            _by_row(pt.log(held.scale) + HALF_LOG_2PI + 0.5)
            - _by_row(_log_normal(drawn.draw, held))
            + _by_row(_log_normal(held.draw, held))
        )
    return -entropy - free.row_logp, method


def _log_normal(value: TensorVariable, own: GuideDraw) -> TensorVariable:
    return -0.5 * ((value - own.mean) / own.scale) ** 2 - pt.log(own.scale) - HALF_LOG_2PI


def _by_row(x: TensorVariable) -> TensorVariable:
    return x.sum(axis=tuple(range(1, x.type.ndim)))
