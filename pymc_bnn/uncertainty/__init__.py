"""How sure a prediction is and whether it deserves to be: NumPy in, NumPy or pandas out.

Probabilities have shape (draws, n, classes): `draws` posterior draws, `n` examples, the class
axis last; a prediction that kept its draws will do as well. What scores a prediction `pred` also
takes their means (n, classes) or any prediction that `predict` returned. Each row of classes must
sum to 1 within 1e-3 and is normalised before use, so that float32 rounding leaves no trace.
"""

from pymc_bnn.uncertainty.calibration import (
    CalibrationFloor,
    calibration_error,
    calibration_floor,
    reliability,
)
from pymc_bnn.uncertainty.calibration_of_values import coverage_table, pit
from pymc_bnn.uncertainty.conformal_intervals import (
    ConformalValues,
    conformal_values,
    interval_summary,
)
from pymc_bnn.uncertainty.detection import Detection, detect, detection_table
from pymc_bnn.uncertainty.entropies import expected_entropy, mutual_information, predictive_entropy
from pymc_bnn.uncertainty.evaluation import evaluate, evaluate_values
from pymc_bnn.uncertainty.intervals import probability_interval
from pymc_bnn.uncertainty.prediction_sets import (
    Conformal,
    conformal,
    conformal_coverage_interval,
    set_summary,
)
from pymc_bnn.uncertainty.predictions import ClassPrediction
from pymc_bnn.uncertainty.ranking import uncertainty_score
from pymc_bnn.uncertainty.regression import (
    Coverage,
    VarianceParts,
    crps,
    interval_coverage,
    value_interval,
    variance_parts,
)
from pymc_bnn.uncertainty.resampling import Interval, bootstrap_interval
from pymc_bnn.uncertainty.scores import brier_score, nlpd
from pymc_bnn.uncertainty.selective import (
    abstains,
    area_under_risk_coverage,
    coverage_at_risk,
    refusal_threshold,
    refuses,
    risk_coverage,
)
from pymc_bnn.uncertainty.summaries import error_detection, summary
from pymc_bnn.uncertainty.votes import (
    ChiSquare,
    chi_square,
    class_votes,
    count_votes,
    label_votes,
    sample_labels,
)

__all__ = [
    "CalibrationFloor",
    "ChiSquare",
    "ClassPrediction",
    "Conformal",
    "ConformalValues",
    "Coverage",
    "Detection",
    "Interval",
    "VarianceParts",
    "abstains",
    "area_under_risk_coverage",
    "bootstrap_interval",
    "brier_score",
    "calibration_error",
    "calibration_floor",
    "chi_square",
    "class_votes",
    "conformal",
    "conformal_coverage_interval",
    "conformal_values",
    "count_votes",
    "coverage_at_risk",
    "coverage_table",
    "crps",
    "detect",
    "detection_table",
    "error_detection",
    "evaluate",
    "evaluate_values",
    "expected_entropy",
    "interval_coverage",
    "interval_summary",
    "label_votes",
    "mutual_information",
    "nlpd",
    "pit",
    "predictive_entropy",
    "probability_interval",
    "refusal_threshold",
    "refuses",
    "reliability",
    "risk_coverage",
    "sample_labels",
    "set_summary",
    "summary",
    "uncertainty_score",
    "value_interval",
    "variance_parts",
]


def __dir__() -> list[str]:  # what tab completion shows
    return sorted(__all__)
