"""Terms of a model and guides of its variables, put together as one function for JAX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytensor.tensor as pt

from pymc_bnn.decompose import Terms
from pymc_bnn.elbo.kl import kl_divergence
from pymc_bnn.elbo.pathwise import pathwise
from pymc_bnn.guides.mean_field import MeanField
from pymc_bnn.to_jax import lift

__all__ = ["Elbo", "assemble"]

Params = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Elbo:
    """The parts of the ELBO at one draw, as a pure JAX function.

    ``elbo(params, noise, data)`` takes the guide's parameters ``{variable: {role: array}}``,
    standard Normal noise ``{variable: array}`` and data ``{name: array}`` with any number of rows;
    it returns the log-likelihood of each row (rows,) or None, the log-likelihood that does not
    come row by row (), the KL of each free variable (free variables,) and the sum of potentials ().
    """

    function: Callable[..., tuple[Any, ...]]
    names: tuple[str, ...]  # free variables, in the order of the KL
    has_rows: bool

    def __call__(
        self, params: Params, noise: Mapping[str, Any], data: Mapping[str, Any]
    ) -> tuple[Any, Any, Any, Any]:
        """Evaluate the parts."""
        *row, rest, kl, potential = self.function(params, noise, data)
        return (row[0] if row else None), rest, kl, potential


def assemble(terms: Terms, guide: MeanField, dtype: str = "float32") -> Elbo:
    """Build the ELBO's graph and lift it to JAX.

    Parameters
    ----------
    terms : Terms
        The model, from :func:`pymc_bnn.decompose.decompose`.
    guide : MeanField
        The family of every free variable.
    dtype : {"float32", "float64"}, optional
        Precision of the lifted graph.

    Returns
    -------
    Elbo
        The lifted function.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from pymc_bnn.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> terms = decompose(model)
    >>> elbo = assemble(terms, MeanField())
    >>> params = {"mu": {"loc": np.float32(0), "log_scale": np.float32(0)}}
    >>> row, rest, kl, potential = elbo(params, {"mu": np.float32(0)}, terms.arrays())
    >>> abs(float(kl[0])) < 1e-6
    True
    """
    drawn = {f.name: guide.express(f) for f in terms.free}
    kl = pt.stack([kl_divergence(f, drawn[f.name]) for f in terms.free])
    rows = [] if terms.row_logp is None else [terms.row_logp]
    outputs = pathwise(
        [*rows, terms.rest_logp, kl, terms.potential_logp],
        {f.value: drawn[f.name].draw for f in terms.free},
    )
    roles = [(f.name, role) for f in terms.free for role in drawn[f.name].params]
    inputs = [drawn[name].params[role] for name, role in roles]
    inputs += [drawn[f.name].noise for f in terms.free] + terms.inputs
    lifted = lift(inputs, outputs, dtype)
    data_names = [d.name for d in terms.data]

    def function(params: Params, noise: Mapping[str, Any], data: Mapping[str, Any]):
        return lifted(
            *(params[name][role] for name, role in roles),
            *(noise[f.name] for f in terms.free),
            *(data[name] for name in data_names),
        )

    return Elbo(function, tuple(f.name for f in terms.free), bool(rows))
