"""Products of bfloat16 on a CPU: what they gain, and what they do to the gradient.

    python tests/benchmarks/narrow_products.py [--units 400 800 4096] [--rounds 5] [--draws 50]

MLPs 784-h-h-10 on MNIST, batches of 500, under ``jax.default_matmul_precision("bfloat16")`` and
without, in turns. *bias*: length of the mean difference of the gradients by the same noise and
batch, over that of the mean gradient, by float32; with its standard error, as what is left of its
square once the mean's own noise is taken away. *variance*: trace of the gradient's variance over
noise and batches, as a ratio. At a fit of `steps`, which was made in float32.
"""

import argparse
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pymc as pm
from jax.flatten_util import ravel_pytree

sys.path.insert(0, str(Path(__file__).parents[2]))

import pymc_bnn as bnn
from pymc_bnn.efficiency import _gradient
from pymc_bnn.runtime.precision import precision

TOLD = {"float32": nullcontext, "bfloat16": lambda: jax.default_matmul_precision("bfloat16")}


def build(units, train):
    network = bnn.networks.mlp((784, units, units, 10), activation="tanh")
    with pm.Model() as model:
        logits = bnn.bayesian(network, pm.Data("x", train.x), bnn.priors.Normal(0, 0.1))
        pm.Categorical("y", logit_p=logits, observed=train.y, shape=logits.shape[0])
    return model


def seconds(model, estimator, steps):
    began = time.perf_counter()
    options = {"batch_size": 500, "estimator": estimator, "progressbar": False}
    fitted = bnn.fit(model, steps=steps, random_seed=1, **options)
    return (time.perf_counter() - began) / steps, fitted


def gradients(fitted, estimator, draws):
    """Return gradients of the same noise and batches, (draws, numbers), one after the other."""
    with precision("float32"):
        gradient = _gradient(fitted, estimator, 1, 500)
        for key in jax.random.split(jax.random.key(2), draws):
            yield np.asarray(ravel_pytree(gradient(*jax.random.split(key)))[0], float)


def compared(fitted, estimator, draws):
    """Return the bias with its standard error, and the ratio of variances."""
    with TOLD["float32"]():
        whole = list(gradients(fitted, estimator, draws))
    n, own, other, squares, paired = len(whole), 0.0, 0.0, [0.0, 0.0], 0.0
    with TOLD["bfloat16"]():
        for a, b in zip(whole, gradients(fitted, estimator, draws), strict=True):
            own, other = own + a / n, other + b / n
            squares = [squares[0] + a @ a / n, squares[1] + b @ b / n]
            paired += (b - a) @ (b - a) / n
    gap = other - own
    noise = (paired - gap @ gap) / (n - 1)
    length = np.sqrt(own @ own - (squares[0] - own @ own) / (n - 1))
    variances = [s - m @ m for s, m in zip(squares, (own, other), strict=True)]
    bias = np.sqrt(max(gap @ gap - noise, 0.0)) / length
    return bias, np.sqrt(noise) / length, variances[1] / variances[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, nargs="+", default=[400, 800, 4096])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--steps", type=int, default=500, help="of the fit that gradients are of")
    args = parser.parse_args()
    train, _, _ = bnn.datasets.load_mnist(n_validation=5000)

    rows = []
    for units in args.units:
        model, steps = build(units, train), max(5, 40_000 // units)
        for estimator in ("auto", "pathwise"):
            spent = {told: [] for told in TOLD}
            for _ in range(args.rounds + 1):  # the first compiles
                for told, context in TOLD.items():
                    with context():
                        spent[told].append(seconds(model, estimator, steps)[0])
            medians = {told: np.median(each[1:]) * 1e3 for told, each in spent.items()}
            row = {"units": units, "estimator": estimator, **medians}
            row["ratio"] = medians["bfloat16"] / medians["float32"]
            if units <= 1000:
                fitted = seconds(model, estimator, args.steps)[1]
                row["bias"], row["± se"], row["variance"] = compared(fitted, estimator, args.draws)
            rows.append(row)
            print({k: v if isinstance(v, str) else round(float(v), 4) for k, v in row.items()})
    print(pd.DataFrame(rows).round(4).to_string())


if __name__ == "__main__":
    main()
