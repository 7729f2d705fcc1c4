"""What a notebook shows of predictions: their first rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pymc_bnn._frames import as_html

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Shown"]

_ROWS, _COLUMNS = 5, 4


class Shown:
    """What shows itself as a table of its first examples.

    Examples
    --------
    >>> from pymc_bnn.prediction import Prediction, ValuePrediction
    >>> pred = ValuePrediction(2, np.zeros(3), np.ones(3), None)
    >>> "<table" in pred._repr_html_(), "<p>y: " in Prediction({"y": pred}, 2, None)._repr_html_()
    (True, True)
    """

    def _repr_html_(self) -> str:
        """Return a title and a table, of each variable."""
        if not hasattr(self, "variables"):
            return as_html(repr(self), _head(self))
        return "\n".join(as_html(f"{name}: {v!r}", _head(v)) for name, v in self.variables.items())


def _head(pred: Any) -> pd.DataFrame:
    """Return the first examples: the likeliest class, or means and standard deviations."""
    import pandas as pd

    if hasattr(pred, "mean_probs"):
        probs = pred.mean_probs[:_ROWS]
        columns = {"class": probs.argmax(-1), "probability": probs.max(-1)}
        columns["votes"] = pred.class_votes[:_ROWS].max(-1)
        return pd.DataFrame(columns).rename_axis("example")
    columns = {}
    for name in ("mean", "std"):
        values = np.atleast_1d(getattr(pred, name))
        values = np.moveaxis(values, pred.rows or 0, 0)
        flat = values.reshape(len(values), -1)[:_ROWS, :_COLUMNS]
        for i, column in enumerate(flat.T):
            columns[name if values.ndim == 1 else f"{name} {i}"] = column
    return pd.DataFrame(columns).rename_axis("example" if pred.rows == 0 else "row")
