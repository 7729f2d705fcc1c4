"""`bnn.table`: what each variable is, as `fit` takes it."""

from types import SimpleNamespace

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor_ml.layers import Linear, Sequential

import pymc_bnn as bnn
from pymc_bnn.guides import Delta, FullRank

RNG = np.random.default_rng(0)
SERIES = RNG.normal(size=(30, 5, 2))


def small_model():
    network = bnn.networks.mlp((2, 4, 1))
    with pm.Model() as model:
        sigma = bnn.priors.Normal(sigma=bnn.priors.HalfNormal(0.5, per="layer"))
        f = bnn.bayesian(
            network, pm.Data("x", SERIES[:, 0]), {"*_W": sigma, "*": bnn.priors.Flat()}
        )
        noise = pm.Gamma("noise", 2, 3)
        pm.Normal("y", f[:, 0], noise, observed=SERIES[:, 1, 0])
    return model


def test_what_enters_several_layers_or_none():
    shared = Linear("shared", n_in=2, n_out=2, bias=False)
    out = Linear("out", n_in=2, n_out=1, bias=False)
    with pm.Model() as model:
        x = pm.Data("x", SERIES[:, 0])
        f = bnn.bayesian(Sequential(shared, pt.tanh, shared, lambda h: out(h) + shared.W.sum()), x)
        f = f[:, 0] + pm.Data("z", SERIES[:, 0]) @ pm.Normal("slope", 0, [1, 2], shape=2)
        pm.Normal("y", f, pm.HalfNormal("noise"), observed=SERIES[:, 1, 0], shape=f.shape)
    frame = bnn.table(model).frame
    assert frame["layer"].to_dict() == {
        "shared_W": "3 layers",  # twice a dense one, once added
        "out_W": "dense",
        "slope": "dense",
        "noise": "",
    }
    assert frame["output"].to_dict() == {
        "shared_W": "",
        "out_W": "(n, 1)",
        "slope": "(n, 1)",
        "noise": "",
    }
    assert frame["prior"]["slope"] == "Normal(0, 1…2)"


def test_guides_and_estimators_are_those_that_a_fit_would_have():
    guide = {"noise": Delta(), "*_sigma": FullRank(), "*": bnn.guides.MeanField()}
    frame = bnn.table(small_model(), guide=guide, estimator={"dense2_*": "pathwise"}).frame
    guides = {"dense1_sigma": "FullRank", "dense2_sigma": "FullRank", "noise": "Delta"}
    assert frame["guide"].to_dict() == dict.fromkeys(frame.index, "MeanField") | guides
    assert frame.index[frame["estimator"] == "local"].tolist() == ["dense1_W", "dense1_b"]
    assert frame["prior"]["dense1_W"] == "Normal(0, dense1_sigma)"
    assert frame["prior"][["dense1_b", "noise"]].tolist() == ["Flat()", "Gamma(2, 0.333)"]


def test_it_prints_itself_whole_and_as_html():
    with small_model():
        table = bnn.table()
    lines = str(table).splitlines()
    assert lines[0] == "20 numbers are learned"
    assert len(lines) == 2 + len(table.frame)
    assert lines[2].split()[:4] == ["dense1_W", "dense", "(n,", "4)"]
    html = table._repr_html_()
    assert html.count("<tr") == len(lines)  # a line more of pandas' header for the title
    assert "20 numbers" in html


def test_held_weights_are_told_apart():
    values = {"dense1_W": np.ones((2, 4)), "dense1_b": np.zeros(4)}
    table = bnn.table(pm.do(small_model(), values, prune_vars=True))
    assert table.title == "7 numbers are learned, 12 are held"
    assert table.frame.loc["dense1_W", ["layer", "output", "prior"]].tolist() == [
        "dense",
        "(n, 4)",
        "held",
    ]


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match="model"):
        bnn.table(SimpleNamespace())
    with pytest.raises(ValueError, match="`guide`"):
        bnn.table(small_model(), guide={"nothing": Delta()})
