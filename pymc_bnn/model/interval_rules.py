"""How an operation carries intervals from its inputs to its output."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from pytensor.graph.basic import Apply

__all__ = ["ANYTHING", "NO", "RULES", "TRUTH", "UNDEFINED", "YES", "Interval", "carry", "union"]

_INF = math.inf


class Interval(NamedTuple):
    """Bounds of all elements of an array; of truth values 0 and 1 are the bounds."""

    low: float = -_INF
    high: float = _INF
    open_low: bool = True  # the bound itself is not reached
    open_high: bool = True
    defined: bool = True  # none is NaN, as the log of a number below 0 is

    @property
    def bounded(self) -> bool:
        """Whether both bounds are finite."""
        return self.low > -_INF and self.high < _INF

    @property
    def positive(self) -> bool:
        """Whether all numbers are above 0."""
        return self.low > 0 or (self.low == 0 and self.open_low)


ANYTHING, NO, YES = Interval(), Interval(0, 0, False, False), Interval(1, 1, False, False)
TRUTH = Interval(0, 1, False, False)
UNDEFINED = Interval(defined=False)


def union(own: Sequence[Interval]) -> Interval:
    """Return the smallest interval around several.

    Examples
    --------
    >>> union([Interval(0, 1, True, True), Interval(0, 2, False, False)])
    Interval(low=0, high=2, open_low=False, open_high=False, defined=True)
    """
    low, high = min(x.low for x in own), max(x.high for x in own)
    return Interval(
        low,
        high,
        all(x.open_low for x in own if x.low == low),
        all(x.open_high for x in own if x.high == high),
        all(x.defined for x in own),
    )


def _monotone(function: Callable[[float], float], strict: bool = True) -> Callable[..., Interval]:
    """Make the rule of an increasing function; one that is not strict reaches its bounds."""

    def rule(node: Apply, x: Interval) -> Interval:
        with np.errstate(all="ignore"):
            low, high = float(function(x.low)), float(function(x.high))
        if math.isnan(low) or math.isnan(high):
            return UNDEFINED
        return Interval(low, high, x.open_low and strict, x.open_high and strict)

    return rule


def _within(low: float, high: float) -> Callable[..., Interval]:
    return lambda node, *own: Interval(low, high, False, False)


def _add(node: Apply, *own: Interval) -> Interval:
    return Interval(
        sum(x.low for x in own),
        sum(x.high for x in own),
        any(x.open_low for x in own),
        any(x.open_high for x in own),
    )


def _neg(node: Apply, x: Interval) -> Interval:
    return Interval(-x.high, -x.low, x.open_high, x.open_low)


def _abs(node: Apply, x: Interval) -> Interval:
    if x.low >= 0:
        return x
    if x.high <= 0:
        return _neg(node, x)
    return union(
        [Interval(0.0, 0.0, False, False), x._replace(low=0.0), _neg(node, x)._replace(low=0.0)]
    )


def _mul(node: Apply, *own: Interval) -> Interval:
    if len(node.inputs) == 2 and node.inputs[0] is node.inputs[1]:
        return _sqr(node, own[0])
    result = own[0]
    for x in own[1:]:
        ends = [[(i.low, i.open_low), (i.high, i.open_high)] for i in (result, x)]
        corners = []
        for (a, a_open), (b, b_open) in product(*ends):
            if a == 0 or b == 0:  # a 0 that is reached is one whatever the other number
                is_open = not ((a == 0 and not a_open) or (b == 0 and not b_open))
                corners.append((0.0, is_open))
            else:
                corners.append((a * b, a_open or b_open))
        low, high = min(c for c, _ in corners), max(c for c, _ in corners)
        result = Interval(
            low,
            high,
            all(o for c, o in corners if c == low),
            all(o for c, o in corners if c == high),
        )
    return result


def _sqr(node: Apply, x: Interval) -> Interval:
    x = _abs(node, x)
    return Interval(x.low**2, x.high**2, x.open_low, x.open_high)


def _reciprocal(node: Apply, x: Interval) -> Interval:
    if x.positive:
        low, high = (0.0 if x.high == _INF else 1 / x.high), (1 / x.low if x.low else _INF)
        return Interval(low, high, x.open_high, x.open_low)
    minus = _neg(node, x)
    return _neg(node, _reciprocal(node, minus)) if minus.positive else ANYTHING


def _div(node: Apply, a: Interval, b: Interval) -> Interval:
    own = _mul(node, a, _reciprocal(node, b)) if node.inputs[0] is not node.inputs[1] else ANYTHING
    apart = b.positive or _neg(node, b).positive or a.positive or _neg(node, a).positive
    return own if apart else UNDEFINED  # 0/0


def _pow(node: Apply, x: Interval, power: Interval) -> Interval:
    exponent = power.low if power.low == power.high else None
    if exponent is not None and exponent > 0:
        if exponent % 2 == 0:
            x = _abs(node, x)
        if x.low >= 0:
            return Interval(x.low**exponent, x.high**exponent, x.open_low, x.open_high)
    return (
        Interval(0.0, _INF)
        if x.positive
        else UNDEFINED
        if exponent is None or exponent % 1
        else ANYTHING
    )


def _extreme(pick: Callable[..., float]) -> Callable[..., Interval]:
    """Make the rule of the larger or smaller of several numbers, element by element."""

    def rule(node: Apply, *own: Interval) -> Interval:
        low, high = pick(x.low for x in own), pick(x.high for x in own)
        # An open bound counts if all that have it are open; of the larger one, if any reaches it.
        opens = (
            [x.open_low for x in own if x.low == low],
            [x.open_high for x in own if x.high == high],
        )
        first, second = (any, all) if pick is max else (all, any)
        return Interval(low, high, first(opens[0]), second(opens[1]))

    return rule


def _clip(node: Apply, x: Interval, low: Interval, high: Interval) -> Interval:
    return _extreme(min)(node, _extreme(max)(node, x, low), high)


def _cast(node: Apply, x: Interval) -> Interval:
    if "int" in node.outputs[0].type.dtype and "float" in node.inputs[0].type.dtype:
        return Interval(x.low - 1, x.high + 1, False, False)
    return x


def _compare(below: bool, strict: bool) -> Callable[..., Interval]:
    """Make the rule of a comparison, turned so that it reads a < b or a ≤ b."""

    def rule(node: Apply, a: Interval, b: Interval) -> Interval:
        if not below:
            a, b = b, a
        if node.inputs[0] is node.inputs[1]:
            return NO if strict else YES
        touch = a.high == b.low
        if a.high < b.low or (touch and (not strict or a.open_high or b.open_low)):
            return YES
        touch = a.low == b.high
        if a.low > b.high or (touch and (strict or a.open_low or b.open_high)):
            return NO
        return TRUTH

    return rule


def _not(node: Apply, x: Interval) -> Interval:
    if node.outputs[0].type.dtype != "bool":
        return ANYTHING
    return Interval(1 - x.high, 1 - x.low, False, False)


def carry(node: Apply, *own: Interval) -> Interval:
    """Return the interval of what an elementwise operation makes of others.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> carry((pt.vector("x") + pt.vector("y")).owner, Interval(0, 1), Interval(2, 3))
    Interval(low=2, high=4, open_low=True, open_high=True, defined=True)
    """
    kind = type(node.op.scalar_op).__name__
    rule = RULES.get(kind)
    if rule is None:
        return UNDEFINED
    if kind == "IsNan" or all(x.defined for x in own):
        return rule(node, *own)
    if node.outputs[0].type.dtype == "bool":
        return TRUTH  # a comparison with NaN is false
    return rule(node, *own)._replace(defined=False)


RULES: dict[str, Callable[..., Interval]] = {
    "Add": _add,
    "Sub": lambda node, a, b: _add(node, a, _neg(node, b)),
    "Mul": _mul,
    "TrueDiv": _div,
    "Neg": _neg,
    "Abs": _abs,
    "Sqr": _sqr,
    "Sqrt": _monotone(np.sqrt),
    "Pow": _pow,
    "Reciprocal": _reciprocal,
    "Exp": _monotone(np.exp),
    "Exp2": _monotone(np.exp2),
    "Expm1": _monotone(np.expm1),
    "Log": _monotone(np.log),
    "Log1p": _monotone(np.log1p),
    "Log2": _monotone(np.log2),
    "Log10": _monotone(np.log10),
    "Sigmoid": _monotone(lambda x: 0.5 * (1 + np.tanh(x / 2))),
    "Softplus": _monotone(lambda x: np.logaddexp(0, x)),
    "Tanh": _monotone(np.tanh),
    "ArcTan": _monotone(np.arctan),
    "Sinh": _monotone(np.sinh),
    "Erf": _monotone(math.erf),
    "Erfc": lambda node, x: _neg(node, _monotone(lambda u: -math.erfc(u))(node, x)),
    "Cosh": lambda node, x: Interval(1.0, _INF, False, True),
    "Log1mexp": lambda node, x: Interval(-_INF, 0.0) if x.high <= 0 else UNDEFINED,
    "Sin": _within(-1.0, 1.0),
    "Cos": _within(-1.0, 1.0),
    "Sign": lambda node, x: YES if x.positive else _monotone(np.sign, strict=False)(node, x),
    "Floor": _monotone(np.floor, strict=False),
    "Ceil": _monotone(np.ceil, strict=False),
    "Trunc": _monotone(np.trunc, strict=False),
    "RoundHalfToEven": _monotone(np.round, strict=False),
    "Maximum": _extreme(max),
    "Minimum": _extreme(min),
    "Clip": _clip,
    "Cast": _cast,
    "Identity": lambda node, x: x,
    "Second": lambda node, shape, x: x,
    "Switch": lambda node, asked, a, b: a if asked == YES else b if asked == NO else union([a, b]),
    "LT": _compare(below=True, strict=True),
    "LE": _compare(below=True, strict=False),
    "GT": _compare(below=False, strict=True),
    "GE": _compare(below=False, strict=False),
    "EQ": lambda node, a, b: (
        YES if a == b and a.low == a.high else NO if a.high < b.low or b.high < a.low else TRUTH
    ),
    "NEQ": lambda node, a, b: (
        NO if a == b and a.low == a.high else YES if a.high < b.low or b.high < a.low else TRUTH
    ),
    "AND": lambda node, *own: _truth(node, _extreme(min)(node, *own)),
    "OR": lambda node, *own: _truth(node, _extreme(max)(node, *own)),
    "Invert": _not,
    "IsNan": lambda node, x: NO if x.defined else TRUTH,
    "IsInf": lambda node, x: NO if x.bounded else TRUTH,
}


def _truth(node: Apply, x: Interval) -> Interval:
    return x if node.outputs[0].type.dtype == "bool" else ANYTHING
