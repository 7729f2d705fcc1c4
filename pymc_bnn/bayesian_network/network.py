"""From a network to an expression of PyMC random variables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor import config
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.replace import graph_replace
from pytensor.graph.traversal import ancestors, graph_inputs
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.variable import TensorConstant, TensorVariable
from pytensor_ml.layers import EmbeddingLayer, LinearLayer
from pytensor_ml.params import NonTrainableParameter, TrainableParameter

from pymc_bnn._checks import check_finite, invalid
from pymc_bnn._frames import as_numbers
from pymc_bnn.bayesian_network.sites import describe, layer_of
from pymc_bnn.graphs.dropout import mark
from pymc_bnn.model.columns import remember
from pymc_bnn.networks import Network
from pymc_bnn.priors import Prior, Site, assign, build, fan_in_normal
from pymc_bnn.runtime.noise import seed_of

__all__ = ["NetworkInput", "bayesian", "network_inputs"]


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
        return len(_value(self.variable))


@dataclass
class _Record:
    """What the networks of one model have registered."""

    # Of a parameter: its random variable, or the pm.Deterministic that stands for it.
    variables: dict[TrainableParameter, TensorVariable] = field(default_factory=dict)
    priors: dict[TrainableParameter, tuple[Prior, str]] = field(default_factory=dict)
    inputs: list[NetworkInput] = field(default_factory=list)


_records: WeakKeyDictionary[pm.Model, _Record] = WeakKeyDictionary()


def bayesian(
    network: Callable[[TensorVariable], TensorVariable],
    x: Any,
    prior: Prior | Mapping[str, Prior] | None = None,
    name: str | None = None,
    random_seed: int | np.random.Generator | None = 0,
) -> TensorVariable:
    """Return a network's output on `x`, with its parameters as random variables of the model.

    Call it inside ``with pm.Model():``. Every trainable parameter becomes a free random variable
    with dims and coords; the output is an ordinary expression, for a likelihood of any kind.
    Calling it again with the same network uses the same random variables.

    Parameters
    ----------
    network : callable
        Takes a tensor whose first axis is the batch and returns the output's tensor: what the
        builders of :mod:`pymc_bnn.networks` return, or any function made of pytensor-ml layers and
        parameters (``pytensor_ml.params.trainable``).
    x : pm.Data, tensor, array or DataFrame, of shape (n, ...)
        Inputs. Integers are cast to floatX, unscaled, unless the network looks up embeddings.
        The columns' names of a DataFrame are remembered, for `predict` to put new ones in order;
        those of ``pm.Data("x", frame)`` only with ``dims=(…)`` and ``infer_dims_and_coords=True``.
        All sizes but the first are fixed at what they are now; ``pm.set_data`` may change the
        number of rows.
    prior : Prior or mapping from str to Prior, optional
        One prior for all parameters, or one by name pattern, such as
        ``{"*_W": Normal(sigma=HalfNormal(1)), "*_b": Normal(0, 1)}``; the first pattern that
        matches the parameter's name without prefix wins. Default ``fan_in_normal()``, that is
        Normal(0, 1/√fan_in); for a network that the model has already, the prior it has.
    name : str, optional
        Prefix, with an underscore, of all names and dims; needed where a model has two networks
        whose names would clash. Default none.
    random_seed : int or numpy.random.Generator, optional
        Of the start values. Default 0.

    Returns
    -------
    TensorVariable
        The output, of the shape the network gives it; its first axis is the batch.

    Raises
    ------
    TypeError
        Outside a model, or for arguments of the wrong kind.
    ValueError
        If `x` is empty, not finite, or of a shape that the network does not take; if the network
        has no trainable parameters, running state (BatchNorm), randomness of its own other than
        Dropout, or Dropout with ``p=1``; if a name is taken in the model, or the prior does not
        fit the network.

    Notes
    -----
    A matrix ``dense1_W`` has dims ``(dense1_in, dense1_out)``, its bias ``(dense1_out,)``, a kernel
    ``(conv1_height, conv1_width, conv1_in, conv1_out)``; other parameters ``<name>_dim_0``, ….
    Coords are 0, 1, … unless the model has coords of that name and length. Parameters whose names
    repeat, as those of unnamed layers do, are numbered after their layer, ``Linear_1_W``, as in
    the checkpoints of pytensor-ml: in the order in which a walk from the output meets them, so
    that the last layer comes first. (Where some of these layers lack a bias, a layer's parameters
    get one number here; a checkpoint counts weights and biases apart.)

    Matrices and kernels start at N(0, 1/fan_in), each from a stream of its own, given by the seed
    and the name; vectors and scalars at what their layer declares, zeros for biases. The values
    that the network's own parameters hold are not used. These starts are the support points of the
    random variables, as PyMC calls them: ``model.initial_point``, ``pm.find_MAP``, ``pm.fit`` and
    ``pm.sample`` begin there, and so do copies of the model.

    The model is an ordinary one: ``pm.do``, ``pm.observe``, ``model.copy()`` and
    ``pm.compute_log_likelihood`` take it. To freeze layers, fix their parameters by ``pm.do`` and
    fit the model that it returns: the rest is trained. To transfer a network to another task, build
    it there with a new last layer, and fix the others at what an earlier fit found; a prior from
    :func:`pymc_bnn.priors.from_posterior` keeps them uncertain instead.

    Under priors such as ``priors.Horseshoe`` a parameter is a ``pm.Deterministic`` of the free
    random variables, with the name and dims that it has otherwise.

    Dropout layers become markers (:mod:`pymc_bnn.graphs.dropout`) that change nothing: the model,
    its log-density and its predictions are those of the network without dropout, in
    ``pm.sample`` as in ``pm.fit``. :func:`pymc_bnn.fit` may put random masks in their place.

    Examples
    --------
    >>> from pymc_bnn import networks, priors
    >>> images, labels = np.zeros((20, 8, 8, 1), "uint8"), np.arange(20) % 10
    >>> with pm.Model() as model:
    ...     x = pm.Data("x", images)
    ...     prior = priors.Normal(sigma=priors.HalfNormal(1.0, per="layer"))
    ...     logits = bayesian(networks.mlp((64, 5, 10)), x, prior)
    ...     y = pm.Categorical("y", logit_p=logits, observed=labels, shape=logits.shape[0])
    >>> [variable.name for variable in model.free_RVs]
    ['dense1_sigma', 'dense1_W', 'dense1_b', 'dense2_sigma', 'dense2_W', 'dense2_b']
    >>> model.named_vars_to_dims["dense2_W"]
    ('dense2_in', 'dense2_out')

    The first layer frozen, at values that an earlier ``fitted.mean`` may hold:

    >>> held = {"dense1_W": np.ones((64, 5)), "dense1_b": np.zeros(5)}
    >>> frozen = pm.do(model, held, prune_vars=True)
    >>> sorted(variable.name for variable in frozen.free_RVs)
    ['dense2_W', 'dense2_b', 'dense2_sigma']
    """
    model = _model()
    prefix = _prefix(name)
    seed = seed_of(random_seed)
    if not callable(network) or isinstance(network, (type, Variable)):
        rule, repair = "be a function from a tensor to a tensor", "pass networks.mlp(…), say"
        raise invalid("network", rule, repr(network), repair, TypeError)
    if prior is not None and not isinstance(prior, Mapping):
        assign(prior, ())
    source = _source(x)
    x, output = _apply(network, _fixed(source))

    output = mark(output)
    record = _records.setdefault(model.root or model, _Record())
    parameters = _parameters(output, x, model)
    names = _numbered(parameters, output)
    known = [p for p in parameters if p in record.variables]
    fresh = [p for p in parameters if p not in record.variables]
    chosen = None
    if prior is not None or fresh:
        chosen = assign(fan_in_normal() if prior is None else prior, list(names.values()))
    for parameter in known:
        _check_same(
            names[parameter],
            record.priors[parameter],
            None if prior is None else chosen[names[parameter]],
            None if name is None else prefix,
        )
    if fresh:
        every = describe(
            parameters, names, _fan_ins(parameters, names, output), prefix, seed, model
        )
        sites = [site for p, site in zip(parameters, every, strict=True) if p in fresh]
        _check_names(sites, model)
        for site in sites:
            for dim, size in zip(site.dims, site.shape, strict=True):
                if dim not in model.coords:
                    model.add_coord(dim, range(size))
        for parameter, variable in zip(fresh, build(sites, chosen), strict=True):
            record.variables[parameter] = variable
            record.priors[parameter] = (chosen[names[parameter]], prefix)
    label = name or repr(network)
    record.inputs += [NetworkInput(data, label) for data in _data(source)]
    replacements = {p: _like(record.variables[p], p) for p in parameters}
    replaced = graph_replace(output, replacements)
    replaced.name = f"{prefix}output"
    return replaced


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
    >>> from pymc_bnn import networks
    >>> with pm.Model() as model:
    ...     output = bayesian(networks.mlp((3, 2, 1)), pm.Data("x", np.zeros((7, 3))), name="net")
    >>> [(item.variable.name, item.network, item.rows) for item in network_inputs(model)]
    [('x', 'net', 7)]
    """
    record = _records.get(model.root or model)
    return [] if record is None else list(record.inputs)


