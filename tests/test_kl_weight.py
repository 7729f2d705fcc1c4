"""A weight of the KL that held-out rows choose, and what is said of cold noise."""

import copy

import cloudpickle
import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import pymc_bnn as bnn
from pymc_bnn.inference.holding_out import hold_out
from pymc_bnn.inference.prepare import DataOptions, prepare
from pymc_bnn.inference.tempering import Tried, path_frame, walk, warn_of_rise
from pymc_bnn.model.noise import learned_noise, warn_of_cold_noise
from tests.support.parts import by_rows

QUIET = {"random_seed": 1, "progressbar": False}
RNG = np.random.default_rng(4)
X = RNG.normal(size=(60, 12))
Y = X @ RNG.normal(size=12) + RNG.normal(size=60)
COLUMNS = ["log_score", "log_score_se", "behind", "behind_se", "elbo", "elbo_se", "chosen"]


def linear(x=X, y=Y, noise=lambda: 1.0):
    """Twelve slopes and noise that is known: Bayes' rule is right, and weight 1."""
    with pm.Model() as model:
        mu = pm.Data("x", x) @ pm.Normal("w", shape=12)
        pm.Normal("y", mu, noise(), observed=y)
    return model


def network(x, noise):
    net = bnn.networks.mlp((x.shape[1], 4, 1))
    with pm.Model() as model:
        mu = bnn.bayesian(net, pm.Data("x", x))[:, 0]
        pm.Normal("y", mu, noise(), observed=Y)
    return model


# The choice --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def honest():
    options = {"steps": 800, "members": 2, **QUIET}
    return bnn.fit(linear(), kl_weight="auto", validation=0.3, **options)


def test_weight_1_is_chosen_where_the_model_is_right(honest):
    assert honest.kl_weight == 1
    assert honest.kl_path.loc[1.0, "chosen"]
    assert honest.kl_path.columns.tolist() == COLUMNS
    assert honest.kl_path.index.tolist()[:3] == [1.0, 0.5, 0.25]
    assert honest.n_examples == 60


def test_the_result_is_that_of_the_weight_alone(honest):
    alone = bnn.fit(linear(), steps=800, **QUIET)
    first = honest.members[0]
    np.testing.assert_array_equal(first.params["w"]["loc"], alone.params["w"]["loc"])
    assert first.kl_path is honest.members[1].kl_path is honest.kl_path
    assert alone.kl_path is None


def test_scores_are_those_of_the_closed_form(honest):
    """The log predictive density of held-out rows, of the exact posterior given the others."""
    problem, _ = prepare(linear(), DataOptions(), seed=1)
    rest, held = hold_out(problem, 0.3, 1)
    x, y = (rest.terms.arrays()[name].astype(float) for name in ("x", "y"))
    scale = 1 / np.sqrt((x**2).sum(axis=0) + 1)  # of the best independent Normals
    mean = np.linalg.solve(x.T @ x + np.eye(12), x.T @ y)
    spread = np.sqrt(1 + held["x"] ** 2 @ scale**2)
    z = (held["y"] - held["x"] @ mean) / spread
    exact = np.mean(-0.5 * z**2 - np.log(spread) - 0.5 * np.log(2 * np.pi))
    assert len(z) == 18
    assert honest.kl_path.loc[1.0, "log_score"] == pytest.approx(exact, abs=0.1)


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return train_test_split(x / 8 - 1, y, train_size=200, random_state=0, stratify=y)


def classes(x, y):
    """A prior so narrow that Bayes' rule keeps to it, where data know better."""
    with pm.Model() as model:
        logits = pm.Data("x", x) @ pm.Normal("w", 0, 0.02, shape=(64, 10))
        pm.Categorical("y", logit_p=logits, observed=y, shape=logits.shape[0])
    return model


