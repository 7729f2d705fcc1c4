"""What the pictures show: the data in the artists, their labels and units, and the errors."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import sklearn.metrics
import xarray as xr
from matplotlib.colors import to_hex

from pymc_bnn import plots

BLUE, VERMILION = "#0072b2", "#d55e00"


pytestmark = pytest.mark.usefixtures("plot_settings_untouched")


def history(steps=400, per_epoch=20, seed=0):
    step = np.arange(1, steps + 1)
    noise = np.random.default_rng(seed).normal(0, 40, steps)
    nll = 1000 + 1e6 * np.exp(-step / 4) + noise
    kl = 500 + 800 * np.exp(-step / 100)
    return pd.DataFrame(
        {"epoch": step / per_epoch, "elbo": -nll - kl, "nll": nll, "kl": kl},
        index=pd.Index(step, name="step"),
    )


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


# ---------------------------------------------------------------- ELBO curve


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


# ---------------------------------------------------------------- confusion matrix


def labels(classes, n=900, errors=0.1, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    return y, np.where(rng.random(n) < errors, rng.integers(0, classes, n), y)


@pytest.mark.parametrize("classes", [2, 10, 26])
def test_the_heat_map_holds_the_counts_of_sklearn(classes):
    y, predicted = labels(classes)
    expected = sklearn.metrics.confusion_matrix(y, predicted)
    ax = plots.confusion_matrix(y, predicted)
    errors, correct = (image.get_array() for image in ax.get_images())
    np.testing.assert_array_equal(errors.filled(0) + correct.filled(0), expected)
    np.testing.assert_array_equal(correct.filled(0), np.diag(np.diag(expected)))
    written = np.zeros_like(expected)
    for text in ax.texts:
        column, row = text.get_position()
        written[row, column] = int(text.get_text())
    np.testing.assert_array_equal(written, expected)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted label", "true label")
    assert list(ax.get_xticks()) == list(ax.get_yticks()) == list(range(classes))
    wrong = int((y != predicted).sum())
    assert ax.get_title() == f"accuracy {1 - wrong / 900:.3f}: {wrong} errors in 900 predictions"


def test_one_error_is_tinted_and_more_errors_are_darker():
    y = np.repeat([0, 1, 2], 1000)
    predicted = y.copy()
    predicted[:1], predicted[1000:1300] = 1, 2
    errors, correct = plots.confusion_matrix(y, predicted).get_images()
    rgba = errors.to_rgba(errors.get_array())
    none, one, many = rgba[0, 2], rgba[0, 1], rgba[1, 2]
    assert to_hex(none) == "#ffffff"
    assert none[2] - one[2] > 0.1  # blue is what vermilion lacks
    assert to_hex(many) == VERMILION
    assert to_hex(correct.to_rgba(correct.get_array())[2, 2]) == BLUE


def test_classes_that_do_not_occur_keep_their_place():
    ax = plots.confusion_matrix([0, 0, 3], [0, 3, 3], n_classes=5)
    errors, correct = (image.get_array().filled(0) for image in ax.get_images())
    assert np.argwhere(errors).tolist() == [[0, 3]]
    assert np.argwhere(correct).tolist() == [[0, 0], [3, 3]]
    assert errors.shape == (5, 5)
    assert plots.confusion_matrix([0, 0], [0, 0]).get_images()[0].get_array().shape == (2, 2)


def test_counts_shrink_with_their_cells_and_vanish_rather_than_become_illegible():
    y, predicted = labels(10, 30_000)
    figure, (ax, _) = plt.subplots(1, 2, figsize=(4.5, 2.2), layout="constrained")
    assert plots.confusion_matrix(y, predicted, ax=ax) is ax
    figure.canvas.draw()
    cell = ax.get_window_extent().width / 10
    assert all(text.get_window_extent().width < 1.1 * cell for text in ax.texts)
    tiny = plt.figure(figsize=(1.5, 1.5)).subplots()
    assert len(plots.confusion_matrix(y, predicted, ax=tiny).texts) == 0


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (([0, 1], [0]), ValueError, r"`predicted` must have shape \(2,\).*got shape \(1,\)"),
        (
            ([0.0], [0]),
            TypeError,
            "`y` must hold integers, got dtype float64; convert it: y.astype",
        ),
        (
            ([0], [-1]),
            ValueError,
            "`predicted` must hold class numbers of 0 or above, got values in -1…-1",
        ),
        (([], []), ValueError, "`y` must have shape .n,. with at least one label"),
        (([0, 7], [0, 1], 5), ValueError, "`y` must hold class numbers in 0…4, got .*7"),
        (([0], [0], 1), ValueError, "`n_classes` must be an integer of at least 2, got 1"),
    ],
)
def test_confusion_matrix_refuses(arguments, error, match):
    with pytest.raises(error, match=match):
        plots.confusion_matrix(*arguments)


# ---------------------------------------------------------------- densities


def summary(errors, n=500, seed=0):
    rng = np.random.default_rng(seed)
    correct = np.arange(n) >= errors
    entropy = np.where(correct, rng.beta(0.3, 6.0, n), rng.beta(4.0, 3.0, n)) * np.log2(10)
    return pd.DataFrame({"correct": correct, "entropy_bits": entropy, "chi_square": 900 - entropy})


def outlines(ax):
    """The unfilled histograms by colour."""
    return {
        to_hex(patch.get_edgecolor()): patch.get_data()
        for patch in ax.patches
        if not patch.get_fill()
    }


def test_each_group_is_a_histogram_of_its_own_shares():
    frame = summary(60)
    ax = plots.density_by_correctness(frame, "entropy_bits")
    drawn = outlines(ax)
    for color, mask in ((BLUE, frame.correct), (VERMILION, ~frame.correct)):
        values, edges, _ = drawn[color]
        counted = [
            ((frame.entropy_bits[mask] >= a) & (frame.entropy_bits[mask] < b)).sum()
            for a, b in itertools.pairwise(edges)
        ]
        counted[-1] += (frame.entropy_bits[mask] == edges[-1]).sum()
        np.testing.assert_allclose(values, 100 * np.array(counted) / mask.sum())
        assert values.sum() == pytest.approx(100)
        assert ax.get_ylim()[1] > values.max()
    np.testing.assert_array_equal(drawn[BLUE].edges, drawn[VERMILION].edges)
    assert ax.get_xlabel() == "entropy [bits]"
    assert ax.get_ylabel().startswith("share of the group per bin [%]")


def test_the_legend_and_the_dashed_lines_give_the_means():
    frame = summary(60)
    ax = plots.density_by_correctness(frame, "entropy_bits")
    means = frame.groupby("correct")["entropy_bits"].mean()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        f"correct: n = 440, mean {means[True]:.3g}",
        f"errors: n = 60, mean {means[False]:.3g}",
    ]
    dashed = {line.get_color().lower(): line for line in ax.get_lines()}
    np.testing.assert_allclose(dashed[BLUE].get_xdata(), means[True])
    np.testing.assert_allclose(dashed[VERMILION].get_xdata(), means[False])


@pytest.mark.parametrize(("column", "label"), [("chi_square", "chi-square of votes"), ("z", "z")])
def test_columns_are_labelled_with_their_unit_or_their_name(column, label):
    frame = summary(60).assign(z=1.5)
    assert plots.density_by_correctness(frame, column).get_xlabel() == label


def test_no_errors_one_error_and_only_errors_are_said():
    frame = summary(1)
    one = plots.density_by_correctness(frame, "entropy_bits")
    value = frame.entropy_bits[0]
    assert one.get_legend().get_texts()[1].get_text() == f"errors: n = 1, mean {value:.3g}"
    marks = [line for line in one.get_lines() if line.get_marker() == "|"]
    assert [line.get_xdata().tolist() for line in marks] == [[value]]
    assert outlines(one)[VERMILION].values.max() == 100

    none = plots.density_by_correctness(frame[frame.correct], "entropy_bits")
    assert none.get_legend().get_texts()[1].get_text() == "errors: none"
    assert list(outlines(none)) == [BLUE]

    only = plots.density_by_correctness(frame[~frame.correct], "entropy_bits")
    assert only.get_legend().get_texts()[0].get_text() == "correct: none"
    assert list(outlines(only)) == [VERMILION]


@pytest.mark.parametrize("value", [0.0, 900.0, -3.5])
def test_a_constant_column_is_one_bar_around_its_value(value):
    ax = plots.density_by_correctness(summary(20).assign(chi_square=value), "chi_square")
    for values, edges, _ in outlines(ax).values():
        assert values.tolist() == [0, 100, 0]
        assert edges[1] < value < edges[2]
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("frame", "error", "match"),
    [
        (np.zeros(3), TypeError, "`frame` must be a pandas DataFrame, got a ndarray"),
        (summary(3).drop(columns="correct"), ValueError, "none named correct; make it by summary"),
        (summary(3).drop(columns="chi_square"), ValueError, "none named chi_square"),
        (summary(3).iloc[:0], ValueError, "got no rows"),
        (summary(3).assign(correct=1), TypeError, "column correct of booleans, got dtype int64"),
        (summary(3).assign(chi_square=np.inf), ValueError, "must hold finite numbers only"),
    ],
)
def test_density_by_correctness_refuses(frame, error, match):
    with pytest.raises(error, match=match):
        plots.density_by_correctness(frame, "chi_square")


def test_density_by_correctness_of_one_column():
    with pytest.raises(TypeError, match="`column` must be the name of a column, got"):
        plots.density_by_correctness(summary(3), ["chi_square"])
    ax = plots.density_by_correctness(summary(60), "entropy_bits")
    assert len([line for line in ax.get_lines() if line.get_linestyle() == "--"]) == 2


def test_elbo_curve_of_nothing():
    with pytest.raises(TypeError, match="`history` must be a pandas DataFrame, got a NoneType"):
        plots.elbo_curve(None)


# ---------------------------------------------------------------- scales


def scales(seed=0):
    rng = np.random.default_rng(seed)
    spread = {"conv1_W_sigma": (0.3, 0.02), "dense1_W_sigma": (0.02, 0.1), "dense1_b_sigma": (2, 1)}
    return {
        name: middle * np.exp(width * rng.standard_normal((1, 400)))
        for name, (middle, width) in spread.items()
    }


def curves(ax):
    """The densities, from the top: x, height above the row's line."""
    rows = [line for line in ax.get_lines() if len(line.get_xdata()) > 2]
    rows.sort(key=lambda line: -line.get_ydata().min())
    return [(line.get_xdata(), line.get_ydata() - round(line.get_ydata().min())) for line in rows]


