"""Fits start where they are told to, at values or at an earlier fit; and say what has not moved."""

from dataclasses import replace

import numpy as np
import optax
import pymc as pm
import pytest
import scipy.stats as st

import pymc_bnn as bnn
from pymc_bnn.guides import (
    Delta,
    FullRank,
    JointGuide,
    LowRank,
    MeanField,
    VariationalDropout,
    assign_guides,
)
from pymc_bnn.inference.start import starting_blocks
from pymc_bnn.model.decompose import decompose
from pymc_bnn.posterior.of_guides import GuidePosterior
from pymc_bnn.runtime.precision import precision

RNG = np.random.default_rng(6)
X = RNG.normal(size=(60, 4))
Y = X @ [1.0, -1.0, 0.5, 0.0] + 0.5 * RNG.normal(size=60)
QUIET = {"random_seed": 1, "progressbar": False}
STILL = {**QUIET, "steps": 1, "optimizer": optax.sgd(0.0)}  # stays at its start


def regression(columns=4, noise=None):
    with pm.Model() as model:
        w = pm.Normal("w", 0, 2, shape=columns)
        s = pm.HalfNormal("s", 1) if noise is None else noise()
        pm.Normal("y", pm.Data("x", X[:, :columns]) @ w, s, observed=Y)
    return model


def begin(model, start=None, guide=None, dtype="float32"):
    """The guides where a fit would start, and their first parameters."""
    start = getattr(start, "posterior", start)
    terms = decompose(model)
    guides = assign_guides(guide, [f.name for f in terms.free])
    with precision(dtype):
        posterior = JointGuide(starting_blocks(terms, guides, start, dtype, 0), dtype)
    return posterior, {b.name: b.params for b in posterior.blocks}


def moments(posterior, params):
    with precision("float32"):
        return posterior.moments(params)


# --- values -------------------------------------------------------------------------------------
def test_values_are_given_in_the_models_own_space():
    w = np.array([1.0, 2.0, -3.0, 0.5])
    fitted = bnn.fit(regression(), start={"w": w, "s": 0.25}, guide=Delta(), **STILL)
    np.testing.assert_allclose(fitted.mean["w"], w)
    np.testing.assert_allclose(fitted.mean["s"], 0.25, rtol=1e-6)
    assert float(fitted.posterior.moments()[0]["s"]) == pytest.approx(np.log(0.25))
    expected = st.norm.logpdf(Y, X @ w, 0.25).sum()
    assert fitted.history["nll"].iloc[0] == pytest.approx(-expected, rel=1e-5)


def test_what_is_not_named_stays_at_the_models_own_start():
    _, named = begin(regression(), {"s": 0.25})
    _, plain = begin(regression())
    assert (named["w"]["loc"] == plain["w"]["loc"]).all()
    assert (named["w"]["log_scale"] == plain["w"]["log_scale"]).all()
    assert named["s"]["loc"] != plain["s"]["loc"]
    assert named["s"]["log_scale"] == plain["s"]["log_scale"]


def transformed():
    """Variables whose unconstrained space is another one, and one without a transform."""
    with pm.Model() as model:
        up = pm.HalfNormal("up")
        u = pm.Uniform("u", 0, up)
        shares = pm.Dirichlet("shares", np.ones(3))
        zero = pm.ZeroSumNormal("zero", shape=4)
        bare = pm.Uniform("bare", 0, 1, default_transform=None)
        pm.Normal("y", u + shares.sum() + zero.sum() + bare, 1, observed=np.zeros(3))
    return model


INSIDE = {
    "up": np.array(2.0),
    "u": np.array(1.5),  # above where `up` starts by itself
    "shares": np.array([0.2, 0.3, 0.5]),
    "zero": np.array([1.0, -1.0, 2.0, -2.0]),
    "bare": np.array(0.9),
}


