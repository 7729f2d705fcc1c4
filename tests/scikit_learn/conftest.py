"""Small tables, and one fit of each kind that many tests look at."""

import numpy as np
import pytest

from pymc_bnn.sklearn import BNNClassifier, BNNRegressor
from tests.support.estimators import QUICK


@pytest.fixture(scope="session")
def table():
    """150 rows of three columns far from scale 1, and a target, noisier where the first is high."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(150, 3))
    y = np.sin(z[:, 0]) + z[:, 1] + rng.normal(0, 0.1 + 0.6 * (z[:, 0] > 0))
    return 1000 + 50 * z, 7 + 20 * y


@pytest.fixture(scope="session")
def regressor(table):
    return BNNRegressor((5,), **{**QUICK, "steps": 600}).fit(*table)


@pytest.fixture(scope="session")
def classifier(table):
    x, y = table
    return BNNClassifier((5,), **QUICK).fit(x, np.where(y > 7, "high", "low"))
