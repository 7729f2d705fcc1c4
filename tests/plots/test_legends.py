"""No legend covers a line, a dot or a number: each stands outside of all axes."""

from __future__ import annotations

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from pymc_bnn import plots, uncertainty
from tests.support.group_plot_parts import curve, moments, reliability, summary
from tests.support.plot_parts import IMAGES, VOTES, history

RNG = np.random.default_rng(0)
X = np.linspace(-1, 1, 5)
BAND = X**2, 0.1 + X**2
SAMPLES, Y = RNG.normal(size=(20, 30)), RNG.normal(size=30)
FALLING = history(400, 20)
LATE = pd.DataFrame({"step": [4, 9], "nll": [1, 0.1]})
PICTURES = {
    "band_panels": lambda: plots.band_panels(X, {"m": {"a": BAND}, "k": {"a": BAND}}, truth=X),
    "compare_bands": lambda: plots.compare_bands(X, {"a": BAND, "b": BAND}, truth=X),
    "coverage_curves": lambda: plots.coverage_curves(
        {name: uncertainty.coverage_table(SAMPLES, Y) for name in "ab"}
    ),
    "density_by_correctness": lambda: plots.density_by_correctness(summary(), "entropy_bits"),
    "dots": lambda: plots.dots(pd.DataFrame({"a": [1, 2], "b": [2, 3]}), line=(1.5, "a line")),
    "elbo_curve": lambda: plots.elbo_curve(FALLING, 500, n_classes=10, parts=True),
    "elbo_curve without epochs": lambda: plots.elbo_curve(FALLING.drop(columns="epoch")),
    "elbo_curves": lambda: plots.elbo_curves(
        dict.fromkeys(("pathwise", "flipout", "local", "auto"), FALLING), 500, n_classes=10
    ),
    "entropy_histograms": lambda: plots.entropy_histograms({"clean": summary(), "b": summary(90)}),
    "held_out_curves": lambda: plots.held_out_curves({"a": LATE, "b": LATE}, n_classes=10),
    "mixture_density": lambda: plots.mixture_density(0.5, 10.0, 1.0),
    "pit_histogram": lambda: plots.pit_histogram(uncertainty.pit(SAMPLES, Y)),
    "predicted_observed": lambda: plots.predicted_observed(SAMPLES, Y),
    "predictive_band": lambda: plots.predictive_band(X, *BAND, 1, data=([0], [0]), truth=X),
    "pruning_curves": lambda: plots.pruning_curves(
        {
            name: pd.DataFrame({"accuracy": [0.5, 0.9], "ece": [0.1, 0.2]}, index=[0.01, 1.0])
            for name in ("cold", "kl_weight 1")
        }
    ),
    "refusal_curves": lambda: plots.refusal_curves({"a": [0.1, 0.9], "b": [0.4]}, {"c": 0.3}),
    "reliability_diagram": lambda: plots.reliability_diagram(
        {name: reliability([0.6, 1], [90, 0], 99) for name in "ab"}
    ),
    "residuals": lambda: plots.residuals(SAMPLES, Y),
    "risk_coverage_curves": lambda: plots.risk_coverage_curves({"a": curve([0, 1])}, at=[0.5]),
    "scale_posteriors": lambda: plots.scale_posteriors({"a_sigma": [1e-7, 2e-7, 4e-7]}),
    "uncertain_examples": lambda: plots.uncertain_examples(IMAGES, VOTES, y=[0, 1, 1, 2, 2]),
    "uncertainty_densities": lambda: plots.uncertainty_densities({"a": [0.1, 0.2], "b": [0.4]}),
    "weight_posteriors": lambda: plots.weight_posteriors({1: moments(), 500: moments(9)}),
}
# Pictures whose legend, if any, is not of lines.
OTHERS = {
    "confusion_matrix", "predictive_bars", "probability_intervals", "save", "vote_grid",
}  # fmt: skip


def test_every_picture_is_looked_at():
    assert {name.split()[0] for name in PICTURES} | OTHERS == set(plots.__all__)


@pytest.mark.parametrize("name", PICTURES)
def test_no_legend_covers_what_is_drawn(name):
    PICTURES[name]()
    for figure in map(plt.figure, plt.get_fignums()):
        figure.canvas.draw()
        axes = figure.get_axes()
        axes += itertools.chain.from_iterable(ax.child_axes for ax in axes)
        legends = [*figure.legends, *(ax.get_legend() for ax in axes if ax.get_legend())]
        for legend in legends:
            box = legend.get_window_extent()
            assert box.x1 <= figure.bbox.x1 + 1
            assert box.y1 <= figure.bbox.y1 + 1
            for ax in axes:
                drawn = ax.get_window_extent(), ax.xaxis.get_tightbbox(), ax.yaxis.get_tightbbox()
                assert not box.padded(-1).count_overlaps([part for part in drawn if part]), ax
