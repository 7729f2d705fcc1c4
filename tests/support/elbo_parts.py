"""Small models, one for each way to use a weight 'w', and the pieces that compare their ELBOs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.flatten_util
import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor_ml.layers import LinearLayer
from pytensor_ml.layers.conv import ConvLayer

from pymc_bnn.elbo import Estimator
from pymc_bnn.runtime.noise import no_noise

N = 128
RNG = np.random.default_rng(11)
# Not around 0, where the noise that examples share would cancel in their sum by symmetry.
TABLE = RNG.normal(0.5, 1.0, size=(N, 3))
SERIES = RNG.normal(0.5, 1.0, size=(N, 3, 2))  # (rows, time, features)
IMAGES = RNG.uniform(0.0, 1.0, size=(N, 3, 3, 1))
TARGET = RNG.normal(1.0, 1.0, size=N)


@dataclass(frozen=True)
class Kind:
    """A layer: ``hidden(x)`` returns pre-activations (rows, …, units)."""

    hidden: Callable
    x: np.ndarray
    # How often an example meets 'w'; or that no estimator but the pathwise one may draw it.
    met: Literal["once", "positions", "elsewhere", "no layer"]
    also: str = ""  # what the error says of "elsewhere"


def normal(name, *shape):
    return pm.Normal(name, 0, 0.8, shape=shape)


def linear(x, bias):
    features, units = (3, 4) if x.ndim == 2 else (2, 3)
    weights = [normal("w", features, units), *([normal("b", units)] if bias else [])]
    return LinearLayer(n_in=features, n_out=units, bias=bias)(x, *weights)


def conv(x, channels, bias):
    ndim = x.ndim - 2
    op = ConvLayer(kernel_size=(2,) * ndim, stride=(1,) * ndim, dilation=(1,) * ndim)
    return op(x, normal("w", *(2,) * ndim, channels, 3), *([normal("b", 3)] if bias else []))


def twice(x):
    w = normal("w", 3, 3)
    return pt.tanh(x @ w) @ w


def in_a_potential(x):
    w = normal("w", 3, 4)
    pm.Potential("p", -((w - 1) ** 2).sum())
    return x @ w


def parent(x):
    w = normal("w", 3, 4)
    return x @ w + pm.Normal("b", w.mean(axis=0), 1.0, shape=4)


def on_other_rows(x):
    n, time, features = x.shape[0], *SERIES.shape[1:]
    return (x.reshape((n * time, features)) @ normal("w", features, 3)).reshape((n, time, 3))


def time_major(x):
    return (x.swapaxes(0, 1) @ normal("w", 2, 3)).swapaxes(0, 1)


def in_two_likelihoods(x):
    w = normal("w", 3, 4)
    pm.Normal("z", w.sum(), 1.0, observed=np.zeros(5))  # five of another length
    return x @ w


KINDS = {
    "LinearLayer": Kind(lambda x: linear(x, False), TABLE, "once"),
    "LinearLayer, bias": Kind(lambda x: linear(x, True), TABLE, "once"),
    "x @ w + b": Kind(lambda x: x @ normal("w", 3, 4) + normal("b", 4), TABLE, "once"),
    "pt.dot": Kind(lambda x: pt.dot(x, normal("w", 3, 4)), TABLE, "once"),
    "pt.matmul": Kind(lambda x: pt.matmul(x, normal("w", 3, 4)), TABLE, "once"),
    "x @ w.T": Kind(lambda x: x @ normal("w", 4, 3).T, TABLE, "once"),
    "x @ w, vectors": Kind(
        lambda x: pt.stack([x @ normal("w", 3), x @ normal("w2", 3)], axis=1), TABLE, "once"
    ),
    "(w @ x.T).T": Kind(lambda x: (normal("w", 4, 3) @ x.T).T, TABLE, "once"),
    "w reshaped": Kind(lambda x: x @ normal("w", 12).reshape((3, 4)), TABLE, "once"),
    "tau * w": Kind(lambda x: x @ (pm.HalfNormal("tau", 1) * normal("w", 3, 4)), TABLE, "once"),
    "mu - w * tau / 2": Kind(
        lambda x: x @ (normal("mu", 4) - normal("w", 3, 4) * pm.HalfNormal("tau", shape=4) / 2),
        TABLE,
        "once",
    ),
    "StudentT prior": Kind(
        lambda x: x @ pm.StudentT("w", nu=4, sigma=0.5, shape=(3, 4)), TABLE, "once"
    ),
    "Conv1D": Kind(lambda x: conv(x, 2, False), SERIES, "positions"),
    "Conv1D, bias": Kind(lambda x: conv(x, 2, True), SERIES, "positions"),
    "Conv2D": Kind(lambda x: conv(x, 1, False), IMAGES, "positions"),
    "Conv2D, bias": Kind(lambda x: conv(x, 1, True), IMAGES, "positions"),
    "LinearLayer on (batch, time, features)": Kind(lambda x: linear(x, True), SERIES, "positions"),
    "x @ w + b on (batch, time, features)": Kind(
        lambda x: x @ normal("w", 2, 3) + normal("b", 3), SERIES, "positions"
    ),
    "x @ w on (batch, time, features), vectors": Kind(
        lambda x: pt.stack([x @ normal("w", 2), x @ normal("w2", 2)], axis=2), SERIES, "positions"
    ),
    "w @ x, transposed": Kind(
        lambda x: (normal("w", 4, 3) @ x).swapaxes(1, 2), SERIES, "positions"
    ),
    "two places": Kind(twice, TABLE, "elsewhere", "2 layers"),
    "(batch * time, features)": Kind(on_other_rows, SERIES, "elsewhere", "rows other than the"),
    "(time, batch, features)": Kind(time_major, SERIES, "elsewhere", "rows other than the"),
    "potential": Kind(in_a_potential, TABLE, "elsewhere", "a potential"),
    "parent of a prior": Kind(parent, TABLE, "elsewhere", "the prior of 'b'"),
    "a second likelihood": Kind(in_two_likelihoods, TABLE, "elsewhere", "a likelihood that"),
    "a product of two weights": Kind(
        lambda x: x @ (normal("w", 3, 4) * normal("w2", 3, 4)), TABLE, "elsewhere", "a product or"
    ),
    "also x * w": Kind(
        lambda x: (lambda w: x @ w + (x[:, :, None] * w).sum(axis=1))(normal("w", 3, 4)),
        TABLE,
        "elsewhere",
        "an operation",
    ),
    "w @ x": Kind(
        lambda x: pt.specify_shape(normal("w", 4, 3) @ x, (None, 4, 2)), SERIES, "no layer"
    ),
    "exp(w)": Kind(lambda x: x @ pt.exp(normal("w", 3, 4)), TABLE, "no layer"),
    "part of w": Kind(lambda x: x @ normal("w", 6, 4)[:3], TABLE, "no layer"),
}


def make_model(kind):
    """The layer, an activation that the data choose, a mean over positions, a second layer."""
    with pm.Model() as model:
        a = KINDS[kind].hidden(pm.Data("x", KINDS[kind].x))
        h = pt.switch(pm.Data("relu", 0.0), pt.maximum(a, 0), pt.tanh(a))
        h = h.mean(axis=tuple(range(1, h.ndim - 1))) if h.ndim > 2 else h
        pm.Normal("y", h @ normal("v", h.type.shape[-1]), 0.5, observed=TARGET)
    return model


class OwnWeights(Estimator):
    """From outside the package: draws the weights of every example in full."""

    name = "own weights"

    def refuse(self, layer):
        return "it is no dense layer" if layer.kind != "dense" or layer.shared else None

    def rewrite(self, layer, x, weight, bias, noise):
        w = weight.mean + weight.scale * noise("w", weight.mean.type.shape, "normal")
        output = (x[:, None, :] @ w)[:, 0, :]  # w is (rows, features, units)
        if bias is None:
            return output
        return output + bias.mean + bias.scale * noise("b", bias.mean.type.shape, "normal")


def compiled(function, optimised=False):
    """Jitted; most models here are so small that XLA takes longer to optimise than to run them."""
    return jax.jit(
        function, compiler_options={} if optimised else {"xla_backend_optimization_level": 0}
    )


def noise_of(elbo, draws, rows, seed):
    """Noise (draws, …) by NumPy, of which the last draw has no effect."""
    rng, noise = np.random.default_rng(seed), {}
    for n in elbo.noise:
        shape = (draws, *n.full_shape(rows))
        own = rng.standard_normal(shape) if n.law == "normal" else rng.choice([-1.0, 1.0], shape)
        own[-1] = no_noise([n], rows, "float64")[n.name]
        noise[n.name] = own
    return noise


def away_from_start(blocks, seed):
    """Parameters at which every gradient is at work, and posteriors are wide."""
    rng = np.random.default_rng(seed)

    def moved(role, value):
        step = rng.standard_normal(value.shape)
        return value + (0.7 * step if role.startswith("loc") else 0.3 * step)

    return {
        block.name: {
            role: moved(role, value) + 2.0 * role.startswith("log_scale")
            for role, value in block.params.items()
        }
        for block in blocks
    }


def gradients(elbo, params, noise, data):
    """Loss (draws,) and gradient (draws, parameters) of every draw."""

    def loss(params, noise):
        parts = elbo(params, noise, data)
        row = 0.0 if parts.row is None else parts.row.sum()
        return parts.kl.sum() - parts.log_prior.sum() - row - parts.rest - parts.potential

    def one(noise):
        value, gradient = jax.value_and_grad(loss)(params, noise)
        return value, jax.flatten_util.ravel_pytree(gradient)[0]

    return jax.vmap(one)(noise)