def test_values_of_variables_with_other_transforms():
    model = transformed()
    locs = {name: roles["loc"] for name, roles in begin(model, INSIDE, dtype="float64")[1].items()}
    assert locs["up"] == pytest.approx(np.log(2.0))
    assert locs["u"] == pytest.approx(np.log(1.5 / 0.5))
    assert locs["bare"] == 0.9
    log_shares = np.log(INSIDE["shares"])
    np.testing.assert_allclose(locs["shares"], (log_shares - log_shares.mean())[:2], rtol=1e-6)
    values = dict(zip([v.name for v in model.value_vars], locs.values(), strict=True))
    back = model.compile_fn(
        model.replace_rvs_by_values([model["zero"]])[0],
        inputs=model.value_vars,
        mode="FAST_COMPILE",
        on_unused_input="ignore",
    )
    np.testing.assert_allclose(back(values), INSIDE["zero"], atol=1e-12)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("up", -1.0),
        ("up", 0.0),
        ("u", 2.5),
        ("shares", [0.2, 0.3, 0.9]),
        ("shares", [0.0, 0.5, 0.5]),
        ("zero", [1.0, 2.0, 3.0, 4.0]),
        ("bare", 2.0),
    ],
)
def test_values_outside_the_support(name, value):
    with pytest.raises(ValueError, match=rf"`start\['{name}'\]` must lie inside the support"):
        begin(transformed(), {**INSIDE, name: np.array(value)})


BAD_STARTS = [
    ({"v": 1.0}, ValueError, r"`start` must name free variables, got \['v'\]; choose from \['w', "),
    ({"s_log__": 1.0}, ValueError, r"`start` must name free variables, got \['s_log__'\]"),
    ({"w": np.zeros(3)}, ValueError, r"`start\['w'\]` must have the variable's shape \(4,\), got"),
    ({"w": 0.0}, ValueError, r"`start\['w'\]` must have the variable's shape \(4,\), got \(\)"),
    ({"s": np.nan}, ValueError, r"`start\['s'\]` must hold finite numbers only"),
    ({"s": -1.0}, ValueError, r"`start\['s'\]` must lie inside the support of the variable"),
    (
        [1.0, 2.0],
        TypeError,
        r"`start` must be a dict of values .*, an Approximation or a Posterior, got a list",
    ),
]


@pytest.mark.parametrize(("start", "error", "message"), BAD_STARTS)
def test_bad_starts(start, error, message):
    with pytest.raises(error, match=message):
        bnn.fit(regression(), steps=5, start=start, progressbar=False)


# --- an earlier fit -----------------------------------------------------------------------------
EARLIER = {
    "MeanField": MeanField(),
    "FullRank": FullRank(),
    "LowRank": LowRank(2),
    "dropout": VariationalDropout(bounds=(0.0, 2.0)),
    "Delta": Delta(),
}


@pytest.fixture(scope="module")
def earlier():
    """Earlier fits under several guides, by name: parameters somewhere else than at the start."""
    made = {}
    for name, guide in EARLIER.items():
        posterior, first = begin(regression(), guide=guide)
        params = {
            block: {k: (v + RNG.normal(size=v.shape)).astype("float32") for k, v in roles.items()}
            for block, roles in first.items()
        }
        made[name] = GuidePosterior(posterior, params)
    return made


@pytest.mark.parametrize("name", EARLIER)
def test_the_same_guide_goes_on_exactly_where_it_stopped(earlier, name):
    before = earlier[name]
    # How it would start by itself says nothing of where it is.
    _, now = begin(regression(), before, replace(EARLIER[name], init_scale=0.3))
    assert now.keys() == before.params.keys()
    for block, roles in before.params.items():
        assert now[block].keys() == roles.keys()
        assert all((now[block][role] == value).all() for role, value in roles.items())


def test_the_first_elbo_is_the_earlier_last_one():
    before = bnn.fit(regression(), steps=300, guide=FullRank(), **QUIET)
    after = bnn.fit(regression(), start=before, guide=FullRank(), **STILL)
    assert after.elbo(5).equals(before.elbo(5))
    assert (after.summary()["unmoved"] == 1).all()
    draws = before.sample(5)  # which are no start
    with pytest.raises(ValueError, match=r"`start` must name free variables, got \['posterior'\]"):
        bnn.fit(regression(), steps=5, start=draws, progressbar=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("MeanField", FullRank()),
        ("MeanField", LowRank(20)),
        ("MeanField", VariationalDropout(form="scale")),
        ("FullRank", MeanField()),
        ("LowRank", FullRank()),
        ("LowRank", LowRank(3)),
    ],
)
def test_another_guide_takes_means_and_scales_over(earlier, one, other):
    after = moments(*begin(regression(), earlier[one], other))
    for before, now in zip(earlier[one].moments(), after, strict=True):
        for variable in ("w", "s"):
            np.testing.assert_allclose(now[variable], before[variable], rtol=1e-5)


