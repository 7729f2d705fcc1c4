"""The first scales of guides: one, the prior's, or the spread of the start."""

import numpy as np
import pymc as pm
import pytest

from pymc_bnn.guides import FullRank, LowRank, MeanField, VariationalDropout
from pymc_bnn.inference.prior_scales import prior_scales
from pymc_bnn.model.decompose import decompose
from pymc_bnn.runtime.precision import precision
from tests.support.parts import posterior_of


def priors():
    """Normal, log-transformed, wide and flat priors; `v` varies at its start, as networks do."""
    start = np.random.default_rng(2).normal(size=400)
    with pm.Model() as model:
        w = pm.Normal("w", 0, np.array([0.3, 2.0]))
        s = pm.HalfNormal("s", 7.0)
        v = pm.Normal("v", 0, 5, shape=400, initval=0.25 * (start - start.mean()) / start.std())
        f = pm.Flat("f")
        wide = pm.Normal("wide", 0, 100)
        pm.Normal("y", w.sum() + s + v.sum() + f + wide, 1, observed=0.0)
    return decompose(model)


LOG_HALF_NORMAL = np.pi / (2 * np.sqrt(2))  # standard deviation of log |N(0, σ)|, for every σ
FIRST = {
    "one": {"w": [1, 1], "s": 1, "v": 1, "f": 1, "wide": 1},
    "prior": {"w": [0.3, 2], "s": LOG_HALF_NORMAL, "v": 5, "f": 1, "wide": 100},
    # The spread of the initial values, or the (median) prior scale, at most 1.
    "start": {"w": [1, 1], "s": 1, "v": 0.25, "f": 1, "wide": 1},
}


@pytest.mark.parametrize("relative_to", FIRST)
@pytest.mark.parametrize(
    "family", [MeanField, FullRank, LowRank, lambda **k: VariationalDropout(form="scale", **k)]
)
def test_first_scales(family, relative_to):
    guide = family(init_scale=0.2, relative_to=relative_to)
    posterior = posterior_of(priors(), guide)
    with precision("float64"):
        means, stds = posterior.moments({b.name: b.params for b in posterior.blocks})
    for name, scale in FIRST[relative_to].items():
        # The scale of a prior that is not Normal is known from 1,000 draws.
        rtol = 0.1 if (name, relative_to) == ("s", "prior") else 1e-6
        expected = np.broadcast_to(0.2 * np.array(scale), stds[name].shape)
        np.testing.assert_allclose(stds[name], expected, rtol=rtol)
    assert means["s"] == pytest.approx(np.log(7.0), abs=0.3)  # in the unconstrained space
    assert np.std(means["v"]) == pytest.approx(0.25)


def test_prior_scales_of_all_variables():
    terms = priors()
    with precision("float64"):
        scales = prior_scales(terms, {f.name: f.start for f in terms.free}, "float64")
    assert np.isnan(scales["f"])
    np.testing.assert_allclose(scales["w"], [0.3, 2.0])
    assert scales["s"] == pytest.approx(LOG_HALF_NORMAL, rel=0.1)
