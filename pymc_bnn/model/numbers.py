"""Whole numbers in a model's distributions: PyMC keeps 100 as int8, whose square is 16."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.custom import CustomDistRV, CustomSymbolicDistRV
from pymc.distributions.distribution import DiracDeltaRV, SymbolicRandomVariable
from pymc.distributions.simulator import SimulatorRV
from pymc.initial_point import make_initial_point_fn
from pymc.logprob.transforms import IntervalTransform, Transform
from pytensor import config
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import HasInnerGraph
from pytensor.graph.traversal import toposort
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.type import TensorType
from pytensor.tensor.variable import TensorConstant

from pymc_bnn.graphs.interpreted import without_c
from pymc_bnn.graphs.substitute import rebuild, with_inputs
from pymc_bnn.saving.models import is_absent

__all__ = ["starting", "wide_transform", "widen", "within_int32"]

_WHOLE_KINDS = ("b", "i", "u")
_RANDOM = (RandomVariable, SymbolicRandomVariable)
_OWN = (CustomDistRV, CustomSymbolicDistRV, SimulatorRV)  # whose parameters may be indices
# Parameters that are counts or bounds of counts, by position; all others are real numbers.
_COUNTS: dict[str, tuple[int, ...]] = {
    "BinomialRV": (0,),
    "BetaBinomialRV": (0,),
    "MultinomialRV": (0,),
    "DirichletMultinomialRV": (0,),
    "HyperGeometricRV": (0, 1, 2),
    "DiscreteUniformRV": (0, 1),
    "IntegersRV": (0, 1),
    "StickBreakingWeightsRV": (1,),
    "LKJCorrRV": (0,),
}


def widen(outputs: Sequence[Variable]) -> list[Variable]:
    """Return copies of graphs in which no arithmetic of distributions is one of small integers.

    Real parameters of random variables become floating-point numbers, counts int64, as do all
    integer constants: PyMC stores Python's in the smallest type that holds them, and its own
    log-densities, transforms and support points overflow there. Data keep their type, and with it
    what a model does to them by itself.

    Parameters
    ----------
    outputs : sequence of Variable
        Outputs of one graph.

    Returns
    -------
    list of Variable
        One for each of `outputs`; parts in which nothing changes are shared.

    Examples
    --------
    >>> z = pm.Normal.dist(0, 100)
    >>> [wide] = widen([z])
    >>> [str(rv.owner.op.dist_params(rv.owner)[1].dtype) for rv in (z, wide)]
    ['int8', 'float64']
    """
    new: dict[Variable, Variable] = {}
    for node in toposort(outputs):
        dtypes = _dtypes(node)
        inputs = [
            _as(new.get(old, old), dtype) for old, dtype in zip(node.inputs, dtypes, strict=True)
        ]
        if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
            continue
        for old, fresh in zip(node.outputs, _apply(node, inputs).outputs, strict=True):
            fresh.name = fresh.name or old.name
            new[old] = fresh
    return [new.get(output, output) for output in outputs]


def wide_transform(transform: Transform | None) -> Transform | None:
    """Return a transform whose bounds are floating-point numbers, the same one elsewhere.

    Examples
    --------
    >>> bounds = pm.distributions.transforms.Interval(-100, 100)
    >>> float(wide_transform(bounds).log_jac_det(pt.constant(0.0)).eval())  # log(200 / 4)
    3.91...
    """
    if not isinstance(transform, IntervalTransform):
        return transform
    wide = copy(transform)
    wide.args_fn = lambda *inputs: tuple(
        None if bound is None else _as(pt.as_tensor(bound), config.floatX)
        for bound in transform.args_fn(*inputs)
    )
    return wide


def starting(model: pm.Model) -> Callable[[int | None], dict[str, np.ndarray]]:
    """Return what makes the model's initial point (unconstrained) of a seed, without overflows.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     z = pm.Uniform("z", 100, 120)
    >>> {name: float(value) for name, value in starting(model)(0).items()}
    {'z_interval__': 0.0}
    """
    own = dict(zip(model.free_RVs, widen(model.free_RVs), strict=True))
    wide: Any = SimpleNamespace(
        free_RVs=list(own.values()),
        rvs_to_transforms={own[rv]: wide_transform(model.rvs_to_transforms[rv]) for rv in own},
        rvs_to_initial_values={own[rv]: model.rvs_to_initial_values[rv] for rv in own},
    )
    with without_c():
        return make_initial_point_fn(model=wide)


def _dtypes(node: Apply) -> list[str | None]:
    """Return the types that the inputs of a node are to have; None: the ones that they have."""
    op = node.op
    if isinstance(op, DiracDeltaRV):  # of its constant's type
        return [None] * len(node.inputs)
    if isinstance(op, _RANDOM):
        return _dtypes_of_parameters(node)
    if isinstance(op, HasInnerGraph):  # whose types are fixed
        return [getattr(i.type, "dtype", None) for i in node.inputs]
    return [_dtype_of_constant(i) if isinstance(i, TensorConstant) else None for i in node.inputs]


def _dtype_of_constant(constant: TensorConstant) -> str | None:
    if _is_small(constant):
        return "int64"
    return config.floatX if constant.type.dtype == "float16" else None


def _dtypes_of_parameters(node: Apply) -> list[str | None]:
    """Return the same for a random variable."""
    op, name, real = node.op, type(node.op).__name__, config.floatX
    dtypes: list[str | None] = [None] * len(node.inputs)
    if isinstance(op, RandomVariable):
        places, plain = range(2, len(node.inputs)), not isinstance(op, _OWN)
    else:
        signature = op.extended_signature or ""
        plain = "[size]" in signature and not isinstance(op, _OWN)
        places = range(len(node.inputs))
        if plain:
            (_, _, places), _ = op.get_input_output_type_idxs(signature)
    counts = {places[i] for i in _COUNTS.get(name, ())}
    # Others are made of distributions, and of bounds, weights, indices, or lengths in int64.
    discrete = isinstance(op, _OWN) or any(_kind(o) in _WHOLE_KINDS for o in node.outputs)
    for place in places:
        i = node.inputs[place]
        if place in counts or (not plain and discrete):
            dtypes[place] = "int64" if _is_small(i) else None
        elif plain:
            narrower = _kind(i) == "f" and np.promote_types(i.type.dtype, real) == real
            dtypes[place] = real if narrower or _kind(i) in _WHOLE_KINDS else None
        elif _is_small(i):
            dtypes[place] = real
        if not plain and i.owner is not None and isinstance(i.owner.op, _RANDOM):
            dtypes[place] = None
    return dtypes


def within_int32(value: np.ndarray) -> np.ndarray:
    """Return integers that JAX would cut to 32 bits as floating-point numbers, all else unchanged.

    Examples
    --------
    >>> within_int32(np.array([1, 2**40])).dtype.name, within_int32(np.array([1, 2])).dtype.name
    ('float64', 'int64')
    """
    if value.dtype.kind not in "iu" or not value.size:
        return value
    inside = value.min() >= -(2**31) and value.max() < 2**31
    return value if inside else value.astype("float64")


def _kind(variable: Variable) -> str:
    """Return the kind of a variable's type, as NumPy has it; "" for no tensor."""
    return variable.type.numpy_dtype.kind if isinstance(variable.type, TensorType) else ""