def test_other_bounds_are_another_guide(earlier):
    # α = 2 · sigmoid(a) there and 1 · sigmoid(a) here: the same a would be another α.
    guide = VariationalDropout(alpha=0.3)
    means, stds = moments(*begin(regression(), earlier["dropout"], guide))
    expected = earlier["dropout"].moments()[0]["w"]
    np.testing.assert_allclose(means["w"], expected, rtol=1e-6)
    np.testing.assert_allclose(stds["w"], np.sqrt(0.3) * np.abs(means["w"]), rtol=1e-4)


def test_points_have_no_scale_to_hand_on(earlier):
    means, stds = moments(*begin(regression(), earlier["Delta"]))
    np.testing.assert_allclose(means["w"], earlier["Delta"].params["w"]["loc"])
    np.testing.assert_allclose(stds["w"], moments(*begin(regression()))[1]["w"])


def test_other_shapes_and_other_spaces_start_by_themselves(earlier):
    def softplus():
        transform = pm.distributions.transforms.log_exp_m1
        return pm.HalfNormal("s", 1, default_transform=transform, initval=1.0)

    before = earlier["MeanField"]
    model = regression(columns=3, noise=softplus)
    _, plain = begin(model)
    with pytest.warns(UserWarning, match="`start` gave nothing; these start anew: 'w'"):
        _, after = begin(model, before)
    for variable in ("w", "s"):
        for role in ("loc", "log_scale"):
            assert (after[variable][role] == plain[variable][role]).all()
    # The weights here are the same ones; only the noise is in another space.
    with pytest.warns(UserWarning, match="`start` gave 'w'; these start anew: 's'"):
        _, after = begin(regression(noise=softplus), before)
    assert (after["w"]["loc"] == before.params["w"]["loc"]).all()
    assert (after["s"]["loc"] == plain["s"]["loc"]).all()


# --- what a summary says of it ------------------------------------------------------------------
@pytest.mark.parametrize("guide", [None, Delta()])
def test_a_fit_that_did_not_move_says_so(guide):
    summary = bnn.fit(regression(), guide=guide, **STILL).summary()
    assert (summary["unmoved"] == 1).all()


def test_shares_of_the_summary_are_counted_by_hand():
    start = {"w": [0.0, 0.0, 1.0, 1.0], "s": 1.0}
    fitted = bnn.fit(
        regression(), start=start, guide=MeanField(init_scale=0.5, relative_to="one"), **STILL
    )
    params = {
        # The prior is Normal(0, 2); posteriors started at scale 0.5. Collapsed, below 0.02: the
        # first. Pruned, scale in 1.8…2.2 and |mean| < 0.2: the second, not the third, whose mean
        # is 1. Unmoved, scale in 0.495…0.505 and mean in 0.995…1.005: the fourth.
        "w": {"loc": np.array([0, 0.15, 1, 1.004]), "log_scale": np.log([0.019, 1.9, 1.9, 0.502])},
        "s": {"loc": np.array(0.006), "log_scale": np.log(0.5)},  # just moved, as 0.006 > 0.005
    }
    params = {k: {r: np.asarray(v, "float32") for r, v in p.items()} for k, p in params.items()}
    summary = replace(fitted, state=replace(fitted.state, params=params)).summary()
    columns = ["collapsed", "pruned", "unmoved"]
    assert summary.loc["w", columns].tolist() == [0.25, 0.25, 0.25]
    assert summary.loc["w", "scale_ratio"] == pytest.approx((1.9 + 0.502) / 2 / 2)
    assert summary.loc["s", "unmoved"] == 0
    assert summary.loc["s", ["collapsed", "pruned"]].isna().all()  # no weight around 0
