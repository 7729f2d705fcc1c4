"""Random probabilities, and a prediction that was streamed, made by loops."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import scipy.stats


def random_probs(draws=60, n=40, classes=5, concentration=0.4, seed=0):
    alpha = np.full(classes, concentration)
    return np.random.default_rng(seed).dirichlet(alpha, size=(draws, n))


def streamed(probs, keep=False, seed=3):
    """A prediction as `summary` reads it, its numbers made by loops and SciPy."""
    draws, n, classes = probs.shape
    generator = np.random.default_rng(seed)
    label = np.zeros((n, classes), int)
    likeliest = np.zeros((n, classes), int)
    for d in range(draws):
        for i in range(n):
            label[i, generator.choice(classes, p=probs[d, i])] += 1
            likeliest[i, max(range(classes), key=lambda k: probs[d, i, k])] += 1
    return SimpleNamespace(
        mean_probs=sum(probs) / draws,
        expected_entropy=sum(scipy.stats.entropy(p, axis=-1) for p in probs) / draws,
        label_votes=label,
        class_votes=likeliest,
        draws=draws,
        probs=probs if keep else None,
    )
