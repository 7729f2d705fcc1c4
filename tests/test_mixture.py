"""Mixtures of fits from different starts: their numbers, and what they cannot answer."""

import copy
import os
import signal

import cloudpickle
import numpy as np
import pymc as pm
import pytest
from scipy import stats

import pymc_bnn as bnn
from pymc_bnn.posterior.stacking import stacking_weights

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 3))
Y = np.tanh(X[:, 0]) + 0.3 * X[:, 1] + RNG.normal(0, 0.1, 150)
QUIET = {"random_seed": 1, "progressbar": False}


def network_model():
    with pm.Model() as model:
        out = bnn.bayesian(bnn.networks.mlp((3, 6, 1)), pm.Data("x", X), bnn.priors.Normal())
        pm.Normal("y", out[:, 0], pm.HalfNormal("noise"), observed=Y)
    return model


def two_modes():
    """The sign of `a` is free: modes near ±2."""
    with pm.Model() as model:
        a = pm.Normal("a", 0, 3)
        pm.Normal("y", a**2, 0.5, observed=np.array([4.0, 4.2, 3.9, 4.1]))
    return model


@pytest.fixture(scope="module")
def fitted():
    return bnn.fit(network_model(), steps=300, members=3, **QUIET)


@pytest.fixture(scope="module")
def modes():
    return bnn.fit(two_modes(), steps=10_000, members=6, **QUIET)


def test_members_start_apart_and_the_first_is_the_fit_alone(fitted):
    alone = bnn.fit(network_model(), steps=300, **QUIET)
    assert repr(fitted).startswith("<Mixture of 3 fits: 5 variables")
    for name, roles in alone.params.items():
        for role, value in roles.items():
            np.testing.assert_array_equal(fitted.members[0].params[name][role], value)
    locs = [m.params["dense1_W"]["loc"] for m in fitted.members]
    assert all(abs(np.corrcoef(locs[0].ravel(), other.ravel())[0, 1]) < 0.9 for other in locs[1:])
    start = fitted.program.another(5).params["dense1_W"]["loc"]
    assert 0.3 < np.std(start) * np.sqrt(3) < 2


@pytest.mark.long
def test_a_mixture_of_two_modes_has_the_evidence_that_one_lacks(modes):
    signs = np.sign([float(m.mean["a"]) for m in modes.members])
    assert set(signs) == {-1, 1}

    grid = np.linspace(-3, 3, 601)
    log_q = np.array([modes.posterior.log_density({"a": a}) for a in grid])
    observed = stats.norm.logpdf(np.array([[4.0], [4.2], [3.9], [4.1]]), grid**2, 0.5).sum(axis=0)
    log_joint = stats.norm.logpdf(grid, 0, 3) + observed
    exact = np.trapezoid(np.exp(log_q) * (log_joint - log_q), grid)
    evidence = np.log(np.trapezoid(np.exp(log_joint), grid))
    found = modes.elbo(500)
    alone = [m.elbo(500)["elbo"] for m in modes.members]
    assert found["elbo"] == pytest.approx(exact, abs=4 * found["elbo_se"])
    assert found["elbo_se"] < 0.05
    assert found["elbo"] == pytest.approx(-found["nll"] - found["kl"], abs=1e-4)
    assert max(alone) < evidence - np.log(2) + 0.1
    assert evidence - 0.1 < exact < evidence


def test_moments_and_density_are_those_of_the_mixture(modes):
    means, stds = modes.posterior.moments()
    drawn = modes.sample(600, random_seed=1).posterior["a"].values
    assert float(means["a"]) == pytest.approx(drawn.mean(), abs=0.2)
    assert float(stds["a"]) == pytest.approx(drawn.std(), rel=0.05)
    assert float(modes.std["a"]) == pytest.approx(float(stds["a"]), rel=1e-5)
    grid = np.linspace(-3, 3, 2001)
    density = np.exp([modes.posterior.log_density({"a": a}) for a in grid])
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-3)


def test_predictions_are_the_mean_of_the_members(fitted):
    new = {"x": X[:20], "y": Y[:20]}
    pred = fitted.predict(new, draws=300, random_seed=1)
    each = [m.predict(new, draws=300, random_seed=1) for m in fitted.members]
    np.testing.assert_allclose(pred["y"].mean, np.mean([p["y"].mean for p in each], 0), atol=0.03)
    logs = np.stack([p.log_density for p in each])
    expected = np.log(np.exp(logs).mean(axis=0))
    np.testing.assert_allclose(pred.log_density, expected, atol=0.15)
    assert fitted.nll(new) == pytest.approx(-expected.mean(), abs=0.05)


def test_draws_are_a_chain_for_each_member_and_history_and_summary_a_part(fitted):
    posterior = fitted.sample(50, random_seed=1).posterior
    assert posterior["dense1_W"].shape == (3, 50, 3, 6)
    assert list(posterior["chain"].values) == [0, 1, 2]
    assert fitted.history.index.names == ["member", "step"]
    assert fitted.history.loc[2].equals(fitted.members[2].history)
    assert fitted.summary().loc[1].equals(fitted.members[1].summary())
    assert fitted.scale_ratio().loc[1].equals(fitted.members[1].scale_ratio())
    weighted = fitted.stack({"x": X, "y": Y}).sample(40, ["noise"], random_seed=1)
    assert weighted.posterior["noise"].shape == (1, 40)


