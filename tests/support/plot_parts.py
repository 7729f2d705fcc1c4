"""Data that several pictures show, and what is drawn of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.text import Text

BLUE, VERMILION = "#0072b2", "#d55e00"


def history(steps=400, per_epoch=20, seed=0):
    step = np.arange(1, steps + 1)
    noise = np.random.default_rng(seed).normal(0, 40, steps)
    nll = 1000 + 1e6 * np.exp(-step / 4) + noise
    kl = 500 + 800 * np.exp(-step / 100)
    return pd.DataFrame(
        {"epoch": step / per_epoch, "elbo": -nll - kl, "nll": nll, "kl": kl},
        index=pd.Index(step, name="step"),
    )


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def title_texts(ax):
    """The titles of an axes that say something, from the left."""
    texts = {child.get_text(): child for child in ax.get_children() if isinstance(child, Text)}
    words = [ax.get_title(loc=where) for where in ("left", "center", "right")]
    return [texts[word] for word in words if word]


def labels(classes, n=900, errors=0.1, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    return y, np.where(rng.random(n) < errors, rng.integers(0, classes, n), y)


def summary(errors, n=500, seed=0):
    rng = np.random.default_rng(seed)
    correct = np.arange(n) >= errors
    entropy = np.where(correct, rng.beta(0.3, 6.0, n), rng.beta(4.0, 3.0, n)) * np.log2(10)
    return pd.DataFrame({"correct": correct, "entropy_bits": entropy, "chi_square": 900 - entropy})


VOTES = np.array([[10, 0, 0], [4, 3, 3], [1, 8, 1], [0, 5, 5], [0, 0, 10]])
IMAGES = np.arange(5 * 4 * 4).reshape(5, 4, 4) / 80
