"""The matrix estimator × guide × layer: what is legal, and what each rewrite does to a layer."""

import functools
import re

import jax
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
import scipy.stats as st
from pytensor_ml.layers import RNN, Embedding, LayerNorm, Linear, Sequential

import pymc_bnn as bnn
from pymc_bnn.elbo import ESTIMATORS, NormalWeight, assemble, choose, find_layers
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.guides import (
    Delta,
    FullRank,
    JointGuide,
    LowRank,
    MeanField,
    Start,
    VariationalDropout,
    assign_guides,
    make_blocks,
)
from pymc_bnn.model.decompose import decompose
from pymc_bnn.model.rows import find_rows
from pymc_bnn.runtime.precision import precision
from tests.support.elbo_parts import KINDS, TABLE, make_model, normal
from tests.support.parts import by_rows
from tests.support.parts import posterior_of as default_posterior

# A new estimator joins by one row: in which of the layers it may draw a weight.
LEGAL = {
    "pathwise": {"once", "positions", "elsewhere", "no layer"},
    "local": {"once"},
    "local_approx": {"once", "positions"},
    "flipout": {"once", "positions"},
}
# A new guide joins by one row: whether it is a point, a Normal per number, or neither.
GUIDES = {
    "mean field": (MeanField(), "factorised"),
    "dropout": (VariationalDropout(), "factorised"),
    "dropout of scales": (VariationalDropout(form="scale"), "factorised"),
    "shared dropout": (VariationalDropout(shared=True), "factorised"),
    "fixed dropout": (VariationalDropout(learn=False), "factorised"),
    "point": (Delta(), "point"),
    "full rank": (FullRank(), "joint"),
    "low rank": (LowRank(2), "joint"),
}


@functools.cache
def terms_of(kind):
    model = make_model(kind)
    return decompose(model, find_rows(model, ["x", "y"])[0])


@pytest.fixture(autouse=True, scope="module")
def _layers_are_found_once():
    """They depend on neither guide nor estimator, and finding them takes most of the time."""
    found = {}  # by the model's terms, which are kept so that no others have their address

    def find(terms):
        if id(terms) not in found:
            found[id(terms)] = terms, find_layers(terms)
        return found[id(terms)][1]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(choose, "find_layers", find)
        yield


@functools.cache
def posterior_of(kind, guide):
    free = terms_of(kind).free
    starts = [Start(f, f.start, np.ones(f.start.shape)) for f in free]
    assigned = assign_guides({"w": GUIDES[guide][0]}, [f.name for f in free])
    return JointGuide(make_blocks(assigned, starts, np.random.default_rng(0)), "float32")


def choose_for(kind, guide, spec):
    """`choose` by the names of a cell."""
    return choose.choose(terms_of(kind), posterior_of(kind, guide), spec)


def test_the_table_has_every_estimator():
    assert set(LEGAL) == set(ESTIMATORS)


@pytest.mark.parametrize("guide", GUIDES)
@pytest.mark.parametrize("kind", KINDS)
def test_matrix(kind, guide):
    met, family = KINDS[kind].met, GUIDES[guide][1]
    for name, allowed in LEGAL.items():
        spec = {"w": name}
        start = rf"`estimator` must be right for 'w', got '{name}', although "
        if name == "pathwise" or family == "point":
            choice = choose_for(kind, guide, spec)["w"]
            assert (choice.estimator.name, choice.layer) == ("pathwise", None)
        elif family == "joint":
            got = f"its guide, {re.escape(repr(GUIDES[guide][0]))}, is not a factorised Normal; "
            repair = r".*\"pathwise\".*guide=.*MeanField"
            with pytest.raises(ValueError, match=start + got + repair):
                choose_for(kind, guide, spec)
        elif met in allowed:
            choice = choose_for(kind, guide, spec)["w"]
            assert choice.estimator is ESTIMATORS[name]
            assert "w" in [slot.variable.name for slot in choice.layer.slots]
        else:
            got, repair = {
                "positions": (".*many positions", r'use estimator=\{"w": "flipout", …\}'),
                "elsewhere": (
                    f"it is also used in {KINDS[kind].also}",
                    r'use estimator=\{"w": "pathwise", …\}, or "auto"',
                ),
                "no layer": ("it is no weight or bias of a layer", '"pathwise"'),
            }[met]
            with pytest.raises(ValueError, match=start + got + ".*" + repair):
                choose_for(kind, guide, spec)


