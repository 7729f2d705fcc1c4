"""Observed labels and counts: which data they are, and what these must hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pymc.distributions.discrete import Categorical

from pymc_bnn._checks import invalid

if TYPE_CHECKING:
    from pymc_bnn.decompose import Data, Terms

__all__ = ["check_labels", "check_whole", "label_classes", "truncated"]


def label_classes(terms: Terms) -> list[tuple[str, Data, int]]:
    """Return for each categorical observed variable its name, its data and its number of classes.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Categorical("y", logit_p=pm.Normal("a", shape=3), observed=np.zeros(5, int))
    >>> [(name, k) for name, _, k in label_classes(decompose(model))]
    [('y', 3)]
    """
    found = []
    for observed in terms.observed:
        if not isinstance(observed.rv.owner.op, Categorical.rv_type):
            continue
        k = observed.rv.owner.op.dist_params(observed.rv.owner)[0].type.shape[-1]
        root = next((d for d in terms.data if d.root is observed.root), None)
        if root is not None and k is not None:
            found.append((observed.name, root, k))
    return found


def check_labels(argument: str, labels: np.ndarray, k: int) -> None:
    """Raise unless labels are integers in 0…k − 1.

    Examples
    --------
    >>> check_labels("y", np.array([0, 2]), 3)
    """
    if labels.dtype.kind not in "biu":
        check_whole(argument, labels)
        raise invalid(argument, "be integer labels", f"{labels.dtype}", "pass y.astype(int)")
    low, high = labels.min(), labels.max()
    if low < 0 or high >= k:
        missing = "; pandas writes -1 for a missing category" if low == -1 else ""
        raise invalid(
            argument,
            f"be labels in 0…{k - 1}, as the network has {k} outputs",
            f"labels in {low}…{high}",
            f"recode the labels or give the network more outputs{missing}",
        )


def truncated(terms: Terms) -> frozenset[str]:
    """Return the names of the floating-point data that discrete variables cast to integers.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.decompose import decompose
    >>> with pm.Model() as model:
    ...     counts = pm.Data("counts", [0.0, 2.0])
    ...     y = pm.Poisson("y", pm.Exponential("rate"), observed=counts)
    >>> sorted(truncated(decompose(model)))
    ['counts']
    """
    roots = {o.root for o in terms.observed if o.value.type.dtype.startswith(("int", "uint"))}
    return frozenset(d.name for d in terms.data if d.root in roots and d.value.dtype.kind == "f")


def check_whole(argument: str, values: np.ndarray) -> None:
    """Raise unless floating-point labels or counts are whole numbers, which a cast leaves alone.

    Examples
    --------
    >>> check_whole("y", np.array([0.0, 2.0]))
    """
    bad = values != np.trunc(values)
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        where = at[0] if len(at) == 1 else at
        got = f"{int(bad.sum())} other of {bad.size}, the first {values[at]} at index {where}"
        rule = "be integers, as labels and counts are: what follows the point would be cut off"
        raise invalid(argument, rule, got, "recode or round them")
