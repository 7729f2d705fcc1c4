"""Labels and counts are integers in their range, wherever data come in."""

import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn
from pymc_bnn.model.decompose import decompose
from pymc_bnn.model.labels import truncated
from pymc_bnn.model.rules import DataRules

OPTIONS = {"steps": 3, "progressbar": False, "random_seed": 0}
COUNTS = [0.0, 1.0, 2.0, 5.0, 3.0, 1.0]
CUT = r"must be integers, as labels and counts are.*got 1 other of \d+, the first 1.7 at index 1"


def counts_model(counts):
    with pm.Model() as model:
        pm.Poisson("y", pm.Exponential("rate"), observed=pm.Data("counts", counts))
    return model


def test_counts_that_pymc_would_cut_off_are_refused_everywhere():
    bad = [0.0, 1.7, 2.0, 5.0, 3.0, 1.0]
    with pytest.raises(ValueError, match=f"`counts` {CUT}"):
        bnn.fit(counts_model(bad), **OPTIONS)
    fitted = bnn.fit(counts_model(COUNTS), **OPTIONS)
    assert np.isfinite(fitted.nll({"counts": [0.0, 4.0]}, draws=2))
    with pytest.raises(ValueError, match=rf"`new_data\['counts'\]` {CUT}"):
        fitted.nll({"counts": bad}, draws=2)
    with pytest.raises(ValueError, match=rf"`data\['counts'\] of batch 2` {CUT}"):
        bnn.fit(counts_model(COUNTS), data=[(COUNTS,), (bad,)], total_size=12, **OPTIONS)


@pytest.mark.parametrize(
    ("law", "whole"),
    [
        (lambda y: pm.Bernoulli("y", 0.5, observed=y), True),
        (lambda y: pm.Binomial("y", 9, 0.5, observed=y), True),
        (lambda y: pm.NegativeBinomial("y", 2.0, 1.0, observed=y), True),
        (lambda y: pm.Normal("y", 2.0, 1.0, observed=y), False),
    ],
)
def test_only_discrete_laws_ask_for_whole_numbers(law, whole):
    with pm.Model() as model:
        pm.Normal("free")
        law(pm.Data("counts", [0.0, 1.0]))
    assert truncated(decompose(model)) == ({"counts"} if whole else set())


def test_labels_outside_name_pandas_code():
    with pm.Model() as model:
        pm.Categorical("y", logit_p=pm.Normal("a", shape=3), observed=np.array([0, 1, 2]))
    rules = DataRules.of(decompose(model))
    with pytest.raises(ValueError, match=r"`y` must be labels in 0…2.*pandas writes -1"):
        rules.check({"y": np.array([0, -1])})
    with pytest.raises(ValueError, match=r"`y` must be labels in 0…2.*got labels in 0…3"):
        rules.check({"y": np.array([0, 3])})
    with pytest.raises(ValueError, match=r"`y` must be integers, as labels"):
        rules.check({"y": np.array([0.0, 1.5])})


def test_complex_data_are_refused():
    def model(x):
        with pm.Model() as model:
            pm.Normal("y", pm.Normal("b") * pm.Data("x", x), 1.0, observed=np.zeros(6))
        return model

    with pytest.raises(TypeError, match="`x` must hold real numbers, got complex128"):
        bnn.fit(model(np.arange(6) * 1j), **OPTIONS)
    real = model(np.arange(6.0))
    with pytest.raises(TypeError, match=r"`data\['x'\] of batch 1` must hold real numbers"):
        bnn.fit(real, data=[([1j] * 6, [0.0] * 6)], total_size=6, **OPTIONS)
    fitted = bnn.fit(real, **OPTIONS)
    with pytest.raises(TypeError, match=r"`new_data\['x'\]` must hold .*real"):
        fitted.predict({"x": [1j, 2.0]}, draws=2)