@pytest.mark.parametrize("guide", GUIDES)
@pytest.mark.parametrize("kind", KINDS)
def test_auto_never_raises_and_takes_local_where_it_is_exact(kind, guide):
    choices = choose_for(kind, guide, "auto")
    exact = KINDS[kind].met == "once" and GUIDES[guide][1] == "factorised"
    assert choices["w"].estimator.name == ("local" if exact else "pathwise")
    assert choices["w"].reason
    if "mu" in choices:
        assert choices["mu"].estimator.name == "pathwise"
    assert choices["v"].estimator.name == "local"


@pytest.mark.parametrize("kind", [k for k in KINDS if KINDS[k].met == "elsewhere"])
def test_a_single_name_raises_for_a_weight_used_elsewhere(kind):
    with pytest.raises(ValueError, match=rf"right for 'w\w?', got 'flipout', .*{KINDS[kind].also}"):
        choose_for(kind, "mean field", "flipout")


@pytest.mark.parametrize("kind", ["tau * w", "mu - w * tau / 2", "part of w", "exp(w)"])
def test_a_single_name_leaves_what_is_in_no_layer_pathwise(kind):
    choices = choose_for(kind, "mean field", "local")
    pathwise = {name for name, c in choices.items() if c.estimator.name == "pathwise"}
    assert pathwise == set(choices) - {"v"} - ({"w"} if KINDS[kind].met == "once" else set())
    assert all(choices[name].reason == "it belongs to no layer" for name in pathwise)


def test_reasons_are_said():
    for kind, guide, reason in [
        ("LinearLayer", "mean field", "exact here, and varies least"),
        ("LinearLayer", "full rank", "its guide is not a factorised Normal"),
        ("LinearLayer", "point", "a point has no noise"),
        ("Conv2D", "mean field", "local is not right here: a convolution uses one weight at many"),
        ("potential", "mean field", "it is used in a potential"),
        ("exp(w)", "mean field", "it belongs to no layer"),
    ]:
        assert choose_for(kind, guide, "auto")["w"].reason.startswith(reason)


def test_layers_that_no_estimator_rewrites_are_named():
    network = Sequential(
        *(Embedding("word", n_embeddings=5, n_features=2), LayerNorm("norm", n_in=2)),
        *(RNN("state", n_in=2, n_hidden=3), lambda h: h[:, -1], Linear("top", n_in=3, n_out=1)),
    )
    with pm.Model() as model:
        f = bnn.bayesian(network, pm.Data("x", np.arange(80).reshape(20, 4) % 5))[:, 0]
        pm.Normal("y", f, pm.HalfNormal("noise"), observed=np.zeros(20), shape=f.shape)
    terms = by_rows(model)
    for spec in ("auto", "flipout"):
        choices = assemble(terms, default_posterior(terms), "float64", spec).choices
        kinds = {"word": "Embedding", "norm": "LayerNorm", "state": "scan"}
        for name, choice in choices.items():
            kind = kinds.get(name.split("_")[0])
            if kind is not None:
                assert choice.reason == f"its layer ({kind}) is drawn pathwise", name
        assert choices["noise"].reason == "it belongs to no layer"


def test_weight_and_bias_of_one_layer():
    choices = choose_for("LinearLayer, bias", "mean field", {"w": "local", "b": "pathwise"})
    assert [choices[n].estimator.name for n in ("w", "b", "v")] == ["local", "pathwise", "local"]
    with pytest.raises(ValueError, match=r"same for the weight and the bias.*'flipout'"):
        choose_for("LinearLayer, bias", "mean field", {"w": "local", "b": "flipout"})
    choices = choose_for("LinearLayer, bias", "mean field", {"b": "flipout"})
    assert [choices[n].estimator.name for n in ("w", "b", "v")] == ["pathwise", "flipout", "local"]
    assert choices["w"].reason == "'flipout' draws the rest of its layer"
    choices = choose_for("x @ w + b", "mean field", {"w": "local", "b": "flipout"})
    assert [choices[n].estimator.name for n in ("w", "b")] == ["local", "flipout"]


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("best", ValueError, "`estimator` must be one of .*got 'best'"),
        (None, ValueError, "`estimator` must be one of"),
        ({"w": "best"}, ValueError, "`estimator` must be one of .*got 'best'"),
        ({"u*": "local"}, ValueError, r"`estimator` must have patterns that match .*'u\*'"),
        ({3: "local"}, TypeError, "`estimator` must have strings as keys"),
    ],
)
def test_bad_specs(spec, error, message):
    with pytest.raises(error, match=message):
        bnn.fit(make_model("pt.dot"), steps=1, progressbar=False, rows=["x", "y"], estimator=spec)