def test_each_scale_is_a_density_of_log_scale_by_scipy():
    draws = scales()
    ax = plots.scale_posteriors(draws)
    assert ax.get_xscale() == "log"
    names = [label.get_text() for label in ax.get_yticklabels()]
    heights = ax.get_yticks()
    assert [name for _, name in sorted(zip(-heights, names, strict=True))] == list(draws)
    drawn = curves(ax)
    assert len(drawn) == 3
    for (x, height), values in zip(drawn, draws.values(), strict=True):
        density = scipy.stats.gaussian_kde(np.log10(values.ravel()))(np.log10(x))
        np.testing.assert_allclose(height, 0.8 * density / density.max(), atol=1e-9)
        low, high = ax.get_xlim()
        assert low <= x.min()
        assert x.max() <= high
    assert ax.get_xlabel() == "scale, in units of its parameter (logarithmic axis)"


def test_medians_are_marked_and_written():
    draws = scales()
    ax = plots.scale_posteriors(draws)
    dots = [line for line in ax.get_lines() if line.get_marker() == "o"]
    medians = [np.median(values) for values in draws.values()]
    assert [line.get_xdata()[0] for line in dots] == pytest.approx(medians)
    assert [text.get_text() for text in ax.texts] == [*(f"{m:.3g}" for m in medians), "median"]


