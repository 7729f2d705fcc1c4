"""Pictures of single examples: votes as titles, bars of draws, intervals of probabilities."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_hex

from pymc_bnn import plots
from tests.support.plot_parts import title_texts

pytestmark = pytest.mark.usefixtures("plot_settings_untouched")

BLUE, VERMILION, FAINT, GREY, INK = "#0072b2", "#d55e00", "#b5b5b5", "#767676", "#222222"
IMAGES = np.arange(5 * 4 * 4).reshape(5, 4, 4) / 80
VOTES = np.array([[10, 0, 0, 0], [4, 3, 2, 1], [1, 8, 1, 0], [0, 5, 5, 0], [0, 0, 10, 0]])


def draws(n_draws=7, n=5, classes=4, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.5), (n_draws, n))


def titles(ax):
    """The words above an image, from the left, with their colours."""
    return [(t.get_text(), to_hex(t.get_color())) for t in title_texts(ax)]


def number(ax):
    return int(ax.get_images()[0].get_array()[0, 0] * 5)


# ---------------------------------------------------------------- votes


def test_images_on_which_draws_disagree_come_with_the_shares_of_their_votes():
    axes = plots.vote_grid(IMAGES[..., None], VOTES)
    assert [number(ax) for ax in axes] == [1, 3, 2]
    assert [titles(ax) for ax in axes] == [
        [("0: 40 %", INK), ("1: 30 %", GREY), ("2: 20 %", GREY)],
        [("1: 50 %", INK), ("2: 50 %", GREY)],
        [("1: 80 %", INK), ("0: 10 %", GREY), ("2: 10 %", GREY)],
    ]
    assert len(plots.vote_grid(IMAGES, VOTES, n=2)) == 2


def test_the_truth_is_always_among_the_titles_and_a_wrong_vote_is_vermilion():
    axes = plots.vote_grid(IMAGES, VOTES, y=[0, 3, 1, 0, 2])
    assert [titles(ax) for ax in axes] == [
        [("0: 40 %", VERMILION), ("1: 30 %", GREY), ("3: 10 %", BLUE)],
        [("1: 50 %", VERMILION), ("2: 50 %", GREY), ("0: 0 %", BLUE)],
        [("1: 80 %", BLUE), ("0: 10 %", GREY), ("2: 10 %", GREY)],
    ]
    [legend] = axes[0].figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["true class", "wrong class, most voted"]


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((IMAGES[:4], VOTES), ValueError, r"`images` must have shape \(5, height, width\)"),
        ((IMAGES, VOTES / 10), TypeError, "`votes` must hold integer counts"),
        ((IMAGES, VOTES, [0, 1]), ValueError, r"`y` must have shape \(5,\), one label per example"),
        ((IMAGES, VOTES, [4] * 5), ValueError, "`y` must hold class numbers in 0…3, got .*…4"),
        ((IMAGES, VOTES, None, 0), ValueError, "`n` must be an integer of at least 1, got 0"),
        ((IMAGES[:1], VOTES[:1]), ValueError, "`votes` must differ .* got unanimous votes only"),
    ],
)
def test_vote_grid_refuses(arguments, error, match):
    with pytest.raises(error, match=match):
        plots.vote_grid(*arguments)


# ---------------------------------------------------------------- bars


def test_each_draw_has_a_bar_per_class_and_so_has_their_mean():
    probs = draws()
    axes = plots.predictive_bars(IMAGES, probs, y=[0, 1, 2, 3, 0], title="step 500")
    assert axes.shape == (5, 3)
    for i, (picture, each, average) in enumerate(axes):
        assert number(picture) == i
        [bars] = [c for c in each.collections if isinstance(c, PolyCollection)]
        corners = np.array([path.vertices[:4] for path in bars.get_paths()])  # (28, 4, 2)
        np.testing.assert_allclose(corners[:, 1, 1].reshape(4, 7), probs[:, i].T)
        np.testing.assert_allclose(corners[:, [0, 2], 0].mean(1), np.repeat(np.arange(4), 7))
        [ends] = [c for c in each.collections if isinstance(c, LineCollection)]
        heights = [segment[0, 1] for segment in ends.get_segments()]
        np.testing.assert_allclose(np.reshape(heights, (4, 7)), probs[:, i].T)
        heights = [bar.get_height() for bar in average.patches]
        np.testing.assert_allclose(heights, probs[:, i].mean(0))
    assert axes[0, 1].get_title() == "each of 7 posterior draws"
    assert axes[0, 1].get_ylabel() == "probability"
    assert axes[-1, 2].get_xlabel() == "class"
    assert axes[0, 0].figure.get_suptitle() == "step 500"


def test_bars_of_the_true_class_are_blue_and_of_a_wrong_one_vermilion():
    probs = np.array([[[0.1, 0.6, 0.3], [0.1, 0.6, 0.3]]])

    def colors(**options):
        axes = plots.predictive_bars(IMAGES[:2], probs, **options)
        return [[to_hex(bar.get_facecolor()) for bar in row[2].patches] for row in axes]

    assert colors(y=[0, 1]) == [[BLUE, VERMILION, FAINT], [FAINT, BLUE, FAINT]]
    assert colors(n=1) == [[FAINT, GREY, FAINT]]


def test_predictions_that_kept_their_draws_will_do_and_others_are_refused():
    probs = draws()
    axes = plots.predictive_bars(IMAGES, SimpleNamespace(probs=probs), n=1)
    assert axes.shape == (1, 3)
    for function in (plots.predictive_bars, plots.probability_intervals):
        with pytest.raises(ValueError, match="got a prediction without draws; pass what predict"):
            function(IMAGES, SimpleNamespace(probs=None))


@pytest.mark.parametrize("function", [plots.predictive_bars, plots.probability_intervals])
@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((IMAGES, draws()[0]), ValueError, r"`pred` must have shape .* got shape \(5, 4\)"),
        ((IMAGES, 2 * draws()), ValueError, "`pred` must sum to 1 over the last axis"),
        ((IMAGES[:2], draws()), ValueError, "as many as `pred`, got shape .2, 4, 4."),
        ((IMAGES, draws(), [4] * 5), ValueError, "`y` must hold class numbers in 0…3, got .*…4"),
        ((IMAGES, draws(), [0.0] * 5), TypeError, "`y` must hold integers, got dtype float64"),
        ((IMAGES, draws(), None, 0), ValueError, "`n` must be an integer of at least 1, got 0"),
    ],
)
def test_probabilities_of_draws_are_checked(function, arguments, error, match):
    with pytest.raises(error, match=match):
        function(*arguments)


@pytest.mark.parametrize("classes", [4, 20, 200])
def test_shares_of_votes_stand_apart_however_many_digits_the_classes_have(classes):
    votes = np.zeros((5, classes), int)
    votes[:, -3:] = [20, 15, 14]
    [first, *_] = plots.vote_grid(IMAGES, votes)
    figure = first.figure
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in title_texts(first)]
    assert len(boxes) == 3
    assert boxes[0].x1 < boxes[1].x0
    assert boxes[1].x1 < boxes[2].x0


def test_a_single_image_is_as_large_as_several():
    def height(n):
        axes = plots.predictive_bars(IMAGES, draws(), [0] * 5, n, title="step 1")
        axes[0, 0].figure.canvas.draw()
        return axes[0, 0].get_window_extent().height

    assert height(1) > 0.8 * height(5)


# ---------------------------------------------------------------- intervals


def test_intervals_are_the_quantiles_over_draws_and_the_mean_is_marked():
    probs = draws(50)
    axes = plots.probability_intervals(IMAGES, probs, y=[0, 1, 2, 3, 0], level=0.8, columns=2)
    low, high = np.quantile(probs, [0.1, 0.9], axis=0)
    for i, (picture, bars) in enumerate(axes):
        assert number(picture) == i
        np.testing.assert_allclose([bar.get_x() for bar in bars.patches], low[i])
        np.testing.assert_allclose(
            [bar.get_x() + bar.get_width() for bar in bars.patches], high[i], rtol=1e-6
        )
        [mean] = bars.get_lines()
        np.testing.assert_allclose(mean.get_xdata(), probs[:, i].mean(0))
        np.testing.assert_array_equal(mean.get_ydata(), np.arange(4))
        assert bars.get_xlim() == (0, 1)
        assert [t.get_text() for t in bars.get_yticklabels()] == ["0", "1", "2", "3"]
        top, truth = probs[:, i].mean(0).argmax(), [0, 1, 2, 3, 0][i]
        assert picture.get_title(loc="left") == f"true {truth}, predicted {top}"
        colors = [to_hex(bar.get_facecolor()) for bar in bars.patches]
        assert colors[truth] == BLUE
        assert colors[top] == (BLUE if top == truth else VERMILION)
    assert axes[-1, 1].get_xlabel() == "probability, mean and 80 %"


def test_of_many_classes_the_most_probable_and_the_true_one_have_an_interval():
    probs = np.full((3, 1, 26), 0.01)
    probs[..., :10] = np.arange(10, 20) / 145 * 0.84
    [[_, bars]] = plots.probability_intervals(IMAGES[:1], probs, y=[20])
    assert [t.get_text() for t in bars.get_yticklabels()] == [*map(str, range(1, 10)), "20"]
    [[_, bars]] = plots.probability_intervals(IMAGES[:1], probs)
    assert [t.get_text() for t in bars.get_yticklabels()] == [*map(str, range(10))]


def test_probability_intervals_refuses_levels_and_columns():
    with pytest.raises(ValueError, match=r"`level` must be a number in \(0, 1\), got 95"):
        plots.probability_intervals(IMAGES, draws(), level=95)
    with pytest.raises(ValueError, match="`columns` must be an integer of at least 1, got 0"):
        plots.probability_intervals(IMAGES, draws(), columns=0)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.vote_grid(IMAGES, VOTES, y=[0, 3, 1, 0, 2]),
        lambda: plots.vote_grid(IMAGES[:2], VOTES[:2]),
        lambda: plots.predictive_bars(IMAGES, draws(), y=[0] * 5, title="step 1"),
        lambda: plots.predictive_bars(IMAGES, draws(classes=26), n=1),
        lambda: plots.probability_intervals(IMAGES, draws(), y=[0] * 5),
        lambda: plots.probability_intervals(IMAGES, draws(), y=[0] * 5, n=1),
    ],
)
def test_nothing_is_cut_by_the_edge_of_the_figure(draw):
    figure = draw().flat[0].figure
    figure.canvas.draw()
    drawn = figure.get_tightbbox()  # inches
    width, height = figure.get_size_inches()
    assert min(drawn.x0, drawn.y0) >= 0
    assert drawn.x1 <= width
    assert drawn.y1 <= height
