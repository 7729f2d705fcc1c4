"""scikit-learn models: :class:`BNNRegressor` and :class:`BNNClassifier`, thin over ``fit``."""

from pymc_bnn.sklearn.classifier import BNNClassifier
from pymc_bnn.sklearn.regressor import BNNRegressor

__all__ = ["BNNClassifier", "BNNRegressor"]
