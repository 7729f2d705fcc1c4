"""Priors of a network's parameters."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor_ml.layers import Dropout, Embedding, LayerNorm, Linear, Sequential
from scipy import stats

from pymc_bnn import networks
from pymc_bnn.bayesian_network import bayesian
from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.priors import Horseshoe, Normal, fan_in_normal
from tests.support.network_parts import IDS, TABLE, evaluate, make_model, random_values


def test_patterns_see_names_without_the_prefix():
    prior = {"dense1_*": Normal(5.0, 1e-3), "*": Normal(-5.0, 1e-3)}
    with pm.Model() as model:
        bayesian(networks.mlp((4, 3, 2)), TABLE, prior, name="net")
    logp = model.compile_fn(model.logp(sum=False, vars=model.free_RVs), mode="JAX")
    at = {
        v.name: np.full(v.type.shape, 5.0 if "dense1" in v.name else -5.0) for v in model.free_RVs
    }
    for value, variable in zip(logp(at), model.free_RVs, strict=True):
        assert value == pytest.approx(np.full(variable.type.shape, 5.988816743)), variable.name


def log_prior(network, x, value=0.3, **settings):
    """The log-prior where every number is `value`, by parameter."""
    model = make_model(network, x, **settings)
    function = model.compile_fn(model.logp(sum=False), mode="JAX")
    values = function({v.name: np.full(v.type.shape, value) for v in model.free_RVs})
    return {v.name: a for v, a in zip(model.free_RVs, values, strict=True)}


def test_the_prior_scaled_by_fan_in():
    found = log_prior(networks.mlp((4, 3, 2)), TABLE, prior=fan_in_normal(1.0))
    for name, fan_in in {"dense1_W": 4, "dense1_b": 4, "dense2_W": 3, "dense2_b": 3}.items():
        assert found[name] == pytest.approx(stats.norm.logpdf(0.3, 0, fan_in**-0.5)), name


@pytest.mark.parametrize(
    ("classes", "shares"),
    [
        (1, [1, 1 / 8, 1 / 27]),
        (2, [1, 1 / 8, 1 / 27]),
        (3, [1, 1 / 1.5**3, 1 / 2**3]),  # told apart by two numbers: (1 + (i - 1) / 2)^-3
    ],
)
def test_the_default_prior_falls_from_hidden_unit_to_hidden_unit(classes, shares):
    found = log_prior(networks.mlp((4, 3, classes)), TABLE)
    assert found["dense1_W"] == pytest.approx(stats.norm.logpdf(0.3, 0, 1.0))  # 2/√4
    shares = np.array(shares) / sum(shares)
    expected = stats.norm.logpdf(0.3, 0, 2 * np.sqrt(shares))
    assert found["dense2_W"] == pytest.approx(np.repeat(expected[:, None], classes, axis=1))
    for bias in ("dense1_b", "dense2_b"):
        assert found[bias] == pytest.approx(stats.norm.logpdf(0.3)), bias


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_prior_predictions_know_no_width_and_no_depth(activation):
    x = np.random.default_rng(1).normal(size=(20, 8))
    for hidden in [(10,), (300,), (100, 100, 100)]:
        model = make_model(networks.mlp((8, *hidden, 2), activation), x)
        drawn = pm.draw(model["output"], 200, random_seed=1, mode=INTERPRETED)
        assert 1.0 < np.median(np.abs(drawn)) < 1.7, hidden
        assert 0.35 < np.median(drawn.std(axis=1)) < 2.0, hidden  # from row to row
        logit = np.abs(drawn[..., 0] - drawn[..., 1])
        assert 0.1 < np.mean(logit > 3) < 0.5, hidden  # sure of a class, in some draws


def test_only_sums_of_hidden_units_decay_by_default():
    first, second = (Linear(name, n_in=4, n_out=4) for name in ("first", "second"))
    last = Linear("last", n_in=4, n_out=4)

    def network(x):
        hidden = pt.tanh(first(x))
        hidden = hidden + Dropout(p=0.1)(pt.tanh(second(hidden)))  # units, a residual block
        return last(hidden) + Linear("skip", n_in=4, n_out=4)(hidden + x)  # ... and inputs

    found = log_prior(network, TABLE)
    flat = {name for name, a in found.items() if np.ptp(a) == 0}
    assert flat == {f"{n}_b" for n in ("first", "second", "last", "skip")} | {"first_W", "skip_W"}
    images = np.ones((2, 8, 8, 1))
    found = log_prior(networks.convnet((8, 8, 1), 3, filters=4, kernel_size=3, dense=6), images)
    assert {name for name, a in found.items() if np.ptp(a) > 0} == {"dense2_W"}
    assert found["conv1_W"] == pytest.approx(stats.norm.logpdf(0.3, 0, 1 / 3))
    shared = Linear("shared", n_in=4, n_out=4)
    found = log_prior(Sequential(shared, pt.tanh, shared), TABLE)  # once of inputs
    assert np.ptp(found["shared_W"]) == 0


def test_an_embedding_has_a_fan_in_of_one():
    model = make_model(Embedding("e", n_embeddings=5, n_features=2), IDS)
    at = {"e_W": np.full((5, 2), 1.0)}
    value = float(model.compile_fn(model.logp(), mode="JAX")(at))
    assert value == pytest.approx(10 * (-0.5 - 0.5 * np.log(2 * np.pi)), rel=1e-8)


def test_the_scales_of_a_norm_are_around_one():
    found = log_prior(LayerNorm("n", n_in=4), TABLE)
    assert found["n_scale"] == pytest.approx(stats.norm.logpdf(0.3, 1, 1))
    assert found["n_loc"] == pytest.approx(stats.norm.logpdf(0.3, 0, 1))


def test_a_prior_whose_weights_are_deterministic():
    network = networks.mlp((4, 3, 2))
    with pm.Model() as model:
        first = bayesian(network, pm.Data("a", TABLE), Horseshoe(0.5), name="net")
        second = bayesian(network, TABLE[:2] + 1, Horseshoe(0.5))
        with pytest.raises(ValueError, match="the name 'net_dense1_W', which exists"):
            bayesian(networks.mlp((4, 3, 2)), TABLE, name="net")
        pm.Deterministic("first", first)
    names = [f"net_dense{i}_{p}" for i in (1, 2) for p in "Wb"]
    assert [v.name for v in model.free_RVs if v.name[-3:] == "raw"] == [f"{n}_raw" for n in names]
    assert [v.name for v in model.deterministics] == [*names, "first"]
    assert model.named_vars_to_dims["net_dense2_W"] == ("net_dense2_in", "net_dense2_out")
    values = random_values(model)
    w = {n[4:]: values[f"{n}_raw"] * values[f"{n}_local"] * 0.5 for n in names}
    for output, x in ((first, TABLE), (second, TABLE[:2] + 1)):
        hidden = np.tanh(x @ w["dense1_W"] + w["dense1_b"])
        expected = hidden @ w["dense2_W"] + w["dense2_b"]
        assert evaluate(model, output, values) == pytest.approx(expected, rel=1e-6)
    with model:
        draws = pm.sample_prior_predictive(5, random_seed=1, compile_kwargs={"mode": INTERPRETED})
    product = 0.5 * draws.prior["net_dense1_W_raw"] * draws.prior["net_dense1_W_local"]
    assert draws.prior["net_dense1_W"].values == pytest.approx(product.values)
