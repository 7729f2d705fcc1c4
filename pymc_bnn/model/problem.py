"""A model prepared for inference: everything before makes it, everything after reads it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pymc as pm

from pymc_bnn.model.rules import DataRules
from pymc_bnn.model.terms import ModelTerms

__all__ = ["Problem"]


@dataclass(frozen=True, eq=False)
class Problem:
    """A model taken apart, and what has to be known of its data.

    Attributes
    ----------
    terms : ModelTerms
        The model as it is fitted: by rows, or whole.
    row_terms : ModelTerms or None
        By rows, for predictions; None where rows cannot be taken apart.
    dtype : {"float32", "float64"}
        Precision of all that is computed.
    n : int
        The number N of all examples, at least 1: those that the model holds, `total_size`, or all
        those of a stream.
    streamed : bool
        Whether data come in batches from outside, and the model holds a sample only.

    Examples
    --------
    >>> import numpy as np
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> Problem.of(decompose(model), None, "float32").n
    4
    """

    terms: ModelTerms
    row_terms: ModelTerms | None
    dtype: str
    n: int
    streamed: bool = False

    @classmethod
    def of(
        cls, terms: ModelTerms, row_terms: ModelTerms | None, dtype: str, total: int | None = None
    ) -> Problem:
        """Return the problem of a model; `total` is the N of a stream."""
        n = terms.n_observed if total is None else total
        return cls(terms, row_terms, dtype, n, total is not None)

    @property
    def model(self) -> pm.Model:
        """The PyMC model."""
        return self.terms.model

    @property
    def for_predictions(self) -> ModelTerms:
        """The model by rows where that can be, else whole: what predictions are made of."""
        return self.row_terms or self.terms

    @cached_property
    def rules(self) -> DataRules:
        """What data in place of the model's own must hold: labels and indices in their range."""
        return DataRules.of(self.for_predictions)
