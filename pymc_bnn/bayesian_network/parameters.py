"""The parameters of a network: found in its output, named, and how many inputs each sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod

import pymc as pm
from pytensor.graph.traversal import graph_inputs
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.variable import TensorVariable
from pytensor_ml.layers import EmbeddingLayer
from pytensor_ml.params import NonTrainableParameter, TrainableParameter

from pymc_bnn._checks import invalid
from pymc_bnn.bayesian_network.forward import nodes_of
from pymc_bnn.bayesian_network.inputs import value_of
from pymc_bnn.bayesian_network.sites import layer_of

__all__ = ["fan_ins", "number_names", "trainable_parameters"]


def trainable_parameters(
    output: TensorVariable, x: TensorVariable, model: pm.Model
) -> list[TrainableParameter]:
    """Return the trainable parameters from the input's side, after refusing what is not legal."""
    inputs = graph_inputs([output], blockers=[x, *model.basic_RVs])
    inputs = list(dict.fromkeys(inputs))
    for variable in inputs:
        if isinstance(variable, NonTrainableParameter):
            layer = variable.layer_name or variable.name
            raise invalid(
                "network",
                "have no layer with running state, which depends on the order of the batches",
                f"layer {layer!r} with {variable.name!r}",
                "use LayerNorm or GroupNorm instead of BatchNorm",
            )
        if isinstance(variable.type, RandomType):
            layer = (variable.name or "without a name").split("/")[0]
            raise invalid(
                "network",
                "have no randomness of its own but Dropout",
                f"layer {layer!r}, which draws random numbers",
                "remove it, or make it a random variable of the model",
            )
    parameters = [v for v in inputs if isinstance(v, TrainableParameter)]
    if not parameters:
        repair = "build it of pytensor-ml layers such as Linear, or create parameters by trainable"
        raise invalid("network", "have trainable parameters", "none in its output", repair)
    for parameter in parameters:
        if not parameter.name:
            rule, repair = "have named parameters", 'pass name="w" to trainable'
            got = f"one without, of shape {parameter.type.shape}"
            raise invalid("network", rule, got, repair)
    return parameters[::-1]


def number_names(
    parameters: Sequence[TrainableParameter], output: TensorVariable
) -> dict[TrainableParameter, str]:
    """Return each parameter's name, numbered where it repeats, from the output's side."""
    counts = Counter(p.name for p in parameters)
    ordinals = _ordinals(parameters, counts, output)
    names: dict[TrainableParameter, str] = {}
    for parameter in parameters:
        name, layer, number = parameter.name, parameter.layer_name, ordinals.get(parameter)
        if number is not None and layer and name.startswith(layer):
            name = f"{layer}_{number}{name[len(layer) :]}"
        elif number is not None:
            name = f"{name}_{number}"
        names[parameter] = name
    clashes = [name for name, n in Counter(names.values()).items() if n > 1]
    if clashes:
        rule, repair = "have parameters with names of their own", "name the layers"
        raise invalid("network", rule, f"{clashes[0]!r} twice after numbering", repair)
    return names


def _ordinals(
    parameters: Sequence[TrainableParameter], counts: Mapping[str, int], output: TensorVariable
) -> dict[TrainableParameter, int]:
    """Return numbers for the parameters whose names repeat, and for the rest of their layers.

    Each name is counted for itself, as in the checkpoints of pytensor-ml, unless layers of one name
    differ in what they have (some without bias): there the first weight with the second bias would
    pass for one layer, so that parameters are counted together where one operation reads them.
    """
    ordinals: dict[TrainableParameter, int] = {}
    seen: Counter[str] = Counter()
    for parameter in reversed(parameters):
        if counts[parameter.name] > 1:
            seen[parameter.name] += 1
            ordinals[parameter] = seen[parameter.name]
    for layer in {p.layer_name for p in ordinals if p.layer_name}:
        members = [p for p in reversed(parameters) if p.layer_name == layer]
        if len({counts[p.name] for p in members}) == 1:
            continue
        together = {p: {p} for p in members}
        for node in nodes_of(output):
            union = set().union(*(together[v] for v in node.inputs if v in together))
            together.update(dict.fromkeys(union, union))
        groups = list({id(together[p]): together[p] for p in members}.values())
        apart = any(len({p.name for p in group}) < len(group) for group in groups)
        if apart or len(groups) > max(counts[p.name] for p in members):
            got = " and ".join(f"{counts[n]} × {n}" for n in dict.fromkeys(p.name for p in members))
            rule = f"have layers named apart where they differ, unlike those named {layer!r}"
            raise invalid("network", rule, got, f'name them, as in Linear("{layer.lower()}1", …)')
        for number, group in enumerate(groups, start=1):
            ordinals.update(dict.fromkeys(group, number))
    return ordinals


def fan_ins(
    parameters: Sequence[TrainableParameter],
    names: Mapping[TrainableParameter, str],
    output: TensorVariable,
) -> list[int]:
    """Return for each parameter how many inputs a unit of its layer sums."""
    tables = {node.inputs[1] for node in nodes_of(output) if isinstance(node.op, EmbeddingLayer)}
    of_layer: dict[str, int] = {}
    own: dict[TrainableParameter, int] = {}
    for parameter in parameters:
        shape = value_of(parameter).shape
        if len(shape) > 1:
            own[parameter] = 1 if parameter in tables else prod(shape[:-1])
            of_layer.setdefault(layer_of(parameter, names[parameter]), own[parameter])
    return [own.get(p, of_layer.get(layer_of(p, names[p]), 1)) for p in parameters]