def test_a_tree_a_dataset_and_a_mapping_draw_the_same():
    draws = scales()
    dataset = xr.Dataset({name: (("chain", "draw"), values) for name, values in draws.items()})
    tree = xr.DataTree.from_dict({"posterior": dataset})
    expected = curves(plots.scale_posteriors(draws))
    for posterior in (tree, tree["posterior"], dataset):
        for (x, height), (x0, height0) in zip(
            curves(plots.scale_posteriors(posterior)), expected, strict=True
        ):
            np.testing.assert_allclose(x, x0)
            np.testing.assert_allclose(height, height0)


def test_names_choose_and_order_the_scales():
    draws = scales() | {"dense1_W": np.array([-1.0, 1.0])}
    ax = plots.scale_posteriors(draws, ["dense1_b_sigma", "conv1_W_sigma"])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["dense1_b_sigma", "conv1_W_sigma"]
    [(x, _)] = curves(plots.scale_posteriors(draws, "dense1_W_sigma"))
    assert x.min() < 0.02 < x.max() < 0.1


def test_a_point_is_a_rod_and_many_scales_are_pooled():
    units = np.exp(np.random.default_rng(1).standard_normal((1, 50, 8)))
    ax = plots.scale_posteriors({"point": np.full((1, 9), 0.03), "units": units})
    [rod] = [
        line for line in ax.get_lines() if len(line.get_xdata()) == 2 and line.get_ydata()[1] > 1
    ]
    assert rod.get_xdata().tolist() == [0.03, 0.03]
    assert rod.get_ydata().tolist() == [1.0, 1.8]
    assert ax.texts[1].get_text() == f"{np.median(units):.3g}"
    ax.figure.canvas.draw()


