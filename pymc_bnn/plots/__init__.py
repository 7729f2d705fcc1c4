"""Pictures of a fit and of its predictions: matplotlib axes out, ready to annotate or to `save`.

Every function draws into `ax`, or into a new figure with a constrained layout, and leaves the
global settings of matplotlib alone. Blue is correct and vermilion is wrong in every picture;
all colours are of Okabe and Ito's palette, which colour-blind readers can tell apart.

Examples
--------
Without a screen, choose the backend that only writes files:

>>> import matplotlib
>>> matplotlib.use("Agg")
"""

from pymc_bnn.plots.classes import confusion_matrix
from pymc_bnn.plots.curves import elbo_curve, elbo_curves, held_out_curves
from pymc_bnn.plots.decisions import refusal_curves, reliability_diagram, risk_coverage_curves
from pymc_bnn.plots.draws import predictive_bars, probability_intervals
from pymc_bnn.plots.examples import uncertain_examples, vote_grid
from pymc_bnn.plots.histograms import (
    density_by_correctness,
    entropy_histograms,
    uncertainty_densities,
)
from pymc_bnn.plots.pruning import pruning_curves
from pymc_bnn.plots.regression import band_panels, compare_bands, predictive_band
from pymc_bnn.plots.scales import mixture_density, scale_posteriors
from pymc_bnn.plots.style import save
from pymc_bnn.plots.tables import dots
from pymc_bnn.plots.values import (
    coverage_curves,
    pit_histogram,
    predicted_observed,
    residuals,
)
from pymc_bnn.plots.weights import weight_posteriors

__all__ = [
    "band_panels",
    "compare_bands",
    "confusion_matrix",
    "coverage_curves",
    "density_by_correctness",
    "dots",
    "elbo_curve",
    "elbo_curves",
    "entropy_histograms",
    "held_out_curves",
    "mixture_density",
    "pit_histogram",
    "predicted_observed",
    "predictive_band",
    "predictive_bars",
    "probability_intervals",
    "pruning_curves",
    "refusal_curves",
    "reliability_diagram",
    "residuals",
    "risk_coverage_curves",
    "save",
    "scale_posteriors",
    "uncertain_examples",
    "uncertainty_densities",
    "vote_grid",
    "weight_posteriors",
]


def __dir__() -> list[str]:  # what tab completion shows
    return sorted(__all__)
