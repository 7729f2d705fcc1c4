"""Which terms of a model come apart by row, what happens to those that do not, and the numbers."""

import warnings

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
import scipy.stats as st

import pymc_bnn as bnn
from pymc_bnn.graphs.interpreted import INTERPRETED
from pymc_bnn.model.decompose import decompose
from pymc_bnn.model.independence.compare import check_rows
from pymc_bnn.model.rows import find_groups, find_likelihood_data, find_rows
from pymc_bnn.model.splitting import split_rows
from pymc_bnn.model.whole_or_rows import take_apart

N = 300
RNG = np.random.default_rng(0)
X, GROUP = RNG.normal(size=N), RNG.integers(0, 10, N)
Y = 2 * X + 5 * RNG.normal(size=N)
TOTALS = np.array([2 * X[g == GROUP].sum() for g in range(10)])


def slope():
    return pm.Normal("b", 0, 10)


def total(b):
    mu = b * X
    pm.Normal("y", mu, 5, observed=Y)
    pm.Normal("total", mu.sum(), 20.0, observed=2 * X.sum())


def totals(b):
    pm.Normal("y", b * X, 5, observed=Y)
    of_group = pt.inc_subtensor(pt.zeros(10)[GROUP], b * X)
    pm.Normal("totals", of_group, 20.0, observed=TOTALS)


def lag(b):
    mu, here = b * X, RNG.random(N) < 0.02
    pm.Normal("lagged", mu + here * pt.concatenate([mu[:1], mu[:-1]]), 5, observed=Y)


def change(b):
    late = pt.arange(pm.Data("x", X).shape[0]) >= 0.9 * N
    pm.Normal("changed", pt.where(late, pm.Normal("b2"), b), 5, observed=Y)


def mean(b):
    mu = b * pm.Data("x", X)
    pm.Normal("centred", mu - mu.mean(), 5, observed=Y)


def joint(b):
    pm.MvNormal("joint", b * X, np.eye(N), observed=Y)


def process(b):
    gp = pm.gp.Marginal(cov_func=pt.exp(b) * pm.gp.cov.ExpQuad(1, 1.0))
    gp.marginal_likelihood("process", X=X[:, None], y=Y, sigma=1.0)


def transposed(b):
    pm.Normal(
        "transposed", b * np.stack([X, X]).T[:, None], 5, observed=np.stack([Y, Y]).T[:, None]
    )
    pm.Potential("mixing", pt.std(b * X + Y))


def effects(b):
    pm.Normal("effects", b * X + pm.Normal("each", 0, 1, shape=N), 5, observed=Y)


def walk(b):
    add = lambda y, before, b: b * y + before  # noqa: E731
    mu = pytensor.scan(add, [Y], [pt.zeros(())], [b], return_updates=False)
    pm.Normal("walk", mu, 5, observed=Y)


def squares(b):
    pm.Normal("y", b * X, 5, observed=Y)
    pm.Potential("mixed", -(pt.sum(b * X - Y) ** 2))


MIXED = [total, totals, lag, change, mean, joint, process, transposed, effects, walk, squares]


@pytest.mark.parametrize("build", MIXED)
def test_what_mixes_rows_takes_all_of_them(build):
    with pm.Model() as model:
        build(slope())
    term = [v.name for v in [*model.observed_RVs, *model.potentials]][-1]
    with pytest.warns(UserWarning, match=rf"Every step uses all {N} rows") as caught:
        terms, size, row_terms = take_apart(model, "auto", None, 0, False)
    assert size is None
    assert row_terms is None or row_terms.unsure
    assert terms.n_observed == N
    if build not in (effects, walk):
        assert f"'{term}'" in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert take_apart(model, None, None, 0, False)[1] is None
    with pytest.raises(ValueError, match="`batch_size` must be None"):
        take_apart(model, 20, None, 0, False)
    point = model.initial_point()
    prior = sum(f.logp.sum() for f in terms.free)
    found = pytensor.function(
        terms.values, terms.rest_logp + terms.potential_logp + prior,
        givens={d.variable: d.value for d in terms.data}, mode=INTERPRETED,
        on_unused_input="ignore",
    )  # fmt: skip
    values = [point[v.name] + 0.3 for v in terms.values]
    expected = model.compile_logp(mode=INTERPRETED)(
        {v.name: x for v, x in zip(terms.values, values, strict=True)}
    )
    np.testing.assert_allclose(found(*values), expected, rtol=1e-7)


