"""What a model asks of the numbers in its data, whenever some are given."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from pymc_bnn.model.labels import check_labels, check_whole, label_classes, truncated
from pymc_bnn.model.ranges import Indices
from pymc_bnn.model.terms import ModelTerms

__all__ = ["DataRules"]


@dataclass(frozen=True)
class DataRules:
    """Labels lie in 0…k − 1, counts are whole numbers, and indices find something.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Categorical("y", logit_p=pm.Normal("a", shape=3), observed=np.zeros(5, int))
    >>> DataRules.of(decompose(model)).check({"y": np.array([3])})
    Traceback (most recent call last):
    ...
    ValueError: `y` must be labels in 0…2, as the network has 3 outputs, got labels in 3…3; \
recode the labels or give the network more outputs
    """

    classes: Mapping[str, tuple[str, int]]  # of data: the variable that observes it, its classes
    whole: frozenset[str]
    indices: Indices

    @classmethod
    def of(cls, terms: ModelTerms) -> DataRules:
        """Read them off a model that was taken apart."""
        classes = {d.name: (name, k) for name, d, k in label_classes(terms)}
        return cls(classes, truncated(terms), Indices.of(terms))

    def check(
        self,
        arrays: Mapping[str, np.ndarray],
        argument: str = "{name}",
        only: Collection[str] | None = None,
    ) -> None:
        """Raise unless they are kept, with all data given.

        `argument` is what errors call an array, a pattern with {name}; of `only` those data.
        """
        for name in arrays if only is None else only:
            label = argument.format(name=name)
            if name in self.classes:
                check_labels(label, arrays[name], self.classes[name][1])
            elif name in self.whole:
                check_whole(label, arrays[name])
        self.indices.check(arrays, argument, only)
