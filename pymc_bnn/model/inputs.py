"""The data of a model as inputs of its graphs."""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorConstant

from pymc_bnn._checks import check_finite, invalid
from pymc_bnn.model.columns import columns_of
from pymc_bnn.model.graphs import ModelGraphs
from pymc_bnn.model.names import array_names
from pymc_bnn.model.numbers import within_int32
from pymc_bnn.model.roots import data_roots, numbers_of
from pymc_bnn.model.terms import Data, Sample
from pymc_bnn.saving.models import is_absent

__all__ = ["checked_numbers", "data_as_inputs"]


def data_as_inputs(
    model: pm.Model,
    graphs: ModelGraphs,
    rows: Set[Variable],
    groups: Sequence[Sample],
    observations: Set[Variable],
) -> tuple[list[Data], dict[Variable, Variable]]:
    """Turn data into graph inputs: shared variables, observations, constants of the samples.

    Parameters
    ----------
    model : pymc.Model
        The model.
    graphs : ModelGraphs
        Its graphs.
    rows : set of Variable
        Roots that run over the examples; their inputs have any number of rows.
    groups : sequence of Sample
        Samples beside the examples, whose inputs have so, too.
    observations : set of Variable
        Roots of what was observed.

    Returns
    -------
    data : list of Data
        In the order in which the graphs need them.
    inputs : dict from Variable to Variable
        What to put in the place of their roots, and lengths of dimensions as constants.

    Raises
    ------
    ValueError
        If data are not finite, or nothing was observed of a variable.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     x = pm.Data("x", np.zeros(4))
    ...     y = pm.Normal("y", pm.Normal("b") * x, observed=np.zeros(4))
    >>> [d.name for d in data_as_inputs(model, ModelGraphs.of(model), {x}, [], set())[0]]
    ['x']
    """
    data: list[Data] = []
    inputs: dict[Variable, Variable] = {}
    names: set[str] = set()
    name_of = array_names(model)
    lengths = set(model.dim_lengths.values())
    flat = [graph for own in graphs for graph in own]
    for root in data_roots(flat):
        if root in lengths and root.name not in model.named_vars:
            inputs[root] = pt.constant(root.get_value())
            continue
        group = next((i for i, own in enumerate(groups) if root in own.data), None)
        sampled = root in rows or group is not None
        if isinstance(root, TensorConstant) and not (sampled or root in observations):
            continue
        name = root.name or name_of(root)
        if name in names:
            name = f"{name}_{len(data)}"
        value = checked_numbers(root, name, observations)
        shape = (None, *value.shape[1:]) if sampled else value.shape
        inputs[root] = pt.TensorType(value.dtype, shape)(name)  # "0" is a type to pt.tensor
        names.add(name)
        columns = columns_of(root, model)
        data.append(Data(name, inputs[root], value, root in rows, root, group, columns))
    return data, inputs


def checked_numbers(root: Variable, name: str, observations: Set[Variable]) -> np.ndarray:
    """Return the numbers of data, whole ones in 32 bits where they fit.

    Raises
    ------
    ValueError
        If they are not finite, or if there are none and they were observed.

    Examples
    --------
    >>> checked_numbers(pt.constant([1, 2]), "x", set())
    array([1, 2])
    """
    value = within_int32(numbers_of(root))
    if value.size == 0 and root in observations:
        rule, repair = "have at least one observed value", "check the data"
        raise invalid("model", rule, f"'{root.name}' of shape {value.shape}", repair)
    bound = isinstance(root, TensorConstant) and root not in observations
    # A constant of the model may be infinite: a bound, a mask.
    if not is_absent(root):
        check_finite(name, np.where(np.isinf(value), 0.0, value) if bound else value)
    return value