@pytest.mark.parametrize("factor", [1.001, 3.0, 300.0, 1e5, 1e9])
def test_any_range_of_scales_has_two_ticks_or_more(factor):
    ax = plots.scale_posteriors({"a": [0.7, 0.7001, 0.7002], "b": [0.7 * factor] * 2})
    ax.figure.canvas.draw()
    low, high = ax.get_xlim()
    assert sum(low <= tick <= high for tick in ax.get_xticks()) in range(2, 13)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (({},), TypeError, "`posterior` must be a DataTree .* got a dict without variables"),
        (([1.0],), TypeError, "`posterior` must be a DataTree with a posterior, or a mapping"),
        (
            (scales(), "w"),
            ValueError,
            "`var_names` must name variables .* got .'w'.; choose of conv1",
        ),
        (({"w": [1.0, -1.0]},), ValueError, r"`posterior\['w'\]` must be above 0, as scales are"),
        (({"w": []},), ValueError, r"must hold draws, got shape \(0,\)"),
        (({"w": [np.nan]},), ValueError, r"`posterior\['w'\]` must hold finite numbers only"),
    ],
)
def test_scale_posteriors_refuses(arguments, error, match):
    with pytest.raises(error, match=match):
        plots.scale_posteriors(*arguments)


# ---------------------------------------------------------------- uncertain examples

VOTES = np.array([[10, 0, 0], [4, 3, 3], [1, 8, 1], [0, 5, 5], [0, 0, 10]])
IMAGES = np.arange(5 * 4 * 4).reshape(5, 4, 4) / 80


