"""The history holds the unweighted ELBO, or says that it is none."""

import numpy as np
import scipy.stats as st

import pymc_bnn as bnn
from tests.support.conjugate import QUIET, TAU, closed_form_elbo, conjugate


def test_history_reports_the_unweighted_elbo():
    fitted = bnn.fit(conjugate(), steps=300, kl_weight=0.1, **QUIET)
    history = fitted.history
    np.testing.assert_allclose(history["elbo"], -history["nll"] - history["kl"])
    assert fitted.kl_weight == 0.1
    loc, scale = fitted.mean["w"].values, fitted.std["w"].values
    np.testing.assert_allclose(history["kl"].iloc[-1], closed_form_elbo(loc, scale)[2], rtol=0.02)


def test_history_says_when_it_is_no_elbo():
    fitted = bnn.fit(conjugate(), steps=50, guide=bnn.guides.Delta(), **QUIET)
    history = fitted.history
    assert list(history.columns) == ["epoch", "objective", "nll", "kl", "log_prior"]
    np.testing.assert_allclose(history["objective"], history["log_prior"] - history["nll"])
    assert (history["kl"] == 0).all()
    result = fitted.elbo(2)
    assert "elbo" not in result
    loc = fitted.params["w"]["loc"]
    np.testing.assert_allclose(result["log_prior"], st.norm.logpdf(loc, 0, TAU).sum(), rtol=1e-4)
    assert fitted.kl().isna().all()
    assert fitted.scale_ratio().isna().all()
