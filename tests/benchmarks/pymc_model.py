"""The workloads as hand-written PyMC models: for `pm.fit` and for pymc-extras, without pymc_bnn."""

from __future__ import annotations

from typing import Any

import pymc as pm
import pytensor.tensor as pt
from pytensor_ml.layers.conv import ConvLayer, PoolLayer
from workloads import PRIOR_SIGMA, Workload

__all__ = ["logits"]


def logits(workload: Workload, x: Any) -> Any:
    """Place the priors in the model of the context; return the network's output for `x`.

    Initial values are the starting weights, as zeros would leave the symmetry of units unbroken.
    """
    weights = {
        name: pm.Normal(name, 0, PRIOR_SIGMA, shape=value.shape, initval=value)
        for name, value in workload.starting_weights().items()
    }
    activate = {"tanh": pt.tanh, "relu": lambda a: pt.maximum(a, 0)}
    one, batch = (1, 1), workload.batch_size
    h = pt.specify_shape(x, (batch, *workload.input_shape))  # convolutions need static shapes
    for layer in workload.layers:
        kernel = weights[f"{layer.name}_W"]
        if layer.convolution:
            side = layer.shape[0]
            if layer.padding == "SAME":
                h = _padded(h, side // 2)
            h = ConvLayer((side, side), one, one)(h, kernel)
        else:
            h = h.reshape((batch, layer.shape[0])) if h.ndim > 2 else h
            h = h @ kernel
        if layer.bias:
            h = h + weights[f"{layer.name}_b"]
        if layer.pool > 1:
            window = (layer.pool, layer.pool)
            h = PoolLayer(window, window, one, "max")(h)
        if layer.activate:
            h = activate[workload.activation](h)
    return h


def _padded(h: Any, width: int) -> Any:
    """Put zeros around images (batch, height, width, channels); `pt.pad` fails under Trainer."""
    batch, height, across, channels = h.type.shape
    frame = pt.zeros((batch, height + 2 * width, across + 2 * width, channels), h.dtype)
    return frame[:, width:-width, width:-width].set(h)
