"""Intervals, scores and parts of the variance of regressions, against closed forms and loops."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate
import scipy.spatial
import scipy.stats

from pymc_bnn import uncertainty as u


def normal_crps(y, mu, sigma):
    """Gneiting and Raftery (2007), the closed form below equation 21."""
    z = (y - mu) / sigma
    phi, cdf = scipy.stats.norm.pdf(z), scipy.stats.norm.cdf(z)
    return sigma * (z * (2 * cdf - 1) + 2 * phi - 1 / np.sqrt(np.pi))


# ---------------------------------------------------------------- intervals


def test_intervals_are_those_of_the_distribution_drawn_from():
    mu, sigma = np.array([0.0, 3.0]), np.array([1.0, 0.2])
    samples = mu + sigma * np.random.default_rng(0).normal(size=(200_000, 2))
    for level in (0.5, 0.95):
        exact = np.stack(scipy.stats.norm.interval(level, mu, sigma), -1)  # (n, 2)
        # A quantile's standard error is √(p(1 − p)/m) over the density, below 0.01 σ here.
        np.testing.assert_allclose(u.value_interval(samples, level), exact, atol=0.03)


def test_ends_are_interpolated_quantiles_over_draws():
    samples = np.random.default_rng(1).normal(size=(7, 3))
    found = u.value_interval(samples, 0.8)
    for i, column in enumerate(samples.T):
        np.testing.assert_allclose(
            found[i], scipy.stats.mstats.mquantiles(column, [0.1, 0.9], 1, 1)
        )


def test_coverage_counts_the_observations_between_the_ends():
    rng = np.random.default_rng(2)
    samples, y = rng.normal(size=(50, 400)), 1.3 * rng.normal(size=400)
    found = u.interval_coverage(samples, y, 0.9)
    inside = 0
    for column, value in zip(samples.T, y, strict=True):
        low, high = np.percentile(column, [5, 95])
        inside += low <= value <= high
    assert found.value == inside / 400
    # Wilson's formula, written out.
    p, z = inside / 400, scipy.stats.norm.ppf(0.975)
    middle = (p + z**2 / 800) / (1 + z**2 / 400)
    half = z / (1 + z**2 / 400) * np.sqrt(p * (1 - p) / 400 + z**2 / (4 * 400**2))
    np.testing.assert_allclose([found.low, found.high], [middle - half, middle + half])


def test_a_calibrated_prediction_covers_its_level():
    rng = np.random.default_rng(3)
    scale = rng.uniform(0.5, 3, 3000)
    samples, y = scale * rng.normal(size=(1000, 3000)), scale * rng.normal(size=3000)
    for level in (0.5, 0.95):
        found = u.interval_coverage(samples, y, level)
        assert found.low < level < found.high
    assert u.interval_coverage(samples / 2, y).high < 0.8


def test_ends_count_as_inside():
    assert u.interval_coverage([[1.0], [1.0]], [1.0]).value == 1.0


# ---------------------------------------------------------------- CRPS


def test_crps_is_the_closed_form_of_a_normal_prediction():
    rng = np.random.default_rng(4)
    mu, sigma, y = np.array([0.0, -2.0, 1.0]), np.array([1.0, 0.3, 5.0]), np.array([0.5, -3.0, 1.0])
    found = np.stack([u.crps(mu + sigma * rng.normal(size=(500, 3)), y) for _ in range(400)])
    error = found.std(axis=0, ddof=1) / np.sqrt(400)
    assert (np.abs(found.mean(axis=0) - normal_crps(y, mu, sigma)) < 3.5 * error).all()


def test_crps_of_few_draws_has_the_same_expectation():
    samples = np.random.default_rng(5).normal(size=(3, 200_000))
    found = u.crps(samples, np.full(200_000, 0.7))
    error = found.std() / np.sqrt(200_000)
    assert abs(found.mean() - normal_crps(0.7, 0, 1)) < 3.5 * error
    assert error < 0.002


def test_crps_is_the_double_sum_over_pairs_of_different_draws():
    rng = np.random.default_rng(6)
    samples, y = rng.gamma(2.0, size=(11, 4)) + 100, rng.gamma(2.0, size=4) + 100
    for found, x, value in zip(u.crps(samples, y), samples.T, y, strict=True):
        pairs = sum(abs(a - b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j)
        expected = np.mean([abs(a - value) for a in x]) - pairs / (2 * 11 * 10)
        assert found == pytest.approx(expected, abs=1e-10)


def test_crps_is_the_integrated_squared_error_of_the_distribution_function():
    # For the empirical distribution itself the pairs are divided by m², not m(m − 1).
    x, y = np.array([0.0, 1.0, 4.0]), 2.5
    grid = np.linspace(-1, 5, 600_001)
    steps = np.mean(grid >= x[:, None], axis=0) - (grid >= y)
    integral = scipy.integrate.trapezoid(steps**2, grid)
    absolute = np.abs(x - y).mean()
    fair = float(u.crps(x[:, None], [y])[0])
    assert absolute - (absolute - fair) * 2 / 3 == pytest.approx(integral, abs=1e-4)


def test_the_true_distribution_scores_best():
    rng = np.random.default_rng(7)
    y, draws = rng.normal(size=4000), rng.normal(size=(400, 4000))
    best = u.crps(draws, y).mean()
    for other in (draws + 0.3, 0.6 * draws, 1.6 * draws):
        assert u.crps(other, y).mean() > best + 0.01


# ---------------------------------------------------------------- all in one table


def test_the_table_holds_the_scores_and_what_another_test_set_would_make_of_them():
    rng = np.random.default_rng(10)
    n, mu = 500, rng.normal(size=500)
    samples, y = mu + rng.normal(size=(40, n)), mu + 1.2 * rng.normal(size=n)
    log_density = scipy.stats.norm.logpdf(y, mu)
    table = u.evaluate_values(samples, y, log_density, 0.8, repeats=2000)
    low, high = np.percentile(samples, [10, 90], axis=0)
    absolute = [np.abs(draws - value).mean() for draws, value in zip(samples.T, y, strict=True)]
    pairs = [scipy.spatial.distance.pdist(draws[:, None]).mean() / 2 for draws in samples.T]
    scores = {
        "width": high - low,
        "crps": np.subtract(absolute, pairs),
        "nlpd": -log_density,
    }
    assert list(table.index) == ["rmse", "coverage", *scores]
    for name, each in scores.items():
        value, *ends = table.loc[name]
        assert value == pytest.approx(each.mean())
        error = scipy.stats.sem(each)
        np.testing.assert_allclose(ends, value + 1.96 * error * np.array([-1, 1]), atol=0.3 * error)

    square = (samples.mean(axis=0) - y) ** 2
    value, *ends = table.loc["rmse"]
    assert value == pytest.approx(np.sqrt(square.mean()))
    error = scipy.stats.sem(square) / (2 * value)  # by the delta method
    np.testing.assert_allclose(ends, value + 1.96 * error * np.array([-1, 1]), atol=0.3 * error)

    inside = int(((low <= y) & (y <= high)).sum())
    wilson = scipy.stats.binomtest(inside, n).proportion_ci(method="wilson")
    np.testing.assert_allclose(table.loc["coverage"], [inside / n, *wilson])


def test_the_table_without_densities_has_none_and_its_seed_is_its_own():
    samples, y = np.random.default_rng(11).normal(size=(20, 30)), np.zeros(30)
    table = u.evaluate_values(samples, y, repeats=20)
    assert list(table.index) == ["rmse", "coverage", "width", "crps"]
    assert table.equals(u.evaluate_values(samples.tolist(), y, repeats=20, random_seed=0))
    other = u.evaluate_values(samples, y, repeats=20, random_seed=1)
    assert (other.loc["crps"] != table.loc["crps"]).tolist() == [False, True, True]


# ---------------------------------------------------------------- parts of the variance


def test_parts_are_those_of_the_law_of_total_variance():
    rng = np.random.default_rng(8)
    means, noise = rng.normal(size=(300, 5)) * np.arange(1, 6), rng.gamma(3.0, size=(300, 5))
    parts = u.variance_parts(means, noise)
    for i in range(5):
        assert parts.epistemic[i] == pytest.approx(np.sqrt(scipy.stats.tvar(means[:, i])))
        assert parts.aleatoric[i] == pytest.approx(np.sqrt(np.mean([s**2 for s in noise[:, i]])))
    np.testing.assert_allclose(parts.total**2, parts.epistemic**2 + parts.aleatoric**2)


def test_total_is_the_spread_of_new_observations():
    rng = np.random.default_rng(9)
    means, noise = 2 * rng.normal(size=(100_000, 1)), rng.uniform(0.5, 3, size=(100_000, 1))
    y = means + noise * rng.normal(size=means.shape)
    # The standard error of a standard deviation is about 0.3 % here.
    assert u.variance_parts(means, noise).total[0] == pytest.approx(y.std(), rel=0.012)


def test_noise_may_be_known_or_one_number_per_draw():
    means, noise = np.zeros((3, 2)), np.array([[1.0], [2.0], [2.0]])
    np.testing.assert_allclose(u.variance_parts(means, noise).aleatoric, np.sqrt([3.0, 3.0]))
    np.testing.assert_allclose(u.variance_parts(means, 0.5).total, [0.5, 0.5])


# ---------------------------------------------------------------- errors

GOOD = np.zeros((3, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: u.value_interval(np.zeros(3)), r"`samples` must have shape \(draws, n\)"),
        (lambda: u.value_interval(np.zeros((3, 0))), r"at least 1 by 1, got shape \(3, 0\)"),
        (lambda: u.value_interval(GOOD, 1.0), r"`level` must be a number in \(0, 1\), got 1.0"),
        (lambda: u.value_interval([[np.nan]]), "`samples` must hold finite numbers only"),
        (lambda: u.interval_coverage(GOOD, [1.0]), r"`y` must have shape \(2,\), one value per"),
        (lambda: u.crps(GOOD[:1], [0.0, 0.0]), r"at least 2 by 1, got shape \(1, 2\)"),
        (lambda: u.crps(GOOD, [[0.0, 0.0]]), r"`y` must have shape \(2,\).*got shape \(1, 2\)"),
        (lambda: u.crps(GOOD, [0.0, np.inf]), "`y` must hold finite numbers only"),
        (lambda: u.evaluate_values(GOOD[:1], [0.0, 0.0]), r"`samples` must .* at least 2 by 1"),
        (lambda: u.evaluate_values(GOOD, [0.0]), r"`y` must have shape \(2,\), one value per"),
        (
            lambda: u.evaluate_values(GOOD, [0.0, 0.0], [[0.0], [0.0]]),
            r"`log_density` must have shape \(2,\), one value per predicted example, got .*2, 1",
        ),
        (
            lambda: u.evaluate_values(GOOD, [0.0, 0.0], [0.0, -np.inf]),
            "`log_density` must hold finite numbers only",
        ),
        (lambda: u.evaluate_values(GOOD, [0.0, 0.0], level=2), "`level` must be a number in"),
        (lambda: u.evaluate_values(GOOD, [0.0, 0.0], repeats=1), "`repeats` must be an integer"),
        (lambda: u.evaluate_values(GOOD, [0.0, 0.0], random_seed=-1), "`random_seed` must be an"),
        (lambda: u.variance_parts(GOOD[0], 1.0), r"`means` must have shape \(draws, n\)"),
        (
            lambda: u.variance_parts(GOOD, np.ones(3)),
            r"`noise_stds` must be a number or have .* or \(3, 1\), got shape \(3,\); use `sigma",
        ),
        (lambda: u.variance_parts(GOOD, -1.0), "`noise_stds` must be 0 or above, got -1; pass"),
    ],
)
def test_bad_values_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_is_no_number_is_refused():
    with pytest.raises(TypeError, match="`samples` must be an array of real numbers"):
        u.crps([["a"], ["b"]], [0.0])