def _is_small(variable: Variable) -> bool:
    """Tell whether a variable is one of integers below 64 bits."""
    return _kind(variable) in ("i", "u") and variable.type.numpy_dtype.itemsize < 8


def _as(variable: Variable, dtype: str | None) -> Variable:
    """Cast a variable; a constant stays one."""
    if dtype is None or variable.type.dtype == dtype:
        return variable
    if isinstance(variable, TensorConstant):
        cast = pt.constant(variable.data.astype(dtype), name=variable.name)
        cast.tag.absent = is_absent(variable)
        return cast
    return variable.astype(dtype)


def _apply(node: Apply, inputs: list[Variable]) -> Apply:
    """Apply the node's op to inputs of other types."""
    before = [getattr(i.type, "dtype", None) for i in node.inputs]
    if not isinstance(node.op, SymbolicRandomVariable):
        try:
            return rebuild(node, inputs)
        except TypeError:  # typed inside
            return rebuild(node, [_as(i, dtype) for i, dtype in zip(inputs, before, strict=True)])
    fresh = [i.type() for i in inputs]
    try:
        op = with_inputs(node.op, fresh, widen)
    except (TypeError, NotImplementedError):  # a loop; of use for draws only
        inside = [_as(i, dtype) for i, dtype in zip(fresh, before, strict=True)]
        op = with_inputs(node.op, fresh, inside=inside)
    return op.make_node(*inputs)