def test_a_cold_weight_is_chosen_where_it_predicts_better(digits, caplog):
    x, new_x, y, new_y = digits
    held, new = ({"x": new_x[part], "y": new_y[part]} for part in (slice(200), slice(200, None)))
    options = {"steps": 500, "random_seed": 1}
    cold = bnn.fit(classes(x, y), kl_weight="auto", validation=held, **options)
    assert cold.kl_weight < 1
    assert f"kl_weight={cold.kl_weight:g}" in repr(cold)
    assert f"kl_weight {cold.kl_weight:g} chosen" in caplog.text
    assert cold.kl_path.loc[1.0, "behind"] > 2 * cold.kl_path.loc[1.0, "behind_se"]
    one = bnn.fit(classes(x, y), progressbar=False, **options)
    assert cold.nll(new) < one.nll(new) - 0.1


def test_fits_that_are_too_short_are_warned_of():
    said = r"ELBO rose from -.* at kl_weight 1 to .* at 0\.\d+, .*; pass more steps, or none"
    with pytest.warns(UserWarning, match=said):
        short = bnn.fit(linear(), kl_weight="auto", validation=0.3, steps=60, **QUIET)
    elbo = short.kl_path["elbo"]
    assert elbo.iloc[0] == elbo.min()


# Its parts ---------------------------------------------------------------------------------------


def test_the_path_ends_after_two_weights_that_are_worse():
    score = {1.0: -3.0, 0.5: -4.0, 0.25: -2.0, 0.1: -2.5, 0.05: -2.2, 0.025: -1.0}
    tried = walk(lambda weight: Tried(weight, np.full(5, score[weight]), 0.0))
    assert [t.kl_weight for t in tried] == [1.0, 0.5, 0.25, 0.1, 0.05]


def test_no_weight_is_colder_than_two_standard_errors_ask_for():
    rows = RNG.normal(size=100)
    unsure = rows - 0.05 + RNG.normal(0, 1, 100)  # as good, as far as 100 rows can tell
    sure = rows - 0.05
    for other, chosen in ((unsure - unsure.mean() + rows.mean() - 0.05, 1.0), (sure, 0.5)):
        path = path_frame([Tried(1.0, other, 0.0), Tried(0.5, rows, 0.0)])
        assert path.index[path["chosen"]].tolist() == [chosen]
        assert path["behind"].iloc[0] == pytest.approx(0.05)


def test_a_rise_of_the_elbo_counts_beyond_noise_and_where_it_matters():
    rows = np.zeros(9)

    def path(elbo, error):
        return path_frame([Tried(w, rows, e, error) for w, e in elbo.items()])

    warn_of_rise(path({1.0: -20.0, 0.5: -21.0, 0.25: -24.0}, 0.1), 60, "")
    warn_of_rise(path({1.0: -20.0, 0.5: -18.0}, 0.5), 60, "")
    warn_of_rise(path({1.0: -20.0, 0.5: -18.0}, 0.0), 2000, "")
    with pytest.warns(UserWarning, match="from -21 at kl_weight 0.5 to -18 at 0.1, where"):
        warn_of_rise(path({1.0: -20.0, 0.5: -21.0, 0.25: -19.0, 0.1: -18.0}, 0.1), 60, "")


def test_impossible_rows_are_never_chosen():
    rows = np.zeros(9)
    path = path_frame([Tried(1.0, np.append(rows[1:], -np.inf), 0.0), Tried(0.5, rows, 0.0)])
    assert path.index[path["chosen"]].tolist() == [0.5]


def test_classes_are_held_out_in_proportion(digits):
    x, _, y, _ = digits
    problem, _ = prepare(classes(x, y), DataOptions())
    rest, held = hold_out(problem, None, 0)
    assert rest.n == 180
    assert np.bincount(held["y"], minlength=10).max() <= 3
    assert np.bincount(held["y"], minlength=10).min() >= 1
    whole = np.concatenate([rest.terms.arrays()["x"], held["x"]])
    assert {row.tobytes() for row in whole} == {row.tobytes() for row in x}
    other = hold_out(problem, None, 1)[1]
    assert not np.array_equal(held["x"], other["x"])


