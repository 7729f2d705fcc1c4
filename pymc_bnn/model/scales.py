"""Data of networks far from mean 0 and standard deviation 1, which networks are made for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from pymc_bnn._warnings import warn
from pymc_bnn.model.network_parts import (
    evaluator,
    first_inputs,
    layer_nodes,
    location_of,
    recurrent_nodes,
    units_of,
)
from pymc_bnn.model.terms import Data, ModelTerms, Observed

__all__ = ["warn_of_scales"]

# On 500 rows of four columns, tanh, 20 units and the defaults of `fit`, the root mean square error
# was 2.8, 3.4 and 3.7 times that of standardised data where these were 3, 5 and 10 times as large,
# 4.4 times at 0.1; 1.6, 3.9 and 4.1 times with 3, 5 and 10 added. Of targets: 2.2, 3.7, 3.8; 3.0;
# 2.4, 2.5, 4.2. A wider prior makes up for a target somewhat large.
_LARGE, _LARGE_TARGET = 5.0, 10.0
_SMALL = 0.1
_SHOWN = 4


def warn_of_scales(terms: ModelTerms) -> None:
    """Warn, once, of columns of a network's input and of targets that are far from scale 1.

    What is looked at are the numbers that a first layer gets, and what its last layer would have to
    return: data that the model standardises itself are as they should be.

    Parameters
    ----------
    terms : ModelTerms
        The model; without pytensor-ml's layers there is nothing to say.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.full(4, 5000.0))
    >>> warn_of_scales(decompose(model))
    """
    graphs = [*(o.rv for o in terms.observed), *terms.potentials.values()]
    layers = layer_nodes(graphs)
    if not layers:
        return
    inputs, targets = [], []
    with suppress(ValueError, TypeError, NotImplementedError, IndexError, AssertionError):
        # What cannot be computed here is no reason to stop a fit.
        first = first_inputs([*layers, *recurrent_nodes(graphs)], terms)
        inputs += [found for x in first for found in _input(x, terms)]
        targets += [found for o in terms.observed for found in _target(o, layers, terms)]
    if not (inputs or targets):
        return
    parts = [f"input {found}" for found in inputs] + [f"target {found}" for found in targets]
    repairs = ["x = bnn.standardise('x', …) as the network's input"] * bool(inputs)
    repairs += ["unit = bnn.Scale.of(y), and unit.mu(…), unit.sigma(…) in its law"] * bool(targets)
    warn(
        "Networks, their priors and learning rates are made for data of mean 0 and standard "
        f"deviation 1. Far from that: {'; '.join(parts)}. In the model write "
        f"{'; '.join(repairs)}: data and predictions keep their units"
    )


def _input(x: TensorVariable, terms: ModelTerms) -> Iterator[str]:
    """Describe the columns of a network's input that are far from scale 1."""
    behind = set(ancestors([x]))
    data = [d for d in terms.data if d.variable in behind]
    numbers = evaluator([x], terms)({})[0]
    columns = numbers.reshape(-1, numbers.shape[-1])
    mean, std = columns.mean(axis=0), columns.std(axis=0)
    low, high = np.quantile(columns, [0.25, 0.75], axis=0)
    # What is mostly one number (a rare category, a pixel of the frame) has a small spread, too.
    small = (std < _SMALL) & (high > low)
    far = np.flatnonzero((abs(mean) > _LARGE) | (std > _LARGE) | small)
    if not far.size:
        return
    names = _names(data, columns.shape[1])
    shown = ", ".join(f"{names[i]} ({_moments(mean[i], std[i])})" for i in far[:_SHOWN])
    more = f" and {far.size - _SHOWN} more" if far.size > _SHOWN else ""
    noun = "column" if far.size == 1 else "columns"
    yield f"{' and '.join(repr(d.name) for d in data)}, {noun} {shown}{more}"


def _names(data: Sequence[Data], n: int) -> list[str]:
    """Return what columns are called, or their numbers."""
    own = data[0].columns if len(data) == 1 else None
    return [repr(name) for name in own] if own and len(own) == n else [str(i) for i in range(n)]


def _target(o: Observed, layers: Sequence[Any], terms: ModelTerms) -> Iterator[str]:
    """Describe an observed variable that the output of a network would have to follow far."""
    mu = location_of(o)
    if mu is None:
        return
    outputs = [layer.outputs[0] for layer in layers]
    nearest = set(ancestors([mu], blockers=outputs))
    last = [out for out in outputs if out in nearest]
    # Where the last layers return 0, 1 and 2: a unit of theirs is that of the data, if always one.
    found = units_of(o, last, terms) if last else None
    if found is None:
        return
    y, zero, unit = found
    unit = abs(unit).max()
    y = (y - zero) / unit
    mean, std = y.mean(), y.std()
    if abs(mean) > _LARGE_TARGET or std > _LARGE_TARGET or 0 < std < _SMALL:
        yield f"'{o.name}' ({_moments(mean, std)}{' in its units' if unit != 1 else ''})"


def _moments(mean: float, std: float) -> str:
    return f"mean {_written(mean)}, sd {_written(std)}"


def _written(number: float) -> str:
    return f"{number:,.0f}" if 100 <= abs(number) < 1e9 else f"{number:.3g}"