def test_models_without_rows_or_layers():
    arguments = {"steps": 1, "progressbar": False, "random_seed": 0}
    with pm.Model() as factors:  # latent variables on the left, as many as there are examples
        pm.Normal("y", normal("z", 20, 2) @ normal("w", 2, 3), 1, observed=np.zeros((20, 3)))
    with pytest.raises(ValueError, match=r"right for 'z', got 'local', .*no layer whose"):
        bnn.fit(factors, estimator="local", batch_size=None, **arguments)
    assert set(bnn.fit(factors, batch_size=None, **arguments).summary()["estimator"]) == {
        "pathwise"
    }
    with pm.Model() as mean:
        pm.Normal("y", pm.Normal("mu"), 1, observed=np.zeros(20))
    with pytest.raises(ValueError, match=r"right for 'mu', got 'flipout', .*no layer whose"):
        bnn.fit(mean, estimator="flipout", **arguments)


def test_layers_of_several_heads_and_likelihoods_are_found_once():
    with pm.Model() as model:
        h = pt.tanh(pm.Data("x", TABLE) @ normal("w", 3, 4))
        pm.Normal(
            "y", h @ normal("mu", 4), pt.exp(h @ normal("log_sigma", 4)), observed=TABLE[:, 0]
        )
        pm.Bernoulli("z", logit_p=h @ normal("logit", 4), observed=TABLE[:, 1] > 0)
        pm.Potential("p", -h.sum(axis=1))
    terms = by_rows(model)
    choices = assemble(terms, default_posterior(terms), "float64", "local").choices
    assert {name: c.estimator.name for name, c in choices.items()} == dict.fromkeys(
        ["w", "mu", "log_sigma", "logit"], "local"
    )


def test_shapes_may_come_from_dims():
    with pm.Model(coords={"feature": list("abc"), "unit": list("de")}) as model:
        w = pm.HalfNormal("tau", dims="unit") * pm.Normal("w", dims=("feature", "unit"))
        pm.Normal("y", pm.Data("x", TABLE) @ w + pm.Normal("b", dims="unit"), observed=TABLE[:, :2])
    uses = find_layers(by_rows(model))
    assert [layer.kind for layer in uses.layers] == ["dense", "bias"]


# What a rewrite does to a layer's output, against a loop that draws each example its own weights.

DRAWS = 20_000
RNG = np.random.default_rng(5)


def rewritten(name, kind, x):
    """Draws of the layer's output (draws, rows, …, units) on x, and the guide's moments."""
    uses = find_layers(terms_of(kind))
    [layer] = [la for la in uses.layers if any(s.variable.name == "w" for s in la.slots)]
    arrays, roots, parts, moments = [], [], [], []
    for slot in (layer.weight, layer.bias):
        shape = slot.variable.start.shape
        mean, scale = RNG.normal(size=shape), RNG.uniform(0.3, 1.0, shape)
        eps = pt.tensor(slot.variable.name, dtype="float64", shape=shape)
        parts.append(NormalWeight(pt.constant(mean), pt.constant(scale), scale * eps))
        roots.append(eps)
        arrays.append(RNG.standard_normal((DRAWS, *shape)))
        moments.append((mean, scale))

    def noise(role, shape, law):
        roots.append(pt.tensor(role, dtype="float64", shape=(None, *shape)))
        full = (DRAWS, len(x), *shape)
        normal = law == "normal"
        arrays.append(RNG.standard_normal(full) if normal else RNG.choice([-1.0, 1.0], full))
        return roots[-1]

    rows = layer.x.type()
    output = ESTIMATORS[name].rewrite(layer, rows, *parts, noise)
    with precision("float64"):
        function = jaxify([rows, *roots], [output], "float64")
        draws = jax.jit(jax.vmap(lambda *noise: function(x, *noise)[0]))(*arrays)
    return np.asarray(draws), moments