@pytest.mark.parametrize(
    ("ask", "match"),
    [
        (lambda f: f.params, r"have parameters of its own.*members\[0\].params"),
        (lambda f: f.kl(), r"have a KL of each variable.*members\[0\].kl"),
        (lambda f: f.predict({"x": X[:3]}, at="mean"), 'a mean that stands for it.*at="draws"'),
        (lambda f: f.sample(10_000_000), "2 GiB of memory, got 30000000 draws"),  # of one: 1.2 GiB
        (lambda f: bnn.plots.elbo_curve(f.history), "`history` must be that of one fit"),
        (lambda f: bnn.fit(network_model(), steps=1, start=f, **QUIET), "as many members, 1"),
        (
            lambda f: bnn.fit(network_model(), steps=1, members=2, start=f.members[0], **QUIET),
            "`start` must hold values, or be a mixture",
        ),
        (lambda f: bnn.fit(network_model(), steps=1, members=0, **QUIET), "`members` must be an"),
        (lambda f: bnn.fit(network_model(), steps=1, members=2.5, **QUIET), "`members` must be an"),
        (
            lambda f: bnn.fit(
                network_model(),
                steps=1,
                members=2,
                data=[{"x": X, "y": Y}],
                total_size=150,
                **QUIET,
            ),
            "`members` must be 1 where batches come from `data`",
        ),
    ],
)
def test_what_a_mixture_cannot_answer(fitted, ask, match):
    with pytest.raises((TypeError, ValueError), match=match):
        ask(fitted)


def test_members_go_on_from_theirs(fitted):
    again = bnn.fit(network_model(), steps=1, members=3, start=fitted, learning_rate=1e-9, **QUIET)
    for before, after in zip(fitted.members, again.members, strict=True):
        np.testing.assert_allclose(
            after.params["dense1_W"]["loc"], before.params["dense1_W"]["loc"], rtol=1e-5, atol=1e-6
        )


def test_an_ensemble_of_points():
    guide = bnn.guides.Delta()
    fitted = bnn.fit(network_model(), steps=200, members=3, guide=guide, **QUIET)
    assert fitted.objective == "objective"
    assert {"objective", "objective_se", "log_prior"} <= set(fitted.elbo(2).index)
    pred = fitted.predict({"x": X[:5]}, draws=60, random_seed=1, var_names=())
    means = np.stack(
        [m.predict({"x": X[:5]}, draws=60, random_seed=1)["y"].mean for m in fitted.members]
    )
    np.testing.assert_allclose(pred["y"].mean, means.mean(axis=0), atol=0.2)
    assert float(fitted.std["dense1_W"].max()) > 0


def test_copies_and_pickles_are_mixtures_too(fitted):
    expected = fitted.predict({"x": X[:4]}, draws=6, random_seed=3)["y"].samples
    for same in (copy.deepcopy(fitted), cloudpickle.loads(cloudpickle.dumps(fitted))):
        assert len(same.members) == 3
        found = same.predict({"x": X[:4]}, draws=6, random_seed=3)["y"].samples
        np.testing.assert_array_equal(found, expected)


class Interrupt:
    def __init__(self, member):
        self.member = member

    def on_chunk(self, state, info):
        if info.member == self.member and info.step >= 50:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(("member", "kept"), [(0, 1), (2, 2)])
def test_ctrl_c_keeps_the_members_that_are_done(member, kept, caplog):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        fitted = bnn.fit(
            network_model(),
            steps=300,
            members=4,
            callbacks=[Interrupt(member)],
            chunk_steps=50,
            **QUIET,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert fitted.interrupted
    assert len(fitted.members) == kept
    assert fitted.predict({"x": X[:2]}, draws=2)["y"].samples.shape == (2, 2)
    said = caplog.text
    assert ("members 3, 4 of 4 are left out: the 2 that had ended are kept" in said) == (
        member == 2
    )


def test_a_failing_callback_loses_no_member():
    class Broken:
        def on_chunk(self, state, info):
            if info.member == 1:
                raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full") as caught:
        bnn.fit(network_model(), steps=40, members=3, callbacks=[Broken()], chunk_steps=20, **QUIET)
    assert [len(m.history) for m in caught.value.approximation.members] == [40, 20]


def test_early_stopping_begins_anew_with_each_member():
    stop = bnn.callbacks.EarlyStopping(window=20, patience=2)
    fitted = bnn.fit(two_modes(), steps=5000, members=3, callbacks=[stop], **QUIET)
    lengths = [m.record.steps for m in fitted.members]
    assert max(lengths) < 5000
    assert min(lengths) > 100


def test_stacking_finds_the_weights_of_a_mixture():
    rng = np.random.default_rng(1)
    y = np.where(rng.random(20_000) < 0.3, rng.normal(-2, 1, 20_000), rng.normal(2, 1, 20_000))
    logs = np.stack([stats.norm.logpdf(y, mu, 1) for mu in (-2, 2, 9)], axis=1)
    np.testing.assert_allclose(stacking_weights(logs), [0.3, 0.7, 0], atol=0.02)
    assert stacking_weights(logs[:, :1]) == (1.0,)


def test_stacking_never_scores_below_equal_weights(fitted):
    held_out = {"x": X, "y": Y}
    logs = np.stack([m.predict(held_out, 50, random_seed=0).log_density for m in fitted.members], 1)

    def score(weights):
        return np.log(np.exp(logs) @ np.asarray(weights)).mean()

    stacked = fitted.stack(held_out, 50)
    assert sum(stacked.weights) == pytest.approx(1)
    assert score(stacked.weights) >= score(fitted.weights) - 1e-9
