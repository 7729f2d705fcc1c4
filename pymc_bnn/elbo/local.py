"""Local reparameterisation: pre-activations are drawn instead of weights."""

from __future__ import annotations

from pymc_bnn.elbo.base import Estimator, row_shape, safe_sqrt, unknown_shape
from pymc_bnn.model.layers import Layer

__all__ = ["Local", "LocalApprox"]


class Local(Estimator):
    r"""Draws each example's pre-activations instead of the weights.

    Given the layer's input they are Normal and independent:

    .. math:: a_{ij} \sim \mathcal N\big(\textstyle\sum_k x_{ik} m_{kj} + b_j,\;
              \sum_k x_{ik}^2 s_{kj}^2 + s_{b,j}^2\big).

    So every example has weights of its own, in effect, and the gradient's variance falls with the
    batch's size. It is exact only where an example meets the weight once: a dense layer on (batch,
    features). It costs a second matrix product, and noise for (batch, units) instead of (features,
    units).

    References
    ----------
    Kingma, Salimans and Welling, *Variational dropout and the local reparameterization trick*,
    NeurIPS 2015, eq. 6.

    Examples
    --------
    >>> Local().name
    'local'
    """

    name = "local"

    def refuse(self, layer: Layer) -> str | None:
        """Refuse layers that an example meets at several positions."""
        if layer.shared:
            what = "a convolution" if layer.kind == "conv" else "a layer on (batch, positions, …)"
            return (
                f"{what} uses one weight at many positions, where independent noise per position "
                "is another objective"
            )
        return unknown_shape(layer)

    def rewrite(self, layer, x, weight, bias, noise):  # types: see Estimator
        """Write mean + standard deviation · noise."""
        variances = []
        if weight is not None and weight.random:
            x = x.astype(layer.output.type.dtype)  # the square of an integer image overflows
            variances.append(layer.linear(x**2, weight.scale**2))
        if bias is not None and bias.random:
            variances.append(bias.scale**2)
        variance = variances[0] if len(variances) == 1 else variances[0] + variances[1]
        own = safe_sqrt(variance) * noise("local", row_shape(layer), "normal")
        return layer.mean(x, weight, bias) + own


class LocalApprox(Local):
    """Local reparameterisation at every position, with independent noise: not the model's ELBO.

    The popular version for convolutions and for layers on (batch, time, features). Positions of one
    example share a weight, so that their pre-activations are correlated under the posterior; here
    they are not. Averages over positions then vary too little: the mean of 16 tanh units has
    E[·²] of 0.025 instead of 0.395 in a small example (see the tests). "auto" never chooses it.

    References
    ----------
    Molchanov, Ashukha and Vetrov, *Variational dropout sparsifies deep neural networks*, ICML 2017,
    section 3.4 (convolutions).

    Examples
    --------
    >>> LocalApprox().name
    'local_approx'
    """

    name = "local_approx"

    def refuse(self, layer: Layer) -> str | None:
        """Refuse layers of unknown shape only."""
        return unknown_shape(layer)
