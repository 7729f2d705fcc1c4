"""How often conformal predictions of many splits hold the true value, beside its law."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from pymc_bnn import uncertainty as unc


def check_beta_binomial(covered, n, n_test, coverage):
    """Compare how many of n_test examples were covered, split by split, with the law after n.

    By Beta(k, n + 1 − k) for the share, k = ⌈(n + 1) · coverage⌉.
    """
    splits, k = len(covered), math.ceil((n + 1) * coverage)
    law = scipy.stats.betabinom(n_test, k, n + 1 - k)
    assert abs(np.mean(covered) - law.mean()) < 4 * law.std() / math.sqrt(splits)
    assert np.std(covered) == pytest.approx(law.std(), rel=4 / math.sqrt(2 * splits))
    low, high = unc.conformal_coverage_interval(n, n_test, coverage, 0.9)
    inside = np.mean([low <= c <= high for c in covered])
    probability = law.cdf(high) - law.cdf(low - 1)
    assert abs(inside - probability) < 4 * math.sqrt(probability * (1 - probability) / splits)