# What comes with it ------------------------------------------------------------------------------


def test_the_path_is_kept_in_copies(honest):
    for other in (copy.deepcopy(honest), cloudpickle.loads(cloudpickle.dumps(honest))):
        pd.testing.assert_frame_equal(other.kl_path, honest.kl_path)
        assert other.kl_weight == honest.kl_weight


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"validation": 0.1}, '`validation` must come with kl_weight="auto", got 1.0'),
        ({"kl_weight": "auto", "validation": 1.5}, r"`validation` must be a share .*got 1.5"),
        ({"kl_weight": "auto", "validation": [X]}, "`validation` must be a share"),
        ({"kl_weight": "auto", "validation": {}}, "`validation` must be a share"),
        ({"kl_weight": "auto", "validation": {"z": X}}, "`validation` must name data of the model"),
        ({"kl_weight": "auto", "validation": {"x": X}}, "`validation` must .*y"),
        ({"kl_weight": "auto", "validation": 0.01}, "`kl_weight` must be a number where .* few"),
        ({"kl_weight": "cold"}, '`kl_weight` must be a number above 0, a schedule or "auto"'),
        ({"kl_weight": "auto", "data": [(X, Y)]}, "`kl_weight` must be a number where batches"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        bnn.fit(linear(), steps=5, **arguments, **QUIET)


def test_rows_that_depend_on_each_other_cannot_be_held_out():
    with pm.Model() as model:
        pm.MvNormal("y", pm.Normal("mu"), np.eye(40) + 0.5, observed=np.zeros(40))
    with pytest.raises(ValueError, match="`kl_weight` must be a number where the likelihood does"):
        bnn.fit(model, steps=5, kl_weight="auto", **QUIET)


def test_a_potential_of_rows_has_none_to_score():
    with pm.Model() as model:
        law = pm.Normal.dist(pm.Data("x", X) @ pm.Normal("w", 0, 1, shape=X.shape[1]), 1)
        pm.Potential("weighted", 2 * pm.logp(law, pm.Data("y", Y)))
    with pytest.raises(ValueError, match="`kl_weight` must be a number where no variable is"):
        bnn.fit(model, steps=5, kl_weight="auto", **QUIET)


# Cold noise --------------------------------------------------------------------------------------


def test_a_cold_weight_beside_learned_noise_is_warned_of():
    model = network(X, lambda: pm.HalfNormal("noise"))
    with pytest.warns(UserWarning, match=r"`kl_weight` is 0.1 and 'noise'.* 145,481 .*\"auto\""):
        bnn.fit(model, steps=2, kl_weight=0.1, **QUIET)


def test_weight_1_schedules_linear_predictors_and_known_noise_are_not():
    def learned():
        return pm.HalfNormal("noise")

    noisy = by_rows(network(X, learned))
    warn_of_cold_noise(noisy, 1.0)
    warn_of_cold_noise(noisy, lambda step: 0.1)
    warn_of_cold_noise(by_rows(network(X, lambda: 1.0)), 0.1)
    warn_of_cold_noise(by_rows(linear(noise=learned)), 0.1)


@pytest.mark.parametrize("law", ["StudentT", "Laplace"])
def test_scales_are_found_beside_those_that_a_network_predicts(law):
    net = bnn.networks.mlp((12, 4, 2))
    with pm.Model() as model:
        out = bnn.bayesian(net, pm.Data("x", X))
        scale = pt.softplus(out[:, 1]) * pm.HalfNormal("factor")
        if law == "StudentT":
            pm.StudentT("y", nu=pm.Gamma("nu", 2, 0.1), mu=out[:, 0], sigma=scale, observed=Y)
        else:
            pm.Laplace("y", mu=out[:, 0], b=scale, observed=Y)
    assert learned_noise(by_rows(model)) == {"factor": "y"}
