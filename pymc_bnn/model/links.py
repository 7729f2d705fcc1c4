"""Activations behind the last layer: of logits, and of means that cannot follow the data then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from pymc.distributions.discrete import Bernoulli, Categorical
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.scalar import Cast, Identity, Maximum, Tanh
from pytensor.scalar.math import Sigmoid
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.shape import SpecifyShape
from pytensor.tensor.special import Softmax
from pytensor.tensor.subtensor import Subtensor
from pytensor_ml.layers import LinearLayer

from pymc_bnn._warnings import warn
from pymc_bnn.graphs.dropout import DropoutMarker
from pymc_bnn.model.network_parts import location_of, units_of
from pymc_bnn.model.terms import ModelTerms, Observed

__all__ = ["warn_of_links"]

_RANGES = {"softmax": (0, 1), "sigmoid": (0, 1), "tanh": (-1, 1), "relu": (0, np.inf)}
# What logits in these ranges make of several classes, and of two.
_OF_LOGITS = {
    "softmax": ("at most e = 2.7 times as likely as another", "between 0.5 and 0.73"),
    "sigmoid": ("at most e = 2.7 times as likely as another", "between 0.5 and 0.73"),
    "tanh": ("at most e² = 7.4 times as likely as another", "between 0.27 and 0.73"),
    "relu": ("learned where its logit is above 0 alone", "of at least 0.5"),
}
_LOST = 0.1  # of the variance, which lies beyond what a mean can be


class _Link(NamedTuple):
    """An activation, what it is of, and the layer that this comes from, if from one alone."""

    kind: str  # of _RANGES
    output: Variable
    of: Variable
    layer: str


def warn_of_links(terms: ModelTerms) -> None:
    """Warn of logits that are probabilities or activations, and of means that are activations.

    Of means only where the data tell that they cannot be right: where a tenth of the variance lies
    beyond what the activation of a last layer can be.

    Parameters
    ----------
    terms : ModelTerms
        The model.

    Warns
    -----
    UserWarning
        Where what makes probabilities of logits gets a softmax or a sigmoid; where it gets the
        tanh or the relu of a layer, or the mean of a Normal variable, say, is one of the four.

    Examples
    --------
    >>> import warnings
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     p = pm.math.sigmoid(pm.Normal("a"))
    ...     y = pm.Bernoulli("y", logit_p=p, observed=[0, 1])
    >>> with warnings.catch_warnings(record=True, action="always") as caught:
    ...     warn_of_links(decompose(model))
    >>> str(caught[0].message)[:56]
    "the logits of 'y' are probabilities, made by a sigmoid: "
    """
    for o in terms.observed:
        if o.rv.owner is None:
            continue
        # What cannot be computed here is no reason to stop a fit.
        with suppress(ValueError, TypeError, NotImplementedError, IndexError, AssertionError):
            said = [*_of_logits(o, terms), *_of_mean(o, terms)]
            if said:
                warn(said[0])


def _of_logits(o: Observed, terms: ModelTerms) -> Iterator[str]:
    """Say what is wrong with the logits of classes."""
    op = o.rv.owner.op
    if not isinstance(op, Categorical.rv_type | Bernoulli.rv_type):
        return
    outer = _link(op.dist_params(o.rv.owner)[0], terms)
    inner = outer and outer.kind in ("softmax", "sigmoid") and _link(outer.of, terms)
    if not inner:
        return
    several, two = _OF_LOGITS[inner.kind]
    range_ = f"of a probability {two}" if isinstance(op, Bernoulli.rv_type) else several
    of = f" of layer '{inner.layer}'" if inner.layer else ""
    if inner.kind in ("softmax", "sigmoid"):
        yield (
            f"the logits of '{o.name}' are probabilities, made by a {inner.kind}{of}: it is "
            f"applied twice, and a class can only be {range_}; leave it out of the network, or "
            "pass p= in place of logit_p="
        )
    elif inner.layer:
        yield (
            f"the logits of '{o.name}' are the {inner.kind}{of}: a class can only be {range_}; "
            "leave it out of the network, whose last layer needs none"
        )


def _of_mean(o: Observed, terms: ModelTerms) -> Iterator[str]:
    """Say of a mean that is an activation which values it cannot follow."""
    mu = location_of(o)
    if mu is None:
        return
    links = [link for v in ancestors([mu]) if (link := _link(v, terms, bare=False)) and link.layer]
    links = [link for link in links if _alone(mu, link.output, terms)]
    found = units_of(o, [links[0].output], terms) if len(links) == 1 else None
    if found is None:
        return
    [(kind, _, _, layer)], (y, zeros, units) = links, found
    zero, unit = zeros.flat[0], units.flat[0]
    if not (np.allclose(zeros, zero) and np.allclose(units, unit)):
        return
    y = (y - zero) / unit
    lost = y - np.clip(y, *_RANGES[kind])
    if (lost**2).sum() < _LOST * ((y - y.mean()) ** 2).sum() or not lost.any():
        return
    low, high = sorted(zero + unit * end for end in _RANGES[kind])
    range_ = f"between {low:.4g} and {high:.4g}"
    if kind == "relu":
        range_ = f"never below {low:.4g}" if unit > 0 else f"never above {high:.4g}"
    yield (
        f"the mean of '{o.name}' is the {kind} of layer '{layer}', {range_}, and "
        f"{np.mean(lost != 0):.0%} of its values are beyond; leave it out of the network, whose "
        "last layer needs none"
    )


def _alone(mu: Variable, output: Variable, terms: ModelTerms) -> bool:
    """Tell whether a mean depends on an activation, and on nothing else that varies."""
    nearest = set(ancestors([mu], blockers=[output]))
    return output in nearest and not nearest & {*terms.values, *terms.inputs}


def _bare(variable: Variable) -> Variable:
    """Return what is behind axes that were added, dropped or named, casts, names and dropout."""
    while variable.owner is not None:
        op = variable.owner.op
        same = isinstance(op, DimShuffle | Subtensor | SpecifyShape | DropoutMarker)
        scalar = op.scalar_op if isinstance(op, Elemwise) else None
        if not (same or isinstance(scalar, Cast | Identity)):
            break
        variable = variable.owner.inputs[0]
    return variable


def _link(variable: Variable, terms: ModelTerms, bare: bool = True) -> _Link | None:
    """Return the activation that a variable is, if it is one."""
    variable = _bare(variable) if bare else variable
    node = variable.owner
    if node is None:
        return None
    op = node.op.scalar_op if isinstance(node.op, Elemwise) else node.op
    kinds = {Softmax: "softmax", Sigmoid: "sigmoid", Tanh: "tanh"}
    of, kind = node.inputs[0], kinds.get(type(op), "")
    if isinstance(op, Maximum) and len(node.inputs) == 2:
        zeros = [isinstance(b := _bare(v), Constant) and not b.data.any() for v in node.inputs]
        if sum(zeros) == 1:
            kind, of = "relu", node.inputs[zeros.index(False)]
    return _Link(kind, variable, of, _layer(of, terms)) if kind else None


def _layer(variable: Variable, terms: ModelTerms) -> str:
    """Return the name of the dense layer whose output it is; an empty string of anything else."""
    node = _bare(variable).owner
    if node is None or not isinstance(node.op, LinearLayer):
        return ""
    names = {f.value: f.name for f in terms.free} | {d.variable: d.name for d in terms.data}
    behind = [names[v] for v in ancestors([node.inputs[1]]) if v in names]
    named = [name for name in behind if "_W" in name]
    return named[0].rpartition("_W")[0] if named else ""