# Arguments ---------------------------------------------------------------------------------------


def _model() -> pm.Model:
    try:
        return pm.modelcontext(None)
    except TypeError:
        rule, repair = "be called inside a model", "write `with pm.Model() as model:` around it"
        raise invalid("bayesian", rule, "no model on the stack", repair, TypeError) from None


def _prefix(name: str | None) -> str:
    if name is None:
        return ""
    rule, repair = "be a non-empty string without '::'", 'pass name="net", say'
    if not isinstance(name, str):
        raise invalid("name", rule, repr(name), repair, TypeError)
    if not name or "::" in name:
        raise invalid("name", rule, repr(name), repair)
    return f"{name}_"


def _source(x: Any) -> TensorVariable:
    """Return x as a tensor, after checking the data it is or is computed from."""
    if not isinstance(x, Variable):
        table, value = x, as_numbers("x", x)
        value = value.astype(config.floatX) if value.dtype.kind == "f" else value
        if value.ndim == 0:
            raise invalid("x", "have one row per example", "a scalar", "pass shape (n, features)")
        # Shared, not constant: the number of rows must not be built into the graph.
        x = pytensor.shared(value, name="x", shape=(None, *value.shape[1:]))
        remember(x, table)
    if not isinstance(x, TensorVariable) or x.type.dtype.startswith("complex"):
        rule, repair = "be a tensor of real numbers", "pass pm.Data, a tensor or an array"
        raise invalid("x", rule, f"a variable of {x.type}", repair, TypeError)
    if x.type.ndim == 0:
        raise invalid("x", "have one row per example", "a scalar", "pass shape (n, features)")
    for data in _data(x):
        value = _value(data)
        label = data.name or "x"
        if data is x and value.shape[0] == 0:
            raise invalid(label, "hold at least one row", f"shape {value.shape}", "pass more data")
        check_finite(label, value)
    return x


