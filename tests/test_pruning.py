"""Weights ranked by signal to noise, set to zero, and what predictions are then."""

import copy

import cloudpickle
import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn
from pymc_bnn.posterior.pruned import PrunedPosterior
from pymc_bnn.pruning import prune, pruning_table, signal_to_noise

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
SLOPES = np.array([3.0, 0.0, -1.0, 0.0])
Y = X @ SLOPES + 0.5 * RNG.normal(size=60)
QUIET = {"random_seed": 1, "progressbar": False}


def linear():
    with pm.Model(coords={"column": list("abcd")}) as model:
        w = pm.Normal("w", dims="column")
        f = pm.Deterministic("f", pm.Data("x", X) @ w)
        pm.Normal("y", f, pm.HalfNormal("s"), observed=Y, shape=f.shape[0])
    return model


def classes():
    network = bnn.networks.mlp((4, 6, 3), activation="tanh")
    with pm.Model() as model:
        logits = bnn.bayesian(network, pm.Data("x", X), bnn.priors.Normal(0, 1.0))
        pm.Categorical("y", logit_p=logits, observed=LABELS, shape=logits.shape[0])
    return model


LABELS = np.digitize(Y, [-1, 1])


@pytest.fixture(scope="module")
def fits():
    model = linear()
    one = bnn.fit(model, steps=1000, **QUIET)
    points = copy.copy(one)
    points.__dict__["posterior"] = PrunedPosterior(one.posterior, {"w": np.zeros(4, bool)})
    return {
        "linear": one,
        "mixture": bnn.fit(model, steps=1000, members=2, **QUIET),
        "classes": bnn.fit(classes(), steps=300, **QUIET),
        "points": points,
    }


def test_ratios_are_means_over_standard_deviations_with_labels(fits):
    ratio = signal_to_noise(fits["linear"])
    assert list(ratio) == ["w"]  # the scale is positive, no weight
    expected = abs(fits["linear"].mean["w"]) / fits["linear"].std["w"]
    np.testing.assert_allclose(ratio["w"], expected, rtol=1e-5)
    assert ratio["w"].sel(column="a") > 20 > 4 > ratio["w"].sel(column="b")
    assert sorted(signal_to_noise(fits["classes"])) == ["dense1_W", "dense2_W"]  # no biases
    assert list(signal_to_noise(fits["classes"], "dense1_b")) == ["dense1_b"]


def test_half_of_the_weights_are_zero_in_every_draw_and_the_others_as_they_were(fits):
    for kind in ("linear", "mixture"):
        new = {"x": np.eye(4)}
        whole = fits[kind].predict(new, 20, var_names="f", random_seed=3)["f"].samples
        found = prune(fits[kind], 0.5).predict(new, 20, var_names="f", random_seed=3)["f"].samples
        np.testing.assert_allclose(found, whole * [1, 0, 1, 0], rtol=1e-5)
    all_kept = prune(fits["linear"], 1).predict(new, 5, random_seed=3)
    np.testing.assert_allclose(all_kept.mean, fits["linear"].predict(new, 5, random_seed=3).mean)


def test_moments_and_the_middle_are_pruned_as_well(fits):
    pruned = prune(fits["linear"], 0.5)
    means, stds = pruned.posterior.moments()
    assert (means["w"] == 0).tolist() == (stds["w"] == 0).tolist() == [False, True, False, True]
    assert (pruned.posterior.center()["w"] == means["w"]).all()
    at_mean = pruned.predict({"x": np.eye(4)}, 2, at="mean", var_names="f", random_seed=1)["f"]
    np.testing.assert_allclose(at_mean.mean, means["w"], rtol=1e-5)
    again = cloudpickle.loads(cloudpickle.dumps(pruned))
    assert again.nll({"x": X, "y": Y}, 5) == pytest.approx(pruned.nll({"x": X, "y": Y}, 5))
    assert repr(pruned) == "<Pruned: 0.5 of the weights kept, kl_weight=1>"


def test_layers_are_ranked_together(fits):
    ratios = signal_to_noise(fits["classes"])
    flat = np.concatenate([ratios[name].values.ravel() for name in ratios])
    masks = prune(fits["classes"], 0.25).posterior.kept
    kept = np.concatenate([masks[name].ravel() for name in ratios])
    assert kept.sum() == 11  # ⌈0.25 · 42⌉
    assert flat[kept].min() >= flat[~kept].max()


def test_the_table_has_the_scores_of_each_share(fits):
    table = pruning_table(fits["classes"], {"x": X}, LABELS, [1, 0.1], draws=20, random_seed=3)
    assert table["weights"].tolist() == [42, 5]
    pred = prune(fits["classes"], 0.1).predict({"x": X}, 20, random_seed=3)
    scores = bnn.uncertainty.evaluate(pred, LABELS, repeats=2)["value"]
    np.testing.assert_allclose(table.loc[0.1, ["accuracy", "nll", "ece"]], scores.iloc[[0, 1, 3]])
    assert table["accuracy"].is_monotonic_decreasing
    values = pruning_table(fits["linear"], {"x": X}, Y, [1, 0.5, 0.25], draws=50)
    assert list(values) == ["weights", "rmse", "crps", "coverage"]
    assert values["rmse"].iloc[1] < 1.2 * values["rmse"].iloc[0] < values["rmse"].iloc[2]
    axes = bnn.plots.pruning_curves({"fit": values})
    np.testing.assert_allclose(axes[0].get_lines()[0].get_xdata(), [25, 50, 100])
    np.testing.assert_allclose(axes[2].get_lines()[0].get_ydata(), 100 * values["coverage"][::-1])


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda f: prune(f["linear"], 0), ValueError, r"`kept` must be a number in \(0, 1\], got"),
        (lambda f: prune(f["linear"], 0.5, "s"), ValueError, r"`var_names` must .* \['w'\], got"),
        (lambda f: prune(f["linear"], 0.5, []), ValueError, "`var_names` must name free .* none"),
        (lambda f: prune(f["points"], 0.5), ValueError, "`fitted` must have weights with a dist"),
        (lambda f: prune("fit", 0.5), TypeError, "`fitted` must be what fit .* got a str"),
        (lambda f: pruning_table(f["linear"], {"x": X}, Y, []), ValueError, "`kept` must hold a"),
        (
            lambda f: pruning_table(f["linear"], {"x": X}, Y, [1], draws=1),
            ValueError,
            "`draws` must be an integer of at least 2, got 1",
        ),
        (
            lambda f: bnn.plots.pruning_curves(signal_to_noise(f["linear"]).to_dataframe()),
            ValueError,
            r"`tables` must be indexed by shares in \(0, 1\]",
        ),
    ],
)
def test_bad_arguments(fits, call, error, match):
    with pytest.raises(error, match=match):
        call(fits)
