"""What the estimators predict: from draws that all rows share, and no row's place matters."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import softmax

from pymc_bnn.sklearn import normal_mixtures

METHODS = {
    "mean": lambda m, x: m.predict(x),
    "std": lambda m, x: m.predict(x, return_std=True)[1],
    "quantiles": lambda m, x: m.predict_quantiles(x, (0.1, 0.7)),
}


@pytest.mark.parametrize("method", METHODS)
def test_a_row_has_its_numbers_wherever_it_stands(regressor, table, method):
    x, ask = np.resize(table[0], (300, 3)) + np.arange(300)[:, None], METHODS[method]
    whole, order = ask(regressor, x), np.random.default_rng(1).permutation(300)
    assert np.array_equal(ask(regressor, x[order]), whole[order])
    for rows in (slice(0, 1), slice(130, 131), slice(7, 200)):
        assert np.array_equal(ask(regressor, x[rows]), whole[rows])


def test_probabilities_of_a_row_too(classifier, table):
    x = np.resize(table[0], (300, 3)) + np.arange(300)[:, None]
    whole = classifier.predict_proba(x)
    assert np.array_equal(classifier.predict_proba(x[::-1]), whole[::-1])
    assert np.array_equal(classifier.predict_proba(x[140:141]), whole[140:141])
    assert np.allclose(whole.sum(axis=1), 1, rtol=0, atol=1e-12)


def network_by_hand(fitted, z, draws):
    """Outputs of the network of one hidden tanh or relu layer, from draws in the model's space."""
    posterior = fitted.fitted_.sample(draws, random_seed=9).posterior.isel(chain=0)
    w1, b1, w2, b2 = (
        posterior[n].to_numpy() for n in ("dense1_W", "dense1_b", "dense2_W", "dense2_b")
    )
    hidden = np.einsum("ni,dih->dnh", z, w1) + b1[:, None]
    hidden = np.tanh(hidden) if fitted.activation == "tanh" else hidden.clip(0)
    return np.einsum("dnh,dho->dno", hidden, w2) + b2[:, None]


def test_moments_are_those_of_the_network(regressor, table):
    x, y = table
    out = network_by_hand(regressor, (x - x.mean(axis=0)) / x.std(axis=0), 500)
    mu = y.mean() + y.std() * out[..., 0]
    sigma = y.std() * (np.logaddexp(0, out[..., 1] - 1) + 1e-3)
    mean, std = regressor.predict(x, return_std=True)
    error = mu.std(axis=0) * np.sqrt(1 / 40 + 1 / 500)
    assert np.abs((mean - mu.mean(axis=0)) / error).max() < 4.5
    assert np.allclose(std, np.sqrt(mu.var(axis=0) + (sigma**2).mean(axis=0)), rtol=0.15)


def test_probabilities_are_those_of_the_network(classifier, table):
    x, _ = table
    out = network_by_hand(classifier, (x - x.mean(axis=0)) / x.std(axis=0), 500)
    p = softmax(out, axis=-1)
    error = p.std(axis=0) * np.sqrt(1 / 40 + 1 / 500) + 1e-6
    assert np.abs((classifier.predict_proba(x) - p.mean(axis=0)) / error).max() < 4.5
    assert np.allclose(np.exp(classifier.predict_log_proba(x)), classifier.predict_proba(x))


def test_quantiles_are_those_of_samples(regressor, table):
    x = table[0][:3]
    samples = regressor.sample_y(x, 40_000, random_state=3)
    assert samples.shape == (3, 40_000)
    p = np.array([0.05, 0.25, 0.5, 0.9])
    found = regressor.predict_quantiles(x, p)
    below = (samples[:, :, None] < found[:, None]).mean(axis=1)
    assert np.allclose(below, p, atol=0.01)
    assert np.array_equal(
        regressor.predict_interval(x, 0.5), regressor.predict_quantiles(x, (0.25, 0.75))
    )
    mean, std = regressor.predict(x, return_std=True)
    assert np.allclose(samples.mean(axis=1), mean, atol=4 * std.max() / 200)


def test_labels_are_drawn_with_their_probabilities(classifier, table):
    x = table[0][:5]
    labels = classifier.sample_y(x, 40_000, random_state=2)
    share = (labels[..., None] == classifier.classes_).mean(axis=1)
    assert np.allclose(share, classifier.predict_proba(x), atol=0.012)
    again = classifier.sample_y(x, 9, random_state=2)
    assert np.array_equal(again, classifier.sample_y(x, 9, random_state=2))


def test_mixtures_of_one_normal_are_scipys():
    mu, sigma = np.full((7, 2, 3), 1.5), np.full((7, 2, 3), 0.3)
    p = np.array([1e-6, 0.5, 0.999])
    assert np.allclose(normal_mixtures.quantiles(mu, sigma, p), stats.norm(1.5, 0.3).ppf(p))
    y = np.random.default_rng(0).normal(size=(2, 3))
    joint = stats.norm(1.5, 0.3).logpdf(y).sum(axis=1)
    assert np.allclose(normal_mixtures.log_density(y, mu, sigma), joint)


def test_quantiles_of_far_normals_with_little_noise():
    mu, sigma = np.array([[-1e6], [1e6]]), np.full((2, 1), 1e-3)
    low, middle, high = normal_mixtures.quantiles(mu, sigma, np.array([0.25, 0.5, 0.75]))[0]
    assert low == pytest.approx(-1e6, abs=1e-6)
    assert high == pytest.approx(1e6, abs=1e-6)
    assert -1e6 < middle < 1e6


def test_the_noise_depends_on_the_input(regressor, table):
    x, _ = table
    std = regressor.predict(x, return_std=True)[1]
    assert std[x[:, 0] > 1050].mean() > 1.3 * std[x[:, 0] < 950].mean()
