"""Nothing is cut off, and files have their resolution."""

from __future__ import annotations

from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest

from pymc_bnn import plots
from tests.support.plot_parts import IMAGES, VOTES, history, labels, summary

pytestmark = pytest.mark.usefixtures("plot_settings_untouched")


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
