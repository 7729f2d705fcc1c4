"""Predictions of a classifier agree with closed forms, whatever the batches."""

import copy

import numpy as np
import pymc as pm
import pytest
import scipy.special as sp
import scipy.stats as st

import pymc_bnn as bnn

RNG = np.random.default_rng(5)
N = 120
X = RNG.normal(size=(N, 3))
W = np.array([[2.0, -1.0, 0.0, 0.5], [0.0, 1.0, -1.0, 0.0], [1.0, 0.0, 0.0, -1.0]])
LABELS = np.argmax(X @ W + RNG.gumbel(size=(N, 4)), axis=1)
NEW = RNG.normal(size=(23, 3))
QUIET = {"random_seed": 1, "progressbar": False}


@pytest.fixture(scope="module", params=[None, 40], ids=["whole", "minibatch"])
def classifier(request):
    with pm.Model() as model:
        w = pm.Normal("w", 0, 1, shape=(3, 4))
        logits = pm.Deterministic("logits", pm.Data("x", X) @ w)
        pm.Categorical("label", logit_p=logits, observed=LABELS)
    return bnn.fit(model, steps=1500, batch_size=request.param, **QUIET)


def test_probabilities_are_the_softmax_of_each_draw(classifier):
    pred = classifier.predict({"x": NEW}, draws=30, var_names=["logits"], random_seed=2)
    np.testing.assert_allclose(
        pred.probs, sp.softmax(pred["logits"].samples, axis=-1), rtol=2e-5, atol=1e-6
    )
    np.testing.assert_allclose(pred.mean_probs, pred.probs.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(
        pred.expected_entropy, st.entropy(pred.probs, axis=-1).mean(axis=0), rtol=1e-4
    )
    # The logits' spread over draws is that of x @ w under the posterior.
    sd = np.sqrt(NEW**2 @ classifier.std["w"].values ** 2)
    z = pred["logits"].samples.std(axis=0, ddof=1) / sd
    assert z.min() > 0.5
    assert z.max() < 1.6
    np.testing.assert_allclose(z.mean(), 1.0, atol=0.1)


def test_at_the_mean(classifier):
    pred = classifier.predict({"x": NEW}, at="mean")
    expected = sp.softmax(NEW @ classifier.mean["w"].values, axis=1)
    assert pred.draws == 1
    np.testing.assert_allclose(pred.mean_probs, expected, rtol=1e-4)


def test_votes_follow_the_probabilities(classifier):
    pred = classifier.predict({"x": NEW}, draws=400, random_seed=2)
    assert (pred.label_votes.sum(axis=1) == 400).all()
    assert (pred.class_votes.sum(axis=1) == 400).all()
    top = np.stack([np.bincount(c, minlength=4) for c in pred.probs.argmax(axis=-1).T])
    assert (pred.class_votes == top).all()
    counted = np.stack([np.bincount(c, minlength=4) for c in pred["label"].samples.T])
    assert (pred.label_votes == counted).all()
    z = (pred.label_votes - 400 * pred.mean_probs) / np.sqrt(400 * pred.mean_probs + 1)
    assert np.abs(z).max() < 4.5
    assert 0.6 < z.std() < 1.2


def test_batches_and_kept_draws_do_not_change_the_numbers(classifier):
    base = classifier.predict({"x": NEW}, draws=20, random_seed=3)
    small = classifier.predict({"x": NEW}, draws=20, batch_size=7, random_seed=3)
    summed = classifier.predict({"x": NEW}, draws=20, keep_draws=False, random_seed=3)
    np.testing.assert_allclose(small.probs, base.probs, rtol=1e-4, atol=1e-6)
    assert (small["label"].samples == base["label"].samples).mean() > 0.99
    assert summed.probs is None
    np.testing.assert_allclose(summed.mean_probs, base.mean_probs, rtol=1e-6)
    assert (summed.label_votes == base.label_votes).all()
    other = classifier.predict({"x": NEW}, draws=20, random_seed=4)
    assert (other.probs != base.probs).any()


def test_log_density_is_the_log_of_the_mean_density(classifier):
    new_labels = np.arange(23) % 4
    pred = classifier.predict({"x": NEW, "label": new_labels}, draws=30, random_seed=2)
    expected = np.log(pred.probs[:, np.arange(23), new_labels].mean(axis=0))
    np.testing.assert_allclose(pred.log_density, expected, rtol=1e-4)
    nll = classifier.nll({"x": NEW, "label": new_labels}, draws=30, random_seed=2)
    np.testing.assert_allclose(nll, -expected.mean(), rtol=1e-4)
    assert classifier.predict({"x": NEW}, draws=2).log_density is None
    assert classifier.predict(draws=2).log_density.shape == (N,)


def test_summary_and_datatree(classifier):
    pred = classifier.predict({"x": NEW}, draws=30, random_seed=2)
    frame = bnn.uncertainty.summary(pred)
    from_array = bnn.uncertainty.summary(pred.probs)
    np.testing.assert_allclose(frame["entropy_bits"], from_array["entropy_bits"], rtol=1e-4)
    assert (frame["predicted"] == from_array["predicted"]).all()
    tree = pred.to_datatree()
    assert dict(tree.predictions.sizes) == {"chain": 1, "draw": 30, "example": 23, "class": 4}
    streamed = classifier.predict({"x": NEW}, draws=3, keep_draws=False).to_datatree()
    assert streamed.predictions["label_mean_probs"].dims == ("example", "class")


BAD_DATA = [
    ({}, {"new_data": {"z": NEW}}, r"`new_data` must name data of the model, got \['z'\]"),
    ({}, {"new_data": {"x": NEW[:, :2]}}, r"`new_data\['x'\]` must have the shape \(n, 3\)"),
    ({}, {"new_data": {"x": NEW[0]}}, r"`new_data\['x'\]` must have the shape \(n, 3\)"),
    ({}, {"new_data": {"x": NEW * np.nan}}, r"`new_data\['x'\]` must hold finite numbers"),
    ({}, {"new_data": {"x": NEW.astype(str)}}, r"`new_data\['x'\]` must hold numbers"),
    ({}, {"new_data": {"x": NEW[:0]}}, "`new_data` must have at least one row"),
    ({}, {"new_data": {"x": NEW, "label": np.zeros(23)}}, "must hold integers"),
    ({}, {"new_data": {"x": NEW, "label": np.zeros(9, int)}}, "must have one number of rows"),
    ({}, {"new_data": [NEW]}, "`new_data` must be a dictionary"),
    ({}, {"draws": 0}, "`draws` must be an integer of at least 1"),
    ({}, {"batch_size": 0}, "`batch_size` must be an integer of at least 1"),
    ({}, {"at": "mode"}, '`at` must be "draws" or "mean"'),
    ({}, {"var_names": ["nothing"]}, "`var_names` must name deterministics"),
    ({}, {"draws": 2**28}, "`draws` must need no more than 2 GiB .* keep_draws=False"),
]


@pytest.mark.parametrize(("_", "arguments", "message"), BAD_DATA)
def test_bad_new_data(classifier, _, arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        classifier.predict(**{"new_data": {"x": NEW}, **arguments})


def test_nll_needs_the_observed_variable(classifier):
    with pytest.raises(ValueError, match=r"contain the observed variables.*add \['label'\]"):
        classifier.nll({"x": NEW})


def test_memory_does_not_grow_with_draws_of_summaries(classifier):
    import tracemalloc

    new = RNG.normal(size=(2000, 3))
    peaks = []
    for draws in (20, 200):
        tracemalloc.start()
        classifier.predict({"x": new}, draws=draws, batch_size=500, keep_draws=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # 180 more draws of 2,000 × 4 probabilities would take 5.8 MB as float32.
    assert peaks[1] - peaks[0] < 1e6


def test_predictions_of_the_same_data_are_prepared_once(classifier, traces):
    fitted, x = copy.deepcopy(classifier), NEW  # which has no predictors yet
    fitted.predict({"x": x[2:]}, draws=3, random_seed=1)
    assert traces() > 0
    first = fitted.predict({"x": x[:7]}, draws=3, random_seed=1)
    traces()  # of seven rows
    again = fitted.predict({"x": x[2:]}, draws=3, random_seed=1)
    fitted.predict({"x": x[-7:]}, draws=3, random_seed=2)
    assert traces() == 0
    fresh = copy.deepcopy(fitted).predict({"x": x[2:]}, draws=3, random_seed=1)
    assert (again.probs == fresh.probs).all()
    np.testing.assert_allclose(first.probs[:, 2:], again.probs[:, :5], rtol=1e-5)
    assert traces() > 0
    fitted.predict(draws=3)
    assert traces() > 0
    with pytest.raises(ValueError, match="have the shape"):
        fitted.predict({"x": x[:7, :1]})
    for nothing in ({}, [1]):
        with pytest.raises(TypeError, match="be a dictionary of the model's data"):
            fitted.predict(nothing)
