"""Observed labels and counts: which data they are, and what these must hold."""

from __future__ import annotations

import numpy as np
from pymc.distributions.discrete import Bernoulli, Categorical
from pytensor.graph.traversal import ancestors

from pymc_bnn._checks import invalid
from pymc_bnn._warnings import warn
from pymc_bnn.model.terms import Data, ModelTerms

__all__ = ["check_labels", "check_whole", "label_classes", "truncated", "warn_of_few"]


def label_classes(terms: ModelTerms) -> list[tuple[str, Data, int]]:
    """Return for each categorical observed variable its name, its data and its number of classes.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
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
    if not labels.size:
        return
    low, high = labels.min(), labels.max()
    if low < 0 or high >= k:
        missing = "; pandas writes -1 for a missing category" if low == -1 else ""
        raise invalid(
            argument,
            f"be labels in 0…{k - 1}, as the network has {k} outputs",
            f"labels in {low}…{high}",
            f"recode the labels or give the network more outputs{missing}",
        )


def truncated(terms: ModelTerms) -> frozenset[str]:
    """Return the names of the floating-point data that discrete variables cast to integers.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
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
        got = f"{int(bad.sum())} other of {bad.size}, the first {values[at]!s} at index {where}"
        rule = "be integers, as labels and counts are: what follows the point would be cut off"
        raise invalid(argument, rule, got, "recode or round them")


def warn_of_few(terms: ModelTerms, n: int, whole: bool = True) -> None:
    """Warn of a single example, and of a classifier whose labels are all of one class.

    Scalars are no examples, and labels whose probabilities depend on no data are counts of one
    coin, for which one side alone is nothing odd.

    Parameters
    ----------
    terms : ModelTerms
        The model.
    n : int
        Number of examples.
    whole : bool, optional
        Whether the model holds them all, and not a sample of a stream.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Bernoulli("y", p=pm.Beta("p", 1, 1), observed=np.ones(5, int))
    >>> warn_of_few(decompose(model), 5)
    """
    if n == 1 and any(o.value.ndim for o in terms.observed):
        names = ", ".join(f"'{o.name}'" for o in terms.observed)
        warn(f"there is a single example of {names}; are the data whole?")
        return
    inputs = {d.variable for d in terms.data}
    for o in terms.observed if whole else ():
        data = next((d for d in terms.data if d.root is o.root), None)
        node = o.rv.owner
        if data is None or node is None:
            continue
        if not isinstance(node.op, Categorical.rv_type | Bernoulli.rv_type):
            continue
        [p] = node.op.dist_params(node)
        if inputs & set(ancestors([p])) and (data.value == data.value.flat[0]).all():
            warn(
                f"all {data.value.size:,} labels of '{o.name}' are {data.value.flat[0]:g}, so that "
                "nothing tells classes apart; are the data whole, or were they sorted and cut?"
            )
