"""What a layer is: an operation of a model's graph, linear in a weight, a bias or both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pytensor.graph.traversal import ancestors
from pytensor.scalar import Add, Sub
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.variable import TensorVariable

from pymc_bnn.graphs.substitute import substitute
from pymc_bnn.model.terms import FreeVariable

__all__ = ["Layer", "NormalWeight", "Slot", "Uses"]


@dataclass(frozen=True)
class NormalWeight:
    """The weight or the bias of a layer under a factorised Normal guide.

    The layer's input is ``mean + spread(noise)`` with standard Normal noise, or, where the
    variable is not this estimator's, an expression that is drawn once for all examples.
    """

    mean: TensorVariable
    scale: TensorVariable | None = None  # standard deviations, in the layout of the layer's input
    deviation: TensorVariable | None = None  # scale · noise, one draw, in the same layout

    @property
    def random(self) -> bool:
        """Whether the estimator has to draw it."""
        return self.scale is not None


@dataclass(frozen=True)
class Slot:
    """The weight or the bias of a layer, as a chain of steps from one free variable.

    Every step maps the variable's numbers one to one: transposing, reshaping, scaling and shifting
    by what depends on neither the variable nor the examples.
    """

    variable: FreeVariable
    expression: TensorVariable  # the layer's input, an expression of the variable's value

    def at(self, value: TensorVariable) -> TensorVariable:
        """Write the layer's input with the variable at `value`."""
        return substitute([self.expression], {self.variable.value: value})[0]

    def spread(self, delta: TensorVariable) -> TensorVariable:
        """Write the change of the layer's input when the variable changes by `delta`."""
        return _spread(self.expression, self.variable.value, delta)


@dataclass(frozen=True)
class Layer:
    """An operation that is linear in a weight, a bias or both.

    Attributes
    ----------
    output : TensorVariable
        What it returns, bias included; the first axis runs over the examples.
    x : TensorVariable
        Its input; of a lone addition of a bias what the bias is added to.
    kind : {"dense", "conv", "bias"}
        A matrix product, a convolution, or a bias added by itself.
    shared : bool
        Whether an example meets the weight more than once: at positions or time steps.
    linear : callable
        ``linear(x, weight)``, the layer without its bias.
    weight, bias : Slot, TensorVariable or None
        A slot where a free variable enters by a chain of steps, else the expression itself.
    """

    output: TensorVariable
    x: TensorVariable
    kind: Literal["dense", "conv", "bias"]
    shared: bool
    linear: Callable[[TensorVariable, TensorVariable | None], TensorVariable]
    weight: Slot | TensorVariable | None
    bias: Slot | TensorVariable | None

    @property
    def slots(self) -> list[Slot]:
        """The weight and the bias that are free variables."""
        return [s for s in (self.weight, self.bias) if isinstance(s, Slot)]

    def mean(
        self, x: TensorVariable, weight: NormalWeight | None, bias: NormalWeight | None
    ) -> TensorVariable:
        """Write the output with the weight and the bias at their means."""
        output = self.linear(x, None if weight is None else weight.mean)
        return output if bias is None else output + bias.mean

    def deviation(
        self, x: TensorVariable, weight: NormalWeight | None, bias: NormalWeight | None
    ) -> TensorVariable:
        """Write how far one draw of them moves the output: what is random of both, added."""
        output = None
        if weight is not None and weight.random:
            output = self.linear(x, weight.deviation)
        if bias is not None and bias.random:
            output = bias.deviation if output is None else output + bias.deviation
        return output


@dataclass(frozen=True)
class Uses:
    """The layers of a model, and what else its graph does with their variables."""

    layers: tuple[Layer, ...]  # from the data towards the output
    elsewhere: dict[str, str]  # variable of a layer: what makes it none that can be rewritten

    def of(self, name: str) -> Layer | None:
        """Return the one layer that the variable belongs to."""
        return next((la for la in self.layers for s in la.slots if s.variable.name == name), None)


def _spread(
    expression: TensorVariable, value: TensorVariable, delta: TensorVariable
) -> TensorVariable:
    """Write the linear part of a chain of one-to-one steps."""
    if expression is value:
        return delta
    node = expression.owner
    [k] = [i for i, v in enumerate(node.inputs) if value in ancestors([v])]
    inner = _spread(node.inputs[k], value, delta)
    op = node.op.scalar_op if isinstance(node.op, Elemwise) else None
    if isinstance(op, Sub):
        return -inner if k == 1 else inner
    if isinstance(op, Add):
        return inner
    inputs = [inner if i == k else v for i, v in enumerate(node.inputs)]
    return node.op.make_node(*inputs).outputs[0]
