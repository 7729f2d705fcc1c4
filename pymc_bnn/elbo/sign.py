"""A Kullback–Leibler divergence in closed form is at least 0: the check that ours are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.traversal import ancestors

from pymc_bnn.elbo.kl import closed_form
from pymc_bnn.graphs.interpreted import Interpreted
from pymc_bnn.model.terms import ModelTerms

__all__ = ["check_closed_forms", "check_sign"]

_NUMBERS = 10_000  # of a variable that are looked at
_ROUNDING = 1e-3  # nats per number, in float32


def check_closed_forms(
    terms: ModelTerms,
    means: Mapping[str, np.ndarray] | None = None,
    stds: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Raise if the divergence of a Normal guide from a prior with a closed form is negative.

    In float64, with the parents of each variable at their means; each of up to 10,000 numbers of
    a variable has a divergence of its own, of at least 0, whatever guide they share.

    Parameters
    ----------
    terms : ModelTerms
        The model.
    means, stds : mapping from str to numpy.ndarray, optional
        Of the guides, in the unconstrained space; points have a standard deviation of 0. By
        default the initial values, and 1: a right closed form passes with any.

    Raises
    ------
    ArithmeticError
        If a divergence is negative by more than rounding: the prior's numbers, or ours, are wrong.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu", 0, 100), observed=np.zeros(4))
    >>> check_closed_forms(decompose(model))
    """
    means = {f.name: f.start for f in terms.free} if means is None else means
    stds = dict.fromkeys(means, 1.0) if stds is None else stds
    free = [f for f in terms.free if closed_form(f) is not None and np.all(stds[f.name] > 0)]
    graphs = [p for f in free for p in f.parameters]
    used = set(ancestors(graphs))
    given = {f.value: means[f.name] for f in terms.free} | {d.variable: d.value for d in terms.data}
    given = {root: np.asarray(v, root.type.dtype) for root, v in given.items() if root in used}
    by_form: dict[Any, list[tuple[str, np.ndarray]]] = {}
    with np.errstate(all="ignore"):
        values = iter(Interpreted(list(given), graphs)(*given.values()))
        for f in free:
            arrays = [means[f.name], stds[f.name], *(next(values) for _ in f.parameters)]
            arrays = [np.broadcast_to(a, f.start.shape).ravel()[:_NUMBERS] for a in arrays]
            by_form.setdefault(closed_form(f), []).append((f.name, np.array(arrays, float)))
        for form, numbers in by_form.items():
            mean, std, *parameters = np.concatenate([own for _, own in numbers], axis=1)
            expected = Interpreted([], form(*map(pt.constant, (mean, std**2, *parameters))))()
            kl = -np.log(std) - 0.5 * np.log(2 * np.pi * np.e) - expected
            bad = kl < -1e-6 * (1 + np.abs(expected))
            if bad.any():
                names = np.repeat(
                    [name for name, _ in numbers], [own.shape[1] for _, own in numbers]
                )
                raise _negative(names[bad][0], kl[bad][0])


def check_sign(methods: Mapping[str, str], sizes: Mapping[str, int], kl: Sequence[float]) -> None:
    """Raise if the divergence of a block in closed form is negative by more than rounding.

    Parameters
    ----------
    methods : mapping from str to str
        By block, how its divergence is computed.
    sizes : mapping from str to int
        By block, in order, its count of numbers.
    kl : sequence of float
        The divergences, in nats.

    Examples
    --------
    >>> check_sign({"mu": "closed form"}, {"mu": 1}, [0.5])
    """
    for (name, size), value in zip(sizes.items(), kl, strict=True):
        if methods[name] == "closed form" and value < -_ROUNDING * (1 + size):
            raise _negative(name, value)


def _negative(name: str, kl: float) -> ArithmeticError:
    return ArithmeticError(
        f"the KL divergence of '{name}' from its prior must be at least 0 nats, got {kl:.6g}; "
        "check the prior's parameters (their types, too), and report this as a bug of pymc_bnn"
    )
