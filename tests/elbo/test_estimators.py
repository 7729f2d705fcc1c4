"""Estimators give one objective: exactly at zero noise, in expectation else, and vary less."""

import functools

import numpy as np
import pytest

from pymc_bnn.elbo import assemble
from pymc_bnn.guides import Delta, FullRank, MeanField, VariationalDropout
from pymc_bnn.model.decompose import decompose
from pymc_bnn.model.rows import find_rows
from pymc_bnn.runtime.precision import precision
from tests.support.elbo_parts import (
    KINDS,
    N,
    OwnWeights,
    away_from_start,
    compiled,
    gradients,
    make_model,
    noise_of,
)
from tests.support.parts import posterior_of

pytestmark = pytest.mark.usefixtures("optimised")

UNBIASED = {"local": {"once"}, "flipout": {"once", "positions"}}  # a new estimator joins by a row
SPECS = {
    **{name: name for name in ("pathwise", "local", "flipout", "local_approx")},
    "own weights": OwnWeights(),
    "local, its bias pathwise": {"b": "pathwise", "*": "local"},
    "flipout, its bias pathwise": {"b": "pathwise", "*": "flipout"},
    "local, its weight pathwise": {"w": "pathwise", "*": "local"},
    "local and flipout": {"w": "local", "*": "flipout"},
    "local beside a joint guide": {"w": "local", "b": "local", "v": "pathwise"},
}
GUIDES = {
    "mean field": MeanField(),
    "dropout": VariationalDropout(),
    "shared dropout of scales": VariationalDropout(form="scale", shared=True),
    "a point": {"w": Delta()},
    "joint": {"v": FullRank()},
}
CELLS = [
    *((k, "mean field", e) for e, met in UNBIASED.items() for k in KINDS if KINDS[k].met in met),
    ("LinearLayer, bias", "dropout", "local"),
    ("LinearLayer, bias", "dropout", "flipout"),
    ("LinearLayer, bias", "shared dropout of scales", "local"),
    ("LinearLayer, bias", "shared dropout of scales", "flipout"),
    ("LinearLayer, bias", "a point", "local"),
    ("LinearLayer, bias", "a point", "flipout"),
    ("LinearLayer, bias", "mean field", "local, its bias pathwise"),
    ("LinearLayer, bias", "mean field", "local, its weight pathwise"),
    ("LinearLayer, bias", "mean field", "flipout, its bias pathwise"),
    ("x @ w + b", "mean field", "local and flipout"),
    ("x @ w + b", "joint", "local beside a joint guide"),
    ("LinearLayer, bias", "mean field", "own weights"),
]
LONG = {  # kinds of which another one is like it
    "pt.dot", "pt.matmul", "x @ w.T", "x @ w, vectors", "w reshaped", "tau * w", "Conv1D",
    "Conv1D, bias", "Conv2D", "LinearLayer on (batch, time, features)",
}  # fmt: skip


def of(cells):
    return pytest.mark.parametrize(
        ("kind", "guide", "estimator"),
        [pytest.param(*c, marks=pytest.mark.long if c[0] in LONG else ()) for c in cells],
    )


each_activation = pytest.mark.parametrize("relu", [0.0, 1.0], ids=["tanh", "relu"])


@functools.cache
def taken_apart(kind, guide):
    model = make_model(kind)
    terms = decompose(model, find_rows(model, ["x", "y"])[0])
    return terms, posterior_of(terms, GUIDES[guide])


@functools.cache
def evaluated(kind, guide, estimator):
    """Loss and gradient at many draws, {relu: (loss, gradient)}; the last draw has no noise."""
    is_conv = "Conv" in kind
    # Most of the standard error is the pathwise one, and Flipout's convolutions are slow.
    draws = 4000 if estimator == "pathwise" else 500 if is_conv else 2000
    chunk = 250
    with precision("float64"):
        terms, posterior = taken_apart(kind, guide)
        elbo = assemble(terms, posterior, "float64", SPECS[estimator])
        params = away_from_start(posterior.blocks, 1)
        noise = noise_of(elbo, draws, N, len(estimator))

        def both(relu, noise):
            return gradients(elbo, params, noise, {**terms.arrays(), "relu": relu})

        function = compiled(both, optimised=is_conv)
        results = {}
        for relu in (0.0, 1.0):
            parts = [
                function(np.array(relu), {k: v[i : i + chunk] for k, v in noise.items()})
                for i in range(0, draws, chunk)
            ]
            results[relu] = [np.concatenate(p) for p in zip(*parts, strict=True)]
    return results