def test_a_total_beside_rows_has_the_exact_posterior():
    with pm.Model() as model:
        total(slope())
    precision = 1 / 100 + (X**2).sum() / 25 + X.sum() ** 2 / 400
    mean = ((X * Y).sum() / 25 + 2 * X.sum() ** 2 / 400) / precision
    with pytest.warns(UserWarning, match="'total' "):
        fitted = bnn.fit(model, steps=3000, random_seed=1, progressbar=False)
    assert abs(fitted.mean["b"] - mean) < 0.3 * precision**-0.5
    assert 0.85 < float(fitted.std["b"]) * precision**0.5 < 1.15


def test_scans_that_keep_rows_apart_are_taken_in_batches():
    with pm.Model() as model:
        b = slope()
        mu = pytensor.scan(lambda x, b: b * x, [X], non_sequences=[b], return_updates=False)
        pm.Normal("y", mu, 5, observed=Y)
    terms, size, _ = take_apart(model, "auto", None, 0, False)
    assert terms.unsure
    assert size == 256


@pytest.mark.parametrize("offset", [0.0, -1e8])
def test_one_row_that_looks_at_another_is_found(offset):
    """Whatever the seed: with 5 random rows of 1,000 it was found once in 200 times."""
    here = np.zeros(1000)
    here[700] = 1.0

    def logp(data):
        y = data["y"]
        return -(y**2) + data["here"] * np.roll(y, 1) + offset

    rows = {"y": np.random.default_rng(9).normal(size=1000), "here": here}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        with pytest.raises(ValueError, match=r"depends on other rows, got .* row 700"):
            check_rows(logp, rows, {}, rng, "y", 100)
        check_rows(lambda d: -(d["y"] ** 2) + offset, rows, {}, rng, "y", 100)


POTENTIALS = {
    "elementwise": lambda a, y: pm.logp(pm.Normal.dist(a, 1), y),
    "sum": lambda a, y: pm.logp(pm.Normal.dist(a, 1), y).sum(),
    "scaled": lambda a, y: -0.5 * pt.sum((y - a) ** 2) - 0.5 * y.shape[0] * np.log(2 * np.pi),
    "mean": lambda a, y: y.shape[0] * pt.mean(pm.logp(pm.Normal.dist(a, 1), y)),
    "column": lambda a, y: pm.logp(pm.Normal.dist(a, 1), y[:, None]),
}


