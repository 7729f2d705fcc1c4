"""Bayesian neural networks in PyMC: networks of random variables, fitted by ADVI on JAX."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# Loaded when first used, so that `import pymc_bnn` costs nothing.
_MODULES = (
    "callbacks",
    "datasets",
    "efficiency",
    "elbo",
    "guides",
    "networks",
    "plots",
    "priors",
    "pruning",
    "report",
    "sklearn",
    "uncertainty",
)
_NAMES = {
    "VI": "inference.vi",
    "Approximation": "approximation",
    "Method": "inference.method",
    "Mixture": "mixture",
    "NonFiniteError": "errors",
    "Posterior": "posterior.base",
    "Prediction": "prediction",
    "PriorPredictiveCheck": "prior_check",
    "Refined": "refined",
    "Problem": "model.problem",
    "Scale": "bayesian_network",
    "SimulationBasedCalibration": "simulation_based",
    "StreamError": "errors",
    "adam": "inference.optimizer",
    "bayesian": "bayesian_network",
    "compilation_cache": "runtime.compilation",
    "fit": "fitting",
    "k_fold": "k_fold_validation",
    "load": "loading",
    "prior_predictive_check": "prior_check",
    "read_weights": "saving.weights",
    "simulation_based_calibration": "simulation_based",
    "standardise": "bayesian_network",
    "table": "model_table",
}

__all__ = ["__version__", *_MODULES, *_NAMES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"pymc_bnn.{name}")
    if name in _NAMES:
        value = getattr(importlib.import_module(f"pymc_bnn.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'pymc_bnn' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
