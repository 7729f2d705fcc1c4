"""Networks of pytensor-ml's layers on digits and diabetes, beside a linear model.

    python tests/long/architectures.py [NAME …] [--steps 1000]

Digits are read as eight steps of eight numbers (conv, recurrent, attention) or as sixteen words of
seventeen (embedding); 1,200 are fitted and 597 predicted. Of diabetes 342 rows are fitted, 100
predicted. A fit has to predict the same once it is saved and loaded.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor_ml.activations import Tanh
from pytensor_ml.layers import (
    GRU,
    LSTM,
    Bidirectional,
    Conv1D,
    Embedding,
    Flatten,
    LayerNorm,
    Linear,
    MaxPool1D,
    Sequential,
    TransformerBlock,
)
from pytensor_ml.params import trainable
from pytensor_ml.state import ZeroInitializer
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import LinearRegression, LogisticRegression

import pymc_bnn as bnn

IMAGES, LABELS = load_digits(return_X_y=True)
ORDER = np.random.default_rng(0).permutation(len(LABELS))
IMAGES, LABELS = IMAGES[ORDER] / 16, LABELS[ORDER]
STEPS = ((IMAGES - IMAGES.mean()) / IMAGES.std()).reshape(-1, 8, 8)
WORDS = (IMAGES.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)) * 16).astype(int).reshape(-1, 16)


def residual():
    first, out = Linear("first", n_in=10, n_out=16), Linear("out", n_in=16, n_out=1)
    norms = [LayerNorm(f"norm{i}", n_in=16) for i in (1, 2)]
    blocks = [Linear(f"block{i}", n_in=16, n_out=16) for i in (1, 2)]

    def network(x):
        hidden = first(x)
        for norm, block in zip(norms, blocks, strict=True):
            hidden = hidden + pt.tanh(block(norm(hidden)))
        return out(hidden)

    return network


def conv():
    return Sequential(
        Conv1D("conv1", in_channels=8, out_channels=16, kernel_size=3, padding="same"),
        Tanh(),
        MaxPool1D(kernel_size=2),
        Conv1D("conv2", in_channels=16, out_channels=16, kernel_size=3),
        Tanh(),
        Flatten,
        Linear("out", n_in=32, n_out=10),
    )


def recurrent(cell=GRU):
    cell, out = cell("cell", n_in=8, n_hidden=16), Linear("out", n_in=16, n_out=10)
    return lambda x: out(cell(x)[..., -1, :])


def both_ways():
    ways = Bidirectional(GRU("there", n_in=8, n_hidden=8), GRU("back", n_in=8, n_hidden=8))
    out = Linear("out", n_in=16, n_out=10)
    return lambda x: out(ways(x).mean(axis=-2))


def attention(first=None, length=8):
    first = first or Linear("first", n_in=8, n_out=16)
    place = trainable(np.zeros((length, 16)), "place", initializer=ZeroInitializer())
    block = TransformerBlock("block", d_model=16, n_head=2, mlp_ratio=2)
    out = Linear("out", n_in=16, n_out=10)
    return lambda x: out(block(first(x) + place).mean(axis=-2))


def words():
    return attention(Embedding("word", n_embeddings=17, n_features=16), 16)


NETWORKS = {
    "residual": (residual, None),
    "conv": (conv, STEPS),
    "gru": (recurrent, STEPS),
    "lstm": (lambda: recurrent(LSTM), STEPS),
    "both ways": (both_ways, STEPS),
    "attention": (attention, STEPS),
    "words": (words, WORDS),
}


def tried(name, steps):
    """Fit a network, and return its error, that of a linear model, and whether it can be saved."""
    make, x = NETWORKS[name]
    if x is None:
        x, y = load_diabetes(return_X_y=True)
        x, y, n = x / x.std(axis=0), (y - y.mean()) / y.std(), 342
    else:
        y, n = LABELS, 1200
    with pm.Model() as model:
        f = bnn.bayesian(make(), pm.Data("x", x[:n]))
        if x.shape[1:] == (10,):
            noise = pm.HalfNormal("noise", 1.0)
            pm.Normal("y", f[:, 0], noise, observed=y[:n], shape=f.shape[0])
        else:
            pm.Categorical("y", logit_p=f, observed=y[:n], shape=f.shape[0])
    fitted = bnn.fit(model, steps=steps, batch_size=128, random_seed=1, progressbar=False)
    found = fitted.predict({"x": x[n:]}, random_seed=1)["y"]
    flat = x.reshape(len(x), -1)
    if hasattr(found, "mean_probs"):
        numbers = found.mean_probs
        error = np.mean(numbers.argmax(axis=-1) != y[n:])
        linear = 1 - LogisticRegression(max_iter=2000).fit(flat[:n], y[:n]).score(flat[n:], y[n:])
    else:
        numbers = found.mean
        error = np.sqrt(np.mean((numbers - y[n:]) ** 2))
        residuals = LinearRegression().fit(flat[:n], y[:n]).predict(flat[n:]) - y[n:]
        linear = np.sqrt(np.mean(residuals**2))
    with tempfile.TemporaryDirectory() as folder:
        fitted.save(Path(folder, "fit"))
        again = bnn.load(Path(folder, "fit")).predict({"x": x[n:]}, random_seed=1)["y"]
    same = np.array_equal(getattr(again, "mean_probs", None), numbers) or np.array_equal(
        getattr(again, "mean", None), numbers
    )
    print(bnn.table(fitted), flush=True)
    return error, linear, same


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*NETWORKS, []], default=[])
    parser.add_argument("--steps", type=int, default=1000)
    options = parser.parse_args()
    for name in options.names or NETWORKS:
        began = time.process_time()
        error, linear, same = tried(name, options.steps)
        took = time.process_time() - began
        print(f"{name}: error {error:.3f}, linear {linear:.3f}, {took:.0f} s of CPU", flush=True)
        assert same, "a loaded fit predicts otherwise"


if __name__ == "__main__":
    main()
