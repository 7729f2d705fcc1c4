"""The full ELBO and the report of a streamed fit."""

import numpy as np
import pytest

import pymc_bnn as bnn
from tests.support.stream_parts import LABELS, QUIET, Batched, N, X, classes, linear

pytestmark = pytest.mark.filterwarnings("ignore:a batch of `data` has 3 rows")


def test_the_elbo_of_a_streamed_fit_needs_its_data():
    fitted = bnn.fit(linear(5), data=Batched(), epochs=60, **QUIET)
    with pytest.raises(ValueError, match=r"`data` must be given .*5 of 203 examples.*elbo\(data="):
        fitted.elbo()
    with pytest.raises(ValueError, match="can be gone over again, got a list_iterator"):
        fitted.elbo(data=iter([]))
    memory = bnn.fit(linear(), steps=1, start=fitted, optimizer=NOTHING, **QUIET)
    with pytest.raises(ValueError, match="`data` must be left out"):
        memory.elbo(data=Batched())
    one, two = fitted.elbo(200, data=Batched(41)), memory.elbo(200)
    assert abs(one["elbo"] - two["elbo"]) < 4 * np.hypot(one["elbo_se"], two["elbo_se"])
    assert one["elbo_per_example"] == pytest.approx(one["elbo"] / N)
    np.testing.assert_allclose(one["kl"], two["kl"], rtol=1e-5)
    assert fitted.summary().loc["w", "unmoved"] == 0
    with pytest.raises(ValueError, match="`fitted` must be a fit of data in memory"):
        bnn.efficiency.gradient_variance(fitted)


def _nothing():
    import optax

    return optax.sgd(0.0)


NOTHING = _nothing()


def test_the_report_of_a_streamed_fit_counts_all_examples(tmp_path):
    loader = Batched(50, LABELS)
    fitted = bnn.fit(classes(), data=loader, epochs=20, **QUIET)
    pred = fitted.predict({"x": X}, 20, random_seed=1)
    with pytest.raises(ValueError, match="`data` must be given for a fit whose batches"):
        bnn.report.write_report(tmp_path, fitted, pred, LABELS, seconds=1.0)
    report = bnn.report.write_report(tmp_path, fitted, pred, LABELS, seconds=1.0, data=loader)
    assert report["elbo_per_example"] == pytest.approx(report["elbo"] / N)
    assert -1.5 < report["elbo_per_example"] < 0
