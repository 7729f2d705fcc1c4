"""Pictures of groups: nothing is cut off, and given axes are used."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from pymc_bnn import plots
from tests.support.group_plot_parts import curve, moments, reliability, summary

pytestmark = pytest.mark.usefixtures("plot_settings_untouched")

LONG = "a rather long name of a set of images, which needs its room"
HISTORY = pd.DataFrame({"step": [4, 9], "nll": [1, 0.1]})
BINS = reliability([0.6, 1], [90, 0], 99)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.entropy_histograms({"clean": summary(), "spattered": summary(90)}),
        lambda: plots.uncertainty_densities({"digits": [0.1, 0.2], LONG: [0.4]}),
        lambda: plots.reliability_diagram(dict.fromkeys([LONG, "b"], BINS)),
        lambda: plots.risk_coverage_curves({LONG: curve([0, 1]), "b": curve([0, 1])}, at=[0.5]),
        lambda: plots.refusal_curves({"a": [0.1, 0.9], LONG: [0.4]}, {LONG: 0.3}),
        lambda: plots.held_out_curves({LONG: HISTORY}, n_classes=10),
        lambda: plots.weight_posteriors({1: moments(), 500: moments(), 5000: moments(9)}),
        lambda: plots.weight_posteriors({1: {f"{i}: {LONG}": ([0, 1], [1, 2]) for i in "abc"}}),
        lambda: plots.mixture_density(0.5, 10.0, 1.0),
    ],
    ids=[
        "entropy",
        "densities",
        "reliability",
        "risk",
        "refusal",
        "held-out",
        "weights",
        "long names",
        "mixture",
    ],
)
def test_nothing_is_cut_by_the_edge_of_the_figure(draw):
    figure = np.atleast_1d(draw()).flat[0].figure
    figure.canvas.draw()
    drawn = figure.get_tightbbox()  # inches
    width, height = figure.get_size_inches()
    assert min(drawn.x0, drawn.y0) >= 0
    assert drawn.x1 <= width
    assert drawn.y1 <= height


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: plots.uncertainty_densities({"a": [0.1, 0.2]}, ax),
        lambda ax: plots.reliability_diagram(reliability([0.6], [90], 99), ax),
        lambda ax: plots.risk_coverage_curves({"b": curve([0, 1])}, ax),
        lambda ax: plots.refusal_curves({"a": [0.1, 0.9]}, None, ax),
        lambda ax: plots.held_out_curves({"a": HISTORY}, ax),
    ],
)
def test_pictures_go_into_given_axes_and_nowhere_else(draw):
    _, ax = plt.subplots()
    assert draw(ax) is ax
    assert len(plt.get_fignums()) == 1
    with pytest.raises(TypeError, match="`ax` must be matplotlib axes, got a str"):
        draw("axes")
