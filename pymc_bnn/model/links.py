"""Probabilities that are taken for logits: a softmax of a softmax."""

from __future__ import annotations

from pymc.distributions.discrete import Bernoulli, Categorical
from pytensor.graph.basic import Variable
from pytensor.scalar.math import Sigmoid
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.shape import SpecifyShape
from pytensor.tensor.special import Softmax
from pytensor.tensor.subtensor import Subtensor

from pymc_bnn._checks import warn
from pymc_bnn.model.terms import ModelTerms

__all__ = ["warn_of_double_links"]


def warn_of_double_links(terms: ModelTerms) -> None:
    """Warn of classes whose logits are probabilities: no class can then be nearly certain.

    Parameters
    ----------
    terms : ModelTerms
        The model.

    Warns
    -----
    UserWarning
        Where what makes probabilities of logits gets a softmax or a sigmoid.

    Examples
    --------
    >>> import warnings
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     p = pm.math.sigmoid(pm.Normal("a"))
    ...     y = pm.Bernoulli("y", logit_p=p, observed=[0, 1])
    >>> with warnings.catch_warnings(record=True, action="always") as caught:
    ...     warn_of_double_links(decompose(model))
    >>> str(caught[0].message)[:56]
    "the logits of 'y' are probabilities, made by a sigmoid: "
    """
    for o in terms.observed:
        node = o.rv.owner
        if node is None or not isinstance(node.op, Categorical.rv_type | Bernoulli.rv_type):
            continue
        [p] = node.op.dist_params(node)
        if not _link(p):
            continue
        if inner := _link(_bare(p).owner.inputs[0]):
            range_ = "at most e = 2.7 times as likely as another"
            if isinstance(node.op, Bernoulli.rv_type):
                range_ = "of a probability between 0.5 and 0.73"
            warn(
                f"the logits of '{o.name}' are probabilities, made by a {inner}: it is applied "
                f"twice, and a class can only be {range_}; leave it out of the network, or pass "
                "p= in place of logit_p="
            )


def _bare(variable: Variable) -> Variable:
    """Return what is behind axes that were added, dropped or named."""
    while variable.owner is not None and isinstance(
        variable.owner.op, DimShuffle | Subtensor | SpecifyShape
    ):
        variable = variable.owner.inputs[0]
    return variable


def _link(variable: Variable) -> str:
    """Return what made probabilities; an empty string if nothing did."""
    node = _bare(variable).owner
    if node is None:
        return ""
    if isinstance(node.op, Softmax):
        return "softmax"
    sigmoid = isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Sigmoid)
    return "sigmoid" if sigmoid else ""