def _described(x: Any) -> str:
    dtype = getattr(x, "dtype", None)
    return type(x).__name__ if dtype is None else f"{type(x).__name__} of {dtype}"


def _data(x: TensorVariable) -> list[TensorVariable]:
    """Return the shared variables that hold the data of x, or x itself where it is a constant."""
    if isinstance(x, TensorConstant):
        return [x]
    return [
        variable
        for variable in graph_inputs([x])
        if isinstance(variable, SharedVariable)
        and isinstance(variable, TensorVariable)
        and not isinstance(variable, (TrainableParameter, NonTrainableParameter))
        and variable.type.ndim
    ]


def _value(data: Any) -> np.ndarray:
    return np.asarray(data.data if isinstance(data, TensorConstant) else data.get_value(True))


def _fixed(x: TensorVariable) -> TensorVariable:
    """Fix every axis but the first to its current size, where that is not known already."""
    if None not in x.type.shape[1:]:
        return x
    if isinstance(x, SharedVariable):
        shape = x.get_value(borrow=True).shape
    elif all(isinstance(v, (SharedVariable, TensorConstant)) for v in graph_inputs([x])):
        shape = tuple(pytensor.function([], list(x.shape), mode="FAST_COMPILE")())
    else:
        return x
    fixed = pt.specify_shape(x, (None, *(int(n) for n in shape[1:])))
    fixed.name = x.name
    return fixed


