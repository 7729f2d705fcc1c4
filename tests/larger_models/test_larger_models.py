"""Networks within larger models: batches are unbiased, new rows are predicted.

Beside NUTS, by ``python tests/long/larger_models.py``; all kinds by ``pytest -m long``.
"""

from functools import partial

import jax
import numpy as np
import pytest

import pymc_bnn as bnn
from tests.support.batch_gradients import gradients, program_of
from tests.support.larger_models import MODELS

QUIET = {"random_seed": 1, "progressbar": False}


def all_of_them(*short):
    """All models, of which but these are long."""
    return [pytest.param(k, marks=() if k in short else pytest.mark.long) for k in MODELS]


@pytest.mark.parametrize("name", all_of_them("missing responses"))
def test_gradients_of_an_epochs_batches_add_up_to_that_of_all_rows(name):
    found = gradients(*program_of(MODELS[name](40).model, 8))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-11), *found)


@pytest.mark.parametrize("name", all_of_them("censored", "weight per row"))
def test_a_fit_in_batches(name):
    """Whose ELBO is the same in batches and on all rows, and which predicts other rows."""
    case = MODELS[name](60)
    fitted = bnn.fit(case.model, steps=30, batch_size=20, **QUIET)
    assert set(case.meant) <= set(fitted.sample(2).posterior)
    whole, parts = (fitted.elbo(20, random_seed=1, batch_size=size) for size in (60, 16))
    assert parts["elbo"] == pytest.approx(whole["elbo"], abs=6 * whole["elbo_se"])
    if case.new:
        found = fitted.predict(case.new, draws=5, random_seed=1)["y"]
        found = found.mean_probs if hasattr(found, "mean_probs") else found.mean
        assert len(found) == len(next(iter(case.new.values())))
        assert np.isfinite(found).all()
