"""What must hold of a model before it is taken apart, and errors of PyTensor's put in its terms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager

import pymc as pm
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors

from pymc_bnn._checks import first_line, invalid
from pymc_bnn.model.terms import Data

__all__ = [
    "check_belonging",
    "check_model",
    "current_model",
    "indices_must_fit",
    "shapes_must_agree",
]


def current_model(caller: str, model: pm.Model | None = None) -> pm.Model:
    """Return the model given, or that of the context; `caller` is the function that needs one.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     current_model("bayesian") is model
    True
    """
    try:
        return pm.modelcontext(model)
    except TypeError:
        rule, repair = "be called inside a model", "write `with pm.Model() as model:` around it"
        raise invalid(caller, rule, "no model on the stack", repair, TypeError) from None


def check_model(model: pm.Model) -> None:
    """Raise unless a model has continuous free variables and something observed.

    Raises
    ------
    ValueError, TypeError
        If not, or if it is no PyMC model.

    Examples
    --------
    >>> import numpy as np
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> check_model(model)
    """
    if not isinstance(model, pm.Model):
        raise invalid(
            "model", "be a pymc.Model", repr(model), "pass the model, or call inside it", TypeError
        )
    if model.discrete_value_vars:
        names = [v.name for v in model.discrete_value_vars]
        raise invalid(
            "model",
            "have continuous free variables only",
            f"discrete {names}",
            "marginalise them (pm.Mixture, …) or use pm.sample",
        )
    if not model.free_RVs:
        raise invalid("model", "have free variables", "none", "give some parameter a prior")
    if not model.observed_RVs and not model.potentials:
        raise invalid(
            "model", "have observed variables", "none", "pass observed= to the likelihood"
        )


def check_belonging(
    priors: Mapping[str, Variable], observed: Sequence[str], row_inputs: Set[Variable]
) -> None:
    """Raise where free variables belong to examples, which a minibatch would leave out of step.

    Parameters
    ----------
    priors : mapping from str to Variable
        Log-prior of each free variable.
    observed : sequence of str
        Names of the observed variables; of one with missing values PyMC makes two.
    row_inputs : set of Variable
        Data of the examples.

    Raises
    ------
    ValueError
        If a prior depends on them, or they have missing values.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> x, effect = pt.vector("x"), pt.vector("effect")
    >>> check_belonging({"effect": effect - 1}, ["y"], {x})
    """
    lost = [name for name, logp in priors.items() if row_inputs & set(ancestors([logp]))]
    lost += [name for name in priors if f"{name.removesuffix('unobserved')}observed" in observed]
    if lost:
        raise invalid(
            "batch_size",
            "be None where free variables belong to examples (missing values, an effect per row)",
            f"minibatches of a model with {lost}",
            "pass batch_size=None",
        )


@contextmanager
def shapes_must_agree(data: Iterable[Data]) -> Iterator[None]:
    """Turn errors of PyTensor and JAX about shapes into one that lists the model's data.

    Examples
    --------
    >>> with shapes_must_agree([]):
    ...     pass
    """
    try:
        yield
    except (ValueError, TypeError, AssertionError) as error:
        shapes = ", ".join(f"'{d.name}' {d.value.shape}" for d in data)
        raise invalid(
            "model",
            "have data and observed variables whose shapes agree",
            f"{shapes} ({first_line(error)})",
            "pass as many rows of each, and a likelihood of the shape observed",
        ) from error


@contextmanager
def indices_must_fit() -> Iterator[None]:
    """Turn PyTensor's own error about an index, of a prior, into one that says what to do.

    Examples
    --------
    >>> with indices_must_fit():
    ...     pass
    """
    try:
        yield
    except IndexError as error:
        rule, got = "look up entries that exist", first_line(error)
        raise invalid("model", rule, got, "recode the group numbers, from 0") from error