def test_the_least_sure_come_first_with_their_images_and_votes():
    axes = plots.uncertain_examples(IMAGES, VOTES, y=[0, 1, 1, 2, 2], n=3)
    assert axes.shape == (3, 2)
    for (picture, bars), example in zip(axes, [1, 3, 2], strict=True):
        np.testing.assert_array_equal(picture.get_images()[0].get_array(), IMAGES[example])
        assert [bar.get_width() for bar in bars.patches] == VOTES[example].tolist()
        assert [t.get_text() for t in bars.get_yticklabels()] == ["0", "1", "2"]
        assert bars.get_ylim()[0] > bars.get_ylim()[1]  # class 0 at the top
        assert bars.get_xlim() == (0, 8)  # the longest bar shown
    reference = [scipy.stats.chisquare(VOTES[k]).statistic for k in (1, 3, 2)]
    assert [picture.get_title(loc="left") for picture, _ in axes] == [
        f"true 1, voted 0\nχ² = {reference[0]:.3g}",
        f"true 2, voted 1\nχ² = {reference[1]:.3g}",
        f"true 1, voted 1\nχ² = {reference[2]:.3g}",
    ]
    assert axes[-1, 1].get_xlabel() == "votes of 10"
    assert axes[0, 1].get_ylabel() == "class"


def test_the_true_class_is_blue_and_a_wrong_vote_vermilion():
    axes = plots.uncertain_examples(IMAGES, VOTES, y=[0, 1, 1, 2, 2], n=3)
    grey = "#b5b5b5"
    colors = [[to_hex(bar.get_facecolor()) for bar in bars.patches] for _, bars in axes]
    assert colors == [[VERMILION, BLUE, grey], [grey, VERMILION, BLUE], [grey, BLUE, grey]]
    titles = [to_hex(picture._left_title.get_color()) for picture, _ in axes]
    assert titles == [VERMILION, VERMILION, "#222222"]
    unlabelled = plots.uncertain_examples(IMAGES, VOTES, n=1)
    assert [to_hex(bar.get_facecolor()) for bar in unlabelled[0, 1].patches] == [
        "#767676",
        grey,
        grey,
    ]
    assert unlabelled[0, 0].get_title(loc="left").startswith("voted 0")


def test_the_order_can_be_the_entropy_of_the_votes_or_any_numbers():
    # 6+3+1 is more even than 7+1+1+1 by chi-square, and less by entropy.
    votes = np.array([[5, 5, 0, 0, 0], [7, 1, 1, 1, 0], [6, 3, 1, 0, 0]])
    statistic = [scipy.stats.chisquare(v).statistic for v in votes]
    entropy = [scipy.stats.entropy(v / 10) for v in votes]
    assert np.argsort(statistic).tolist() != np.argsort(entropy)[::-1].tolist()

    def order(**options):
        axes = plots.uncertain_examples(IMAGES[:3], votes, **options)
        return [int(picture.get_images()[0].get_array()[0, 0] * 5) for picture, _ in axes]

    assert order() == np.argsort(statistic).tolist()
    assert order(by="entropy") == np.argsort(entropy)[::-1].tolist()
    assert order(by=pd.Series([0.2, 0.1, 0.9])) == [2, 0, 1]


def test_the_channel_axis_is_optional_and_n_may_exceed_the_examples():
    axes = plots.uncertain_examples(IMAGES[..., None], VOTES, n=99, columns=2)
    assert axes.shape == (5, 2)
    np.testing.assert_array_equal(axes[0, 0].get_images()[0].get_array(), IMAGES[1])
    left = [round(picture.get_position().x0, 6) for picture, _ in axes]
    assert len(set(left)) == 2
    assert left[0] == left[2] == left[4]
    with_label = [bars.get_xlabel() == "votes of 10" for _, bars in axes]
    assert with_label == [False, False, False, True, True]


def test_of_many_classes_those_with_votes_and_the_true_one_are_shown():
    votes = np.zeros((2, 26), int)
    votes[0, [3, 20, 7]] = 4, 5, 6
    votes[1] = np.arange(26)
    axes = plots.uncertain_examples(IMAGES[:2], votes, y=[25, 25], by=[1.0, 0.0])
    shown = [
        {
            int(t.get_text()): bar.get_width()
            for t, bar in zip(b.get_yticklabels(), b.patches, strict=True)
        }
        for _, b in axes
    ]
    assert shown[0] == {3: 4, 7: 6, 20: 5, 25: 0}
    assert shown[1] == {k: k for k in range(16, 26)}


