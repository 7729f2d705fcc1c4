"""The pathwise estimator: every free variable is replaced by its reparameterised draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytensor.tensor.variable import TensorVariable

from pymc_bnn.elbo.base import Estimator
from pymc_bnn.graphs.substitute import substitute
from pymc_bnn.model.layers import Layer

__all__ = ["Pathwise", "pathwise"]


class Pathwise(Estimator):
    """Draws a weight once per step, for all examples: right for every guide and every layer.

    The plain reparameterisation. Layers are left as they are.

    References
    ----------
    Kingma and Welling, *Auto-encoding variational Bayes*, ICLR 2014, eq. 5.

    Examples
    --------
    >>> Pathwise().name
    'pathwise'
    """

    name = "pathwise"

    def refuse(self, layer: Layer) -> str | None:
        """Refuse nothing."""
        return None

    def rewrite(self, layer, x, weight, bias, noise):  # types: see Estimator
        """Write the mean plus one deviation for all examples."""
        return layer.mean(x, weight, bias) + layer.deviation(x, weight, bias)


def pathwise(
    outputs: Sequence[TensorVariable], draws: Mapping[TensorVariable, TensorVariable]
) -> list[TensorVariable]:
    """Replace values by their draws, so that gradients flow through the draws.

    Parameters
    ----------
    outputs : sequence of TensorVariable
        Graphs of the model's unconstrained values.
    draws : mapping from TensorVariable to TensorVariable
        For each value the expression of its draw.

    Returns
    -------
    list of TensorVariable
        The same graphs, of the guide's parameters and noise.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> z, loc, noise = pt.vectors("z", "loc", "noise")
    >>> [y] = pathwise([z.sum()], {z: loc + noise})
    >>> float(y.eval({loc: [1.0, 2.0], noise: [0.5, 0.5]}))
    4.0
    """
    return substitute(list(outputs), dict(draws))