def loop(x, moments, draws):
    """Each example of each draw with a weight and a bias of its own."""
    (m, s), (mb, sb) = moments
    outputs = []
    for _ in range(draws):
        rows = []
        for row in x:
            w, b = m + s * RNG.standard_normal(m.shape), mb + sb * RNG.standard_normal(mb.shape)
            rows.append(row @ w + b)
        outputs.append(rows)
    return np.array(outputs)


def flat(draws):
    return draws.reshape(len(draws), -1)


def assert_same_moments(a, b):
    """Means and variances of columns (draws, columns), within 4.5 standard errors."""
    for moment in (lambda z: z, lambda z: (z - z.mean(0)) ** 2):
        u, v = moment(a), moment(b)
        error = np.sqrt(u.var(0) / len(u) + v.var(0) / len(v))
        assert (abs(u.mean(0) - v.mean(0)) < 4.5 * error).all()


@pytest.mark.parametrize("name", ["local", "flipout"])
def test_every_example_has_weights_of_its_own(name):
    x = RNG.normal(size=(3, 3))
    draws, moments = rewritten(name, "LinearLayer, bias", x)  # (draws, 3 rows, 4 units)
    looped = loop(x, moments, 4000)
    assert_same_moments(flat(draws), flat(looped))
    (m, s), (mb, sb) = moments
    np.testing.assert_allclose(draws.mean(0), x @ m + mb, atol=4.5 * draws.std() / DRAWS**0.5)
    np.testing.assert_allclose(draws.var(0), x**2 @ s**2 + sb**2, rtol=0.06)
    for i in range(3):
        for j in range(4):
            assert st.ks_2samp(draws[:, i, j], looped[:, i, j]).pvalue > 1e-4
    # No two examples, and no two units, are correlated.
    correlation = np.corrcoef(flat(draws).T) - np.eye(12)
    assert abs(correlation).max() < 4.5 / DRAWS**0.5


def test_pathwise_examples_share_their_weights():
    x = RNG.normal(size=(3, 3))
    draws, ((_, s), (_, sb)) = rewritten("pathwise", "LinearLayer, bias", x)
    for j in range(4):
        expected = (x * s[:, j] ** 2) @ x.T + sb[j] ** 2
        error = 4.5 * np.sqrt(2 / DRAWS) * np.diag(expected).max()
        np.testing.assert_allclose(np.cov(draws[:, :, j].T), expected, atol=error)
        assert abs(np.corrcoef(draws[:, :, j].T)[0, 1]) > 0.05


@pytest.mark.parametrize("name", ["local_approx", "flipout"])
def test_positions_of_an_example_share_their_weights_under_flipout_only(name):
    x = np.abs(RNG.normal(size=(2, 3, 2))) + 0.5
    draws, moments = rewritten(name, "LinearLayer on (batch, time, features)", x)
    looped = loop(x, moments, 4000)  # (draws, 2 rows, 3 times, 3 units)
    assert_same_moments(flat(draws), flat(looped))
    (_, s), (_, sb) = moments
    limit = 4.5 / DRAWS**0.5
    for j in range(3):
        between = np.corrcoef(draws[:, 0, :, j].T, draws[:, 1, :, j].T)[:3, 3:]
        assert abs(between).max() < limit
        for i in range(2):
            expected = (x[i] * s[:, j] ** 2) @ x[i].T + sb[j] ** 2
            own, brute = np.cov(draws[:, i, :, j].T), np.cov(looped[:, i, :, j].T)
            error = 4.5 * np.sqrt(2 / 4000) * np.diag(expected).max()
            np.testing.assert_allclose(brute, expected, atol=error)
            if name == "flipout":
                np.testing.assert_allclose(own, expected, atol=error)
            else:
                scale = np.sqrt(np.diag(expected))
                off = own / np.outer(scale, scale) - np.eye(3)
                assert abs(off).max() < 2 * limit
                assert np.min(expected / np.outer(scale, scale)) > 0.1
