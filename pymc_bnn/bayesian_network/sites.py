"""The parameters of a network, described to their priors: names, dims, start values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zlib import crc32

import numpy as np
import pymc as pm
from pytensor import config
from pytensor_ml.params import TrainableParameter

from pymc_bnn._checks import invalid
from pymc_bnn.priors import Site
from pymc_bnn.priors.site import Kind

__all__ = ["check_names", "describe", "layer_of"]

_KERNEL_AXES = {3: ("width",), 4: ("height", "width")}


def describe(
    parameters: Sequence[TrainableParameter],
    names: Mapping[TrainableParameter, str],
    fan_ins: Sequence[int],
    kinds: Sequence[Kind],
    outputs: int,
    prefix: str,
    seed: int,
    model: pm.Model,
) -> list[Site]:
    """Describe each parameter to its prior."""
    sites: list[Site] = []
    sizes: dict[str, int] = {}
    for parameter, fan_in, kind in zip(parameters, fan_ins, kinds, strict=True):
        name, shape = names[parameter], parameter.get_value(borrow=True).shape
        layer = layer_of(parameter, name)
        dims = _dims(name, layer, len(shape))
        if any(sizes.get(dim, size) != size for dim, size in zip(dims, shape, strict=True)):
            dims = _dims(name, name, len(shape))
        sizes.update(zip(dims, shape, strict=True))
        sites.append(
            Site(
                name=prefix + name,
                parameter=name,
                layer=prefix + layer,
                prefix=prefix,
                shape=shape,
                dims=tuple(model.name_for(prefix + dim) for dim in dims),
                fan_in=fan_in,
                input_axis=len(shape) - 2 if len(shape) > 1 else 0 if shape else None,
                start=_start(parameter, fan_in, seed, prefix + name),
                kind=kind,
                outputs=outputs,
            )
        )
    return sites


def check_names(sites: Sequence[Site], model: pm.Model) -> None:
    """Raise if another network or variable of the model has a name or a dim of these."""
    repair = (
        'pass name="net2", say; to apply one network twice, create its layers once and pass the'
        " same network"
    )
    rule = "tell the networks and variables of a model apart"
    for site in sites:
        for taken in (model.name_for(site.name), *site.dims):
            if model.named_vars.tree_contains(taken):
                got = f"the name {taken!r}, which exists already"
                raise invalid("name", rule, got, repair)
        for dim, size in zip(site.dims, site.shape, strict=True):
            if dim in model.coords and len(model.coords[dim] or ()) != size:
                got = f"the dim {dim!r} of length {size}, which exists with another length"
                raise invalid("name", rule, got, repair)


def _dims(name: str, layer: str, ndim: int) -> tuple[str, ...]:
    if name == f"{layer}_W" and ndim == 2:
        return f"{layer}_in", f"{layer}_out"
    if name == f"{layer}_W" and ndim in _KERNEL_AXES:
        return tuple(f"{layer}_{axis}" for axis in (*_KERNEL_AXES[ndim], "in", "out"))
    if name == f"{layer}_b" and ndim == 1:
        return (f"{layer}_out",)
    return tuple(f"{name}_dim_{axis}" for axis in range(ndim))


def _start(parameter: TrainableParameter, fan_in: int, seed: int, name: str) -> np.ndarray:
    """Draw start values from a stream that the seed and the name fix."""
    rng = np.random.default_rng([seed, crc32(name.encode())])
    shape = parameter.get_value(borrow=True).shape
    if len(shape) > 1:
        return rng.normal(0.0, fan_in**-0.5, shape)
    if parameter.initializer is None:
        return np.zeros(shape)
    return np.asarray(parameter.initializer.sample(shape, config.floatX, rng))


def layer_of(parameter: TrainableParameter, name: str) -> str:
    """Return the name of the parameter's layer, numbered as its name is."""
    layer = parameter.layer_name
    if layer and parameter.name.startswith(layer):
        rest = parameter.name[len(layer) :]
        return name[: len(name) - len(rest)] if rest and name.endswith(rest) else name
    stem, separator, last = name.rpartition("_")
    return stem if separator and stem and last in {"W", "b"} else name