@pytest.mark.parametrize(
    ("arguments", "options", "error", "match"),
    [
        ((IMAGES[:4], VOTES), {}, ValueError, r"`images` must have shape \(5, height, width\)"),
        ((np.zeros((5, 4, 4, 3)), VOTES), {}, ValueError, r"got shape \(5, 4, 4, 3\)"),
        ((IMAGES * np.nan, VOTES), {}, ValueError, "`images` must hold finite numbers only"),
        ((IMAGES, VOTES / 10), {}, TypeError, "`votes` must hold integer counts"),
        ((IMAGES, VOTES, [0, 1]), {}, ValueError, r"`y` must have shape \(5,\), one label per exa"),
        ((IMAGES, VOTES, [0, 1, 2, 3, 0]), {}, ValueError, "in 0…2, got values in 0…3; number"),
        ((IMAGES, VOTES), {"n": 0}, ValueError, "`n` must be an integer of at least 1, got 0"),
        ((IMAGES, VOTES), {"columns": 0}, ValueError, "`columns` must be an integer of at least 1"),
        ((IMAGES, VOTES), {"by": "loss"}, ValueError, '`by` must be "chi_square", "entropy" or'),
        ((IMAGES, VOTES), {"by": [1.0]}, ValueError, "`by` must hold 5 numbers, one per row"),
        ((IMAGES, VOTES), {"by": [np.nan] * 5}, ValueError, "`by` must hold finite numbers only"),
    ],
)
def test_uncertain_examples_refuses(arguments, options, error, match):
    with pytest.raises(error, match=match):
        plots.uncertain_examples(*arguments, **options)


# ---------------------------------------------------------------- layout and files


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.elbo_curve(history(), 500, n_classes=10, parts=True),
        lambda: plots.confusion_matrix(*labels(26)),
        lambda: plots.density_by_correctness(summary(60), "entropy_bits"),
        lambda: plots.scale_posteriors({"a_very_long_layer_name_W_sigma": [1e-7, 2e-7, 4e-7]}),
        lambda: plots.uncertain_examples(IMAGES, VOTES, y=[0, 1, 1, 2, 2])[0, 0],
        lambda: plots.uncertain_examples(IMAGES, VOTES, y=[0, 1, 1, 2, 2], n=1)[0, 0],
    ],
    ids=["elbo", "confusion", "density", "scales", "examples", "example"],
)
def test_nothing_is_cut_by_the_edge_of_the_figure(draw):
    figure = draw().figure
    figure.canvas.draw()
    drawn = figure.get_tightbbox()  # inches
    width, height = figure.get_size_inches()
    assert min(drawn.x0, drawn.y0) >= 0
    assert drawn.x1 <= width
    assert drawn.y1 <= height


@pytest.mark.parametrize("what", ["axes", "figure", "array"])
def test_save_writes_150_dots_per_inch_and_closes(tmp_path, what):
    axes = plots.uncertain_examples(IMAGES, VOTES, n=1)
    figure = axes[0, 0].figure
    width, height = figure.get_size_inches()
    given = {"axes": axes[0, 1], "figure": figure, "array": axes}[what]
    path = plots.save(given, tmp_path / "picture.png")
    pixels = plt.imread(path)
    assert pixels.shape[:2] == (int(height * 150), int(width * 150))
    assert plt.get_fignums() == []


def test_save_refuses(tmp_path):
    ax = plots.confusion_matrix([0, 1], [0, 1])
    with pytest.raises(
        FileNotFoundError, match=r"`path` must lie in a folder that exists, got '.+png'; cr"
    ):
        plots.save(ax, tmp_path / "absent" / "picture.png")
    with pytest.raises(ValueError, match=r"`path` must end in .png, got 'picture.pdf'; pass 'pict"):
        plots.save(ax, tmp_path / "picture.pdf")
    with pytest.raises(TypeError, match="`figure_or_axes` must be a matplotlib figure or axes"):
        plots.save(SimpleNamespace(), tmp_path / "picture.png")
    assert list(tmp_path.iterdir()) == []
