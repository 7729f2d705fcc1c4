"""Callbacks: held-out evaluation, early stopping and snapshots."""

import numpy as np
import optax
import pymc as pm
import pytest
import scipy.stats as st

import pymc_bnn as bnn
from pymc_bnn.callbacks import EarlyStopping, HeldOut, Snapshots
from tests.support.conjugate import QUIET, SIGMA, Chunks, X, Y, conjugate


def test_snapshots_are_the_fits_that_stop_there():
    chunks, snapshots = Chunks(), Snapshots([1, 9, 60, 99], {"x": X[:3]}, draws=4, var_names="w")
    options = {"steps": 60, "batch_size": 50, "optimizer": optax.adam(0.01), **QUIET}
    fitted = bnn.fit(conjugate(), callbacks=[chunks, snapshots], chunk_steps=7, **options)
    assert chunks.steps == [7, 14, 21, 28, 35, 42, 49, 56, 60]
    assert list(snapshots.moments) == list(snapshots.predictions) == [1, 9, 60]
    assert fitted.history.equals(bnn.fit(conjugate(), **options).history)
    for step in (1, 9):
        stopped = bnn.fit(conjugate(), **options | {"steps": step})
        loc, scale = snapshots.moments[step]["w"]
        np.testing.assert_array_equal(loc, stopped.mean["w"])
        np.testing.assert_allclose(scale, stopped.std["w"], rtol=1e-6)
    assert snapshots.predictions[9]["y"].samples.shape == (4, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (([],), ValueError, "`steps` must hold at least one step, got none"),
        ((5,), TypeError, "`steps` must be a sequence of integers, got 5"),
        (([0],), ValueError, "`steps` must be an integer of at least 1, got 0"),
        (([1], [2]), TypeError, "`data` must map names to arrays, got a list"),
    ],
)
def test_bad_snapshots(arguments, error, match):
    with pytest.raises(error, match=match):
        Snapshots(*arguments)


@pytest.mark.parametrize("kind", [HeldOut, Snapshots])
def test_callbacks_predict_with_the_model_of_the_fit_at_hand(kind):
    def model(sigma):
        with pm.Model() as made:
            pm.Normal("y", pm.Normal("w"), sigma, observed=np.ones(20))
        return made

    data = {"y": np.ones(5)}

    def make():
        return HeldOut(data) if kind is HeldOut else Snapshots([30], data, var_names="w")

    def found(callback):
        if kind is HeldOut:
            return callback.history["nll"].iloc[-1]
        return callback.predictions[30].log_density.mean()

    used, fresh = make(), make()
    bnn.fit(model(0.1), steps=30, callbacks=[used], **QUIET)
    first = found(used)
    bnn.fit(model(10.0), steps=30, callbacks=[used], **QUIET)
    bnn.fit(model(10.0), steps=30, callbacks=[fresh], **QUIET)
    assert found(used) == pytest.approx(found(fresh), rel=1e-6)
    assert abs(found(used) - first) > 0.1


def test_snapshots_of_no_variable():
    with pytest.raises(ValueError, match=r"`var_names` must match a free variable, got .*choose"):
        bnn.fit(conjugate(), steps=3, callbacks=[Snapshots([1])], **QUIET)


def test_early_stopping_and_held_out():
    stop = EarlyStopping(window=100, patience=3)
    held_out = HeldOut({"x": X[:50], "y": Y[:50]}, every=2, draws=5)
    fitted = bnn.fit(
        conjugate(), steps=20_000, batch_size=100, learning_rate=0.05,
        callbacks=[stop, held_out], chunk_steps=200, **QUIET,
    )  # fmt: skip
    assert 500 < len(fitted.history) < 20_000
    nll = held_out.history["nll"]
    assert held_out.history["step"].iloc[0] == 400
    assert nll.iloc[-1] < 1.3
    loc = fitted.mean["w"].values
    direct = -st.norm.logpdf(Y[:50], X[:50] @ loc, SIGMA).mean()
    assert abs(nll.iloc[-1] - direct) < 0.05
