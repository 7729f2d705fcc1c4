"""The least sure examples with their images and votes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from matplotlib.colors import to_hex

from pymc_bnn import plots
from tests.support.plot_parts import BLUE, IMAGES, VERMILION, VOTES, title_texts

pytestmark = pytest.mark.usefixtures("plot_settings_untouched")


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
    titles = [to_hex(title.get_color()) for picture, _ in axes for title in title_texts(picture)]
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
