"""Flipout: one weight perturbation per step, with signs of each example's own."""

from __future__ import annotations

from pymc_bnn.elbo.base import Estimator, row_shape, unknown_shape
from pymc_bnn.model.layers import Layer

__all__ = ["Flipout"]


class Flipout(Estimator):
    r"""Gives each example its own signs of one shared perturbation.

    For example i,

    .. math:: W_i = m + (s \circ \varepsilon) \circ r_i t_i^\top,\quad
              a_i = x_i m + \big((x_i \circ r_i)(s \circ \varepsilon)\big) \circ t_i,

    with signs :math:`r_i` of the inputs and :math:`t_i` of the units. As the noise is symmetric and
    its elements independent, each example's weights have the guide's distribution exactly, also in
    convolutions and at several positions, while the examples of a batch are nearly uncorrelated.
    It costs a second product or convolution.

    References
    ----------
    Wen, Vicol, Ba, Tran and Grosse, *Flipout: efficient pseudo-independent weight perturbations on
    mini-batches*, ICLR 2018, eq. 4.

    Examples
    --------
    >>> Flipout().name
    'flipout'
    """

    name = "flipout"

    def refuse(self, layer: Layer) -> str | None:
        """Refuse layers of unknown shape only."""
        return unknown_shape(layer)

    def rewrite(self, layer, x, weight, bias, noise):  # types: see Estimator
        """Write the layer at the mean plus the perturbation with signs."""
        positions = (1,) * (layer.output.type.ndim - 2)
        out_sign = noise("signs_out", (*positions, *row_shape(layer)[-1:]), "sign")
        turned = x
        if weight is not None and weight.random:
            turned = x * noise("signs_in", (*positions, x.type.shape[-1]), "sign")
        return layer.mean(x, weight, bias) + layer.deviation(turned, weight, bias) * out_sign
