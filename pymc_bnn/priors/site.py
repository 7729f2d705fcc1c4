"""A parameter of a network, as a prior sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

__all__ = ["Kind", "Site"]

Kind = Literal["inputs", "units", "other"]


@dataclass(frozen=True, eq=False)
class Site:
    """A parameter of a network, as a prior sees it.

    Attributes
    ----------
    name : str
        Name of the random variable, with the network's prefix, such as ``net_dense1_W``.
    parameter : str
        Name within the network, ``dense1_W``, which patterns are matched with.
    layer : str
        Name of the layer, with the network's prefix, ``net_dense1``.
    prefix : str
        The network's prefix, ``net_``, or the empty string.
    shape : tuple of int
        Shape of the parameter.
    dims : tuple of str
        Names of its dimensions.
    fan_in : int
        Inputs that one unit of the layer sums; see :class:`~pymc_bnn.priors.FanIn`.
    input_axis : int or None
        The axis of the input units; for vectors their only one; None for scalars.
    start : ndarray
        Where optimisers start, of `shape`.
    kind : {"inputs", "units", "other"}
        What a dense layer's matrix sums, or its bias is added to: other things or the units of
        another dense layer, in which no order is given; "other" of all other parameters.
    outputs : int
        Numbers that the network gives for an example; 1 where that is not known.
    """

    name: str
    parameter: str
    layer: str
    prefix: str
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    fan_in: int
    input_axis: int | None
    start: np.ndarray
    kind: Kind = "other"
    outputs: int = 1
