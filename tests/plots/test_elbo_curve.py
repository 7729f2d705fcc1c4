"""The ELBO curve: estimates, their average, units, parts, a dive at the start."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pymc_bnn import plots
from tests.support.plot_parts import history, lines

pytestmark = pytest.mark.usefixtures("plot_settings_untouched")


def test_elbo_curve_draws_the_estimates_and_their_average_over_an_epoch():
    frame = history()
    drawn = lines(plots.elbo_curve(frame))
    [raw] = [line for label, line in drawn.items() if label.startswith("ELBO, each step")]
    np.testing.assert_array_equal(raw.get_ydata(), frame["elbo"])
    bold = drawn["ELBO, mean over 20 steps"]
    np.testing.assert_array_equal(bold.get_xdata(), frame.index)
    for at in (100, 250, 389):  # a centred window of 20 rows, the current one its 11th
        assert bold.get_ydata()[at] == pytest.approx(
            frame["elbo"].to_numpy()[at - 10 : at + 10].mean()
        )
    assert bold.get_linewidth() > raw.get_linewidth()


@pytest.mark.parametrize(
    ("steps", "per_epoch", "window"), [(1000, 1, 20), (1000, 50, 50), (1000, 500, 100)]
)
def test_the_window_is_an_epoch_between_a_fiftieth_and_a_tenth_of_the_steps(
    steps, per_epoch, window
):
    ax = plots.elbo_curve(history(steps, per_epoch))
    assert f"ELBO, mean over {window} steps" in lines(ax)


def test_sparse_histories_count_steps_not_rows():
    frame = history(1000, 100).iloc[9::10]  # steps 10, 20, …; an epoch is 10 rows
    drawn = lines(plots.elbo_curve(frame))
    assert "ELBO, mean over 100 steps" in drawn
    np.testing.assert_array_equal(drawn["ELBO, mean over 100 steps"].get_xdata(), frame.index)


def test_elbo_per_example_and_the_uniform_predictor():
    frame = history()
    total, each = plots.elbo_curve(frame), plots.elbo_curve(frame, 500, n_classes=10)
    assert (total.get_xlabel(), total.get_ylabel()) == ("step", "ELBO [nats]")
    assert each.get_ylabel() == "ELBO [nats per example]"
    whole = lines(total)["ELBO, mean over 20 steps"].get_ydata()
    np.testing.assert_allclose(
        lines(each)["ELBO, mean over 20 steps"].get_ydata() * 500, whole, rtol=1e-12
    )
    level = lines(each)["uniform predictor, −log 10 = −2.30"].get_ydata()
    np.testing.assert_allclose(level, -2.302585092994046)
    low, high = each.get_ylim()
    assert low < -2.31
    assert high > -2.29


def test_the_parts_add_up_to_the_elbo():
    frame = history()
    ax = plots.elbo_curve(frame, parts=True)
    drawn = lines(ax)
    elbo, nll, kl = (
        drawn[f"{name}, mean over 20 steps"].get_ydata() for name in ("ELBO", "−NLL", "−KL")
    )
    np.testing.assert_allclose(nll + kl, elbo, rtol=1e-9)
    assert (nll < 0).all()
    assert (kl < 0).all()
    assert ax.get_ylabel() == "ELBO and its parts [nats]"


def test_a_dive_at_the_start_does_not_flatten_the_curve_and_is_counted():
    frame = history()
    ax = plots.elbo_curve(frame)
    low, high = ax.get_ylim()
    assert frame["elbo"].min() < -200_000
    assert low > -5_000
    assert high > frame["elbo"].max()
    below = int((frame["elbo"] < low).sum())
    assert below > 5
    assert f"ELBO, each step ({below} below the axis)" in lines(ax)


def test_a_curve_without_a_dive_is_shown_whole():
    frame = pd.DataFrame({"elbo": np.linspace(-30.0, -10.0, 200)}, index=np.arange(1, 201))
    ax = plots.elbo_curve(frame)
    assert ax.get_ylim()[0] < -30.0
    assert "ELBO, each step" in lines(ax)


def test_epochs_label_a_second_axis_only_where_there_are_any():
    [second] = plots.elbo_curve(history(400, 20)).child_axes
    second.figure.canvas.draw()
    assert second.get_xlabel() == "epoch"
    assert second.get_xlim() == (0.0, 20.0)
    assert plots.elbo_curve(history().drop(columns="epoch")).child_axes == []
    assert plots.elbo_curve(history(400, 1)).child_axes == []
    assert plots.elbo_curve(history().iloc[:1]).child_axes == []


def test_a_single_step_is_a_visible_dot():
    ax = plots.elbo_curve(history().iloc[:1], 500, n_classes=10, parts=True)
    drawn = lines(ax)
    assert set(drawn) == {"ELBO", "−NLL", "−KL", "uniform predictor, −log 10 = −2.30"}
    low, high = ax.get_ylim()
    for name in ("ELBO", "−NLL", "−KL"):
        [value] = drawn[name].get_ydata()
        assert low < value < high
        assert drawn[name].get_marker() == "o"
    assert ax.get_xlim() == (0, 2)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (([1.0, 2.0],), TypeError, "`history` must be a pandas DataFrame, got a list"),
        ((pd.DataFrame({"loss": [1.0]}),), ValueError, "`history` must have .* none named elbo"),
        ((pd.DataFrame({"elbo": []}, dtype=float),), ValueError, "got no rows"),
        ((pd.DataFrame({"elbo": [1.0, np.nan]}),), ValueError, "first at index .1,."),
        ((pd.DataFrame({"elbo": ["a"]}),), TypeError, "must hold numbers, got dtype"),
        ((pd.DataFrame({"elbo": [1.0]}, index=["a"]),), ValueError, "indexed by increasing step"),
        ((pd.DataFrame({"elbo": [1.0] * 2}, index=[2, 1]),), ValueError, "increasing step numbers"),
        ((history(3), 0), ValueError, "`n_examples` must be an integer of at least 1, got 0"),
        ((history(3), 10, "axes"), TypeError, "`ax` must be matplotlib axes, got a str"),
    ],
)
def test_elbo_curve_refuses(arguments, error, match):
    with pytest.raises(error, match=match):
        plots.elbo_curve(*arguments)


def test_elbo_curve_needs_what_its_options_need():
    with pytest.raises(ValueError, match="`n_classes` must come with `n_examples`"):
        plots.elbo_curve(history(3), n_classes=10)
    with pytest.raises(ValueError, match="`n_classes` must be an integer of at least 2, got 1"):
        plots.elbo_curve(history(3), 10, n_classes=1)
    with pytest.raises(ValueError, match="none named nll, kl"):
        plots.elbo_curve(history(3)[["elbo"]], parts=True)


def test_elbo_curve_of_nothing():
    with pytest.raises(TypeError, match="`history` must be a pandas DataFrame, got a NoneType"):
        plots.elbo_curve(None)
