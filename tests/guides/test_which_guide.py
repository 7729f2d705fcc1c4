"""Guides are chosen by patterns of names; those that do not fit are refused."""

import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn
from pymc_bnn.guides import Delta, FullRank, LowRank, MeanField, VariationalDropout, assign_guides
from pymc_bnn.model.decompose import decompose
from tests.support.parts import posterior_of

NAMES = ["conv1_W", "conv1_b", "conv1_W_sigma", "dense_W"]


def test_the_first_pattern_that_matches_wins_and_the_rest_is_mean_field():
    point, full = Delta(), FullRank()
    chosen = assign_guides({"*_sigma": full, "conv*": point}, NAMES)
    assert chosen["conv1_W"] == chosen["conv1_b"] == ("conv*", point)
    assert chosen["conv1_W_sigma"] == ("*_sigma", full)
    assert chosen["dense_W"] == ("*", MeanField())
    assert assign_guides(None, NAMES) == dict.fromkeys(NAMES, ("*", MeanField()))
    assert assign_guides(point, NAMES) == dict.fromkeys(NAMES, ("*", point))
    assert assign_guides({}, NAMES) == assign_guides(None, NAMES)
    # "*" may be there for safety, also where the others leave nothing over.
    assert assign_guides({"*_*": point, "*": full}, NAMES)["dense_W"] == ("*_*", point)


BAD_GUIDES = [
    (
        {"lstm*": Delta()},
        ValueError,
        r"`guide` must have patterns that match a free variable, w, s",
    ),
    ({"*": Delta(), "w": MeanField()}, ValueError, r"each pattern win a variable.*'w' after"),
    ({"w": Delta}, TypeError, r"`guide\['w'\]` must be a guide.*create one, as in Delta\(\)"),
    (FullRank, TypeError, r"`guide` must be a guide.*create one, as in FullRank\(\)"),
    ("mean_field", TypeError, r"`guide` must be a guide.*pass guides.MeanField\(\)"),
    ({3: Delta()}, TypeError, r"`guide` must have strings as keys"),
]


@pytest.mark.parametrize(("guide", "error", "message"), BAD_GUIDES)
def test_bad_guides(guide, error, message):
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("w", shape=2).sum(), pm.HalfNormal("s"), observed=np.zeros(5))
    with pytest.raises(error, match=message):
        bnn.fit(model, steps=5, guide=guide, progressbar=False)


BAD_OPTIONS = [
    (lambda: MeanField(init_scale=0), r"`init_scale` must be a finite number above 0, got 0"),
    (lambda: FullRank(init_scale=True), r"`init_scale` must be a finite number above 0"),
    (lambda: MeanField(relative_to="posterior"), r'`relative_to` must be "start", "prior" or'),
    (lambda: LowRank(0), r"`rank` must be an integer of at least 1, got 0"),
    (lambda: VariationalDropout(bounds=(1.0, 0.5)), r"`bounds` must be two finite numbers"),
    (lambda: VariationalDropout(bounds=0.5), r"`bounds` must be two finite numbers"),
    (lambda: VariationalDropout(0.05, bounds=(0.1, 1)), r"`alpha` must lie inside bounds"),
    (lambda: VariationalDropout(1.0), r"`alpha` must lie inside bounds"),
    (lambda: VariationalDropout(0.0, learn=False), r"`alpha` must be a finite number above 0"),
    (lambda: VariationalDropout("a"), r"`alpha` must be a finite number above 0, got 'a'"),
    (lambda: VariationalDropout(form="both"), r'`form` must be "loc" or "scale"'),
    (lambda: VariationalDropout(floor=0.0), r"`floor` must be a finite number above 0"),
]


@pytest.mark.parametrize(("make", "message"), BAD_OPTIONS)
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()
    assert VariationalDropout(1.0, learn=False).alpha == 1.0  # the bound itself, if it stays


def test_full_rank_has_a_largest_size():
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("w", shape=5000).sum() + pm.Normal("b"), 1, observed=0.0)
    message = r"`guide` must be FullRank for at most 4,096 numbers, got .* 5,001 numbers of"
    with pytest.raises(ValueError, match=message):
        bnn.fit(model, steps=5, guide=FullRank(), progressbar=False)
    single = posterior_of(decompose(model), {"b": FullRank()}, "float32")
    _, stds = single.moments({b.name: b.params for b in single.blocks})
    np.testing.assert_allclose(stds["b"], 0.1, rtol=1e-6)  # one number has no correlations
