"""The divergence of a block's guide from its prior: of all its numbers, or row by row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from pymc_bnn.elbo.kl import HALF_LOG_2PI, closed_form, expected_log_prior
from pymc_bnn.guides import Block, GuideDraw, JointGuide
from pymc_bnn.guides.base import Graphs
from pymc_bnn.model.terms import FreeVariable

__all__ = ["Divergence", "divergence"]


class Divergence(NamedTuple):
    """What the ELBO has of a block, as graphs in which draws are still to replace free variables.

    Examples
    --------
    >>> Divergence._fields
    ('kl', 'log_prior', 'method', 'held')
    """

    kl: TensorVariable  # () nats, or (rows,) where the block belongs to the examples
    log_prior: TensorVariable  # () nats, of points; 0 for others
    method: str  # as in ``fitted.summary()``
    held: dict[str, TensorVariable]  # its parameters again, of which no gradient is to be taken


def divergence(block: Block, posterior: JointGuide, sees_draw: bool = True) -> Divergence:
    r"""Write the KL of a block, of each row where it belongs to these, and name the method.

    The expected log prior is taken in closed form where there is one, else at the draw. Where the
    likelihood sees the same draw, the gradient of the entropy then leaves the score of the
    parameters out ("sticking the landing": at the optimum the gradient no longer varies); the
    entropy's value is exact all the same.

    Parameters
    ----------
    block : Block
        Free variables and their guide.
    posterior : JointGuide
        Of which it is one.
    sees_draw : bool, optional
        Whether the likelihood sees its draw, and no estimator takes the place of that.

    Returns
    -------
    Divergence
        The graphs.

    References
    ----------
    Roeder, Wu and Duvenaud, *Sticking the landing*, NeurIPS 2017, eq. 8.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from pymc_bnn.guides import MeanField
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     u = pm.Normal("u", 0, 2, shape=3)
    ...     y = pm.Normal("y", u, 1, observed=np.zeros(3))
    >>> params = {"loc": np.array([0.0, 2.0, 0.0]), "log_scale": np.log([2.0, 2.0, 1.0])}
    >>> block = Block("u", MeanField(), decompose(model).free, params)
    >>> posterior = JointGuide([block], "float64")
    >>> found = divergence(block, posterior)
    >>> given = {root: params[role] for role, root in posterior.roots["u"].items()}
    >>> round(float(found.kl.eval(given)), 3)
    0.818
    """
    variables, drawn, zero = block.variables, posterior.drawn, pt.constant(0.0)
    if block.guide.point:
        log_prior = pt.add(zero, *(f.density.sum() for f in variables))
        return Divergence(zero, log_prior, "none: a point", {})
    own = {f.value for f in variables}
    closed = {
        f.name: closed_form(f) is not None
        and block.guide.normal
        and (drawn[f.name].noise is not None or not own & set(ancestors(f.parameters)))
        for f in variables
    }
    expected = [
        _expected(f, drawn[f.name])
        if closed[f.name]
        else f.row_logp
        if block.rows
        else f.logp.sum()
        for f in variables
    ]
    entropy, held = _entropy(block, drawn, posterior.roots[block.name]), {}
    method = "closed form"
    if not all(closed.values()):
        method = "Monte Carlo, exact entropy"
        if sees_draw:
            method = "Monte Carlo, sticking the landing"
            held, still = posterior.held(block)
            entropy = (
                _entropy(block, still, held)
                - _log_density(block, drawn, held)
                + _log_density(block, still, held)
            )
        if any(closed.values()):
            method += f" (closed form: {', '.join(n for n, c in closed.items() if c)})"
    return Divergence(-entropy - pt.add(zero, *expected), zero, method, held)


def _expected(free: FreeVariable, drawn: GuideDraw) -> TensorVariable:
    if free.per_example:
        return _by_row(closed_form(free)(drawn.mean, drawn.scale**2, *free.parameters))
    return expected_log_prior(free, drawn.mean, drawn.scale)


def _entropy(block: Block, drawn: Mapping[str, GuideDraw], params: Graphs) -> TensorVariable:
    if block.rows:
        [f] = block.variables
        return _by_row(pt.log(drawn[f.name].scale) + HALF_LOG_2PI + 0.5)
    return block.guide.entropy(block.variables, params)


def _log_density(block: Block, drawn: Mapping[str, GuideDraw], params: Graphs) -> TensorVariable:
    values = {f.name: drawn[f.name].draw for f in block.variables}
    if block.rows:
        [f] = block.variables
        return _by_row(block.guide.log_densities(f, values[f.name], params))
    return block.guide.log_density(block.variables, values, params)


def _by_row(x: TensorVariable) -> TensorVariable:
    return x.sum(axis=tuple(range(1, x.type.ndim)))
