"""What the networks of a model have registered, and the data that they read."""

from __future__ import annotations

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import pymc as pm
from pytensor.tensor.variable import TensorVariable
from pytensor_ml.params import TrainableParameter

from pymc_bnn.bayesian_network.inputs import value_of
from pymc_bnn.priors import Prior

__all__ = ["NetworkInput", "Record", "network_inputs", "record_of"]


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """Data that a network in a model reads.

    Attributes
    ----------
    variable : TensorVariable
        The ``pm.Data`` container or other shared variable; an array passed as `x` is one, too.
    network : str
        The network's name in the model, or its repr where it has none.
    """

    variable: TensorVariable
    network: str

    @property
    def rows(self) -> int:
        """Number of rows that the data hold now."""
        return len(value_of(self.variable))


@dataclass
class Record:
    """What the networks of one model have registered."""

    # Of a parameter: its random variable, or the pm.Deterministic that stands for it.
    variables: dict[TrainableParameter, TensorVariable] = field(default_factory=dict)
    priors: dict[TrainableParameter, tuple[Prior, str]] = field(default_factory=dict)
    inputs: list[NetworkInput] = field(default_factory=list)


_RECORDS: WeakKeyDictionary[pm.Model, Record] = WeakKeyDictionary()


def record_of(model: pm.Model) -> Record:
    """Return the record of a model, which begins empty.

    Examples
    --------
    >>> record_of(pm.Model()).inputs
    []
    """
    return _RECORDS.setdefault(model.root or model, Record())


def network_inputs(model: pm.Model) -> list[NetworkInput]:
    """Return the data that networks in `model` read, in the order of the calls of `bayesian`.

    Parameters
    ----------
    model : pm.Model
        A copy of a model has no record, and gives an empty list.

    Returns
    -------
    list of NetworkInput
        Of each: the data's ``variable``, the ``network``'s name, and the current number of
        ``rows``. An input computed from several data variables lists each.

    Examples
    --------
    >>> import numpy as np
    >>> from pymc_bnn import bayesian, networks
    >>> with pm.Model() as model:
    ...     output = bayesian(networks.mlp((3, 2, 1)), pm.Data("x", np.zeros((7, 3))), name="net")
    >>> [(item.variable.name, item.network, item.rows) for item in network_inputs(model)]
    [('x', 'net', 7)]
    """
    record = _RECORDS.get(model.root or model)
    return [] if record is None else list(record.inputs)
