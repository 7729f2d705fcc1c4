"""scikit-learn models: :class:`BNNRegressor` and :class:`BNNClassifier`, thin over ``fit``."""

from pymc_bnn.sklearn.classifier import BNNClassifier
from pymc_bnn.sklearn.regressor import BNNRegressor

__all__ = ["BNNClassifier", "BNNRegressor"]


def __dir__() -> list[str]:  # what tab completion shows
    return sorted(__all__)
