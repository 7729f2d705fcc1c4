"""Pictures that compare fits: ELBO curves, dots, densities of mixtures."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pymc_bnn import plots


def histories(sign=-1.0):
    step = np.arange(1, 401)
    index = pd.Index(step, name="step")
    return {
        name: pd.DataFrame(
            {"epoch": step / 20, "elbo": sign * (a + 40 * np.exp(-step / 30))}, index
        )
        for name, a in (("slow", 60.0), ("fast", 50.0))
    }


def test_elbo_curves_are_drawn_over_time_at_the_speed_of_each():
    speeds = {"slow": 1.0, "fast": 2.0}
    ax = plots.elbo_curves(histories(), 100, steps_per_second=speeds, n_classes=10)
    slow, fast, uniform = ax.get_lines()
    assert ax.get_xlabel() == "minutes"
    assert slow.get_xdata()[-1] == pytest.approx(400 / 60)
    assert fast.get_xdata()[-1] == pytest.approx(200 / 60)
    np.testing.assert_allclose(slow.get_ydata()[-1], -0.6, atol=1e-4)
    assert uniform.get_ydata()[0] == pytest.approx(-np.log(10))
    assert "−0.5 at the end" in fast.get_label()
    assert "logarithmic in −ELBO" in ax.get_ylabel()
    low, high = ax.get_ylim()
    assert low < high < 0  # larger is better, and up
    ticks = ax.get_yticks()
    assert len(ticks) >= 3
    assert ((ticks >= low) & (ticks <= high)).all()


def test_elbo_curves_are_linear_where_some_are_positive():
    ax = plots.elbo_curves(histories(1.0))
    assert ax.get_xlabel() == "epoch"
    assert ax.get_ylabel() == "ELBO [nats]"
    assert ax.get_yscale() == "linear"
    assert ax.get_lines()[0].get_xdata()[-1] == 20


def test_dots_lie_where_the_numbers_are():
    table = pd.DataFrame({"a": [1.0, 10.0], "b": [2.0, 5.0]}, index=["first", "second"])
    ax = plots.dots(table, xlabel="x", log=True, line=(3.0, "three"), errors=0.1 * table)
    drawn = {line.get_label(): line for line in ax.get_lines()}
    for column in table:
        np.testing.assert_array_equal(drawn[column].get_xdata(), table[column])
        np.testing.assert_allclose(drawn[column].get_ydata(), [1, 0], atol=0.3)
    assert list(drawn["three"].get_xdata()) == [3.0, 3.0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["first", "second"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "2", "5", "10"]
    with pytest.raises(ValueError, match="`table` must be above 0"):
        plots.dots(-table, log=True)


def test_mixture_density_agrees_with_scipy():
    ax = plots.mixture_density(0.3, 2.0, 0.1, normals=(0.5,))
    x, y = (np.ravel(v) for v in ax.get_lines()[0].get_data())
    expected = 0.3 * stats.norm.pdf(x, 0, 2.0) + 0.7 * stats.norm.pdf(x, 0, 0.1)
    np.testing.assert_allclose(y, expected, rtol=1e-12)
    assert (np.diff(x) > 0).all()
    np.testing.assert_allclose(x[[0, -1]], [-8, 8])
    other = ax.get_lines()[1]
    np.testing.assert_allclose(np.ravel(other.get_ydata()), stats.norm.pdf(x, 0, 0.5))


def test_a_learned_mixture_has_a_band_that_holds_nine_draws_of_ten():
    rng = np.random.default_rng(0)
    draws = rng.uniform(0.2, 0.4, 500), rng.uniform(0.8, 1.2, 500), rng.uniform(0.05, 0.1, 500)
    ax = plots.mixture_density(*draws)
    [band] = ax.collections
    vertices = band.get_paths()[0].vertices
    at_zero = vertices[np.isclose(vertices[:, 0], 0), 1]
    share, wide, narrow = draws
    density = (share / wide + (1 - share) / narrow) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(sorted(set(at_zero)), np.quantile(density, [0.05, 0.95]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.5, 1.0, 0.1), "`weight` must lie in 0…1"),
        ((0.5, 1.0, -0.1), "`sigma_2` must be above 0"),
        (([0.5, 0.5], 1.0, 0.1), "`weight` must have the size"),
    ],
)
def test_mixture_density_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        plots.mixture_density(*arguments)


def test_elbo_curves_errors():
    with pytest.raises(ValueError, match="`histories` must map names"):
        plots.elbo_curves({})
    match = r"`steps_per_second\['fast'\]` must be a finite number above 0, got None"
    with pytest.raises(ValueError, match=match):
        plots.elbo_curves(histories(), steps_per_second={"slow": 1.0})
    with pytest.raises(ValueError, match="`n_classes` must come with"):
        plots.elbo_curves(histories(), n_classes=10)
    objective = {"point": histories()["slow"].rename(columns={"elbo": "objective"})}
    with pytest.raises(ValueError, match="elbo"):
        plots.elbo_curves(objective)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"errors": 3}, TypeError, "`errors` must be a pandas DataFrame, got a int"),
        ({"errors": pd.DataFrame({"b": [1.0]})}, ValueError, "`errors` .* none named a"),
        ({"errors": pd.DataFrame({"a": [1.0]})}, ValueError, "`errors` must have the rows of"),
        ({"errors": pd.DataFrame({"a": [1.0, -1.0]})}, ValueError, "`errors` .* number -1;"),
        ({"line": 0.5}, TypeError, "`line` must be a pair of a number and what it is, got 0.5"),
    ],
)
def test_dots_errors(options, error, match):
    with pytest.raises(error, match=match):
        plots.dots(pd.DataFrame({"a": [1.0, 2.0]}), **options)


def test_dots_of_two_columns_of_one_name():
    with pytest.raises(ValueError, match=r"`table` must have each column once, got \['a'\] twice"):
        plots.dots(pd.DataFrame(np.ones((2, 2)), columns=["a", "a"]))
