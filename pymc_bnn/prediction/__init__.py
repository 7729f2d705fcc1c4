"""What a prediction returns."""

from pymc_bnn.prediction.results import (
    LIMIT_BYTES,
    ClassPrediction,
    ClassTotal,
    DensityTotal,
    Prediction,
    ValuePrediction,
    ValueTotal,
)

__all__ = [
    "LIMIT_BYTES",
    "ClassPrediction",
    "ClassTotal",
    "DensityTotal",
    "Prediction",
    "ValuePrediction",
    "ValueTotal",
]