@pytest.mark.parametrize("n", [40, 256, 257])
@pytest.mark.parametrize("kind", POTENTIALS)
@pytest.mark.parametrize("data", ["array", "pm.Data"])
def test_potentials_of_data_are_likelihood(kind, n, data):
    y = 3 + RNG.normal(size=n)
    with pm.Model() as model:
        a = pm.Normal("a", 0, 10)
        pm.Potential("likelihood", POTENTIALS[kind](a, pm.Data("y", y) if data != "array" else y))
        pm.Potential("prior", -0.5 * a**2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore" if kind == "mean" else "error", "Every step")
        terms, size, _ = take_apart(model, "auto", None, 0, False)
    assert terms.n_observed == n
    assert (size is None) == (n <= 256 or kind == "mean")
    likelihood = terms.rest_logp + (0.0 if terms.row_logp is None else terms.row_logp.sum())
    given = {d.variable: d.value for d in terms.data}
    function = pytensor.function(
        terms.values, [likelihood, terms.potential_logp], givens=given, mode=INTERPRETED
    )
    expected = [st.norm(1.3, 1).logpdf(y).sum(), -0.5 * 1.3**2]
    np.testing.assert_allclose(function(1.3), expected, rtol=1e-7)


def test_potentials_beside_rows_share_the_temperature():
    """A potential of observed data is tempered as a likelihood, with batches and without."""
    spread = {}
    for n in (256, 257):
        with pm.Model() as model:
            a = pm.Normal("a", 0, 10)
            y = pm.Normal("y", a, 1, observed=np.linspace(-1, 1, n))
            pm.Potential("more", pm.logp(pm.Normal.dist(a, 1), y))
        fitted = bnn.fit(model, steps=4000, kl_weight=0.05, random_seed=1, progressbar=False)
        spread[n] = float(fitted.std["a"])
        parts = fitted.elbo(random_seed=2)
        exact = -2 * st.norm.logpdf(np.linspace(-1, 1, n)).sum() + n * spread[n] ** 2
        assert abs(parts["nll"] - exact) < 2
        assert parts["kl"] < 10
        np.testing.assert_allclose(spread[n], np.sqrt(0.05 / (2 * n)), rtol=0.1)
        assert fitted.n_examples == n


def test_potentials_alone_tell_n():
    for n in (100, 300):
        with pm.Model() as model:
            a = pm.Normal("a")
            pm.Potential("likelihood", pm.logp(pm.Normal.dist(a, 1), np.zeros((n, 2))))
        fitted = bnn.fit(model, steps=10, random_seed=1, progressbar=False)
        assert fitted.n_examples == n
        if n == 300:
            elbo = fitted.elbo()
            assert elbo["elbo_per_example"] == elbo["elbo"] / 300


def test_custom_distributions_find_their_rows():
    with pm.Model() as model:
        a = pm.Normal("a")
        pm.CustomDist("y", a, logp=lambda y, a: -((y - a) ** 2), observed=np.zeros(300))
        pm.CustomDist("s", a, logp=lambda y, a: pt.sum(-((y - a) ** 2)), observed=np.zeros(300))
    terms, size, _ = take_apart(model, "auto", None, 0, False)
    assert (size, terms.n_rows) == (256, 300)
    assert not terms.unsure


def test_prior_potentials_stay_priors():
    with pm.Model() as model:
        a = pm.Normal("a", shape=5)
        pm.Potential("smooth", -pt.sum((np.eye(5) @ a) ** 2))
        pm.Normal("y", a.sum(), 1, observed=Y)
    terms = decompose(model)
    assert not {v for v in find_likelihood_data(model)[0] if v.type.ndim == 2}
    assert terms.potential_logp.owner.inputs[0].owner is not None


def both(n1=400, n2=310):
    with pm.Model() as model:
        a = pm.Normal("a", 0, 10)
        pm.Normal("y", a, 1, observed=np.linspace(1, 2, n1))
        pm.Normal("z", a * pm.Data("w", np.full(n2, 2.0)), 3, observed=np.linspace(4, 5, n2))
    return model


def test_two_likelihoods_of_different_lengths_are_both_taken_in_batches():
    model = both()
    terms, size, _ = take_apart(model, 20, None, 0, False)
    assert (size, terms.n_rows) == (20, 400)
    assert terms.groups == ((frozenset({"z", "w"}), 310),)
    given = {d.name: d.value for d in terms.data}
    rest = pytensor.function(
        [*terms.values, *terms.inputs],
        terms.rest_logp,
        mode=INTERPRETED,
        on_unused_input="ignore",
    )
    exact = st.norm.logpdf(given["z"], 2 * 0.7, 3)
    np.testing.assert_allclose(rest(0.7, *given.values()), exact.sum())
    part = {k: v[5:25] if k in terms.groups[0][0] else v for k, v in given.items()}
    np.testing.assert_allclose(rest(0.7, *part.values()), exact[5:25].sum() * 310 / 20)

    precision = 1 / 100 + 400 + 310 * 4 / 9
    mean = (1.5 * 400 + 310 * 4.5 * 2 / 9) / precision
    fitted = bnn.fit(model, steps=4000, batch_size=40, random_seed=1, progressbar=False)
    assert abs(fitted.mean["a"] - mean) < 0.6 * precision**-0.5
    assert 0.85 < float(fitted.std["a"]) * precision**0.5 < 1.15


@pytest.mark.filterwarnings("ignore:Every step uses all")
@pytest.mark.parametrize(("n", "now"), [(300, 290), (200, 190), (290, 300)])
def test_examples_of_which_data_are_missing_are_not_made_up(n, now):
    """JAX takes the last row for each one beyond the end."""
    with pm.Model(coords={"obs": range(n)}) as model:
        x = pm.Data("x", np.zeros(n), dims="obs")
        pm.Normal("y", slope() * x, observed=np.zeros(n), dims="obs")
    model["x"].set_value(np.zeros(now))
    for batch_size in (20, "auto", None):
        with pytest.raises(ValueError, match=rf"`model` must have .*'x' \({now},\)"):
            bnn.fit(model, steps=2, batch_size=batch_size, progressbar=False)


def test_tables_of_groups_are_no_sample():
    """Observed group means, whose groups the examples' rows also look up, are taken whole."""
    with pm.Model() as model:
        level = pm.Normal("level", 0, 1, shape=10)
        rates = pm.Data("rates", np.ones(10))
        pm.Normal("means", level * rates, 1, observed=np.zeros(10))
        pm.Normal("y", (level * rates)[GROUP], 1, observed=Y)
    roots, _ = find_rows(model)
    assert [n for _, n in find_groups(model, roots)] == [10]
    terms = decompose(model, roots, groups=find_groups(model, roots))
    assert terms.groups == ()
    assert terms.n_rows == N


def test_total_size_of_several_axes_is_their_product():
    y = RNG.normal(size=(5, 4))
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("a"), 1, observed=y, total_size=(10, 8))
        pm.Normal("z", 0, 1, observed=y, total_size=(None, 8))
    terms = decompose(model)
    given = {d.variable: d.value for d in terms.data}
    found = pytensor.function(terms.values, terms.rest_logp, givens=given, mode=INTERPRETED)
    expected = 4 * st.norm(0.3, 1).logpdf(y).sum() + 2 * st.norm.logpdf(y).sum()
    np.testing.assert_allclose(found(0.3), expected)
    np.testing.assert_allclose(
        model.compile_logp(vars=model.observed_RVs, mode=INTERPRETED)({"a": 0.3}), expected
    )
    assert terms.n_observed == 10
    by_rows = decompose(model, find_rows(model)[0])
    found = pytensor.function(by_rows.values, by_rows.row_logp, givens={
        d.variable: d.value for d in by_rows.data}, mode=INTERPRETED)  # fmt: skip
    np.testing.assert_allclose(found(0.3).sum(), expected)


def test_sums_are_undone_where_they_are_linear():
    x, b = pt.vector("x"), pt.scalar("b")
    values = {x: np.arange(5.0), b: np.array(0.5)}
    logp = -((x - b) ** 2)
    for term, rows, rest in [
        (logp.sum(), 1, 0),
        (3 * logp.sum() - b, 1, 1),
        ((logp.sum() + x.sum()) / 2, 2, 0),
        (-(pt.sum(logp, axis=0) - 2 * b), 1, 1),
        (b * 2, 0, 1),
    ]:
        (split,) = split_rows([term], [x])
        assert (len(split.rows), len(split.rest), split.why) == (rows, rest, "")
        parts = [p.sum() for p in (*split.rows, *split.rest)]
        got = pytensor.function([x, b], [pt.add(*parts, 0.0), term], mode=INTERPRETED,
                                on_unused_input="ignore")(*values.values())  # fmt: skip
        np.testing.assert_allclose(*got)
    for term in (logp.sum() ** 2, logp.sum() * x.sum(), b / x.sum(), pt.exp(x.sum()), x[0] + b):
        assert split_rows([term], [x])[0].why