@each_activation
@of(cell for cell in CELLS if cell[0] != "StudentT prior")
def test_equal_to_pathwise_at_zero_noise(kind, guide, estimator, relu):
    own, reference = evaluated(kind, guide, estimator), evaluated(kind, guide, "pathwise")
    for a, b in zip(own[relu], reference[relu], strict=True):
        np.testing.assert_allclose(a[-1], b[-1], rtol=1e-12, atol=1e-12)


def gaps(kind, guide, estimator, relu):
    """Differences of mean loss and mean gradients from the pathwise ones, in standard errors."""
    own, reference = evaluated(kind, guide, estimator), evaluated(kind, guide, "pathwise")
    found = []
    for a, b in zip(own[relu], reference[relu], strict=True):
        a, b = a[:-1], b[:-1]
        error = np.sqrt(a.var(axis=0) / len(a) + b.var(axis=0) / len(b)) + 1e-9 * abs(b).max()
        found.append(np.atleast_1d(abs(a.mean(axis=0) - b.mean(axis=0)) / error))
    return np.concatenate(found)


@each_activation
@of(CELLS)
def test_expectations_equal_the_pathwise_ones(kind, guide, estimator, relu):
    # Some 2,000 numbers are compared in all: 4.5 standard errors leave 1.5 % of a false alarm.
    assert gaps(kind, guide, estimator, relu).max() < 4.5


def test_that_comparison_finds_a_biased_estimator():
    kind = "x @ w + b on (batch, time, features)"
    assert gaps(kind, "mean field", "local_approx", relu=0.0).max() > 6


@each_activation
@of(CELLS)
def test_gradients_vary_less_than_the_pathwise_ones(kind, guide, estimator, relu):
    (_, own), (_, reference) = (evaluated(kind, guide, e)[relu] for e in (estimator, "pathwise"))
    ratio = own[:-1].var(axis=0).sum() / reference[:-1].var(axis=0).sum()
    print(f"{kind} | {guide} | {estimator}: gradient variance / pathwise {ratio:.4f}, batch {N}")
    assert ratio < 1


@each_activation
def test_monte_carlo_kl_keeps_the_exact_entropy_where_the_likelihood_has_other_noise(relu):
    # Without noise, sticking the landing leaves out the entropy's gradient, which is 1 for every
    # log-scale: the one difference of the gradients at zero noise.
    own, reference = (
        evaluated("StudentT prior", "mean field", e)[relu] for e in ("local", "pathwise")
    )
    np.testing.assert_allclose(own[0][-1], reference[0][-1], rtol=1e-12)
    difference = own[1][-1] - reference[1][-1]
    np.testing.assert_allclose(np.sort(difference), [-1.0] * 12 + [0.0] * 20, atol=1e-10)
    terms, posterior = taken_apart("StudentT prior", "mean field")
    methods = [
        assemble(terms, posterior, "float64", e).kl_methods["w"] for e in ("local", "pathwise")
    ]
    assert methods == ["Monte Carlo, exact entropy", "Monte Carlo, sticking the landing"]


@pytest.mark.parametrize("kind", ["Conv2D, bias", "x @ w + b on (batch, time, features)"])
def test_the_biased_estimator_too_is_equal_at_zero_noise(kind):
    for own, reference in zip(
        evaluated(kind, "mean field", "local_approx")[1.0],
        evaluated(kind, "mean field", "pathwise")[1.0],
        strict=True,
    ):
        np.testing.assert_allclose(own[-1], reference[-1], rtol=1e-12, atol=1e-12)
