"""From a network to an expression of PyMC random variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.graph.replace import graph_replace
from pytensor.tensor.variable import TensorVariable
from pytensor_ml.params import TrainableParameter

from pymc_bnn._checks import invalid
from pymc_bnn.bayesian_network.forward import apply
from pymc_bnn.bayesian_network.inputs import as_source, data_of, features_of, fix_shape
from pymc_bnn.bayesian_network.parameters import fan_ins, number_names, trainable_parameters
from pymc_bnn.bayesian_network.record import NetworkInput, record_of
from pymc_bnn.bayesian_network.sites import check_names, describe
from pymc_bnn.bayesian_network.units import first_layers, kinds
from pymc_bnn.graphs.dropout import mark
from pymc_bnn.graphs.interpreted import alone
from pymc_bnn.model.checks import current_model
from pymc_bnn.priors import Prior, assign, build, default_prior
from pymc_bnn.runtime.noise import seed_of

__all__ = ["bayesian"]


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
        Inputs, of mean 0 and standard deviation 1 by :func:`standardise`. Integers are cast to
        floatX, unscaled, unless the network looks up embeddings.
        The columns' names of a DataFrame are remembered, for `predict` to put new ones in order;
        those of ``pm.Data("x", frame)`` only with ``dims=(…)`` and ``infer_dims_and_coords=True``.
        All sizes but the first are fixed at what they are now; ``pm.set_data`` may change the
        number of rows.
    prior : Prior or mapping from str to Prior, optional
        One prior for all parameters, or one by name pattern, such as
        ``{"*_W": Normal(sigma=HalfNormal(1)), "*_b": Normal(0, 1)}``; the first pattern that
        matches the parameter's name without prefix wins. Default :func:`priors.default_prior` of
        each: of a dense layer Normal(0, s) with Σs² = 4 over what a unit sums, equal for inputs and
        falling as 1/i^1.5 from hidden unit to hidden unit, so that width and depth do no harm, and
        Normal(0, 1) for biases; else Normal(0, 1/√fan_in), but Normal(1, 1) for the scales of
        LayerNorm. For a network that the model has already, the prior it has.
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
    Coords are 0, 1, … unless the model has coords of that name and length, and in the first layer
    the names of the columns of `x`, where they are known. Parameters whose names
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
    it there with a new last layer, and fix the others at what an earlier fit found, or at weights
    from a file (:func:`pymc_bnn.read_weights`); priors from
    :func:`pymc_bnn.priors.from_posterior` and :func:`pymc_bnn.priors.from_weights` keep them
    uncertain instead, and ``fit(start=…)`` only begins there.

    Under priors such as ``priors.Horseshoe`` a parameter is a ``pm.Deterministic`` of the free
    random variables, with the name and dims that it has otherwise.

    Dropout layers become markers (:mod:`pymc_bnn.graphs.dropout`) that change nothing: the model,
    its log-density and its predictions are those of the network without dropout, in
    ``pm.sample`` as in ``pm.fit``. :func:`pymc_bnn.fit` may put random masks in their place.

    Examples
    --------
    >>> import pymc as pm
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
    model = current_model("bayesian")
    prefix = _prefix(name)
    seed = seed_of(random_seed)
    if not callable(network) or isinstance(network, (type, Variable)):
        rule, repair = "be a function from a tensor to a tensor", "pass networks.mlp(…), say"
        raise invalid("network", rule, repr(network), repair, TypeError)
    if prior is not None and not isinstance(prior, Mapping):
        assign(prior, ())
    with alone():
        source = as_source(x)
        x, output = apply(network, fix_shape(source))

        output = mark(output)
        record = record_of(model)
        parameters = trainable_parameters(output, x, model)
        names = number_names(parameters, output)
        known = [p for p in parameters if p in record.variables]
        fresh = [p for p in parameters if p not in record.variables]
        chosen = None if prior is None else assign(prior, list(names.values()))
        for parameter in known:
            _check_same(
                names[parameter],
                record.priors[parameter],
                None if chosen is None else chosen[names[parameter]],
                None if name is None else prefix,
            )
        if fresh:
            counts, of = fan_ins(parameters, names, output), kinds(parameters, output)
            outputs = output.type.shape[-1] if output.ndim > 1 else 1
            every = describe(parameters, names, counts, of, outputs or 1, prefix, seed, model)
            if chosen is None:
                chosen = {site.parameter: default_prior(site) for site in every}
            sites = [site for p, site in zip(parameters, every, strict=True) if p in fresh]
            check_names(sites, model)
            features = features_of(source, model)
            readers = first_layers(output, x) if features else set()
            for parameter, site in zip((p for p in parameters if p in fresh), sites, strict=True):
                for axis, (dim, size) in enumerate(zip(site.dims, site.shape, strict=True)):
                    named = axis == 0 and parameter in readers and size == len(features)
                    if dim not in model.coords:
                        model.add_coord(dim, features if named else range(size))
            for parameter, variable in zip(fresh, build(sites, chosen), strict=True):
                record.variables[parameter] = variable
                record.priors[parameter] = (chosen[names[parameter]], prefix)
        label = name or repr(network)
        record.inputs += [NetworkInput(data, label) for data in data_of(source)]
        replacements = {p: _like(record.variables[p], p) for p in parameters}
        replaced = graph_replace(output, replacements)
        replaced.name = f"{prefix}output"
        return replaced


def _prefix(name: str | None) -> str:
    if name is None:
        return ""
    rule, repair = "be a non-empty string without '::'", 'pass name="net", say'
    if not isinstance(name, str):
        raise invalid("name", rule, repr(name), repair, TypeError)
    if not name or "::" in name:
        raise invalid("name", rule, repr(name), repair)
    return f"{name}_"


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
