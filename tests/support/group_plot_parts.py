"""Tables that several pictures of groups show, and their legend."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.stats


def summary(errors=60, n=500, seed=0):
    rng = np.random.default_rng(seed)
    correct = np.arange(n) >= errors
    entropy = np.where(correct, rng.beta(0.3, 6.0, n), rng.beta(4.0, 3.0, n)) * np.log2(10)
    return pd.DataFrame({"correct": correct, "entropy_bits": entropy})


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def reliability(confidence, wrong, n):
    accuracy = 1 - np.array(wrong) / n
    ends = [scipy.stats.binomtest(n - k, n).proportion_ci(method="wilson") for k in wrong]
    low, high = np.transpose(ends)
    return pd.DataFrame(
        {
            "confidence": confidence,
            "accuracy": accuracy,
            "accuracy_low": low,
            "accuracy_high": high,
            "n": n,
        }
    )


def curve(wrong):
    n = np.arange(1, len(wrong) + 1)
    return pd.DataFrame({"coverage": n / len(wrong), "risk": np.cumsum(wrong) / n})


def moments(scale=1.0, n=2000, seed=0):
    rng = np.random.default_rng(seed)
    shape = (n // 4, 2, 2)
    return {
        "conv1_W": (scale * rng.normal(0.5, 0.3, shape), rng.uniform(0.1, 0.2, shape)),
        "dense1_W": (scale * rng.normal(0, 0.1, n), scale * rng.lognormal(-3, 0.5, n)),
    }