# Network -----------------------------------------------------------------------------------------


def _apply(
    network: Callable[[TensorVariable], TensorVariable], x: TensorVariable
) -> tuple[TensorVariable, TensorVariable]:
    """Return the input that the network got and its output: floats, or integers for embeddings."""
    whole = x.type.dtype.startswith(("int", "uint", "bool"))
    x_cast = pt.cast(x, config.floatX) if whole else x
    try:
        try:
            output = network(x_cast)
        except (TypeError, IndexError):
            if not whole or isinstance(network, Network):
                raise
            x_cast, output = x, network(x)  # indices cannot be floats
            if not any(isinstance(node.op, EmbeddingLayer) for node in _nodes(output)):
                raise
    except (AssertionError, IndexError, TypeError, ValueError) as error:
        if isinstance(network, Network):
            raise
        got = f"shape {_shape(x)}, on which it raised {type(error).__name__}: {error}"
        repair = "pass data of the shape that its first layer takes"
        raise invalid("x", "have a shape that the network takes", got, repair) from error
    if not isinstance(output, TensorVariable):
        rule, repair = "return one tensor", "select one of its outputs"
        raise invalid("network", rule, f"{type(output).__name__}", repair, TypeError)
    for node in _nodes(output):
        if isinstance(node.op, LinearLayer) and node.inputs[0].type.ndim < 2:
            layer = getattr(node.inputs[1], "layer_name", None) or "Linear"
            rule = f"reach layer {layer!r} with shape (n, {node.op.n_in})"
            got = f"shape {_shape(node.inputs[0])}"
            raise invalid("x", rule, got, "add an axis, as in x[:, None]")
    return x_cast, output


def _nodes(output: Any) -> list[Apply]:
    """Return the nodes of the output's graph."""
    if not isinstance(output, Variable):
        return []
    return [variable.owner for variable in ancestors([output]) if variable.owner is not None]


def _parameters(
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


def _numbered(
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
        for node in _nodes(output):
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


def _fan_ins(
    parameters: Sequence[TrainableParameter],
    names: Mapping[TrainableParameter, str],
    output: TensorVariable,
) -> list[int]:
    """Return for each parameter how many inputs a unit of its layer sums."""
    tables = {node.inputs[1] for node in _nodes(output) if isinstance(node.op, EmbeddingLayer)}
    of_layer: dict[str, int] = {}
    own: dict[TrainableParameter, int] = {}
    for parameter in parameters:
        shape = _value(parameter).shape
        if len(shape) > 1:
            own[parameter] = 1 if parameter in tables else prod(shape[:-1])
            of_layer.setdefault(layer_of(parameter, names[parameter]), own[parameter])
    return [own.get(p, of_layer.get(layer_of(p, names[p]), 1)) for p in parameters]


# Variables ---------------------------------------------------------------------------------------


def _check_names(sites: Sequence[Site], model: pm.Model) -> None:
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


def _check_same(name: str, has: tuple[Prior, str], prior: Prior | None, prefix: str | None) -> None:
    """Raise if a parameter that the model has already is to get another prior or name."""
    repair = "leave it out to share the variables, or build a second network"
    if prior is not None and prior != has[0]:
        rule = f"be the one that {name!r} has in this model, {has[0]}"
        raise invalid("prior", rule, prior, repair)
    if prefix is not None and prefix != has[1]:
        rule = f"be the one that {name!r} has in this model, {has[1][:-1] or None!r}"
        raise invalid("name", rule, repr(prefix[:-1]), repair)


def _like(variable: TensorVariable, parameter: TrainableParameter) -> TensorVariable:
    """Return the random variable in the dtype that the network was built with."""
    dtype = parameter.type.dtype
    return variable if variable.type.dtype == dtype else pt.cast(variable, dtype)


def _shape(x: TensorVariable) -> str:
    inner = ", ".join("?" if n is None else str(n) for n in x.type.shape)
    return f"({inner},)" if x.type.ndim == 1 else f"({inner})"
